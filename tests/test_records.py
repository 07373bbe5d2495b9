"""Rows and their one translation to and from Arrow."""

import dataclasses

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syneg_data.records import (
    Attribute,
    Candidate,
    Example,
    Generation,
    Hit,
    Score,
    Verdict,
    from_table,
    schema_of,
    to_table,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INT = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(allow_nan=False)


def tuples(strategy):
    return st.lists(strategy, max_size=3).map(tuple)


HITS = tuples(st.builds(Hit, TEXT, INT, st.none() | FLOAT))
ROWS = {
    Candidate: st.builds(Candidate, TEXT, TEXT, HITS, TEXT),
    Generation: st.builds(
        Generation,
        request_id=TEXT,
        doc_id=TEXT,
        query_id=TEXT,
        positive_id=TEXT,
        seed_doc_id=st.none() | TEXT,
        slot=INT,
        strategy=TEXT,
        attributes=tuples(st.builds(Attribute, TEXT, TEXT)),
        role=TEXT,
        grade=INT,
        round=INT,
        attempt=INT,
        state=TEXT,
        detail=TEXT,
        text=TEXT,
        reflection=TEXT,
        tokens_in=INT,
        tokens_out=INT,
        tokens_cached=INT,
        seed=INT,
        reply=TEXT,
    ),
    Verdict: st.builds(
        Verdict,
        TEXT,
        st.none() | TEXT,
        TEXT,
        TEXT,
        HITS,
        st.none() | FLOAT,
        st.none() | FLOAT,
        tuples(st.builds(Score, TEXT, FLOAT, FLOAT)),
        TEXT,
        TEXT,
    ),
    Example: st.builds(Example, TEXT, TEXT, tuples(TEXT), tuples(TEXT), tuples(FLOAT)),
}


@pytest.mark.parametrize("row_type", ROWS, ids=lambda t: t.__name__)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rows_come_back_as_they_went_in(row_type, data):
    rows = data.draw(st.lists(ROWS[row_type], max_size=4))
    table = to_table(rows, row_type)
    back = from_table(table, row_type)
    assert back == rows
    assert [repr(row) for row in back] == [repr(row) for row in rows]  # 1 is not 1.0, a list is not a tuple
    assert to_table(back, row_type).equals(table)


@settings(max_examples=30, deadline=None)
@given(st.lists(ROWS[Verdict], max_size=4))
def test_rows_come_back_from_parquet(rows):
    sink = pa.BufferOutputStream()
    import pyarrow.parquet as pq

    pq.write_table(to_table(rows, Verdict), sink, compression="zstd")
    assert from_table(pq.read_table(pa.BufferReader(sink.getvalue())), Verdict) == rows


def test_the_schema_of_a_verdict():
    hit = pa.struct(
        [pa.field("source", pa.string(), False), pa.field("rank", pa.int64(), False), pa.field("score", pa.float64())]
    )
    score = pa.struct(
        [
            pa.field("reranker", pa.string(), False),
            pa.field("relevance", pa.float64(), False),
            pa.field("positive_relevance", pa.float64(), False),
        ]
    )
    assert schema_of(Verdict) == pa.schema(
        [
            pa.field("query_id", pa.string(), False),
            pa.field("positive_id", pa.string(), True),
            pa.field("doc_id", pa.string(), False),
            pa.field("origin", pa.string(), False),
            pa.field("sources", pa.list_(hit), False),
            pa.field("relevance", pa.float64(), True),
            pa.field("positive_relevance", pa.float64(), True),
            pa.field("scores", pa.list_(score), False),
            pa.field("verdict", pa.string(), False),
            pa.field("reason", pa.string(), False),
        ]
    )


def test_the_columns_of_the_contract():
    assert schema_of(Candidate).names == ["query_id", "doc_id", "sources", "reason"]
    assert schema_of(Example).names == ["query_id", "positive_id", "negative_ids", "sources", "scores"]
    assert set(schema_of(Generation).names) >= {
        "request_id",
        "query_id",
        "positive_id",
        "slot",
        "strategy",
        "attributes",
        "role",
        "grade",
        "round",
        "attempt",
        "state",
        "tokens_in",
        "tokens_out",
        "tokens_cached",
        "seed",
        "reply",
    }


@pytest.mark.parametrize("row_type", ROWS, ids=lambda t: t.__name__)
def test_no_rows_keep_the_schema(row_type):
    table = to_table([], row_type)
    assert table.num_rows == 0
    assert table.schema == schema_of(row_type)
    assert from_table(table, row_type) == []


def test_the_order_of_columns_in_a_file_does_not_matter():
    row = Candidate("q", "d", (Hit("bm25", 1, None),), "positive")
    table = to_table([row], Candidate)
    assert from_table(table.select(["reason", "sources", "doc_id", "query_id"]), Candidate) == [row]


@pytest.mark.parametrize("value", ["1", 2**63])
def test_a_value_of_another_type_is_refused(value):
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)):
        to_table([Candidate("q", "d", (Hit("bm25", value, 1.0),))], Candidate)


@pytest.mark.parametrize("row_type", ROWS, ids=lambda t: t.__name__)
def test_rows_are_frozen_and_slotted(row_type):
    (row,) = [from_table(to_table([example], row_type), row_type)[0] for example in [EXAMPLES[row_type]]]
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.query_id = "other"
    assert not hasattr(row, "__dict__")


EXAMPLES = {
    Candidate: Candidate("q", "d", ()),
    Generation: Generation("r", "d", "q", "p", None, 0, "s", (), "negative", 0, 0, 1, "ok", "", "", "", 1, 2, 3, 4, ""),
    Verdict: Verdict("q", None, "d", "mined", (), None, None, (), "keep", ""),
    Example: Example("q", "p", (), (), ()),
}
