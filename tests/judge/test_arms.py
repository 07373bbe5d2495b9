"""The arms: what each chooses, on a small collection whose every answer can be told by eye."""

from dataclasses import replace

import pytest

from syneg_data.collection import Collection, Document
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.judge.arms import ARMS, Ground
from syneg_data.mixing import Hybrid
from syneg_data.mixing.selection import Material
from syneg_data.recipe import load_recipe
from syneg_data.records import Hit, Verdict

# Eight queries about a fruit each, with a relevant document; four lists of others share its name or nothing.
FRUITS = ("apple", "banana", "cherry", "grape", "lemon", "melon", "orange", "peach")
DOCUMENTS = {
    **{f"p{n}": Document(f"p{n}", f"{fruit} trees need sun and water") for n, fruit in enumerate(FRUITS)},
    **{
        f"m{n}{k}": Document(f"m{n}{k}", f"{fruit} number {k} is {'sweet ' * (k + 1)}")
        for n, fruit in enumerate(FRUITS)
        for k in range(4)
    },
}
QUERIES = {f"q{n}": f"what does a {fruit} tree need" for n, fruit in enumerate(FRUITS)}
QRELS = {f"q{n}": {f"p{n}": 1} for n in range(len(FRUITS))}
SYNTHETIC = {
    f"s{n}{k}": Document(f"s{n}{k}", f"{where} a {fruit} falls from the tree")
    for n, fruit in enumerate(FRUITS)
    for k, where in enumerate(("here", "there"))
}
# The positives of all queries but the last in a model's words, which are fewer.
RESTYLED = {f"r{n}": Document(f"r{n}", f"{fruit} thirst") for n, fruit in enumerate(FRUITS[:-1])}
# What a model wrote and the gate refused: it answers every query best, and is no document of the corpus.
REFUSED = Document("refused", " ".join(QUERIES.values()))


def kept():
    rows = []
    for n in range(len(FRUITS)):
        for k in range(4):
            hits = (Hit("bm25", k + 1, 1.0),)
            rows.append(Verdict(f"q{n}", None, f"m{n}{k}", "mined", hits, 0.5 - k / 10, 0.9, (), "keep", ""))
        for k in range(2):
            hits = (Hit("syneg", k + 1, None),)
            rows.append(Verdict(f"q{n}", f"p{n}", f"s{n}{k}", "synthetic", hits, 0.4, 0.9, (), "keep", ""))
    return rows


@pytest.fixture
def ground():
    collection = Collection(DOCUMENTS, QUERIES, QRELS, "digest").with_documents([*SYNTHETIC.values(), REFUSED])
    return Ground(Material(collection, kept(), seed=7), list(DOCUMENTS), synthetic=1, mined=2, encoder=None)


@pytest.fixture
def restyling(ground):
    """The same with restyled positives, of which examples take half."""
    material = replace(
        ground.material,
        collection=ground.material.collection.with_documents(RESTYLED.values()),
        restyled={(f"q{n}", f"p{n}"): f"r{n}" for n in range(7)},
    )
    return replace(ground, material=material, restyled=0.5)


NEED_AN_ENCODER = ("nearest", "dense")


def chosen(name, ground):
    return ARMS[name].choose(ground)


def test_every_arm_serves_every_pair_with_as_many_negatives(ground):
    lengths = {"none": 0, "in_batch": 0, "synthetic": 1}
    for name in ARMS:
        if name in NEED_AN_ENCODER:
            continue
        served = chosen(name, ground)
        assert set(served) == {(f"q{n}", f"p{n}") for n in range(8)}, name
        assert {len(negatives) for negatives in served.values()} == {lengths.get(name, 3)}, name


def test_no_arm_chooses_a_positive(ground):
    for name in ARMS:
        if name not in NEED_AN_ENCODER:
            assert not [
                n for (_, positive), negatives in chosen(name, ground).items() for n in negatives if n == positive
            ]


def test_the_mined_arms_choose_the_hardest_that_the_gate_kept(ground):
    assert chosen("gated", ground)["q3", "p3"] == ("m30", "m31", "m32")
    assert chosen("count_matched", ground)["q3", "p3"] == ("m30", "m31", "m32")
    assert chosen("hybrid", ground)["q3", "p3"] == ("s30", "m30", "m31")
    assert chosen("synthetic", ground)["q3", "p3"] == ("s30",)


def test_bm25_is_unchecked_and_sees_no_synthetic_document(ground):
    assert set(chosen("bm25", ground)["q0", "p0"]) <= set(DOCUMENTS)
    fruit = [doc_id for doc_id in chosen("bm25", ground)["q0", "p0"] if doc_id.startswith("m0")]
    assert len(fruit) >= 2


def test_random_documents_are_real_seeded_and_differ_between_pairs(ground):
    first = chosen("random", ground)
    assert first == chosen("random", ground)
    assert len(set(first.values())) > 6
    assert {doc_id for negatives in first.values() for doc_id in negatives} <= set(DOCUMENTS)


