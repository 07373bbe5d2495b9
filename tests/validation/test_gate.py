"""The gate, over rows with literal scores."""

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.records import Hit, Score, Scored, Verdict
from syneg_data.validation import Absolute, BiEncoderReranker, CrossEncoderReranker, Relative, Validation
from syneg_data.validation.calibration import Calibrated, Curve, Joint
from syneg_data.validation.fitting import evidence_of, fit_joint
from syneg_data.validation.gate import Gate, Scores, Subject, as_positive, mark_duplicates, settle
from syneg_data.validation.rules import Evidence, Percentile

NAN, INF = float("nan"), float("inf")
MODEL = {"kind": "hub", "id": "some/model", "revision": "a" * 40}
SOURCES = (Hit("bm25", 1, 3.5),)
RELATIVE = Relative(kind="relative")
POSITIVES = ("pos", "other")


def reranker(name, kind="bi_encoder"):
    make = BiEncoderReranker if kind == "bi_encoder" else CrossEncoderReranker
    return make(kind=kind, name=name, model=MODEL)


def subject(doc_id="cand", positive_id=None, refused="", verdict="", query_id="q"):
    return Subject(query_id, positive_id, doc_id, "synthetic" if positive_id else "mined", SOURCES, refused, verdict)


def rows(*tables, floor=0.19, query_id="q"):
    """What rerankers r0, r1.. said of documents; `pos` and `other` are positives, `floor` is the first one's."""
    found = [
        Scored(query_id, doc_id, "positive" if doc_id in POSITIVES else "candidate", f"r{i}", score)
        for i, table in enumerate(tables)
        for doc_id, score in table.items()
    ]
    return [*found, Scored(query_id, None, "floor", "r0", floor)]


def gate_of(n=1, bars=None, rule=RELATIVE, **options):
    spec = Validation(rerankers=tuple(reranker(f"r{i}") for i in range(n)), rule=rule, **options)
    bars = bars or [rule.fit(Evidence((), (), ()))] * n
    return Gate(spec, {f"r{i}": bar for i, bar in enumerate(bars)}, "r0")


def judge(*tables, of=None, floor=0.19, **options):
    """The gate's verdict on `cand`, or on another subject."""
    return gate_of(len(tables), **options).verdict(of or subject(), Scores(rows(*tables, floor=floor)))


def word(*tables, **options):
    return judge(*tables, **options).verdict


@pytest.mark.parametrize(
    ("score", "verdict", "reason"),
    [
        (0.95, "false_negative", "above_threshold"),
        (0.76001, "false_negative", "above_threshold"),
        (0.76, "ambiguous", "near_threshold"),
        (0.66001, "ambiguous", "near_threshold"),
        (0.66, "keep", ""),
        (0.5, "keep", ""),
        (0.19001, "keep", ""),
        (0.19, "too_easy", "within_random"),
        (0.1, "too_easy", "within_random"),
        (-0.5, "too_easy", "within_random"),
    ],
)
def test_verdicts_against_a_positive_of_point_eight(score, verdict, reason):
    found = judge({"pos": 0.8, "cand": score}, rule=Relative(kind="relative", margin=0.05, doubt=0.1))
    assert found == Verdict(
        "q", None, "cand", "mined", SOURCES, score, 0.8, (Score("r0", score, 0.8),), verdict, reason
    )


def test_without_doubt_nothing_is_ambiguous():
    found = [word({"pos": 0.8, "cand": score}) for score in (0.76001, 0.76, 0.7599, 0.2)]
    assert found == ["false_negative", "keep", "keep", "keep"]


def test_a_synthetic_subject_keeps_its_birth():
    found = judge({"pos": 0.8, "new": 0.5}, of=subject("new", "pos"))
    assert (found.positive_id, found.doc_id, found.origin, found.sources) == ("pos", "new", "synthetic", SOURCES)


