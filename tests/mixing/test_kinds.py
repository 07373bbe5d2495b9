"""What holds for every kind of mixing, and for every way to deal with a shortage."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syneg_data.errors import GateError
from syneg_data.mixing import Mixing
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.report import ledger
from syneg_data.spec import kind_of, members
from tests.mixing.world import GRADES, KINDS, collection, kept_candidates, named, texts_for

every_kind = pytest.mark.parametrize("specs", [pytest.param(specs, id=kind) for kind, specs in KINDS.items()])
a_few = settings(max_examples=15)  # of each kind
WAYS = [
    {},
    {"shortage": "ragged"},
    {"shortage": "backfill", "backfill": ("dense", "syneg")},
    {"cap": 2},
    {"cap": 1, "shortage": "ragged"},
    {"match_lengths": "positive"},
    {"match_lengths": "synthetic", "balance": True, "cap": 2, "shortage": "ragged"},
]


def in_ways(spec, way):
    return spec.model_copy(update={name: value for name, value in way.items() if name in type(spec).model_fields})


def material(case, seed=13):
    positives, kept = case
    return Material(collection(positives, texts_for(kept)), kept, seed=seed, grades=GRADES)


def test_every_kind_is_tried_here():
    assert set(KINDS) == {kind_of(member) for member in members(Mixing)}


@every_kind
@a_few
@given(data=st.data(), case=kept_candidates(), way=st.sampled_from(WAYS))
def test_an_example_is_sound(specs, data, case, way):
    spec, given_ = in_ways(data.draw(st.sampled_from(specs)), way), material(case)
    known = {(v.query_id, v.doc_id): v for v in given_.kept}
    mixed = spec.mix(given_)
    for example in mixed.examples:
        grades = given_.collection.qrels[example.query_id]
        assert example.positive_id in grades
        assert not [d for d in example.negative_ids if grades.get(d, 0) > 0]
        assert len(set(example.negative_ids)) == len(example.negative_ids) == len(example.sources)
        sizes = len(example.negative_ids)
        assert sizes == spec.negatives if spec.even else 1 <= sizes <= spec.negatives
        for doc_id, source, score in zip(example.negative_ids, example.sources, example.scores, strict=True):
            verdict = known[example.query_id, doc_id]
            assert verdict.positive_id in (None, example.positive_id), "what was written for another pair"
            assert score == verdict.relevance
            names = "+".join(hit.source for hit in verdict.sources)
            assert source.startswith(f"{verdict.origin}:{names}")
            assert source.removeprefix(f"{verdict.origin}:{names}") in ("", ":backfill", *GRADED)


GRADED = (":grade_2", ":grade_1", ":grade_0")


@every_kind
@a_few
@given(data=st.data(), case=kept_candidates(), way=st.sampled_from(WAYS))
def test_the_ledger_balances_and_no_cap_is_passed(specs, data, case, way):
    spec, given_ = in_ways(data.draw(st.sampled_from(specs)), way), material(case)
    mixed = spec.mix(given_)
    entry = ledger.mix_entry(given_.kept, mixed.examples, mixed.rejected, mixed.capped)
    assert entry["in"] == len(given_.kept) == entry["kept"] + sum(entry["rejected"].values())
    assert all(count > 0 for count in entry["rejected"].values())
    assert entry["pairs"]["in"] == len(given_.collection.pairs())
    chosen = {(e.query_id, d) for e in mixed.examples for d in e.negative_ids}
    assert not mixed.capped & chosen
    assert mixed.capped <= {(v.query_id, v.doc_id) for v in given_.kept}
    uses = Counter(d for e in mixed.examples for d in e.negative_ids)
    if spec.cap is None:
        assert mixed.capped == frozenset()
    else:
        assert max(uses.values(), default=0) <= spec.cap
        assert all(uses[doc_id] == spec.cap or spec.shortage != "ragged" for _, doc_id in mixed.capped)
    facts = ledger.mixing_facts(spec.kind, mixed.examples, mixed.capped)
    assert sum(facts["negatives_per_example"].values()) == len(mixed.examples)
    assert sum(facts["sources"].values()) == sum(uses.values())
    assert facts["most_often"] == max(uses.values(), default=0)


@every_kind
@a_few
@given(data=st.data(), case=kept_candidates(), way=st.sampled_from(WAYS))
def test_the_order_of_mined_candidates_decides_nothing(specs, data, case, way):
    spec, given_ = in_ways(data.draw(st.sampled_from(specs)), way), material(case)
    mined = [v for v in given_.kept if v.origin == "mined"]
    turned = [*(v for v in given_.kept if v.origin == "synthetic"), *reversed(mined)]
    assert spec.mix(given_) == spec.mix(given_) == spec.mix(replace(given_, kept=turned))


@pytest.mark.parametrize("specs", [specs for kind, specs in KINDS.items() if kind != "pooled"])
@a_few
@given(data=st.data(), case=kept_candidates(), way=st.sampled_from([way for way in WAYS if "cap" not in way]))
def test_a_query_chooses_for_itself(specs, data, case, way):
    """Without a cap or a pool, one query more changes nothing for the others."""
    spec, given_ = in_ways(data.draw(st.sampled_from(specs)), way), material(case)
    (gone, *_) = given_.collection.queries
    fewer = replace(given_, collection=given_.collection.without_queries({gone}))
    expected = [e for e in spec.mix(given_).examples if e.query_id != gone]
    assert spec.mix(fewer).examples == expected


@every_kind
@a_few
@given(data=st.data(), case=kept_candidates())
def test_ragged_and_backfill_lose_no_example_that_drop_has(specs, data, case):
    spec, given_ = data.draw(st.sampled_from(specs)), material(case)
    dropped = {(e.query_id, e.positive_id) for e in in_ways(spec, {"shortage": "drop"}).mix(given_).examples}
    for way in WAYS[1:3]:
        served = {(e.query_id, e.positive_id) for e in in_ways(spec, way).mix(given_).examples}
        assert dropped <= served
    filled = [e for e in in_ways(spec, WAYS[2]).mix(given_).examples if (e.query_id, e.positive_id) not in dropped]
    assert all(any(source.endswith(":backfill") for _, source in named(e)) for e in filled)


@every_kind
@a_few
@given(data=st.data(), case=kept_candidates())
def test_fail_refuses_what_drop_would_drop(specs, data, case):
    spec, given_ = data.draw(st.sampled_from(specs)), material(case)
    dropped = in_ways(spec, {"shortage": "drop"}).mix(given_)
    strict = in_ways(spec, {"shortage": "fail"})
    if dropped.rejected:
        with pytest.raises(
            GateError, match=r"mixing: query 'q\d', positive 'q\d-p\d': .* are asked for; ask for fewer"
        ):
            strict.mix(given_)
    else:
        assert strict.mix(given_) == dropped


@every_kind
def test_nothing_comes_of_nothing(specs):
    for spec in specs:
        assert spec.mix(Material(collection({}), [])) == Mixed([])
        mixed = spec.mix(Material(collection({"q": 2}), [], grades=GRADES))
        assert (mixed.examples, sum(mixed.rejected.values())) == ([], 2)


@every_kind
def test_the_largest_number_of_negatives_is_known_beforehand(specs):
    known = {"hybrid": {2, 3}, "pooled": {2, 4}, "synthetic_only": {1, 3}, "mined_only": {1, 4}}
    known |= {"quota": {2, 5}, "ambiguous": {2, 4}, "graded": {1, 6}}
    assert {spec.negatives for spec in specs} == known[specs[0].kind]
    assert all(spec.even for spec in specs)
    assert not in_ways(specs[0], {"shortage": "ragged"}).even
