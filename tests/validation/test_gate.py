"""The gate, with judges that hold literal scores."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.records import Hit, Score, Verdict
from syneg_data.validation import Absolute, BiEncoderReranker, CrossEncoderReranker, Floor, Relative, Validation
from syneg_data.validation.gate import Gate, Subject, as_positive, floor_sample, mark_duplicates

NAN, INF = float("nan"), float("inf")
MODEL = {"kind": "hub", "id": "some/model", "revision": "a" * 40}
FLOOR = {f"f{i:02}": i / 100 for i in range(1, 21)}  # 0.01 .. 0.20; the 95th percentile is the 19th: 0.19
SOURCES = (Hit("bm25", 1, 3.5),)


class Table:
    """A judge with a score for every document, whatever the query; documents' texts are their ids."""

    def __init__(self, scores):
        self.scores = {**FLOOR, **scores}
        self.calls = []

    def score(self, pairs):
        self.calls.append(list(pairs))
        return [self.scores[text] for _, text in pairs]


def reranker(name, kind="bi_encoder"):
    make = BiEncoderReranker if kind == "bi_encoder" else CrossEncoderReranker
    return make(kind=kind, name=name, model=MODEL)


def subject(doc_id="cand", positive_id=None, refused="", verdict=""):
    return Subject("q", positive_id, doc_id, "synthetic" if positive_id else "mined", SOURCES, refused, verdict)


def judge(*tables, subjects=None, positives=("pos",), floor=tuple(FLOOR), kinds=None, **options):
    """Verdicts of a gate over one query; the collection holds every document that any judge knows."""
    known = dict.fromkeys(text for table in tables for text in table.scores)
    documents = {doc_id: Document(doc_id, doc_id) for doc_id in known}
    collection = Collection(documents, {"q": "query"}, {"q": dict.fromkeys(positives, 1)}, "digest")
    kinds = kinds or ["bi_encoder"] * len(tables)
    spec = Validation(rerankers=tuple(reranker(f"r{i}", kind) for i, kind in enumerate(kinds)), **options)
    return Gate(spec, tables, floor).verdicts(collection, [subject()] if subjects is None else subjects)


def word(*tables, **options):
    (verdict,) = judge(*tables, **options)
    return verdict.verdict


@pytest.mark.parametrize(
    ("score", "verdict", "reason"),
    [
        (0.95, "false_negative", "above_threshold"),
        (0.76001, "false_negative", "above_threshold"),
        (0.76, "keep", ""),
        (0.5, "keep", ""),
        (0.19001, "keep", ""),
        (0.19, "too_easy", "within_random"),
        (0.1, "too_easy", "within_random"),
        (-0.5, "too_easy", "within_random"),
    ],
)
def test_verdicts_against_a_positive_of_point_eight(score, verdict, reason):
    (found,) = judge(Table({"pos": 0.8, "cand": score}))
    assert found == Verdict(
        "q", None, "cand", "mined", SOURCES, score, 0.8, (Score("r0", score, 0.8),), verdict, reason
    )


def test_a_synthetic_subject_keeps_its_birth():
    (found,) = judge(Table({"pos": 0.8, "new": 0.5}), subjects=[subject("new", "pos")])
    assert (found.positive_id, found.doc_id, found.origin, found.sources) == ("pos", "new", "synthetic", SOURCES)


@given(st.integers(1, 100_000), st.sampled_from(["0.02", "0.05", "0.1", "0.25"]))
def test_equality_with_the_threshold_is_kept_to_the_last_digit(units, margin):
    exact = Decimal(units) / 100_000 * (1 - Decimal(margin))
    on, over = float(exact.quantize(Decimal("0.00001"), "ROUND_FLOOR")), float(exact + Decimal("0.00001"))
    rule = Relative(kind="relative", margin=float(margin))
    scores = {"pos": units / 100_000, "cand": on}
    assert word(Table(scores), rule=rule, floor=()) == "keep"
    assert word(Table({**scores, "cand": over}), rule=rule, floor=()) == "false_negative"


