"""What holds for every kind of every union; a kind without an example here fails."""

import pytest
from pydantic import TypeAdapter, ValidationError

from syneg_data.recipe import UNIONS
from syneg_data.spec import RUNTIME, fingerprint, members

MODEL = {"kind": "hub", "id": "someone/model", "revision": "v1"}
ENGINE = {"kind": "openai", "base_url": "https://one.example.org/v1", "model": "some/model", "revision": "2025-01-01"}

# What every kind of mixing can say, and those that choose among sources.
OPTIONS = {"shortage": "fail", "backfill": ("bm25",), "cap": 3, "restyled": 0.0}
CHOOSING = {**OPTIONS, "match_lengths": "positive", "balance": True}

# One example per kind, and for each field that decides rows another legal value.
EXAMPLES = {
    ("source", "beir"): (
        {"kind": "beir", "path": ".", "split": "train", "license": "mit"},
        {"split": "test", "dev": 0.2, "license": "apache-2.0", "evaluation": ("extra",)},
    ),
    ("source", "pairs"): (
        {"kind": "pairs", "path": ".", "license": "mit", "dev": 0.1},
        {
            "query": "question",
            "positive": "answer",
            "title": "headline",
            "query_id": "qid",
            "positive_id": "aid",
            "corpus": {"path": "."},
            "split": "dev",
            "dev": 0.2,
            "test": 0.2,
            "license": "apache-2.0",
        },
    ),
    ("source", "hub"): (
        {"kind": "hub", "id": "someone/data", "revision": "v1.0.0", "license": "mit"},
        {
            "pairs": {"files": "pair/train-*.parquet"},
            "split": "test",
            "splits": {"train": "dev"},
            "dev": 0.2,
            "evaluation": ("extra",),
            "dangling": "drop",
            "license": "apache-2.0",
        },
    ),
    ("mining[]", "bm25"): (
        {"kind": "bm25"},
        {
            "name": "lexical",
            "depth": 7,
            "skip": 2,
            "engine": "rank-bm25",
            "k1": 1.2,
            "b": 0.4,
            "stopwords": "none",
        },
    ),
    ("mining[]", "dense"): (
        {"kind": "dense", "model": MODEL},
        {
            "name": "near",
            "depth": 7,
            "skip": 2,
            "prompts": {"query": "query: "},
            "max_length": 64,
            "dtype": "float16",
        },
    ),
    ("mining[]", "run_file"): ({"kind": "run_file", "path": "."}, {"name": "lucene", "depth": 7, "skip": 2}),
    ("generation.engine", "vllm"): (
        {"kind": "vllm", "model": MODEL},
        {"dtype": "float32", "max_model_len": 2048, "backend": "xgrammar"},
    ),
    ("generation.engine", "openai"): (ENGINE, {"model": "other/model", "revision": "2025-01-02"}),
    ("generation.engine", "transformers"): ({"kind": "transformers", "model": MODEL}, {"dtype": "float32"}),
    ("generation.strategies[]", "syneg"): (
        {"kind": "syneg"},
        {
            "name": "other",
            "genre": "answer",
            "per_pair": 3,
            "positive_words": 90,
            "attributes": {"tone": ("dry", "lively")},
        },
    ),
    ("generation.strategies[]", "rewrite"): (
        {"kind": "rewrite"},
        {
            "name": "other",
            "per_pair": 3,
            "base": "positive",
            "base_words": 90,
            "attributes": {"tone": ("dry", "lively")},
        },
    ),
    ("generation.strategies[]", "graded"): (
        {"kind": "graded"},
        {
            "name": "other",
            "per_pair": 3,
            "levels": {"2": "answers", "0": "does not"},
            "positive_from": 2,
            "positive_words": 90,
            "attributes": {"tone": "auto"},
        },
    ),
    ("generation.strategies[]", "restyle"): (
        {"kind": "restyle"},
        {"name": "other", "per_pair": 3, "positive_words": 90, "attributes": {"tone": ("dry", "lively")}},
    ),
    ("generation.reflection", "inline"): ({"kind": "inline"}, {}),
    ("generation.reflection", "critique"): (
        {"kind": "critique"},
        {"rounds": 2, "inline": False, "exam": 40, "minimum": 0.6, "on_fail": "ignore"},
    ),
    ("generation.reflection", "none"): ({"kind": "none"}, {}),
    ("validation.rerankers[]", "bi_encoder"): (
        {"kind": "bi_encoder", "model": MODEL},
        {
            "name": "teacher",
            "prompts": {"document": "passage: "},
            "max_length": 64,
            "dtype": "bfloat16",
            "allow_same_model": True,
        },
    ),
    ("validation.rerankers[]", "cross_encoder"): (
        {"kind": "cross_encoder", "model": MODEL},
        {"name": "judge", "max_length": 64, "backend": "onnx", "dtype": "bfloat16", "allow_same_model": True},
    ),
    ("validation.rerankers[]", "llm"): (
        {"kind": "llm", "engine": ENGINE},
        {
            "name": "reader",
            "engine": {**ENGINE, "revision": "2025-01-02"},
            "words": 100,
            "max_tokens": 128,
        },
    ),
    ("validation.rule", "calibrated"): (
        {"kind": "calibrated"},
        {"maximum": 0.6, "lean": 0.0, "doubt": 0.1, "least": 50, "otherwise": {"kind": "relative", "margin": 0.1}},
    ),
    ("validation.rule", "relative"): ({"kind": "relative"}, {"margin": 0.1, "positive": "own", "doubt": 0.1}),
    ("validation.rule", "absolute"): ({"kind": "absolute", "maximum": 0.6}, {"maximum": 0.7, "doubt": 0.1}),
    ("validation.rule", "percentile"): ({"kind": "percentile"}, {"percentile": 10.0, "doubt": 0.1}),
    ("mixing", "hybrid"): (
        {"kind": "hybrid"},
        {"synthetic": 2, "mined": 3, "synthetic_per_mined": 0.7, "negatives": 4, **CHOOSING},
    ),
    ("mixing", "pooled"): ({"kind": "pooled"}, {"synthetic": 2, "mined": 3, **CHOOSING}),
    ("mixing", "synthetic_only"): ({"kind": "synthetic_only"}, {"synthetic": 2, **CHOOSING}),
    ("mixing", "mined_only"): ({"kind": "mined_only"}, {"mined": 4, **CHOOSING}),
    ("mixing", "quota"): (
        {"kind": "quota", "sources": {"bm25": 2, "syneg": 1}},
        {"sources": {"syneg": 1, "bm25": 2}, "match_lengths": "synthetic", **OPTIONS},
    ),
    ("mixing", "ambiguous"): ({"kind": "ambiguous"}, {"negatives": 4, "a": 1.0, "b": -0.1, **OPTIONS}),
    ("mixing", "graded"): (
        {"kind": "graded"},
        {"strategy": "other", "grades": (1, 0), "per_grade": 2, **OPTIONS},
    ),
    ("export.formats[]", "sentence_transformers_triplet"): ({"kind": "sentence_transformers_triplet"}, {}),
    ("export.formats[]", "sentence_transformers_n_tuple"): ({"kind": "sentence_transformers_n_tuple"}, {}),
    ("export.formats[]", "sentence_transformers_labeled_list"): (
        {"kind": "sentence_transformers_labeled_list"},
        {"labels": "binary"},
    ),
    ("export.formats[]", "sentence_transformers_ids"): ({"kind": "sentence_transformers_ids"}, {}),
    ("export.formats[]", "flag_embedding"): ({"kind": "flag_embedding"}, {}),
    ("export.formats[]", "tevatron"): ({"kind": "tevatron"}, {}),
    ("export.formats[]", "beir"): ({"kind": "beir"}, {}),
    ("export.formats[]", "mteb"): ({"kind": "mteb"}, {}),
    ("training.objective", "ranking"): ({"kind": "ranking"}, {"temperature": 0.02, "in_batch": False}),
    ("training.objective", "cached_ranking"): ({"kind": "cached_ranking"}, {"temperature": 0.02}),
    ("training.objective", "guided"): (
        {"kind": "guided", "guide": MODEL},
        {"temperature": 0.02, "margin": 0.05, "margin_kind": "relative"},
    ),
    ("training.objective", "distillation"): (
        {"kind": "distillation"},
        {"temperature": 0.02, "teacher_temperature": 0.1},
    ),
    ("model", "hub"): (MODEL, {}),
    ("model", "path"): ({"kind": "path", "path": "."}, {}),
    ("model", "package"): (
        {"kind": "package", "package": "some==1", "file": "some/weights.gguf", "sha256": "0" * 64},
        {},
    ),
}