@given(st.integers(1, 100_000), st.sampled_from(["0.02", "0.05", "0.1", "0.25"]))
def test_equality_with_the_threshold_is_kept_to_the_last_digit(units, margin):
    exact = Decimal(units) / 100_000 * (1 - Decimal(margin))
    on, over = float(exact.quantize(Decimal("0.00001"), "ROUND_FLOOR")), float(exact + Decimal("0.00001"))
    rule = Relative(kind="relative", margin=float(margin))
    positive = units / 100_000
    assert word({"pos": positive, "cand": on}, rule=rule, floor=-INF) == "keep"
    assert word({"pos": positive, "cand": over}, rule=rule, floor=-INF) == "false_negative"


@pytest.mark.parametrize(("margin", "positive", "candidate"), [(0.05, 0.0058, 0.00551), (0.1, 0.0006, 0.00054)])
def test_equality_with_the_threshold_is_kept_where_floats_disagree(margin, positive, candidate):
    rule = Relative(kind="relative", margin=margin)
    assert word({"pos": positive, "cand": candidate}, rule=rule, floor=-INF) == "keep"


def test_negative_scores():
    rule = Relative(kind="relative", margin=0.5)
    found = [word({"pos": -2.0, "cand": score}, rule=rule, floor=-9.0) for score in (-1.0, -2.5, -3.0, -8.0, -9.0)]
    assert found == ["false_negative", "false_negative", "keep", "keep", "too_easy"]


@pytest.mark.parametrize(
    ("which", "own", "expected"),
    [("min", "pos", 0.6), ("mean", "pos", 0.7), ("max", "pos", 0.8), ("own", "pos", 0.8), ("own", None, 0.6)],
)
def test_the_positive_that_the_rule_names_counts(which, own, expected):
    rule = Relative(kind="relative", positive=which)
    table = {"pos": 0.8, "other": 0.6, "cand": 0.5}
    found = judge(table, of=subject(positive_id=own), rule=rule)
    assert found.positive_relevance == expected
    threshold = round(expected * 0.95, 5)
    at = [
        judge({**table, "cand": score}, rule=rule, of=subject(positive_id=own))
        for score in (threshold, threshold + 1e-5)
    ]
    assert [v.verdict for v in at] == ["keep", "false_negative"]


@pytest.mark.parametrize(
    ("rule", "evidence", "edge"),
    [
        (Absolute(kind="absolute", maximum=0.5), Evidence((), (), ()), 0.5),
        (Percentile(kind="percentile", percentile=50.0), Evidence((0.4, 0.6, 0.8), (), ()), 0.6),
    ],
)
def test_rules_with_one_level_for_all_queries(rule, evidence, edge):
    bars = [rule.fit(evidence)]
    for positive in (0.1, 0.9):
        found = [word({"pos": positive, "cand": score}, bars=bars, rule=rule) for score in (edge, edge + 1e-5)]
        assert found == ["keep", "false_negative"]


def test_a_calibrated_relevance_is_on_the_row_and_the_floor_is_held_against_the_score():
    """Relevance 0.5 is a score of 2; the floor is a score, too."""
    curve = Curve(Joint((1.0,), -2.0, (False,), 0.5, 0.25))
    rule = Calibrated(kind="calibrated", maximum=0.5, doubt=0.25)
    found = [
        judge({"pos": 4.0, "cand": score}, bars=[curve], rule=rule, floor=0.5) for score in (2.1, 2.0, 1.0, 0.9, 0.5)
    ]
    assert [(v.verdict, v.relevance, v.positive_relevance) for v in found] == [
        ("false_negative", 0.52498, 0.8808),
        ("ambiguous", 0.5, 0.8808),
        ("ambiguous", 0.26894, 0.8808),
        ("keep", 0.24974, 0.8808),
        ("too_easy", 0.18243, 0.8808),
    ]


