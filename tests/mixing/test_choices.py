"""What each kind chooses, by hand, and what the options make of it."""

import random
from dataclasses import replace

import pytest

from syneg_data.errors import GateError
from syneg_data.mixing import Ambiguous, GradedLists, Hybrid, MinedOnly, Pooled, Quota, SyntheticOnly
from syneg_data.mixing.hardness import hardest_first
from syneg_data.mixing.selection import Material
from syneg_data.records import Example
from syneg_data.validation.calibration import auc
from tests.mixing.world import GRADES, collection, mined, named, written


def mined_only(count, **more):
    return MinedOnly(kind="mined_only", mined=count, **more)


def hybrid(synthetic=1, mined=2, **more):
    return Hybrid(kind="hybrid", synthetic=synthetic, mined=mined, **more)


def many(count, synthetic=3, retrieved=6):
    """So many queries with a pair each, and enough of both kinds."""
    corpus = collection({f"q{i:04}": 1 for i in range(count)})
    kept = [mined(q, f"m{q}{n}", 0.5 - n / 100) for q in corpus.queries for n in range(retrieved)]
    kept += [written(q, f"{q}-p0", slot) for q in corpus.queries for slot in range(synthetic)]
    return Material(corpus, kept, seed=13)


def synthetic_counts(mixed):
    return [sum(source.startswith("synthetic") for source in e.sources) for e in mixed.examples]


# The kinds


def test_a_ratio_is_met_over_the_set_and_each_pair_rounds_for_itself():
    """R 0.7 makes 0.7/1.7 of three negatives synthetic, 1.235 of each pair."""
    spec = Hybrid(kind="hybrid", synthetic_per_mined=0.7, negatives=3)
    counts = synthetic_counts(spec.mix(many(1000)))
    assert set(counts) == {1, 2} and len(counts) == 1000
    assert 0.65 < sum(counts) / (3000 - sum(counts)) < 0.75
    assert counts[:12] == FIRST_COUNTS, "the same on every machine"
    assert synthetic_counts(spec.mix(many(12))) == counts[:12]
    assert synthetic_counts(spec.mix(replace(many(12), seed=14))) != counts[:12]


FIRST_COUNTS = [1, 1, 2, 1, 2, 2, 1, 1, 1, 1, 1, 1]


def test_a_whole_ratio_needs_no_chance():
    assert set(synthetic_counts(Hybrid(kind="hybrid", synthetic_per_mined=1.0, negatives=4).mix(many(20)))) == {2}


def test_the_budget_of_a_comparison():
    assert hybrid(2, 3).budget(None) == (2, 3)
    assert Hybrid(kind="hybrid", synthetic_per_mined=0.7, negatives=3).budget(None) == (1, 2)
    assert Hybrid(kind="hybrid", synthetic_per_mined=0.1, negatives=3).budget(None) == (1, 2)
    assert Pooled(kind="pooled").budget(None) == (1, 2)
    assert SyntheticOnly(kind="synthetic_only", synthetic=2).budget(None) == (2, 0)
    assert mined_only(4).budget(None) == (0, 4)


def test_the_pool_guarantees_a_pair_nothing():
    mixed = Pooled(kind="pooled", synthetic=1, mined=2).mix(many(60))
    counts = synthetic_counts(mixed)
    assert {len(e.negative_ids) for e in mixed.examples} == {3}
    assert sum(counts) == 60, "as many as a hybrid set has"
    assert set(counts) == {0, 1, 2, 3}
    for example, count in zip(mixed.examples, counts, strict=True):
        assert [s.split(":")[0] for s in example.sources] == ["synthetic"] * count + ["mined"] * (3 - count)
        assert [d[-1] for d in example.negative_ids[count:]] == ["0", "1", "2"][: 3 - count], "hardest first"


def test_a_pool_with_little_in_it_is_used_up():
    mixed = Pooled(kind="pooled", synthetic=2, mined=1).mix(many(10, synthetic=1))
    assert synthetic_counts(mixed) == [1] * 10