# For each field that is marked RUNTIME another legal value; a model is marked too, because its digest stands for it.
RUNTIME_CHANGES = {
    "path": "..",
    "batch_size": 7,
    "batch_tokens": 128,
    "max_memory": "1GB",
    "mini_batch": 7,
    "guide": {"kind": "hub", "id": "someone/else", "revision": "v2"},
    "base_url": "http://127.0.0.1:9/v1",
    "api_key_env": "OTHER_API_KEY",
    "concurrency": 7,
    "retries": 7,
    "timeout": 7.0,
    "breaker": 7,
    "max_num_seqs": 7,
    "gpu_memory_utilization": 0.7,
    "tensor_parallel_size": 2,
    "enforce_eager": True,
    "model": {"kind": "hub", "id": "someone/else", "revision": "v2"},
    "id": "someone/else",
    "revision": "v2.0.0",
    "qrels": "someone/judgements@v1.0.0",
}


def kind_of(spec):
    return spec.model_fields["kind"].annotation.__args__[0]


def build(spec, values):
    return TypeAdapter(spec).validate_python(values, context={"base": "."})


def test_every_kind_has_an_example():
    assert {(section, kind_of(m)) for section, union in UNIONS.items() for m in members(union)} == set(EXAMPLES)


CASES = [
    pytest.param(spec, *EXAMPLES[section, kind_of(spec)], id=f"{section}-{kind_of(spec)}")
    for section, union in UNIONS.items()
    for spec in members(union)
]


