"""Retrieval metrics: worked by hand, by their laws, and against ir_measures."""

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.training.metrics import METRICS, means, score_query, score_run

GRADED = {"a": 2, "b": 1, "c": 1, "x": 0, "z": -1}

DOC_IDS = [f"d{n}" for n in range(150)]
GRADES = st.dictionaries(st.sampled_from(DOC_IDS), st.integers(0, 3), max_size=30).map(
    lambda grades: {**grades, "d7": grades.get("d7") or 1}  # one document at least is relevant
)
RANKINGS = st.permutations(DOC_IDS).flatmap(lambda order: st.integers(0, 150).map(lambda depth: order[:depth]))


def test_the_metrics_have_their_names():
    assert METRICS == ("nDCG@10", "MRR@10", "Recall@10", "Recall@100", "MAP@100")


def test_a_graded_query_by_hand():
    # DCG = 1/log2(3) + 2/log2(4) = 1.63093; ideal (2, 1, 1) = 2 + 1/log2(3) + 1/2 = 3.13093; precisions 1/2 and 2/3
    assert score_query(["x", "b", "a", "y"], GRADED) == pytest.approx(
        {"nDCG@10": 0.5209091, "MRR@10": 0.5, "Recall@10": 2 / 3, "Recall@100": 2 / 3, "MAP@100": 7 / 18}, abs=1e-7
    )


def test_the_ideal_order_scores_one_and_an_empty_ranking_zero():
    assert score_query(["a", "c", "b"], GRADED) == dict.fromkeys(METRICS, 1.0)
    assert score_query([], GRADED) == dict.fromkeys(METRICS, 0.0)


def test_a_grade_below_zero_is_neither_gain_nor_loss():
    assert score_query(["z", "a"], GRADED) == score_query(["x", "a"], GRADED)


@pytest.mark.parametrize(
    ("rank", "expected"),
    [
        (1, (1.0, 1.0, 1.0, 1.0, 1.0)),
        (3, (0.5, 1 / 3, 1.0, 1.0, 1 / 3)),
        (10, (0.2890648, 0.1, 1.0, 1.0, 0.1)),
        (11, (0.0, 0.0, 0.0, 1.0, 1 / 11)),
        (100, (0.0, 0.0, 0.0, 1.0, 0.01)),
        (101, (0.0, 0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_where_each_metric_is_cut(rank, expected):
    ranked = [f"n{n}" for n in range(1, rank)] + ["hit", "after"]
    assert tuple(score_query(ranked, {"hit": 1}).values()) == pytest.approx(expected, abs=1e-7)


def test_more_relevant_documents_than_the_cut():
    ranked = [f"r{n}" for n in range(12)]
    assert score_query(ranked, dict.fromkeys(ranked, 1)) == pytest.approx(
        {"nDCG@10": 1.0, "MRR@10": 1.0, "Recall@10": 10 / 12, "Recall@100": 1.0, "MAP@100": 1.0}
    )


@pytest.mark.parametrize("grades", [{}, {"a": 0}, {"a": -1}])
def test_a_query_without_a_relevant_document_is_refused(grades):
    with pytest.raises(ValueError, match="no document is relevant"):
        score_query(["a"], grades)
    with pytest.raises(ValueError, match="query 'q': no document is relevant"):
        score_run({}, {"q": grades})


def test_a_document_ranked_twice_is_refused():
    with pytest.raises(ValueError, match="ranked twice"):
        score_query(["a", "b", "a"], GRADED)


def test_a_run_is_scored_in_the_order_of_the_judgements():
    run = {"q1": [("b", 2.0), ("a", 1.0)], "unjudged": [("a", 1.0)]}
    scores = score_run(run, {"q2": {"a": 1}, "q1": {"a": 1}})
    assert list(scores) == ["q2", "q1"]
    assert scores["q2"] == dict.fromkeys(METRICS, 0.0)
    assert scores["q1"]["MRR@10"] == 0.5
    assert means(scores) == pytest.approx(
        {"nDCG@10": 0.3154649, "MRR@10": 0.25, "Recall@10": 0.5, "Recall@100": 0.5, "MAP@100": 0.25}, abs=1e-7
    )


@pytest.mark.parametrize("ranking", [[("a", 1.0), ("b", 2.0)], [("b", 1.0), ("a", 1.0)]])
def test_a_ranking_out_of_order_is_refused(ranking):
    with pytest.raises(ValueError, match=r"query 'q' is not by \(score desc, doc_id asc\)"):
        score_run({"q": ranking}, {"q": {"a": 1}})


def test_no_query_has_no_mean():
    with pytest.raises(ValueError, match="no query"):
        means({})


@given(RANKINGS, GRADES)
def test_metrics_are_between_zero_and_one_and_do_not_see_names(ranked, grades):
    scores = score_query(ranked, grades)
    assert all(0.0 <= value <= 1.0 + 1e-12 for value in scores.values())
    assert scores["Recall@10"] <= scores["Recall@100"]
    assert score_query([f"new {d}" for d in ranked], {f"new {d}": grade for d, grade in grades.items()}) == scores


@given(RANKINGS, GRADES, st.integers(0, 148))
def test_a_better_document_moved_up_lowers_no_metric(ranked, grades, at):
    above, below = ranked[at : at + 1], ranked[at + 1 : at + 2]
    if not below or grades.get(below[0], 0) <= grades.get(above[0], 0):
        return
    swapped = [*ranked[:at], *below, *above, *ranked[at + 2 :]]
    before, after = score_query(ranked, grades), score_query(swapped, grades)
    assert all(after[metric] >= before[metric] - 1e-12 for metric in METRICS)


@given(st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), RANKINGS), st.tuples(GRADES, GRADES, GRADES))
def test_figures_are_those_of_ir_measures(rankings, grades):
    qrels = dict(zip(["q1", "q2", "q3"], grades, strict=True))
    run = {q: [(d, float(-rank)) for rank, d in enumerate(ranked)] for q, ranked in rankings.items()}
    names = {"nDCG@10": "nDCG@10", "RR@10": "MRR@10", "R@10": "Recall@10", "R@100": "Recall@100", "AP@100": "MAP@100"}
    measures = [ir_measures.parse_measure(name) for name in names]
    theirs = {q: {} for q in qrels}
    for value in ir_measures.iter_calc(measures, qrels, {q: dict(ranking) for q, ranking in run.items()}):
        theirs[value.query_id][names[str(value.measure)]] = value.value
    ours = score_run(run, qrels)
    for query_id in qrels:
        assert ours[query_id] == pytest.approx(theirs[query_id], abs=1e-9)