def test_synthetic_only_takes_slots_in_order():
    kept = [mined("q", "m", 0.9), written("q", "q-p0", 1, 0.8), written("q", "q-p0", 0, 0.1), written("q", "q-p1", 0)]
    mixed = SyntheticOnly(kind="synthetic_only", synthetic=2).mix(Material(collection({"q": 2}), kept))
    assert mixed.examples == [
        Example("q", "q-p0", ("s-q-q-p0-1", "s-q-q-p0-0"), ("synthetic:syneg",) * 2, (0.8, 0.1))
    ], "in the order in which they come, and those of its own pair"
    assert mixed.rejected == {"too_few_synthetic": 1}


def test_a_quota_deals_the_scarce_first_and_shows_it_as_written():
    """`both` is the only one that dense found; bm25 leaves it."""
    kept = [
        mined("q", "both", 0.9, "bm25", "dense"),
        mined("q", "b1", 0.8),
        mined("q", "b2", 0.7),
        mined("q", "b3", 0.6),
        written("q", "q-p0", 0, 0.5),
    ]
    spec = Quota(kind="quota", sources={"bm25": 2, "syneg": 1, "dense": 1})
    (example,) = spec.mix(Material(collection({"q": 1}), kept)).examples
    assert named(example) == [
        ("b1", "mined:bm25"), ("b2", "mined:bm25"), ("s-q-q-p0-0", "synthetic:syneg"), ("both", "mined:bm25+dense"),
    ]  # fmt: skip
    assert Quota(kind="quota", sources={"dense": 2}).mix(Material(collection({"q": 1}), kept)).rejected == {
        "too_few_dense": 1
    }


def test_ambiguous_draws_by_the_distance_to_the_positive():
    """Distances -0.1 and -0.3 with a = 20: e^-0.2 to e^-1.8, or 0.83 to 0.17."""
    corpus = collection({f"q{i:04}": 1 for i in range(2000)})
    kept = [v for q in corpus.queries for v in (mined(q, f"near{q}", 0.8), mined(q, f"far{q}", 0.6))]
    spec = Ambiguous(kind="ambiguous", negatives=1, a=20.0)
    drawn = [e.negative_ids[0].startswith("near") for e in spec.mix(Material(corpus, kept, seed=13)).examples]
    assert 0.80 < sum(drawn) / 2000 < 0.86
    other = [e.negative_ids[0].startswith("near") for e in spec.mix(Material(corpus, kept, seed=14)).examples]
    assert drawn != other
    even = Ambiguous(kind="ambiguous", negatives=1, a=0.0).mix(Material(corpus, kept, seed=13)).examples
    assert 0.45 < sum(e.negative_ids[0].startswith("near") for e in even) / 2000 < 0.55
    below = Ambiguous(kind="ambiguous", negatives=1, a=1000.0, b=-0.3).mix(Material(corpus, kept, seed=13)).examples
    assert all(e.negative_ids[0].startswith("far") for e in below)


def test_graded_lists_go_from_high_to_low():
    """Slots 0 to 3 are grades 3 to 0 of the first request, 4 to 7 of the second; 3 is a positive and not here."""
    kept = [
        *(written("q", "q-p0", slot, 0.5, "graded") for slot in (6, 3, 1, 2)),
        *(written("q", "q-p1", slot, 0.5, "graded") for slot in (7,)),
        written("q", "q-p0", 0),
        mined("q", "m", 0.5),
    ]
    given = Material(collection({"q": 3}), kept, grades=GRADES)
    mixed = GradedLists(kind="graded").mix(given)
    assert [named(e) for e in mixed.examples] == [
        [
            ("g-q-q-p0-1", "synthetic:graded:grade_2"),
            ("g-q-q-p0-6", "synthetic:graded:grade_1"),
            ("g-q-q-p0-3", "synthetic:graded:grade_0"),
        ],
        [("g-q-q-p1-7", "synthetic:graded:grade_0")],
    ]
    assert mixed.rejected == {"too_few_grade_2": 1}
    two = GradedLists(kind="graded", grades=(1, 2), per_grade=2, shortage="ragged").mix(given)
    assert two.examples[0].negative_ids == ("g-q-q-p0-1", "g-q-q-p0-6", "g-q-q-p0-2")
    assert GradedLists(kind="graded", shortage="drop").mix(given).rejected == {"too_few_grade_2": 2}


# Shortage


