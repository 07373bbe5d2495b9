"""The tables of a build folder, column by column as the contract names them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syneg_data.collection import Collection, Document
from syneg_data.export.configs import (
    CONFIGS,
    candidate_table,
    collection_tables,
    generation_table,
    query_tables,
    schemas,
    score_table,
    training_tables,
)
from syneg_data.export.parquet import write_configs
from syneg_data.records import Attribute, Candidate, Example, Generation, Hit, Scored, Verdict

DOCUMENTS = [
    Document("p1", "one", "First"), Document("p2", "two"),
    Document("m1", "mined one", "M"), Document("m2", "mined two"),
]  # fmt: skip
WRITTEN = [Document("s1", "synthetic one"), Document("s2", "synthetic two")]
EXAMPLES = [
    Example("q2", "p2", ("s2", "m2"), ("synthetic:syneg", "mined:bm25"), (0.5, 0.25)),
    Example("q1", "p1", ("s1", "m1"), ("synthetic:syneg", "mined:bm25+dense"), (0.75, -0.5)),
]
CORPUS = Collection(
    {d.doc_id: d for d in DOCUMENTS},
    {"q2": "second?", "q1": "first?"},
    {"q1": {"p1": 2, "m2": 0}, "q2": {"p2": 1}},
    "digest",
)


def verdict(query_id, positive_id, doc_id, word="keep", reason="", origin="mined", relevance=0.5):
    return Verdict(
        query_id, positive_id, doc_id, origin, (Hit("bm25", 3, 1.5),), relevance, 0.9, (), word, reason
    )  # fmt: skip


@pytest.fixture
def training():
    return training_tables(CORPUS.with_documents(WRITTEN), EXAMPLES, 2)


def all_tables():
    return {
        **training_tables(CORPUS.with_documents(WRITTEN), EXAMPLES, 2),
        **collection_tables(CORPUS, WRITTEN),
        "candidates": candidate_table([], [], []),
        "scores": score_table([]),
        "generations": generation_table([]),
    }


def by_split(tables, split="train"):
    return {config: {split: table} for config, table in tables.items()}


@pytest.mark.parametrize(
    ("config", "columns"),
    [
        ("triplet", ["query", "positive", "negative"]),
        ("n-tuple", ["query", "positive", "negative_1", "negative_2"]),
        ("ids", ["query_id", "positive_id", "negative_ids", "sources", "scores"]),
        ("corpus", ["_id", "title", "text", "synthetic"]),
        ("queries", ["_id", "text"]),
        ("qrels", ["query-id", "corpus-id", "score"]),
        (
            "candidates",
            [
                "query_id", "positive_id", "doc_id", "origin", "sources", "relevance", "positive_relevance", "stage",
                "verdict", "reason", "selected",
            ],
        ),
        ("scores", ["query_id", "doc_id", "role", "reranker", "score", "words"]),
        (
            "generations",
            [
                "request_id", "query_id", "positive_id", "slot", "strategy", "attributes", "role", "grade", "round",
                "attempt", "state", "tokens_in", "tokens_out", "tokens_cached", "seed", "reply",
            ],
        ),
    ],
)  # fmt: skip
def test_columns_are_the_contracts(config, columns):
    assert all_tables()[config].column_names == columns
    assert {*all_tables(), "ragged"} == set(CONFIGS)


def test_column_types_hold_without_a_row():
    tables = all_tables()
    candidates, generations = tables["candidates"].schema, tables["generations"].schema
    hit = candidates.field("sources").type.value_type
    assert [(f.name, f.type) for f in hit.fields] == [
        ("source", pa.string()), ("rank", pa.int64()), ("score", pa.float64()),
    ]  # fmt: skip
    assert candidates.field("relevance").type == pa.float64()
    assert candidates.field("selected").type == pa.bool_()
    assert all(generations.field(name).type == pa.int64() for name in ("slot", "seed", "tokens_in", "attempt", "grade"))
    assert training_tables(CORPUS, [], 3)["ids"].schema.field("scores").type == pa.list_(pa.float64())
    assert training_tables(CORPUS, [], 3)["n-tuple"].column_names[2:] == ["negative_1", "negative_2", "negative_3"]


def test_training_rows(training):
    assert training["n-tuple"].to_pylist() == [
        {"query": "second?", "positive": "two", "negative_1": "synthetic two", "negative_2": "mined two"},
        {"query": "first?", "positive": "First one", "negative_1": "synthetic one", "negative_2": "M mined one"},
    ]
    assert training["triplet"].to_pylist() == [
        {"query": "second?", "positive": "two", "negative": "synthetic two"},
        {"query": "second?", "positive": "two", "negative": "mined two"},
        {"query": "first?", "positive": "First one", "negative": "synthetic one"},
        {"query": "first?", "positive": "First one", "negative": "M mined one"},
    ]


def test_ids_are_row_aligned_with_n_tuple(training):
    whole = CORPUS.with_documents(WRITTEN)
    ids, tuples = training["ids"].to_pylist(), training["n-tuple"].to_pylist()
    assert len(ids) == len(tuples) == 2
    for row, texts in zip(ids, tuples, strict=True):
        assert whole.queries[row["query_id"]] == texts["query"]
        assert whole.text(row["positive_id"]) == texts["positive"]
        assert [whole.text(d) for d in row["negative_ids"]] == [texts["negative_1"], texts["negative_2"]]
    assert ids[1] == {
        "query_id": "q1", "positive_id": "p1", "negative_ids": ["s1", "m1"],
        "sources": ["synthetic:syneg", "mined:bm25+dense"], "scores": [0.75, -0.5],
    }  # fmt: skip


def test_the_collection_under_beirs_names():
    tables = collection_tables(CORPUS, WRITTEN[:1])
    assert tables["corpus"].to_pylist()[-2:] == [
        {"_id": "m2", "title": "", "text": "mined two", "synthetic": False},
        {"_id": "s1", "title": "", "text": "synthetic one", "synthetic": True},
    ]
    assert tables["corpus"].num_rows == 5
    assert tables["queries"].to_pylist() == [{"_id": "q2", "text": "second?"}, {"_id": "q1", "text": "first?"}]
    assert tables["qrels"].to_pylist() == [
        {"query-id": "q2", "corpus-id": "p2", "score": 1},
        {"query-id": "q1", "corpus-id": "m2", "score": 0},
        {"query-id": "q1", "corpus-id": "p1", "score": 2},
    ]


def test_a_written_positive_is_a_document_and_judged_like_the_least_relevant_one():
    """Its query has positives of the grades 3 and 2, and a judged document that is not relevant."""
    corpus = Collection(
        CORPUS.documents, CORPUS.queries, {"q1": {"p1": 3, "m1": 2, "m2": 0}, "q2": {"p2": 1}}, "digest"
    )
    version = Document("r1", "the first in other words")
    examples = [
        Example("q2", "p2", ("m2",), ("mined:bm25",), (0.5,)),
        Example("q1", "r1", ("m2",), ("mined:bm25",), (0.5,)),
    ]
    tables = collection_tables(corpus, [version], examples)
    assert tables["corpus"].to_pylist()[-1] == {
        "_id": "r1", "title": "", "text": "the first in other words", "synthetic": True,
    }  # fmt: skip
    assert [tuple(row.values()) for row in tables["qrels"].to_pylist()] == [
        ("q2", "p2", 1), ("q1", "m1", 2), ("q1", "m2", 0), ("q1", "p1", 3), ("q1", "r1", 2),
    ]  # fmt: skip
    texts = training_tables(corpus.with_documents([version]), examples, 1)
    assert [row["positive"] for row in texts["n-tuple"].to_pylist()] == ["two", "the first in other words"]
    assert [row["positive"] for row in texts["triplet"].to_pylist()] == ["two", "the first in other words"]
    assert texts["ids"].to_pylist()[1]["positive_id"] == "r1"


def test_an_original_positive_is_judged_once():
    assert collection_tables(CORPUS, WRITTEN, EXAMPLES)["qrels"].num_rows == 3


def test_candidates_end_where_their_way_ends():
    hits = (Hit("bm25", 1, 2.5), Hit("dense", 4, 0.5))
    mined = [Candidate("q1", "p1", hits, "positive"), Candidate("q1", "m1", hits), Candidate("q1", "m2", hits)]
    verdicts = [
        verdict("q1", None, "m1"),
        verdict("q1", None, "m2", "false_negative", "above_threshold"),
        verdict("q2", "p2", "s2", origin="synthetic"),
        verdict("q1", "p1", "s9", origin="synthetic"),
        verdict("q2", None, "m1"),
        verdict("q1", "p1", "s8", "failed", "score_not_finite", "synthetic", None),
    ]
    rows = candidate_table(mined, verdicts, EXAMPLES).to_pylist()
    fates = [(r["query_id"], r["doc_id"], r["stage"], r["verdict"], r["reason"], r["selected"]) for r in rows]
    assert fates == [
        ("q1", "p1", "mine", "duplicate", "positive", False),
        ("q1", "m1", "mix", "keep", "", True),
        ("q1", "m2", "validate", "false_negative", "above_threshold", False),
        ("q2", "s2", "mix", "keep", "", True),
        ("q1", "s9", "mix", "keep", "not_selected", False),
        ("q2", "m1", "mix", "keep", "not_selected", False),
        ("q1", "s8", "validate", "failed", "score_not_finite", False),
    ]
    assert rows[0]["sources"] == [
        {"source": "bm25", "rank": 1, "score": 2.5}, {"source": "dense", "rank": 4, "score": 0.5},
    ]  # fmt: skip
    assert (rows[0]["positive_id"], rows[0]["origin"], rows[0]["relevance"]) == (None, "mined", None)
    assert (rows[3]["positive_id"], rows[3]["origin"], rows[3]["relevance"]) == ("p2", "synthetic", 0.5)
    assert rows[6]["relevance"] is None


def test_written_positives_have_a_stage_of_their_own():
    mined = [Candidate("q1", "m1", (Hit("bm25", 1, 2.5),), "positive")]
    examples = [
        Example("q1", "r1", ("m2",), ("mined:bm25",), (0.5,)),
        Example("q2", "p2", ("r2",), ("synthetic:restyle",), (0.5,)),
    ]
    positives = [
        verdict("q1", "p1", "r1", origin="synthetic", relevance=0.95),
        verdict("q2", "p2", "r1", origin="synthetic"),
        verdict("q2", "p2", "r2", origin="synthetic"),
        verdict("q1", "p1", "r3", "too_easy", "less_relevant", "synthetic"),
        verdict("q1", "p1", "r4", "duplicate", "text_of_document", "synthetic", None),
        verdict("q1", "p1", "r5", "failed", "score_not_finite", "synthetic", None),
    ]
    rows = candidate_table(mined, [verdict("q1", None, "m2")], examples, positives).to_pylist()
    fates = [(r["query_id"], r["doc_id"], r["stage"], r["verdict"], r["reason"], r["selected"]) for r in rows]
    assert fates == [
        ("q1", "m1", "mine", "duplicate", "positive", False),
        ("q1", "m2", "mix", "keep", "", True),
        ("q1", "r1", "restyle", "keep", "", True),
        ("q2", "r1", "restyle", "keep", "not_selected", False),
        ("q2", "r2", "restyle", "keep", "not_selected", False),
        ("q1", "r3", "restyle", "too_easy", "less_relevant", False),
        ("q1", "r4", "restyle", "duplicate", "text_of_document", False),
        ("q1", "r5", "restyle", "failed", "score_not_finite", False),
    ]
    assert rows[2] == {
        "query_id": "q1", "positive_id": "p1", "doc_id": "r1", "origin": "synthetic",
        "sources": [{"source": "bm25", "rank": 3, "score": 1.5}], "relevance": 0.95, "positive_relevance": 0.9,
        "stage": "restyle", "verdict": "keep", "reason": "", "selected": True,
    }  # fmt: skip


def test_a_relabelled_candidate_is_selected_where_it_is_a_positive():
    """m1 is a positive of the one example, and a negative of nobody's; m2 is relabelled too, but no example has it."""
    examples = [
        Example("q2", "p2", ("m1",), ("mined:bm25",), (0.5,)),
        Example("q1", "m1", ("p2",), ("mined:bm25",), (0.25,)),
    ]
    verdicts = [
        verdict("q1", None, "m1", "false_negative", "relabelled", relevance=0.95),
        verdict("q1", None, "m2", "false_negative", "relabelled"),
        verdict("q1", None, "p2", "keep"),
        verdict("q2", None, "p1", "false_negative", "above_threshold"),
        verdict("q2", None, "m1", "keep"),
        # A negative of another query is no positive of this one.
        verdict("q2", None, "m2", "false_negative", "relabelled"),
    ]
    rows = candidate_table([], verdicts, examples).to_pylist()
    assert [(r["query_id"], r["doc_id"], r["stage"], r["verdict"], r["reason"], r["selected"]) for r in rows] == [
        ("q1", "m1", "validate", "false_negative", "relabelled", True),
        ("q1", "m2", "validate", "false_negative", "relabelled", False),
        ("q1", "p2", "mix", "keep", "", True),
        ("q2", "p1", "validate", "false_negative", "above_threshold", False),
        ("q2", "m1", "mix", "keep", "", True),
        ("q2", "m2", "validate", "false_negative", "relabelled", False),
    ]
    assert (rows[0]["relevance"], rows[0]["positive_relevance"]) == (0.95, 0.9)
    tables = collection_tables(CORPUS, [], examples)
    assert [tuple(row.values()) for row in tables["qrels"].to_pylist()] == [
        ("q2", "p2", 1), ("q1", "m2", 0), ("q1", "p1", 2), ("q1", "m1", 2),
    ]  # fmt: skip
    assert training_tables(CORPUS, examples, 1)["n-tuple"].to_pylist()[1] == {
        "query": "first?", "positive": "M mined one", "negative_1": "two",
    }  # fmt: skip