@pytest.mark.parametrize(("margin", "positive", "candidate"), [(0.05, 0.0058, 0.00551), (0.1, 0.0006, 0.00054)])
def test_equality_with_the_threshold_is_kept_where_floats_disagree(margin, positive, candidate):
    rule = Relative(kind="relative", margin=margin)
    assert word(Table({"pos": positive, "cand": candidate}), rule=rule, floor=()) == "keep"


def test_scores_are_rounded_before_they_are_compared():
    (found,) = judge(Table({"pos": 0.8000004, "cand": 0.7600049}))
    assert (found.verdict, found.relevance, found.positive_relevance) == ("keep", 0.76, 0.8)


def test_negative_scores():
    rule = Relative(kind="relative", margin=0.5)
    floor = Table({"pos": -2.0, "cand": -3.0}).scores | {doc_id: -9.0 for doc_id in FLOOR}

    def at(score):
        table = Table({})
        table.scores = {**floor, "cand": score}
        return word(table, rule=rule)

    assert [at(s) for s in (-1.0, -2.5, -3.0, -8.0, -9.0)] == [
        "false_negative", "false_negative", "keep", "keep", "too_easy",
    ]  # fmt: skip


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
@pytest.mark.parametrize("where", ["cand", "pos", "other"])
@pytest.mark.parametrize("which", ["min", "mean", "max", "own"])
def test_a_score_that_is_no_number_is_never_kept(broken, where, which):
    table = Table({"pos": 0.8, "other": 0.9, "cand": 0.5, where: broken})
    rule = Relative(kind="relative", positive=which)
    (found,) = judge(table, subjects=[subject(positive_id="pos")], positives=("pos", "other"), rule=rule)
    # A number comes of the other positive alone with `own`, and with `min` and `max` where an infinity is passed over.
    needed = where == "cand" or {"own": where == "pos", "mean": True}.get(which, broken is NAN)
    if needed:
        assert found == Verdict("q", "pos", "cand", "synthetic", SOURCES, None, None, (), "failed", "score_not_finite")
    else:
        assert found.verdict in ("keep", "failed")


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
@pytest.mark.parametrize("floor", [(), tuple(FLOOR)])
def test_an_absolute_rule_keeps_no_broken_score_either(broken, floor):
    rule = Absolute(kind="absolute", maximum=0.9)
    assert word(Table({"pos": 0.8, "cand": broken}), rule=rule, floor=floor) == "failed"
    assert word(Table({"pos": broken, "cand": 0.5}), rule=rule, floor=floor) == "failed"


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
def test_a_floor_that_is_no_number_fails_the_candidate(broken):
    (found,) = judge(Table({"pos": 0.8, "cand": 0.5} | dict.fromkeys(FLOOR, broken)))
    assert (found.verdict, found.reason, found.relevance) == ("failed", "floor_not_finite", None)


@pytest.mark.parametrize("at", [1, 7, 18, 19, 20])
def test_one_nan_in_the_floor_is_enough(at):
    (found,) = judge(Table({"pos": 0.8, "cand": 0.15, f"f{at:02}": NAN}))
    assert (found.verdict, found.reason) == ("failed", "floor_not_finite")


def test_one_broken_judge_of_two_is_enough():
    whole, broken = Table({"pos": 0.8, "cand": 0.5}), Table({"pos": 0.8, "cand": NAN})
    for agree in ("any", "all", "mean"):
        assert word(whole, broken, agree=agree) == "failed"
        assert word(broken, whole, agree=agree) == "failed"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0.8, 0.5), (0.8, 0.5), {"any": "keep", "all": "keep", "mean": "keep"}),
        ((0.8, 0.79), (0.8, 0.79), dict.fromkeys(("any", "all", "mean"), "false_negative")),
        # One judge alone objects; the mean 0.7 is below the mean threshold 0.855, or 0.86 above 0.855.
        ((0.8, 0.9), (1.0, 0.5), {"any": "false_negative", "all": "keep", "mean": "keep"}),
        ((0.8, 0.9), (1.0, 0.82), {"any": "false_negative", "all": "keep", "mean": "false_negative"}),
    ],
)
def test_two_judges_agree_as_the_recipe_says(first, second, expected):
    tables = [Table({"pos": positive, "cand": candidate}) for positive, candidate in (first, second)]
    assert {agree: word(*tables, agree=agree) for agree in expected} == expected
    assert {agree: word(*reversed(tables), agree=agree) for agree in expected} == expected


