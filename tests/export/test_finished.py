"""The scores of positives, from what the gate said."""

from syneg_data.export.finished import positive_scores
from syneg_data.records import Example, Hit, Verdict


def verdict(query_id, doc_id, relevance, against, positive_id=None, word="keep", reason=""):
    return Verdict(query_id, positive_id, doc_id, "mined", (Hit("bm25", 1, 1.0),), relevance, against, (), word, reason)


def example(query_id, positive_id, *negatives):
    return Example(query_id, positive_id, negatives, ("mined:bm25",) * len(negatives), (0.0,) * len(negatives))


def test_a_positive_has_the_score_that_its_negatives_were_held_against():
    examples = [example("q1", "p1", "a", "b"), example("q2", "p2", "a"), example("q3", "p3", "z")]
    verdicts = [
        verdict("q1", "a", 0.25, 0.9),
        verdict("q1", "b", 0.5, 0.875),
        verdict("q1", "c", 0.5, 0.1),
        verdict("q2", "a", 0.25, 0.75),
        verdict("q2", "b", None, None, word="duplicate", reason="twin"),
        verdict("q3", "z", None, None),
    ]
    assert positive_scores(examples, verdicts) == {("q1", "p1"): 0.9, ("q2", "p2"): 0.75}, "own, where the rule says so"


def test_a_positive_that_was_judged_itself_has_its_own():
    examples = [example("q1", "r1", "a"), example("q1", "m1", "a"), example("q1", "p1", "a")]
    verdicts = [
        verdict("q1", "a", 0.25, 0.5),
        verdict("q1", "m1", 0.95, 0.5, word="false_negative", reason="relabelled"),
        verdict("q1", "p1", 0.3, 0.5, word="false_negative", reason="above_threshold"),
    ]
    restyled = [verdict("q1", "r1", 0.625, 0.5, "p1")]
    assert positive_scores(examples, verdicts, restyled) == {
        ("q1", "r1"): 0.625, ("q1", "m1"): 0.95, ("q1", "p1"): 0.5,
    }  # fmt: skip
