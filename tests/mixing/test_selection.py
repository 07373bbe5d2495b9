"""Mixing: kept candidates dealt to pairs; nothing shared, nothing lost."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.errors import GateError
from syneg_data.mixing import Hybrid, MinedOnly
from syneg_data.mixing.selection import Material
from syneg_data.records import Example, Hit, Verdict


def mined(query_id, doc_id, relevance, *sources):
    hits = tuple(Hit(source, i + 1, 1.0) for i, source in enumerate(sources or ("bm25",)))
    return Verdict(query_id, None, doc_id, "mined", hits, relevance, 0.9, (), "keep", "")


def written(query_id, positive_id, slot, relevance=0.5, strategy="syneg"):
    doc_id = f"s-{query_id}-{positive_id}-{slot}"
    hits = (Hit(strategy, slot + 1, None),)
    return Verdict(query_id, positive_id, doc_id, "synthetic", hits, relevance, 0.9, (), "keep", "")


def collection(positives):
    """Query -> number of positives."""
    qrels = {q: {f"{q}-p{i}": 1 for i in range(n)} for q, n in positives.items()}
    documents = {doc_id: Document(doc_id, doc_id) for grades in qrels.values() for doc_id in grades}
    return Collection(documents, {q: f"text of {q}" for q in positives}, qrels, "digest")


@st.composite
def cases(draw):
    positives = draw(st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), st.integers(1, 4), min_size=1))
    relevance = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.75])
    kept = []
    for q, n in positives.items():
        kept += [mined(q, f"m{i:02}", draw(relevance)) for i in draw(st.sets(st.integers(0, 14)))]
        for i in range(n):
            kept += [written(q, f"{q}-p{i}", slot) for slot in range(draw(st.integers(0, 3)))]
    return collection(positives), draw(st.permutations(kept)), draw(st.integers(0, 2)), draw(st.integers(1, 3))


def mixing(synthetic, mined, shortage="drop", **more):
    if synthetic:
        return Hybrid(kind="hybrid", synthetic=synthetic, mined=mined, shortage=shortage, **more)
    return MinedOnly(kind="mined_only", mined=mined, shortage=shortage, **more)


@given(cases())
def test_every_example_has_its_own_negatives_in_full(case):
    corpus, kept, synthetic, wanted = case
    known = {(v.query_id, v.doc_id): v for v in kept}
    mixed = mixing(synthetic, wanted).mix(Material(corpus, kept))
    dealt = Counter()
    mined_for = Counter(v.query_id for v in kept if v.origin == "mined")
    served = Counter(example.query_id for example in mixed.examples)
    for example in mixed.examples:
        negatives = [known[example.query_id, doc_id] for doc_id in example.negative_ids]
        assert [v.origin for v in negatives] == ["synthetic"] * synthetic + ["mined"] * wanted
        assert all(v.positive_id == example.positive_id for v in negatives[:synthetic])
        assert example.sources == ("synthetic:syneg",) * synthetic + ("mined:bm25",) * wanted
        assert example.scores == tuple(v.relevance for v in negatives)
        hardness = [v.relevance for v in negatives[synthetic:]]
        assert hardness == sorted(hardness, reverse=True)
        dealt.update((example.query_id, doc_id) for doc_id in example.negative_ids)
        assert len(set(example.negative_ids)) == synthetic + wanted
    for (query_id, _), count in dealt.items():
        enough = mined_for[query_id] >= len(corpus.positives(query_id)) * wanted
        share = served[query_id] * wanted / max(mined_for[query_id], 1)
        assert count == 1 if enough else count < share + 2, "shared only where there are too few, and then in turn"


@given(cases())
def test_every_pair_is_an_example_or_counted(case):
    corpus, kept, synthetic, wanted = case
    mixed = mixing(synthetic, wanted).mix(Material(corpus, kept))
    pairs = [(example.query_id, example.positive_id) for example in mixed.examples]
    assert pairs == [pair for pair in corpus.pairs() if pair in set(pairs)]
    assert sum(mixed.rejected.values()) == len(corpus.pairs()) - len(pairs)
    assert set(mixed.rejected) <= {"too_few_synthetic", "too_few_mined"}
    assert 0 not in mixed.rejected.values()


@given(cases())
def test_fail_refuses_exactly_what_drop_would_drop(case):
    corpus, kept, synthetic, wanted = case
    dropped = mixing(synthetic, wanted).mix(Material(corpus, kept))
    strict = mixing(synthetic, wanted, "fail")
    if dropped.rejected:
        with pytest.raises(GateError, match="mixing: query 'q"):
            strict.mix(Material(corpus, kept))
    else:
        assert strict.mix(Material(corpus, kept)) == dropped


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_mined_verdicts_does_not_matter(case, random):
    corpus, kept, synthetic, wanted = case
    retrieved = [v for v in kept if v.origin == "mined"]
    others = [v for v in kept if v.origin == "synthetic"]
    shuffled = random.sample(retrieved, len(retrieved))
    once, again = (
        mixing(synthetic, wanted).mix(Material(corpus, part)) for part in (retrieved + others, others + shuffled)
    )
    assert once == again


def test_an_example_by_hand():
    corpus = collection({"q": 2})
    kept = [
        mined("q", "easy", 0.1),
        mined("q", "tie-b", 0.5),
        mined("q", "tie-a", 0.5, "bm25", "dense"),
        mined("q", "hard", 0.8, "dense"),
        written("q", "q-p0", 0, 0.4),
        written("q", "q-p0", 1, 0.7),
        written("q", "q-p1", 0, 0.3),
    ]
    mixed = mixing(1, 2).mix(Material(corpus, kept))
    assert mixed.examples == [
        Example(
            "q", "q-p0", ("s-q-q-p0-0", "hard", "tie-b"), ("synthetic:syneg", "mined:dense", "mined:bm25"),
            (0.4, 0.8, 0.5),
        ),
        Example(
            "q", "q-p1", ("s-q-q-p1-0", "tie-a", "easy"), ("synthetic:syneg", "mined:bm25+dense", "mined:bm25"),
            (0.3, 0.5, 0.1),
        ),
    ]  # fmt: skip
    assert mixed.rejected == {}


def test_what_is_short_is_named():
    corpus = collection({"q1": 1, "q2": 1, "q3": 1})
    kept = [
        *(mined(q, f"m{i}", 0.5) for q in ("q1", "q2") for i in range(2)),
        mined("q3", "m0", 0.5),
        written("q2", "q2-p0", 0),
        written("q3", "q3-p0", 0),
    ]
    mixed = mixing(1, 2).mix(Material(corpus, kept))
    assert [example.query_id for example in mixed.examples] == ["q2"]
    assert mixed.rejected == {"too_few_synthetic": 1, "too_few_mined": 1}
    with pytest.raises(GateError, match=r"query 'q1', positive 'q1-p0': 0 synthetic and 2 mined .* 1 and 2 are asked"):
        mixing(1, 2, "fail").mix(Material(corpus, kept))


def test_negatives_per_example():
    assert mixing(1, 2).negatives == 3
    assert mixing(0, 2).negatives == 2
    assert (Hybrid(kind="hybrid").negatives, MinedOnly(kind="mined_only").negatives) == (3, 3)


def test_mined_only_takes_no_synthetic_ones():
    kept = [mined("q", "m", -0.5), written("q", "q-p0", 0)]
    assert mixing(0, 1).mix(Material(collection({"q": 1}), kept)).examples == [
        Example("q", "q-p0", ("m",), ("mined:bm25",), (-0.5,))
    ]


# Restyled positives


def restyled_case(queries=400, restyled=None):
    """One positive, one written and one mined negative for each query; every query but the last has a new version."""
    corpus = collection({f"q{i:03}": 1 for i in range(queries)})
    kept = [v for q in corpus.queries for v in (mined(q, "m", 0.5), written(q, f"{q}-p0", 0))]
    versions = {(q, f"{q}-p0"): f"r-{q}" for q in list(corpus.queries)[:-1]}
    return corpus, kept, versions if restyled is None else restyled


def positives(share, seed=13, case=None, synthetic=1):
    corpus, kept, versions = case or restyled_case()
    return [
        example.positive_id
        for example in mixing(synthetic, 1, restyled=share).mix(Material(corpus, kept, versions, seed)).examples
    ]


@pytest.mark.parametrize("synthetic", [0, 1])
def test_no_share_takes_no_version_and_the_whole_every_one(synthetic):
    corpus, _, versions = restyled_case()
    originals = [f"{q}-p0" for q in corpus.queries]
    assert positives(0.0, synthetic=synthetic) == originals
    assert positives(1.0, synthetic=synthetic) == [*versions.values(), originals[-1]]


def test_half_are_drawn_by_seed():
    corpus, _, _ = restyled_case()
    drawn = positives(0.5)
    taken = [doc_id.startswith("r-") for doc_id in drawn]
    assert 150 <= sum(taken) <= 250
    assert all(doc_id in (f"r-{q}", f"{q}-p0") for q, doc_id in zip(corpus.queries, drawn, strict=True))
    assert positives(0.5) == drawn != positives(0.5, seed=14)
    assert mixing(1, 1).restyled == mixing(0, 1).restyled == 0.5


def test_the_draws_of_these_pairs_are_the_same_on_every_machine():
    assert [int(doc_id.startswith("r-")) for doc_id in positives(0.5)[:12]] == [1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0]


def test_shares_nest_and_a_pair_draws_for_itself():
    small, large = positives(0.3), positives(0.6)
    assert {d for d in small if d.startswith("r-")} < {d for d in large if d.startswith("r-")}
    assert positives(0.5, case=restyled_case(10))[:9] == positives(0.5)[:9]


def test_a_version_changes_the_positive_alone():
    corpus, kept, versions = restyled_case(3)
    plain = mixing(1, 1, restyled=1.0).mix(Material(corpus, kept))
    styled = mixing(1, 1, restyled=1.0).mix(Material(corpus, kept, versions))
    assert plain.examples[0] == Example(
        "q000", "q000-p0", ("s-q000-q000-p0-0", "m"), ("synthetic:syneg", "mined:bm25"), (0.5, 0.5)
    )
    assert [replace(e, positive_id="") for e in plain.examples] == [replace(e, positive_id="") for e in styled.examples]
    assert styled.examples[0].positive_id == "r-q000"
    assert styled.rejected == plain.rejected == {}


def test_a_version_of_one_positive_is_none_of_another():
    corpus = collection({"q": 2})
    kept = [mined("q", "m0", 0.5), mined("q", "m1", 0.4)]
    mixed = mixing(0, 1, restyled=1.0).mix(Material(corpus, kept, {("q", "q-p1"): "r"}))
    assert [example.positive_id for example in mixed.examples] == ["q-p0", "r"]


def test_a_version_cannot_save_a_pair_that_is_short():
    corpus, _, versions = restyled_case(2)
    mixed = mixing(0, 1, restyled=1.0).mix(Material(corpus, [], versions))
    assert (mixed.examples, mixed.rejected) == ([], {"too_few_mined": 2})