def test_pairs_share_what_is_scarce_and_nothing_else():
    three = [mined("q", f"m{i}", 0.9 - i / 10) for i in range(3)]
    given = Material(collection({"q": 2}), three)
    assert [e.negative_ids for e in mined_only(1).mix(given).examples] == [("m0",), ("m1",)]
    assert [e.negative_ids for e in mined_only(2).mix(given).examples] == [("m0", "m2"), ("m0", "m1")]
    assert [e.negative_ids for e in mined_only(3).mix(given).examples] == [("m0", "m1", "m2")] * 2
    assert mined_only(4).mix(given).rejected == {"too_few_mined": 2}


def test_a_dropped_pair_holds_nothing():
    """The first pair has no synthetic negative, so the second gets the hardest mined ones."""
    kept = [written("q", "q-p1", 0), *(mined("q", f"m{i}", 0.9 - i / 10) for i in range(4))]
    mixed = hybrid().mix(Material(collection({"q": 2}), kept))
    assert [e.negative_ids for e in mixed.examples] == [("s-q-q-p1-0", "m0", "m1")]


def test_ragged_takes_what_there_is():
    kept = [written("q1", "q1-p0", 0), mined("q1", "m0", 0.5), mined("q2", "m0", 0.5)]
    mixed = hybrid(shortage="ragged").mix(Material(collection({"q1": 1, "q2": 1, "q3": 1}), kept))
    assert [e.negative_ids for e in mixed.examples] == [("s-q1-q1-p0-0", "m0"), ("m0",)]
    assert mixed.rejected == {"too_few_synthetic": 1}


def test_backfill_goes_by_the_order_of_sources_and_says_so():
    kept = [
        mined("q", "d1", 0.9, "dense"),
        mined("q", "b1", 0.5),
        mined("q", "b2", 0.4),
        *(written("q", "q-p0", slot) for slot in range(2)),
    ]
    spec = hybrid(1, 4, shortage="backfill", backfill=("syneg", "bm25"))
    (example,) = spec.mix(Material(collection({"q": 1}), kept)).examples
    assert named(example) == [
        ("s-q-q-p0-0", "synthetic:syneg"),
        ("d1", "mined:dense"), ("b1", "mined:bm25"), ("b2", "mined:bm25"),
        ("s-q-q-p0-1", "synthetic:syneg:backfill"),
    ]  # fmt: skip
    short = hybrid(3, 1, shortage="backfill", backfill=("bm25",)).mix(Material(collection({"q": 1}), kept))
    assert [source for _, source in named(short.examples[0])] == [
        "synthetic:syneg", "synthetic:syneg", "mined:dense", "mined:bm25:backfill",
    ]  # fmt: skip
    never = hybrid(3, 3, shortage="backfill", backfill=("dense",)).mix(Material(collection({"q": 1}), kept))
    assert (never.examples, never.rejected) == ([], {"too_few_synthetic": 1})


def test_fail_names_the_first_that_is_short():
    kept = [mined("q1", "m0", 0.5)]
    with pytest.raises(GateError, match="query 'q2', positive 'q2-p0': 0 mined negatives are left, 1 are asked for"):
        mined_only(1, shortage="fail").mix(Material(collection({"q1": 1, "q2": 1}), kept))


# The cap


def test_at_the_cap_a_document_is_passed_over():
    """`hub` is the hardest of every query; the first two in working order have it."""
    corpus = collection({f"q{i}": 1 for i in range(4)})
    kept = [v for q in corpus.queries for v in (mined(q, "hub", 0.9), mined(q, f"own-{q}", 0.1))]
    free = mined_only(1).mix(Material(corpus, kept))
    assert [e.negative_ids for e in free.examples] == [("hub",)] * 4
    capped = mined_only(1, cap=2).mix(Material(corpus, kept))
    assert [e.negative_ids for e in capped.examples] == [("hub",), ("hub",), ("own-q2",), ("own-q3",)]
    assert capped.capped == {("q2", "hub"), ("q3", "hub")}
    both = mined_only(2, cap=2).mix(Material(corpus, kept))
    assert (len(both.examples), both.rejected) == (2, {"too_few_mined": 2})


def test_a_pair_that_is_dropped_frees_the_cap():
    corpus = collection({"q0": 1, "q1": 1})
    kept = [mined("q0", "hub", 0.9), mined("q1", "hub", 0.9), mined("q1", "own", 0.1)]
    mixed = mined_only(2, cap=1).mix(Material(corpus, kept))
    assert [e.negative_ids for e in mixed.examples] == [("hub", "own")]
    assert mixed.capped == frozenset()