# What is no number


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
@pytest.mark.parametrize("where", ["cand", "pos", "other"])
@pytest.mark.parametrize(
    "rule",
    [
        *[Relative(kind="relative", positive=which, doubt=0.1) for which in ("min", "mean", "max", "own")],
        Absolute(kind="absolute", maximum=0.9),
        Percentile(kind="percentile"),
        Calibrated(kind="calibrated"),
    ],
    ids=lambda rule: f"{rule.kind}-{getattr(rule, 'positive', '')}",
)
def test_a_score_that_is_no_number_fails_the_candidate(broken, where, rule):
    bar = (
        Curve(Joint((9.0,), -5.0, (False,), 0.5, 0.0))
        if rule.kind == "calibrated"
        else rule.fit(Evidence((0.8, 0.9), (), ()))
    )
    table = {"pos": 0.8, "other": 0.9, "cand": 0.5, where: broken}
    found = judge(table, of=subject(positive_id="pos"), rule=rule, bars=[bar])
    assert found == Verdict("q", "pos", "cand", "synthetic", SOURCES, None, None, (), "failed", "score_not_finite")


def test_a_floor_that_is_no_number_fails_the_candidate():
    found = judge({"pos": 0.8, "cand": 0.5}, floor=NAN)
    assert found == Verdict("q", None, "cand", "mined", SOURCES, None, None, (), "failed", "floor_not_finite")


def test_above_an_infinite_floor_there_is_nothing():
    assert word({"pos": 0.8, "cand": 0.5}, floor=INF) != "keep"


@pytest.mark.parametrize("agree", ["any", "all", "mean"])
def test_one_broken_judge_of_two_is_enough(agree):
    whole, broken = {"pos": 0.8, "cand": 0.5}, {"pos": 0.8, "cand": NAN}
    assert word(whole, broken, agree=agree) == word(broken, whole, agree=agree) == "failed"


anything = st.one_of(st.sampled_from([NAN, INF, -INF]), st.floats(-20, 20).map(lambda score: round(score, 5)))
TABLES = st.lists(st.fixed_dictionaries({d: anything for d in ("pos", "other", "cand")}), min_size=1, max_size=3)
RULES = st.sampled_from(
    [
        *[Relative(kind="relative", positive=which, doubt=0.5) for which in ("min", "mean", "max", "own")],
        Absolute(kind="absolute", maximum=30.0),
        Percentile(kind="percentile", percentile=100.0),
    ]
)


@given(TABLES, RULES, st.sampled_from(["any", "all", "mean"]), st.sampled_from([None, "pos"]), anything)
def test_no_candidate_with_a_score_that_is_no_number_is_ever_kept(tables, rule, agree, own, floor):
    bars = [rule.fit(Evidence(tuple(filter(math.isfinite, t.values())), (), ())) for t in tables]
    gate = gate_of(len(tables), rule=rule, bars=bars, agree=agree)
    found = gate.verdict(subject(positive_id=own), Scores(rows(*tables, floor=floor)))
    sound = all(math.isfinite(score) for table in tables for score in table.values())
    assert (found.verdict == "failed") == (not sound or math.isnan(floor))
    assert as_positive(found, gate).verdict in ("failed", "keep", "too_easy")
    if not sound:
        assert (found.relevance, found.scores, as_positive(found, gate)) == (None, (), found)
    else:
        assert found.verdict != "keep" or tables[0]["cand"] > floor


# Several rerankers


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
    tables = [{"pos": positive, "cand": candidate} for positive, candidate in (first, second)]
    assert {agree: word(*tables, agree=agree) for agree in expected} == expected
    assert {agree: word(*reversed(tables), agree=agree) for agree in expected} == expected