def test_placebo_gives_every_pair_another_querys_synthetic_negative(ground):
    hybrid, placebo = chosen("hybrid", ground), chosen("placebo", ground)
    for pair, (borrowed, *mined) in placebo.items():
        assert borrowed.startswith("s") and borrowed != hybrid[pair][0]
        assert tuple(mined) == hybrid[pair][1:]
    assert {negatives[0] for negatives in placebo.values()} == {f"s{n}0" for n in range(len(FRUITS))}


def test_restyled_has_the_hybrid_sets_negatives_under_the_original_pairs(ground, restyling):
    assert chosen("restyled", restyling) == chosen("hybrid", restyling) == chosen("hybrid", ground)
    like = {"manner": {"match_lengths": "positive"}}  # which is the original in every arm
    assert chosen("restyled", replace(restyling, **like)) == chosen("hybrid", replace(ground, **like))
    assert chosen("restyled", replace(restyling, **like))["q3", "p3"] == ("s30", "m31", "m32")


def test_restyled_takes_the_positives_that_a_build_takes(ground, restyling):
    assert restyling.versions() == {("q0", "p0"): "r0", ("q1", "p1"): "r1", ("q2", "p2"): "r2"}
    built = Hybrid(synthetic=1, mined=2, restyled=0.5).mix(restyling.material).examples
    assert {e.positive_id for e in built if e.positive_id.startswith("r")} == set(restyling.versions().values())
    assert replace(restyling, restyled=1.0).versions() == {(f"q{n}", f"p{n}"): f"r{n}" for n in range(7)}
    assert replace(restyling, restyled=0.0).versions() == ground.versions() == {}


def test_pooled_has_the_hybrid_sets_kinds_without_its_guarantee(ground):
    pooled = chosen("pooled", ground)
    written = [sum(doc_id.startswith("s") for doc_id in negatives) for negatives in pooled.values()]
    assert sum(written) == len(FRUITS) * ground.synthetic  # as many as hybrid has
    assert set(written) == {0, 1, 2}  # some pair got none, another both of its own
    for (query_id, _), negatives in pooled.items():
        assert len(set(negatives)) == 3
        assert all(doc_id[1] == query_id[1] for doc_id in negatives)  # its own candidates


def test_no_arm_that_mines_takes_what_a_model_wrote(ground):
    for name in ("random", "bm25", "gated"):
        taken = {doc_id for negatives in chosen(name, ground).values() for doc_id in negatives}
        assert taken <= set(DOCUMENTS), name


def test_dense_is_the_librarys_miner_over_the_real_documents(ground, root, fresh_cache):
    recipe = load_recipe(root / "recipes" / "mined.yaml").recipe
    model = BiEncoder(recipe.training.base.resolve(), 64, 8)
    dense = ARMS["dense"].choose(replace(ground, encoder=model))
    assert set(dense) == set(ground.material.collection.pairs())
    for (query_id, positive_id), negatives in dense.items():
        assert len(set(negatives)) == 3 and set(negatives) <= set(DOCUMENTS) - {positive_id}
        texts = [DOCUMENTS[doc_id].text for doc_id in (positive_id, *negatives)]
        query, documents = model.encode([QUERIES[query_id]], "query"), model.encode(texts, "document")
        scores = (documents @ query[0]).tolist()
        assert all(score < 0.95 * scores[0] + 1e-6 for score in scores[1:])
        assert scores[1:] == sorted(scores[1:], reverse=True)


def test_nearest_is_what_the_encoder_finds_unchecked(ground, root, fresh_cache):
    recipe = load_recipe(root / "recipes" / "mined.yaml").recipe
    model = BiEncoder(recipe.training.base.resolve(), 64, 8)
    nearest = ARMS["nearest"].choose(replace(ground, encoder=model))
    documents = model.encode([document.text for document in DOCUMENTS.values()], "document")
    assert set(nearest) == set(ground.material.collection.pairs())
    for (query_id, positive_id), negatives in nearest.items():
        scores = dict(zip(DOCUMENTS, (documents @ model.encode([QUERIES[query_id]], "query")[0]).tolist(), strict=True))
        others = sorted((doc_id for doc_id in DOCUMENTS if doc_id != positive_id), key=lambda d: (-scores[d], d))
        assert list(negatives) == others[:3]


def test_a_pair_with_too_few_is_not_served(ground):
    fewer = [v for v in ground.material.kept if v.doc_id not in ("m21", "m22", "m23")]
    poorer = Ground(Material(ground.material.collection, fewer, seed=7), ground.corpus, 1, 2, None)
    assert ("q2", "p2") not in chosen("gated", poorer)
    assert ("q2", "p2") not in chosen("hybrid", poorer)
    assert ("q2", "p2") in chosen("in_batch", poorer)


def test_an_arm_says_what_it_is():
    assert list(ARMS) == [
        "none", "in_batch", "random", "bm25", "nearest", "dense", "gated", "synthetic", "pooled", "hybrid",
        "restyled", "count_matched", "placebo",
    ]  # fmt: skip
    assert all(arm.what for arm in ARMS.values())
    assert [arm.name for arm in ARMS.values() if not arm.trains] == ["none"]
    assert [arm.name for arm in ARMS.values() if arm.scored] == [
        "gated", "synthetic", "pooled", "hybrid", "restyled", "count_matched",
    ]  # fmt: skip