@pytest.mark.parametrize(("spec", "example", "changes"), CASES)
def test_a_kind_is_frozen_and_closed(spec, example, changes):
    built = build(spec, example)
    with pytest.raises(ValidationError, match="frozen"):
        built.kind = "other"
    with pytest.raises(ValidationError, match="extra_forbidden"):
        build(spec, {**example, "surprise": 1})


@pytest.mark.parametrize(("spec", "example", "changes"), CASES)
def test_python_may_leave_out_the_kind_and_a_recipe_may_not(spec, example, changes):
    rest = {name: value for name, value in example.items() if name != "kind"}
    assert spec(**rest) == build(spec, example)
    with pytest.raises(ValidationError, match="has no `kind`; add one"):
        build(spec, rest)


@pytest.mark.parametrize(("spec", "example", "changes"), CASES)
def test_every_field_decides_the_fingerprint_unless_it_is_marked_runtime(spec, example, changes):
    runtime = {name for name, field in spec.model_fields.items() if RUNTIME in field.metadata}
    deciding = set(spec.model_fields) - runtime - {"kind"}
    if spec.__module__.endswith("references"):
        pytest.skip("a model enters fingerprints by the digest of its content, not by its entry")
    assert set(changes) == deciding, "give every field that decides rows another legal value"
    before = fingerprint(build(spec, example))
    for name, value in changes.items():
        assert fingerprint(build(spec, {**example, name: value})) != before, name
    for name in runtime:
        changed = build(spec, {**example, name: RUNTIME_CHANGES[name]})
        assert getattr(changed, name) != getattr(build(spec, example), name), name
        assert fingerprint(changed) == before, name