def test_the_deciding_score_is_on_the_row_and_all_are_kept():
    tables = [Table({"pos": 0.8, "cand": 0.9}), Table({"pos": 1.0, "cand": 0.5})]
    found = {agree: judge(*tables, agree=agree)[0] for agree in ("any", "all", "mean")}
    decided = {agree: (v.relevance, v.positive_relevance) for agree, v in found.items()}
    assert decided == {"any": (0.9, 0.8), "all": (0.5, 1.0), "mean": (0.7, 0.9)}
    assert {v.scores for v in found.values()} == {(Score("r0", 0.9, 0.8), Score("r1", 0.5, 1.0))}


def test_the_cheapest_judge_alone_scores_the_floor():
    dear, cheap = Table({"pos": 0.8, "cand": 0.5}), Table({"pos": 0.8, "cand": 0.15})
    assert word(dear, cheap, kinds=["cross_encoder", "bi_encoder"]) == "too_easy"
    assert sorted(text for _, text in dear.calls[0]) == ["cand", "pos"]
    assert len(cheap.calls[0]) == 22
    first, second = Table({"pos": 0.8, "cand": 0.15}), Table({"pos": 0.8, "cand": 0.5})
    assert word(first, second, kinds=["bi_encoder", "bi_encoder"]) == "too_easy"
    assert len(second.calls[0]) == 2


@pytest.mark.parametrize(("size", "percentile"), [(20, 0.19), (19, 0.19), (10, 0.10), (3, 0.03), (1, 0.01)])
def test_the_floor_is_the_nearest_rank(size, percentile):
    floor = tuple(FLOOR)[:size]
    assert word(Table({"pos": 0.8, "cand": percentile}), floor=floor) == "too_easy"
    assert word(Table({"pos": 0.8, "cand": percentile + 0.00001}), floor=floor) == "keep"


def test_a_positive_in_the_floor_is_ignored():
    table = Table({"pos": 0.9, "cand": 0.5})
    # With the two positives among them, the nineteenth of twenty would be 0.8.
    floor = (*tuple(FLOOR)[:18], "pos", "other")
    table.scores["other"] = 0.8
    assert word(table, positives=("pos", "other"), floor=floor) == "keep"
    table.scores["cand"] = 0.18  # 95 % of eighteen is 17.1: the eighteenth
    assert word(table, positives=("pos", "other"), floor=floor) == "too_easy"


def test_without_a_floor_nothing_is_too_easy():
    assert word(Table({"pos": 0.8, "cand": -5.0}), floor=()) == "keep"


def test_a_refused_subject_is_a_duplicate_and_costs_no_score():
    table = Table({"pos": 0.8, "cand": 0.5, "twin": 0.5})
    twin, kept = judge(table, subjects=[subject("twin", "pos", "text_of_document", "duplicate"), subject()])
    assert twin == Verdict("q", "pos", "twin", "synthetic", SOURCES, None, None, (), "duplicate", "text_of_document")
    assert kept.verdict == "keep"
    assert "twin" not in {text for _, text in table.calls[0]}


@pytest.mark.parametrize(
    ("verdict", "reason"), [("false_negative", "critique_answers"), ("too_easy", "critique_off_topic")]
)
def test_the_critics_word_stands_whatever_the_scores_say(verdict, reason):
    table = Table({"pos": 0.8, "cand": 0.5, "new": 0.5})
    objected, kept = judge(table, subjects=[subject("new", "pos", reason, verdict), subject("new", "pos")])
    assert objected == Verdict("q", "pos", "new", "synthetic", SOURCES, None, None, (), verdict, reason)
    assert (kept.verdict, kept.relevance) == ("keep", 0.5)