@pytest.mark.parametrize(
    ("logit", "cosine", "any_", "all_", "mean"),
    [
        # The thresholds are a probability of 0.5 (a logit of 0) and a cosine of 0.76; doubt begins 0.1 below.
        (3.0, 0.8, "false_negative", "false_negative", "false_negative"),
        (3.0, 0.3, "false_negative", "keep", "ambiguous"),  # 0.45257 above, 0.46 below: in the mean just below
        (-3.0, 0.78, "false_negative", "keep", "keep"),
        (-0.2, 0.7, "ambiguous", "ambiguous", "ambiguous"),
        (-0.2, 0.5, "ambiguous", "keep", "keep"),
        (-3.0, 0.5, "keep", "keep", "keep"),
    ],
)
def test_two_judges_on_different_scales(logit, cosine, any_, all_, mean):
    bars = [
        Curve(Joint((1.0,), 0.0, (False,), 0.5, 0.1)),
        Relative(kind="relative", doubt=0.1).fit(Evidence((), (), ())),
    ]
    tables = [{"pos": 5.0, "cand": logit}, {"pos": 0.8, "cand": cosine}]
    found = {agree: word(*tables, agree=agree, bars=bars, floor=-9.0) for agree in ("any", "all", "mean")}
    assert found == {"any": any_, "all": all_, "mean": mean}


def test_the_deciding_score_is_on_the_row_and_all_are_kept():
    tables = [{"pos": 0.8, "cand": 0.9}, {"pos": 1.0, "cand": 0.5}]
    found = {agree: judge(*tables, agree=agree) for agree in ("any", "all", "mean")}
    decided = {agree: (v.relevance, v.positive_relevance) for agree, v in found.items()}
    assert decided == {"any": (0.9, 0.8), "all": (0.5, 1.0), "mean": (0.7, 0.9)}
    assert {v.scores for v in found.values()} == {(Score("r0", 0.9, 0.8), Score("r1", 0.5, 1.0))}


@pytest.mark.parametrize("cheapest", ["r0", "r1"])
def test_the_cheapest_judge_alone_says_what_is_too_easy(cheapest):
    tables = [{"pos": 0.8, "cand": 0.5}, {"pos": 0.8, "cand": 0.15}]
    spec = Validation(rerankers=(reranker("r0"), reranker("r1")))
    bar = RELATIVE.fit(Evidence((), (), ()))
    gate = Gate(spec, {"r0": bar, "r1": bar}, cheapest)
    assert gate.verdict(subject(), Scores(rows(*tables))).verdict == ("keep" if cheapest == "r0" else "too_easy")


def test_a_judge_that_is_not_in_the_gate_has_no_say():
    reviewed = [Scored("q", doc_id, "reviewed", "r0", NAN) for doc_id in ("cand", "pos")]
    more = [Scored("q", "cand", "candidate", "elsewhere", 99.0), Scored("q", "cand", "random", "r0", 99.0)]
    scores = Scores([*rows({"pos": 0.8, "cand": 0.5}), *reviewed, *more])
    assert gate_of().verdict(subject(), scores).verdict == "keep"


def test_queries_are_judged_by_their_own_positives_and_floor():
    scores = Scores(
        [
            *rows({"pos": 0.4, "cand": 0.3}, floor=0.2, query_id="q1"),
            *rows({"pos": 0.8, "cand": 0.3}, floor=0.3, query_id="q2"),
            *rows({"pos": 0.2, "cand": 0.3}, floor=0.1, query_id="q3"),
        ]
    )
    found = [gate_of().verdict(subject(query_id=q), scores) for q in ("q2", "q1", "q3")]
    assert [(v.query_id, v.verdict, v.positive_relevance) for v in found] == [
        ("q2", "too_easy", 0.8), ("q1", "keep", 0.4), ("q3", "false_negative", 0.2),
    ]  # fmt: skip


def test_every_positive_is_known_once_and_in_order():
    scores = Scores(rows({"pos": 0.8, "other": 0.9, "cand": 0.5}, {"pos": 0.7, "other": 0.6, "cand": 0.5}))
    assert scores.positives == {"q": ["pos", "other"]}
    assert (scores.of("r0", "q", "other"), scores.of("r1", "q", "other"), scores.floors) == (0.9, 0.6, {"q": 0.19})