def test_pairs_of_a_query_that_starve_each_other_under_a_cap():
    """The last gives way, and what it held serves the others."""
    corpus = collection({"q": 3})
    kept = [mined("q", name, 0.9 - n / 10) for n, name in enumerate("abcd")]
    mixed = mined_only(3, cap=1).mix(Material(corpus, kept))
    assert [(e.positive_id, e.negative_ids) for e in mixed.examples] == [("q-p0", ("a", "c", "d"))]
    assert mixed.rejected == {"too_few_mined": 2}
    assert mixed.capped == frozenset()


def test_starving_pairs_are_as_few_as_can_be_and_found_quickly():
    corpus = collection({"q": 400})
    kept = [mined("q", f"m{n:02}", 0.9 - n / 100) for n in range(60)]
    mixed = mined_only(3, cap=5).mix(Material(corpus, kept))
    assert (len(mixed.examples), mixed.rejected) == (100, {"too_few_mined": 300}), "300 uses, three each"


# What is judged relevant


def test_no_relevant_document_is_a_negative():
    """The gate kept it for another reason, or another tool did; it is judged relevant all the same."""
    kept = [mined("q", "q-p1", 0.9), mined("q", "m", 0.5)]
    mixed = mined_only(1).mix(Material(collection({"q": 2}), kept))
    assert [(e.positive_id, e.negative_ids) for e in mixed.examples] == [("q-p0", ("m",)), ("q-p1", ("m",))]


# Hardness on one scale


def said(doc_id, decider, cosine, logit):
    """A verdict by `decider` of two rerankers, a bi-encoder and a cross-encoder."""
    scores = (("bi", cosine, 0.9), ("cross", logit, 5.0))
    relevance, positive = {"bi": (cosine, 0.9), "cross": (logit, 5.0), "mean": ((cosine + logit) / 2, 2.95)}[decider]
    return mined("q", doc_id, relevance, positive=positive, scores=scores)


def order(*verdicts):
    return [v.doc_id for v in hardest_first(verdicts)]


def test_scales_that_differ_are_not_sorted_together():
    """By relevance as it stands, every logit would be above every cosine, or below."""
    a, b, c = ("a", 0.80, 1.0), ("b", 0.70, 3.0), ("c", 0.60, 2.0)
    assert order(said("a", "bi", 0.80, 1.0), said("b", "cross", 0.70, 3.0), said("c", "cross", 0.60, 2.0)) == [
        "b", "a", "c",
    ]  # fmt: skip
    assert order(*(said(doc, "bi", *values) for doc, *values in (a, b, c))) == ["a", "b", "c"], "one decides all"
    assert order(*(said(doc, "cross", *values) for doc, *values in (a, b, c))) == ["b", "c", "a"]
    assert order(*(said(doc, "mean", *values) for doc, *values in (a, b, c))) == ["b", "c", "a"], "one for all"


def test_equal_scores_share_a_rank():
    assert order(said("b", "bi", 0.5, 1.0), said("a", "cross", 0.5, 1.0), said("c", "bi", 0.5, 2.0)) == ["c", "a", "b"]


# Lengths and balance


def planted(queries=120):
    """Positives of about 150 words; mined ones somewhat longer, written ones much shorter, both widely spread."""
    chance = random.Random(5)

    def text(median):
        return "word " * max(3, round(median * chance.lognormvariate(0.0, 0.45)))

    corpus = collection({f"q{i:03}": 1 for i in range(queries)})
    kept, texts = [], {f"{q}-p0": text(150) for q in corpus.queries}
    for q in corpus.queries:
        kept += [mined(q, f"m{q}-{n}", 0.9 - n / 50) for n in range(20)]
        kept += [written(q, f"{q}-p0", slot) for slot in range(6)]
    texts |= {v.doc_id: text(180 if v.origin == "mined" else 90) for v in kept}
    return Material(collection({q: 1 for q in corpus.queries}, texts), kept, seed=13)