def test_a_duplicate_is_one_even_if_the_critic_objects():
    corpus = Collection({"d": Document("d", "some text")}, {}, {}, "digest")
    subjects = [
        subject("s1", "pos", "critique_answers", "false_negative"),
        subject("s2", "pos", "critique_x", "too_easy"),
    ]
    marked = mark_duplicates(corpus, subjects, {"s1": "Some text!", "s2": "another text"})
    assert [(s.verdict, s.refused) for s in marked] == [("duplicate", "text_of_document"), ("too_easy", "critique_x")]


def test_verdicts_stand_in_the_order_of_the_subjects_and_each_pair_is_scored_once():
    table = Table({"pos": 0.8, "a": 0.5, "b": 0.9, "c": 0.1})
    found = judge(table, subjects=[subject(d) for d in ("c", "a", "b", "a")])
    assert [(v.doc_id, v.verdict) for v in found] == [
        ("c", "too_easy"), ("a", "keep"), ("b", "false_negative"), ("a", "keep"),
    ]  # fmt: skip
    (call,) = table.calls
    assert len(call) == len(set(call)) == 24
    assert judge(table, subjects=[]) == []


def test_queries_are_judged_by_their_own_positives():
    class ByQuery(Table):
        def score(self, pairs):
            return [self.scores[text] * (2 if query == "two" else 1) for query, text in pairs]

    documents = {doc_id: Document(doc_id, doc_id) for doc_id in ("pos", "cand", *FLOOR)}
    queries, qrels = {"q1": "one", "q2": "two"}, {"q1": {"pos": 1}, "q2": {"pos": 1}}
    spec = Validation(rerankers=(reranker("r0"),))
    gate = Gate(spec, (ByQuery({"pos": 0.4, "cand": 0.3}),), tuple(FLOOR))
    subjects = [Subject(q, None, "cand", "mined", SOURCES) for q in ("q2", "q1")]
    found = gate.verdicts(Collection(documents, queries, qrels, "digest"), subjects)
    assert [(v.query_id, v.relevance, v.positive_relevance) for v in found] == [("q2", 0.6, 0.8), ("q1", 0.3, 0.4)]


def test_a_judge_that_answers_too_few_is_never_believed():
    class Short(Table):
        def score(self, pairs):
            return super().score(pairs)[:-1]

    with pytest.raises(ValueError, match="zip"):
        judge(Short({"pos": 0.8, "cand": 0.5}))


# Written positives


def of_positive(*tables, rule=None, **options):
    """The gate's verdict on a text as if it were a negative, and what it is as a positive."""
    rule = rule or Relative(kind="relative")
    (verdict,) = judge(*tables, subjects=[subject("cand", "pos")], rule=rule, **options)
    return verdict, as_positive(verdict, rule)


@pytest.mark.parametrize(
    ("score", "as_negative", "verdict"),
    [
        (0.95, "false_negative", "keep"),
        (0.76001, "false_negative", "keep"),
        (0.76, "keep", "too_easy"),
        (0.5, "keep", "too_easy"),
        (0.19, "too_easy", "too_easy"),
        (-0.5, "too_easy", "too_easy"),
    ],
)
def test_a_written_positive_is_kept_where_a_negative_would_be_refused(score, as_negative, verdict):
    before, after = of_positive(Table({"pos": 0.8, "cand": score}))
    assert before.verdict == as_negative
    assert after == replace(before, verdict=verdict, reason="" if verdict == "keep" else "less_relevant")


@pytest.mark.parametrize(("margin", "positive", "candidate"), [(0.05, 0.0058, 0.00551), (0.1, 0.0006, 0.00054)])
def test_a_written_positive_on_the_threshold_is_less_relevant_where_floats_disagree(margin, positive, candidate):
    rule = Relative(kind="relative", margin=margin)
    assert of_positive(Table({"pos": positive, "cand": candidate}), rule=rule, floor=())[1].verdict == "too_easy"


def test_a_written_positive_under_an_absolute_rule():
    rule = Absolute(kind="absolute", maximum=0.6)
    found = [of_positive(Table({"pos": 0.9, "cand": score}), rule=rule)[1].verdict for score in (0.61, 0.6)]
    assert found == ["keep", "too_easy"]