# What needs no score


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ("duplicate", "text_of_document"),
        ("false_negative", "critique_answers"),
        ("too_easy", "critique_off_topic"),
    ],
)
def test_what_is_refused_needs_no_score(verdict, reason):
    found = gate_of().verdict(subject("new", "pos", reason, verdict), Scores([]))
    assert found == Verdict("q", "pos", "new", "synthetic", SOURCES, None, None, (), verdict, reason)


def test_the_critics_word_stands_whatever_the_scores_say():
    found = judge({"pos": 0.8, "new": 0.5}, of=subject("new", "pos", "critique_answers", "false_negative"))
    assert (found.verdict, found.reason, found.relevance) == ("false_negative", "critique_answers", None)


def test_a_duplicate_is_one_even_if_the_critic_objects():
    corpus = Collection({"d": Document("d", "some text")}, {}, {}, "digest")
    subjects = [
        subject("s1", "pos", "critique_answers", "false_negative"),
        subject("s2", "pos", "critique_x", "too_easy"),
    ]
    marked = mark_duplicates(corpus, subjects, {"s1": "Some text!", "s2": "another text"})
    assert [(s.verdict, s.refused) for s in marked] == [("duplicate", "text_of_document"), ("too_easy", "critique_x")]


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


# Written positives


def of_positive(*tables, **options):
    """The gate's verdict on a text as if it were a negative, and what it is as a positive."""
    floor = options.pop("floor", 0.19)
    gate = gate_of(len(tables), **options)
    verdict = gate.verdict(subject(positive_id="pos"), Scores(rows(*tables, floor=floor)))
    return verdict, as_positive(verdict, gate)


@pytest.mark.parametrize(
    ("score", "as_negative", "verdict"),
    [
        (0.95, "false_negative", "keep"),
        (0.76001, "false_negative", "keep"),
        (0.76, "ambiguous", "too_easy"),
        (0.5, "keep", "too_easy"),
        (0.19, "too_easy", "too_easy"),
        (-0.5, "too_easy", "too_easy"),
    ],
)
def test_a_written_positive_is_kept_where_a_negative_would_be_refused(score, as_negative, verdict):
    before, after = of_positive({"pos": 0.8, "cand": score}, rule=Relative(kind="relative", doubt=0.1))
    assert before.verdict == as_negative
    assert after == replace(before, verdict=verdict, reason="" if verdict == "keep" else "less_relevant")


@pytest.mark.parametrize(("margin", "positive", "candidate"), [(0.05, 0.0058, 0.00551), (0.1, 0.0006, 0.00054)])
def test_a_written_positive_on_the_threshold_is_less_relevant_where_floats_disagree(margin, positive, candidate):
    rule = Relative(kind="relative", margin=margin)
    assert of_positive({"pos": positive, "cand": candidate}, rule=rule, floor=-INF)[1].verdict == "too_easy"


def test_a_written_positive_under_an_absolute_rule():
    rule = Absolute(kind="absolute", maximum=0.6)
    found = [of_positive({"pos": 0.9, "cand": score}, rule=rule)[1].verdict for score in (0.61, 0.6)]
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
    tables = [{"pos": positive, "cand": candidate} for positive, candidate in scores]
    for order in (tables, tables[::-1]):
        before, after = of_positive(*order, agree=agree)
        assert (after.verdict, after.reason) == (verdict, "" if verdict == "keep" else "less_relevant")
        assert (after.scores, after.relevance) == (before.scores, before.relevance)


def test_with_any_one_rerankers_word_refuses_a_negative_but_makes_no_positive():
    before, after = of_positive({"pos": 0.8, "cand": 0.9}, {"pos": 1.0, "cand": 0.5}, agree="any")
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
    found = gate_of().verdict(subject("cand", "pos", refused, verdict), Scores(rows({"pos": 0.8, "cand": 0.9})))
    assert (found.verdict, found.reason) == (verdict, refused)
    assert as_positive(found, gate_of()) == found


