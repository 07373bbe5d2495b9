"""Hardness and attributes: figures worked out by hand."""

import numpy as np
import pytest

from syneg_data.audit import attributes, hardness
from syneg_data.audit.attributes import length_wanted, school
from syneg_data.audit.intervals import interval, lower_median, mean, median
from syneg_data.audit.subject import Subject
from syneg_data.collection import Collection, Document
from syneg_data.records import Attribute, Example, Generation, Verdict


def verdict(query_id, doc_id, relevance, positive, positive_id=None, origin="mined"):
    return Verdict(query_id, positive_id, doc_id, origin, (), relevance, positive, (), "keep", "")


def subject_of(verdicts, examples):
    ids = {d for e in examples for d in (e.positive_id, *e.negative_ids)}
    return Subject(Collection({d: Document(d, d) for d in ids}, {}, {}, ""), examples, verdicts)


def example(query_id, positive_id, **negatives):
    return Example(query_id, positive_id, tuple(negatives), tuple(negatives.values()), (0.0,) * len(negatives))


EXAMPLES = [
    example("q1", "p1", s1="synthetic:syneg", a="mined:bm25", b="mined:bm25:backfill"),
    example("q2", "p2", s2="synthetic:syneg:grade_1", a="mined:bm25", c="mined:bm25+dense"),
]
VERDICTS = [
    verdict("q1", "s1", 0.2, 0.8, "p1", "synthetic"),
    verdict("q2", "s2", 0.77, 0.8, "p2", "synthetic"),
    verdict("q1", "a", 0.4, 0.8),
    verdict("q1", "b", 0.2, 0.8),
    verdict("q2", "a", 0.3, 0.5),
    verdict("q2", "c", 0.48, 0.5),
    verdict("q2", "unused", 0.9, 0.9),
]


def test_ratios_medians_and_shares_near_the_positive_are_those_counted_by_hand():
    found, details = hardness.examine(subject_of(VERDICTS, EXAMPLES))
    by_name = {one.name: one for one in found}
    assert tuple(by_name) == hardness.NAMES
    # mined: 0.5, 0.25, 0.6, 0.96; synthetic: 0.25, 0.9625
    assert (by_name["hardness_mined"].value, by_name["hardness_mined"].n) == (0.55, 4)
    assert (by_name["hardness_synthetic"].value, by_name["hardness_synthetic"].n) == (0.6062, 2)
    assert by_name["near_positive_mined"].value == 0.25
    assert by_name["near_positive_synthetic"].value == 0.5
    assert details["mined"]["quartiles"] == [0.4375, 0.55, 0.69]
    assert details["mined"]["unit"] == "ratio"
    assert details["mined"]["edges"][:3] == [0.0, 0.075, 0.15] and sum(details["mined"]["counts"]) == 4
    assert details["mined"]["counts"][3] == 1 and details["synthetic"]["counts"][3] == 1
    assert "55 % of the relevance" in by_name["hardness_mined"].sentence


def test_on_a_scale_of_either_sign_the_difference_is_taken():
    verdicts = [verdict(v.query_id, v.doc_id, v.relevance * 10 - 5, 4.0, v.positive_id, v.origin) for v in VERDICTS]
    found = {one.name: one for one in hardness.examine(subject_of(verdicts, EXAMPLES))[0]}
    # mined relevance: -1, -3, -2, -0.2; less 4
    assert found["hardness_mined"].value == -5.5
    assert "below its query's positive" in found["hardness_mined"].sentence
    assert found["near_positive_mined"].value == 0.0


def test_a_negative_positive_is_no_reason_to_call_everything_near():
    verdicts = [verdict("q1", "a", -4.3, -4.0), verdict("q1", "b", -4.1, -4.0)]  # within 5 %: above -4.2
    found = {one.name: one for one in hardness.measure(subject_of(verdicts, EXAMPLES[:1]))}
    assert found["near_positive_mined"].value == 0.5


def test_the_positive_of_a_pair_counts_for_what_was_written_for_it():
    both = [example("q1", "p1", s="synthetic:x"), example("q1", "p2", t="synthetic:x")]
    verdicts = [verdict("q1", "s", 0.4, 0.8, "p1"), verdict("q1", "t", 0.4, 0.4, "p2")]
    assert hardness.nearness(subject_of(verdicts, both), "synthetic").ratios().tolist() == pytest.approx([0.5, 1.0])