@pytest.mark.parametrize("agree", ["any", "all", "mean"])
@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        (((0.8, 0.9), (1.0, 0.96)), "keep"),
        (((0.8, 0.9), (1.0, 0.95)), "too_easy"),
        (((0.8, 0.9), (1.0, 0.5)), "too_easy"),
        (((0.8, 0.9), (1.0, 0.82)), "too_easy"),
        (((0.8, 0.5), (1.0, 0.5)), "too_easy"),
        (((0.8, 0.9), (0.8, 0.9), (1.0, 0.5)), "too_easy"),
        (((0.8, 0.9), (0.8, 0.9), (1.0, 0.99)), "keep"),
    ],
)
def test_every_reranker_must_find_a_written_positive_relevant_whatever_agree_says(agree, scores, verdict):
    tables = [Table({"pos": positive, "cand": candidate}) for positive, candidate in scores]
    for order in (tables, tables[::-1]):
        before, after = of_positive(*order, agree=agree)
        assert (after.verdict, after.reason) == (verdict, "" if verdict == "keep" else "less_relevant")
        assert (after.scores, after.relevance) == (before.scores, before.relevance)


def test_with_any_one_rerankers_word_refuses_a_negative_but_makes_no_positive():
    before, after = of_positive(Table({"pos": 0.8, "cand": 0.9}), Table({"pos": 1.0, "cand": 0.5}), agree="any")
    assert (before.verdict, before.reason) == ("false_negative", "above_threshold")
    assert (after.verdict, after.reason) == ("too_easy", "less_relevant")


@pytest.mark.parametrize(
    ("refused", "verdict"),
    [
        ("text_of_document", "duplicate"),
        ("text_of_synthetic", "duplicate"),
        ("critique_off_topic", "too_easy"),
        ("critique_does_not_answer", "too_easy"),
    ],
)
def test_what_needed_no_score_stands_for_a_written_positive_too(refused, verdict):
    (found,) = judge(Table({"pos": 0.8, "cand": 0.9}), subjects=[subject("cand", "pos", refused, verdict)])
    assert (found.verdict, found.reason) == (verdict, refused)
    assert as_positive(found, Relative(kind="relative")) == found


def test_a_written_positive_without_a_sound_score_is_never_kept():
    for table in (Table({"pos": 0.8, "cand": NAN}), Table({"pos": 0.8, "cand": 0.9, "f03": NAN})):
        before, after = of_positive(table)
        assert before.verdict == "failed"
        assert after == before


def corpus(n):
    return Collection({f"d{i}": Document(f"d{i}", "x") for i in range(n)}, {}, {}, "digest")


def test_the_floor_sample_depends_on_seed_and_ids_alone():
    sample = floor_sample(corpus(200), 30, 1)
    assert len(set(sample)) == 30
    assert set(sample) <= set(corpus(200).documents)
    backwards = Collection(dict(reversed(corpus(200).documents.items())), {}, {}, "digest")
    assert floor_sample(backwards, 30, 1) == sample
    assert floor_sample(corpus(200), 30, 2) != sample
    assert sorted(floor_sample(corpus(5), 30, 1)) == ["d0", "d1", "d2", "d3", "d4"]


def test_the_default_floor():
    assert Validation(rerankers=(reranker("r0"),)).floor == Floor(sample=100)


def test_synthetic_duplicates_are_marked():
    documents = {"a": Document("a", "Bones need calcium.", "Title"), "b": Document("b", "Sun makes vitamin D")}
    collection = Collection(documents, {"q": "query"}, {"q": {"a": 1}}, "digest")
    texts = {
        "s1": "title bones need CALCIUM",
        "s2": "bones, need; calcium",
        "s3": "Quite another text",
        "s4": "quite another text!",
        "s5": "One more text",
    }
    marked = mark_duplicates(collection, [subject(doc_id, "a") for doc_id in texts], texts)
    assert [(s.doc_id, s.refused) for s in marked] == [
        ("s1", "text_of_document"),
        ("s2", "text_of_document"),
        ("s3", ""),
        ("s4", "text_of_synthetic"),
        ("s5", ""),
    ]
    assert marked[2] == subject("s3", "a")
    assert mark_duplicates(collection, [], {}) == []