def test_a_written_positive_without_a_sound_score_is_never_kept():
    for table, floor in (({"pos": 0.8, "cand": NAN}, 0.19), ({"pos": 0.8, "cand": 0.9}, NAN)):
        before, after = of_positive(table, floor=floor)
        assert before.verdict == "failed"
        assert after == before


# What becomes of a verdict


def settled(verdict, reason, score=None, **options):
    relevance = 0.9 if verdict == "false_negative" else 0.7
    scores = (Score("r0", relevance, 0.8),)
    before = Verdict("q", None, "cand", "mined", SOURCES, relevance, 0.8, scores, verdict, reason)
    second = {("q", "somebody"): 1.0} | ({} if score is None else {("q", "cand"): score})
    gate = gate_of(**options)
    after = settle(before, gate.spec, second, gate)
    assert after == replace(before, verdict=after.verdict, reason=after.reason), "nothing else changes"
    return after.verdict, after.reason


LLM = {"rule": Relative(kind="relative", doubt=0.1), "ambiguous": "llm"}


@pytest.mark.parametrize("false_negative", ["drop", "relabel"])
def test_an_ambiguous_candidate_is_dropped_or_kept(false_negative):
    ambiguous = ("ambiguous", "near_threshold")
    assert settled(*ambiguous, ambiguous="drop", false_negative=false_negative) == ambiguous
    verdict, _ = settled(*ambiguous, ambiguous="keep", false_negative=false_negative)
    assert verdict == "keep"


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.0, "keep"),
        (0.5, "keep"),
        (1.0, "false_negative"),
        (NAN, "failed"),
        (None, "ambiguous"),
    ],
)
def test_the_language_model_decides_about_an_ambiguous_candidate(score, expected):
    assert settled("ambiguous", "near_threshold", score, **LLM)[0] == expected


def test_the_language_models_reasons():
    assert settled("ambiguous", "near_threshold", 1.0, **LLM) == ("false_negative", "llm_relevant")
    assert settled("ambiguous", "near_threshold", NAN, **LLM) == ("failed", "score_not_finite")
    assert settled("ambiguous", "near_threshold", 1.0, false_negative="relabel", **LLM) == (
        "false_negative", "relabelled",
    )  # fmt: skip


@pytest.mark.parametrize(
    "verdict", [("keep", ""), ("false_negative", "above_threshold"), ("too_easy", "within_random"), ("failed", "x")]
)
def test_of_what_is_not_ambiguous_the_language_model_has_no_say(verdict):
    for score in (0.0, 1.0, NAN):
        assert settled(*verdict, score, **LLM) == verdict


def test_a_false_negative_is_dropped_or_relabelled():
    assert settled("false_negative", "above_threshold") == ("false_negative", "above_threshold")
    assert settled("false_negative", "above_threshold", false_negative="relabel") == ("false_negative", "relabelled")
    for verdict in (("keep", ""), ("too_easy", "within_random"), ("failed", "score_not_finite"), ("duplicate", "x")):
        assert settled(*verdict, false_negative="relabel") == verdict


# Evidence


def test_evidence_is_what_is_known_and_finite():
    found = evidence_of(
        [
            Scored("q", "p1", "positive", "r", 0.9),
            Scored("q", "p2", "positive", "r", NAN),
            Scored("q", "c1", "candidate", "r", 0.5),
            Scored("q", "c2", "candidate", "r", INF),
            Scored("q", "s1", "candidate", "r", 0.6),  # written, so nothing is known of it
            Scored("q", "f1", "random", "r", 0.1),
            Scored("q", "f2", "random", "r", -INF),
            Scored("q", "c1", "reviewed", "r", 0.7),
            Scored("q", None, "floor", "r", 0.2),
            Scored("q2", "c1", "candidate", "r", 0.4),  # mined for another query only
        ],
        {("q", "c1"), ("q", "c2")},
        True,
    )
    assert found == Evidence((0.9,), (0.5,), (0.1,), True, ("q",))