def test_without_scores_nothing_is_measured_and_it_says_so():
    found, details = hardness.examine(subject_of([], EXAMPLES))
    assert [one.value for one in found] == [None] * 4 and details == {}
    assert "no synthetic negatives with scores" in found[0].sentence


def test_intervals_draw_whole_groups():
    """Ten copies of one answer in each of two groups are two answers, not twenty."""
    values, group = np.array([0.0] * 10 + [1.0] * 10), np.array([0] * 10 + [1] * 10)
    assert interval(values, group, mean, 1) == (0.0, 1.0)
    low, high = interval(values, np.arange(20), mean, 1)
    assert 0.2 < low < 0.4 and 0.6 < high < 0.8


def test_weighted_medians_are_those_of_the_repeated_values():
    values, weights = np.array([5.0, 1.0, 3.0]), np.array([[1.0, 1, 1], [3, 1, 0], [0, 2, 1]])
    assert median(values, weights).tolist() == lower_median(values, weights).tolist() == [3.0, 5.0, 1.0]
    of_two = np.array([[1.0, 1, 0], [2, 2, 0], [1, 1, 2]])
    assert median(values, of_two).tolist() == [3.0, 3.0, 3.0]
    assert lower_median(values, of_two).tolist() == [1.0, 1.0, 3.0]


def test_a_median_lies_in_its_interval_where_every_query_has_the_same_two_values():
    examples = [example(f"q{n}", f"p{n}", **{f"a{n}": "mined:bm25", f"b{n}": "mined:bm25"}) for n in range(6)]
    pairs = [(f"q{n}", f"{name}{n}", relevance) for n in range(6) for name, relevance in (("a", 0.4), ("b", 0.8))]
    verdicts = [verdict(query_id, doc_id, relevance, 1.0) for query_id, doc_id, relevance in pairs]
    found = {one.name: one for one in hardness.examine(subject_of(verdicts, examples))[0]}["hardness_mined"]
    assert (found.value, found.low, found.high) == (0.6, 0.6, 0.6)


@pytest.mark.parametrize(
    ("value", "ratio", "obeys"),
    [
        ("shorter than", 0.9, True),
        ("shorter than", 1.0, False),
        ("much shorter than", 0.6, False),
        ("much shorter than", 0.4, True),
        ("longer than", 1.1, True),
        ("Much longer than", 1.9, False),
        ("about as long as", 1.2, True),
        ("the same length as", 0.7, False),
    ],
)
def test_a_length_is_obeyed_or_not(value, ratio, obeys):
    assert length_wanted(value)(ratio) is obeys


def test_a_length_that_compares_nothing_is_not_judged():
    assert length_wanted("two paragraphs") is None


def test_schools_stand_in_their_order():
    levels = ["elementary and middle school", "high school and undergraduate", "graduate", "PhD", "anything"]
    assert [school(level) for level in levels] == [0.5, 2.5, 4.0, 5.0, None]


def draft(query_id, text, **asked):
    wanted = tuple(Attribute(axis, value) for axis, value in asked.items())
    named = ("r", f"d{text}", query_id, "p1", None, 0, "syneg", wanted, "negative")
    return Generation(*named, 0, 0, 0, "ok", "", text, "", 0, 0, 0, 0, "")


def test_obedience_is_counted_by_hand():
    hard, easy = "Extraordinarily sophisticated considerations notwithstanding everything else", "I go to a pub."
    drafts = [
        draft("q1", easy, length="shorter than", difficulty="elementary"),
        draft("q1", hard, length="longer than", difficulty="graduate"),
        draft("q2", hard, length="shorter than", difficulty="elementary"),
        draft("q2", easy, length="as long as", difficulty="graduate"),
        draft("q3", easy, difficulty="graduate", tone="dry"),
    ]
    collection = Collection({"p1": Document("p1", "one two three four five six")}, {}, {}, "")
    found = attributes.measure(Subject(collection, (), (), drafts))
    # words 5, 6, 6, 5 beside 6: shorter yes, longer no, shorter no, as long yes
    assert [(one.name, one.value, one.n) for one in found] == [("length_obeyed", 0.5, 4), ("level_obeyed", 0.5, 2)]


def test_without_drafts_there_is_nothing_to_obey():
    found = attributes.measure(Subject(Collection({}, {}, {}, ""), ()))
    assert [one.value for one in found] == [None, None]
