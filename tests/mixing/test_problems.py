"""What of a mixing section does not fit, by itself or with the rest of the recipe."""

import pytest

from syneg_data.mixing import Ambiguous, GradedLists, Hybrid, MinedOnly, Pooled, Quota, SyntheticOnly
from syneg_data.mixing.options import Offer

OFFER = Offer(("bm25", "dense"), ("syneg", "graded"), {"graded": (2, 1, 0)})
NO_WRITING = Offer(("bm25", "dense"))


def found(spec, offer=OFFER):
    return [(".".join(map(str, where)), what) for where, what in spec.problems(offer)]


@pytest.mark.parametrize(
    "spec",
    [
        Hybrid(kind="hybrid"),
        Hybrid(kind="hybrid", synthetic_per_mined=0.7, negatives=4),
        Hybrid(kind="hybrid", synthetic=2, mined=1, match_lengths="synthetic", balance=True, cap=3),
        Pooled(kind="pooled", shortage="backfill", backfill=("dense", "syneg")),
        SyntheticOnly(kind="synthetic_only", shortage="ragged", match_lengths="positive"),
        MinedOnly(kind="mined_only", match_lengths="positive"),
        Quota(kind="quota", sources={"bm25": 1, "graded": 2}),
        Ambiguous(kind="ambiguous"),
        GradedLists(kind="graded", grades=(1, 0)),
    ],
    ids=lambda spec: spec.kind,
)
def test_what_fits(spec):
    assert found(spec) == []


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (Hybrid(kind="hybrid"), ["kind"]),
        (Pooled(kind="pooled"), ["kind"]),
        (SyntheticOnly(kind="synthetic_only"), ["kind"]),
        (GradedLists(kind="graded"), ["kind", "strategy"]),
        (MinedOnly(kind="mined_only"), []),
        (Ambiguous(kind="ambiguous"), []),
        (Quota(kind="quota", sources={"syneg": 1}), ["sources.syneg"]),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_without_a_strategy_that_writes_negatives(spec, where):
    assert [place for place, _ in found(spec, NO_WRITING)] == where


def test_either_counts_or_a_ratio():
    assert found(Hybrid(kind="hybrid", synthetic_per_mined=0.7, synthetic=1, mined=1)) == [
        (
            "synthetic_per_mined",
            "shares out `negatives`, so mined and synthetic cannot be set too; choose one way",
        )
    ]
    assert found(Hybrid(kind="hybrid", negatives=4)) == [
        ("negatives", "is for synthetic_per_mined; add that, or set synthetic and mined")
    ]


def test_lengths_need_two_sources():
    for spec in (
        MinedOnly(kind="mined_only", match_lengths="synthetic"),
        SyntheticOnly(kind="synthetic_only", match_lengths="synthetic"),
    ):
        ((where, what),) = found(spec)
        assert where == "match_lengths" and what.endswith("use positive")


def test_a_name_that_a_miner_and_a_strategy_share_says_nothing():
    both = Offer(("bm25",), ("bm25",))
    assert found(Quota(kind="quota", sources={"bm25": 1}), both) == [
        ("sources.bm25", "'bm25' is a miner and a strategy; give one another `name`")
    ]


def test_distances_need_one_scale():
    ((where, what),) = found(Ambiguous(kind="ambiguous"), Offer(("bm25",), one_scale=False))
    assert where == "kind" and "use validation.rule calibrated, agree: mean, or one reranker" in what


def test_graded_lists_need_grades_that_are_written():
    assert found(GradedLists(kind="graded", grades=(3, 2, 2))) == [
        ("grades.0", "no negatives of grade 3 are written; choose from 2, 1, 0"),
        ("grades.2", "grade 2 stands here twice; name it once"),
    ]
    assert found(GradedLists(kind="graded", strategy="levels")) == [
        ("strategy", "no strategy 'levels' of kind graded; known here: graded")
    ]