def test_a_kept_candidate_that_was_ambiguous_has_no_reason():
    rows = candidate_table([], [verdict("q1", None, "m1", "keep", "near_threshold")], EXAMPLES[1:]).to_pylist()
    assert [(row["verdict"], row["reason"], row["selected"]) for row in rows] == [("keep", "", True)]


def test_scores_are_what_rerankers_said():
    said = [
        Scored("q1", "p1", "positive", "judge", 0.9, "It says so."),
        Scored("q1", None, "floor", "judge", float("-inf")),
        Scored("q1", "m1", "candidate", "judge", float("nan")),
    ]
    table = score_table(said)
    assert table.schema.field("score").type == pa.float64()
    assert [str(tuple(row.values())) for row in table.to_pylist()] == [
        "('q1', 'p1', 'positive', 'judge', 0.9, 'It says so.')",
        "('q1', None, 'floor', 'judge', -inf, '')",
        "('q1', 'm1', 'candidate', 'judge', nan, '')",
    ]


def test_generations_hold_the_reply_to_the_letter():
    row = Generation(
        "r1", "s1", "q1", "p1", None, 2, "syneg", (Attribute("length", "short"), Attribute("domain", "x")), "negative",
        0, 0, 1, "invalid", "why", "", "", 11, 12, 13, 2**62, '{"a": "\x00\u2028```"}',
    )  # fmt: skip
    assert generation_table([row]).to_pylist() == [
        {
            "request_id": "r1", "query_id": "q1", "positive_id": "p1", "slot": 2, "strategy": "syneg",
            "attributes": [{"axis": "length", "value": "short"}, {"axis": "domain", "value": "x"}],
            "role": "negative", "grade": 0, "round": 0, "attempt": 1, "state": "invalid", "tokens_in": 11,
            "tokens_out": 12, "tokens_cached": 13, "seed": 2**62, "reply": '{"a": "\x00\u2028```"}',
        }
    ]  # fmt: skip