def test_a_joint_curve_decides_over_the_scores_of_all():
    spec = Validation(rerankers=(reranker("r0"), reranker("r1", "cross_encoder")))
    joint = Joint((10.0, 1.0), -5.0, (False, True), 0.5, 0.2)
    bars = dict.fromkeys(("r0", "r1"), RELATIVE.fit(Evidence((), (), ())))
    gate = Gate(spec, bars, "r0", joint)

    def verdict(cosine, cross):
        tables = [{"pos": 0.9, "cand": cosine}, {"pos": 0.9, "cand": cross}]
        return gate.verdict(subject(), Scores(rows(*tables, floor=0.05)))

    found = verdict(0.3, 0.9)  # 3 + log 9 - 5 = 0.19722
    assert (found.verdict, found.relevance) == ("false_negative", 0.54915)
    assert found.positive_relevance == 0.99797  # 9 + log 9 - 5 = 6.19722
    assert {score.reranker for score in found.scores} == {"r0", "r1"}
    assert verdict(0.3, 0.85).verdict == "ambiguous"  # 3 + log(85/15) - 5: a probability of 0.434
    assert verdict(0.3, 0.5).verdict == "keep"
    assert verdict(0.04, 0.5).verdict == "too_easy"
    assert verdict(0.3, NAN).verdict == "failed"
    assert gate.is_relevant(found)
    assert not gate.is_relevant(verdict(0.3, 0.85))
    gate = Gate(spec, bars, "r0", replace(joint, maximum=1.0, doubt=0.0))
    found = verdict(0.99, 0.99)  # above the positive
    assert (found.verdict, gate.is_relevant(found)) == ("keep", False)
    assert found.relevance > found.positive_relevance
    assert verdict(0.04, 0.99).verdict == "too_easy"


def test_a_joint_curve_is_fitted_to_documents_that_all_have_scored():
    def scored(role, count, name, score):
        return [Scored(f"q{i}", f"{role}{i}", role, name, score + i / 1000) for i in range(count)]

    spec = Validation(rerankers=(reranker("r0"), reranker("r1")), rule=Calibrated(kind="calibrated", least=10))
    parts = [("positive", 0.8), ("candidate", 0.4), ("random", 0.1)]
    both = [row for name in ("r0", "r1") for role, score in parts for row in scored(role, 12, name, score)]
    mined = {(f"q{i}", f"candidate{i}") for i in range(12)}
    bounded = {"r0": False, "r1": False}
    joint = fit_joint(spec, bounded, both, mined)
    assert joint is not None
    assert all(slope > 0 for slope in joint.slopes)
    lonely = [row for row in both if not (row.reranker == "r1" and row.role == "random" and row.query_id > "q3")]
    assert fit_joint(spec, bounded, lonely, mined) is None  # not enough that both have seen
    assert fit_joint(spec, bounded, both, set()) is None  # what a model wrote is no evidence
    assert fit_joint(spec, {"r0": False}, both, mined) is None  # one alone has its own curve
    for agree in ("any", "all", "mean"):
        assert fit_joint(spec.model_copy(update={"agree": agree}), bounded, both, mined) is None


def test_only_what_every_reranker_finds_relevant_becomes_a_positive():
    gate = gate_of(2, agree="any", false_negative="relabel")

    def relabelled(*scores, reason="above_threshold"):
        found = tuple(Score(f"r{i}", score, 0.8) for i, score in enumerate(scores))
        before = Verdict("q", None, "cand", "mined", SOURCES, 0.9, 0.8, found, "false_negative", reason)
        return settle(before, gate.spec, {}, gate).reason

    assert relabelled(0.9, 0.8) == "relabelled"
    assert relabelled(0.9, 0.5) == "above_threshold"
    assert relabelled(reason="critique_answers") == "critique_answers"  # nobody has scored it
