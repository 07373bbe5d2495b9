"""The teacher: of which documents the gate said how relevant they are, and where it said nothing."""

from syneg_data.judge.teacher import relevances, taught
from syneg_data.line import Judged
from syneg_data.records import Example, Verdict


def verdict(doc_id, relevance, against, reason="", query_id="q", positive_id=None):
    return Verdict(query_id, positive_id, doc_id, "mined", (), relevance, against, (), "keep", reason)


VERDICTS = [
    verdict("m1", 0.41, 0.8),
    verdict("m2", 0.32, 0.8),
    verdict("s1", 0.5, 0.87, positive_id="p1"),
    verdict("p3", 0.9, 0.8, "relabelled"),
    verdict("unscored", None, None),
    verdict("m1", 0.11, 0.7, query_id="other"),
]
RESTYLED = [verdict("r1", 0.77, 0.8, positive_id="p1")]


def example(positive_id, *negative_ids, query_id="q"):
    return Example(query_id, positive_id, negative_ids, (), ())


def test_the_positive_comes_first_and_every_document_has_the_score_for_its_own_query():
    examples = [
        example("p1", "s1", "m1"),
        example("p2", "m2", "m1"),
        example("p3", "m2", "m1"),
        example("r1", "s1", "m1"),
        example("p1", "m1", query_id="other"),
    ]
    assert relevances(examples, VERDICTS, RESTYLED) == [
        [0.87, 0.5, 0.41],  # the highest that its negatives were held against
        [0.8, 0.32, 0.41],
        [0.9, 0.32, 0.41],  # its own, since it was judged itself
        [0.77, 0.5, 0.41],
        [0.7, 0.11],
    ]


def test_one_document_without_a_score_leaves_nothing_to_learn_from():
    whole = example("p2", "m2", "m1")
    for lacking in (example("p2", "m2", "unscored"), example("p2", "m1", "unseen"), example("p2")):
        assert relevances([whole, lacking], VERDICTS, RESTYLED) is None
    assert relevances([example("p3")], VERDICTS, RESTYLED) is None, "no negatives"


def test_an_arm_is_taught_under_its_original_pairs():
    judged = Judged(VERDICTS, RESTYLED)
    pairs = [("q", "p2"), ("q", "p1")]
    chosen = {("q", "p1"): ("s1", "m1"), ("q", "p2"): ("m2", "m1"), ("q", "p9"): ("unscored", "m1")}
    assert taught(judged, pairs, chosen, {}) == {("q", "p2"): [0.8, 0.32, 0.41], ("q", "p1"): [0.87, 0.5, 0.41]}
    restyled = taught(judged, pairs, chosen, {("q", "p1"): "r1"})
    assert restyled == {("q", "p2"): [0.8, 0.32, 0.41], ("q", "p1"): [0.77, 0.5, 0.41]}
    assert taught(judged, [*pairs, ("q", "p9")], chosen, {}) is None