def test_the_same_rows_are_the_same_bytes(tmp_path):
    written = [write_configs(tmp_path / name, by_split(all_tables())) for name in ("one", "two")]
    assert written[0] == written[1]
    assert written[0]["triplet/train-00000-of-00001.parquet"] == 4
    assert sorted(written[0]) == sorted(f"{config}/train-00000-of-00001.parquet" for config in all_tables())
    for name in written[0]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_datasets_opens_every_config(tmp_path):
    from datasets import load_dataset

    write_configs(tmp_path / "build", by_split(all_tables()))
    for config, table in all_tables().items():
        if table.num_rows:
            files = str(tmp_path / "build" / config / "*.parquet")
            loaded = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "hf"))
            assert loaded.to_list() == table.to_pylist()


def test_splits_to_evaluate_on_stand_beside_the_training_split(tmp_path):
    tables = by_split(all_tables())
    held_out = Collection(CORPUS.documents, {"q7": "held out?"}, {"q7": {"d2": 2, "d1": 0}}, "digest")
    for config, table in query_tables(held_out).items():
        tables[config]["test"] = table
    rows = write_configs(tmp_path, tables)
    assert rows["queries/test-00000-of-00001.parquet"] == 1
    assert pq.read_table(tmp_path / "qrels" / "test-00000-of-00001.parquet").to_pylist() == [
        {"query-id": "q7", "corpus-id": "d1", "score": 0},
        {"query-id": "q7", "corpus-id": "d2", "score": 2},
    ]
    assert not list((tmp_path / "corpus").glob("test-*"))


def test_the_columns_of_every_config_are_known_but_those_of_n_tuple():
    assert {*schemas(), "n-tuple"} == set(CONFIGS)
    assert schemas()["queries"] == pa.schema([("_id", pa.string()), ("text", pa.string())])
    assert schemas()["ids"].names == ["query_id", "positive_id", "negative_ids", "sources", "scores"]
    assert schemas()["candidates"].field("selected").type == pa.bool_()
    assert not schemas()["scores"].field("query_id").nullable