def shortcuts(given, **options):
    """AUC of length: mined against synthetic, and positive against negative; a half is chance."""
    lengths = {"mined": [], "synthetic": [], "positive": []}
    for example in hybrid(**options).mix(given).examples:
        lengths["positive"].append(len(given.collection.text(example.positive_id).split()))
        for doc_id, source in zip(example.negative_ids, example.sources, strict=True):
            lengths[source.partition(":")[0]].append(len(given.collection.text(doc_id).split()))
    negatives = lengths["mined"] + lengths["synthetic"]
    return tuple(
        0.5 + abs(0.5 - auc(one, other))
        for one, other in ((lengths["mined"], lengths["synthetic"]), (lengths["positive"], negatives))
    )


def test_matching_lengths_closes_the_shortcut():
    given = planted()
    by_source, by_role = shortcuts(given)
    assert by_source > 0.85 and by_role < 0.56, "long mined ones and short written ones average out"
    source, role = shortcuts(given, match_lengths="positive")
    assert source < 0.68 and role < 0.56
    source, role = shortcuts(given, match_lengths="synthetic")
    assert source < 0.68 and role > 0.7, "like each other, and so both unlike the positives"


def test_the_nearest_in_words_and_of_equals_the_hardest():
    texts = {"q-p0": "w " * 10, "longer": "w " * 40, "as-long": "w " * 11, "twin": "w " * 11, "shorter": "w " * 2}
    kept = [mined("q", d, r) for d, r in (("longer", 0.9), ("as-long", 0.5), ("twin", 0.6), ("shorter", 0.8))]
    given = Material(collection({"q": 1}, texts), kept)
    assert mined_only(2, match_lengths="positive").mix(given).examples[0].negative_ids == ("twin", "as-long")
    assert mined_only(3, match_lengths="positive").mix(given).examples[0].negative_ids == ("longer", "twin", "as-long")


def test_mined_ones_are_like_the_synthetic_ones_of_their_example():
    texts = {"q-p0": "w " * 10, "s-q-q-p0-0": "w " * 3, "s-q-q-p0-1": "w " * 50}
    texts |= {"three": "w w w", "ten": "w " * 10, "fifty": "w " * 50}
    kept = [mined("q", d, 0.5) for d in ("three", "ten", "fifty")]
    kept += [written("q", "q-p0", slot) for slot in range(2)]
    given = Material(collection({"q": 1}, texts), kept)
    assert hybrid(2, 2, match_lengths="synthetic").mix(given).examples[0].negative_ids[2:] == ("fifty", "three")
    assert hybrid(1, 1, match_lengths="synthetic").mix(given).examples[0].negative_ids == ("s-q-q-p0-0", "three")


def test_a_restyled_positive_is_what_negatives_are_as_long_as():
    texts = {"q-p0": "w " * 10, "r": "w " * 3, "three": "w w w", "ten": "w " * 10}
    kept = [mined("q", "ten", 0.9), mined("q", "three", 0.1)]
    given = Material(collection({"q": 1}, texts), kept, {("q", "q-p0"): "r"})
    (example,) = mined_only(1, match_lengths="positive", restyled=1.0).mix(given).examples
    assert (example.positive_id, example.negative_ids) == ("r", ("three",))


def test_balance_takes_from_every_source_in_turn():
    """BM25's finds are harder throughout; without balance nothing of dense is left."""
    corpus = collection({f"q{i:03}": 1 for i in range(100)})
    kept = [mined(q, f"b{q}{n}", 0.9 - n / 100) for q in corpus.queries for n in range(6)]
    kept += [mined(q, f"d{q}{n}", 0.4 - n / 100, "dense") for q in corpus.queries for n in range(6)]

    def share(count, **options):
        examples = mined_only(count, **options).mix(Material(corpus, kept, seed=13)).examples
        return [sum(source == "mined:dense" for source in e.sources) for e in examples]

    assert set(share(2)) == {0}
    assert set(share(2, balance=True)) == {1}
    odd = share(3, balance=True)
    assert set(odd) == {1, 2} and 30 < sum(count == 2 for count in odd) < 70, "who begins is drawn"


def test_what_two_sources_found_counts_for_both():
    kept = [mined("q", "both", 0.9, "bm25", "dense"), mined("q", "b", 0.8), mined("q", "d", 0.1, "dense")]
    (example,) = mined_only(3, balance=True).mix(Material(collection({"q": 1}), kept)).examples
    assert example.negative_ids == ("both", "b", "d")
