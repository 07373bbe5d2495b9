"""The tables of a build folder, column by column as the contract names them."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from syneg_data.collection import Collection, Document
from syneg_data.records import Candidate, Example, Generation, Hit, Scored, Verdict, schema_of, to_table

if TYPE_CHECKING:
    import pyarrow as pa

CONFIGS = ("triplet", "n-tuple", "ragged", "ids", "corpus", "queries", "qrels", "candidates", "scores", "generations")
ONE_OF = ("n-tuple", "ragged")  # a build has the one or the other


def training_tables(
    collection: Collection, examples: Sequence[Example], negatives: int | None
) -> dict[str, "pa.Table"]:
    """`triplet` (a row per negative), `n-tuple` or `ragged` (a row per example) and `ids` (row-aligned with those).

    Args:
        collection: with the synthetic documents.
        examples: of the build.
        negatives: of every example; None where they need not have equally many, which makes `ragged`: its column
            `negatives` is a list.
    """
    import pyarrow as pa

    triplets = [(example, doc_id) for example in examples for doc_id in example.negative_ids]
    query, text = collection.queries.__getitem__, collection.text
    string = pa.string()
    hard: dict[str, tuple[pa.DataType, list[Any]]] = {
        f"negative_{n + 1}": (string, [text(e.negative_ids[n]) for e in examples]) for n in range(negatives or 0)
    }
    if negatives is None:
        hard = {"negatives": (pa.list_(string), [list(map(text, example.negative_ids)) for example in examples])}
    return {
        "triplet": _table(
            {
                "query": (string, [query(example.query_id) for example, _ in triplets]),
                "positive": (string, [text(example.positive_id) for example, _ in triplets]),
                "negative": (string, [text(doc_id) for _, doc_id in triplets]),
            }
        ),
        "ragged" if negatives is None else "n-tuple": _table(
            {
                "query": (string, [query(example.query_id) for example in examples]),
                "positive": (string, [text(example.positive_id) for example in examples]),
                **hard,
            }
        ),
        "ids": _table(
            {
                "query_id": (string, [example.query_id for example in examples]),
                "positive_id": (string, [example.positive_id for example in examples]),
                "negative_ids": (pa.list_(string), [list(example.negative_ids) for example in examples]),
                "sources": (pa.list_(string), [list(example.sources) for example in examples]),
                "scores": (pa.list_(pa.float64()), [list(example.scores) for example in examples]),
            }
        ),
    }


def schemas() -> dict[str, "pa.Schema"]:
    """The columns of every config but `n-tuple`, which has one for each negative."""
    nothing = Collection({}, {}, {}, "")
    tables = {
        **training_tables(nothing, [], None),
        **collection_tables(nothing, []),
        "candidates": candidate_table([], [], []),
        "scores": score_table([]),
        "generations": generation_table([]),
    }
    return {config: table.schema for config, table in tables.items()}


def collection_tables(
    collection: Collection, synthetic: Sequence[Document], examples: Sequence[Example] = ()
) -> dict[str, "pa.Table"]:
    """`corpus` (with the selected synthetic documents, marked), `queries` and `qrels` under BEIR's names.

    A positive that an example uses and the source does not know (written, or relabelled) is judged as relevant as the
    least relevant positive of its query.
    """
    import pyarrow as pa

    string = pa.string()
    documents = [*collection.documents.values(), *synthetic]
    written = []
    for example in examples:
        if collection.qrels[example.query_id].get(example.positive_id, 0) <= 0:
            lowest = min(grade for grade in collection.qrels[example.query_id].values() if grade > 0)
            written.append((example.query_id, example.positive_id, lowest))
    corpus = _table(
        {
            "_id": (string, [document.doc_id for document in documents]),
            "title": (string, [document.title for document in documents]),
            "text": (string, [document.text for document in documents]),
            "synthetic": (pa.bool_(), [False] * len(collection.documents) + [True] * len(synthetic)),
        }
    )
    return {"corpus": corpus, **query_tables(collection, written)}


def query_tables(collection: Collection, written: Sequence[tuple[str, str, int]] = ()) -> dict[str, "pa.Table"]:
    """`queries` and `qrels` of one split; `written` are judgements (query_id, doc_id, grade) to add."""
    import pyarrow as pa

    string = pa.string()
    anew = {(query_id, doc_id) for query_id, doc_id, _ in written}  # a document judged irrelevant may be relabelled
    known = [(q, d, grade) for q in collection.queries for d, grade in sorted(collection.qrels[q].items())]
    judged = [*(row for row in known if row[:2] not in anew), *written]
    return {
        "queries": _table(
            {"_id": (string, list(collection.queries)), "text": (string, list(collection.queries.values()))}
        ),
        "qrels": _table(
            {
                "query-id": (string, [q for q, _, _ in judged]),
                "corpus-id": (string, [d for _, d, _ in judged]),
                "score": (pa.int64(), [grade for _, _, grade in judged]),
            }
        ),
    }


def candidate_table(
    mined: Sequence[Candidate],
    verdicts: Sequence[Verdict],
    examples: Sequence[Example],
    positives: Sequence[Verdict] = (),
    capped: AbstractSet[tuple[str, str]] = frozenset(),
) -> "pa.Table":
    """`candidates`: everything that was ever seen, with the stage where its way ended and why.

    `stage` is `mine` for what a guard refused, `validate` for what the gate refused, `mix` for what was kept; there
    `reason` is empty for selected rows, `capped` for those of which mixing says so, and `not_selected` for the others.
    Written positives have the stage `restyle`; `keep` means there that they are still relevant, and `selected` that an
    example uses them. A false negative with the reason `relabelled` is selected where an example has it as its
    positive.
    """
    import pyarrow as pa

    selected = {(e.query_id, doc_id) for e in examples for doc_id in e.negative_ids}
    taken = {(e.query_id, e.positive_id) for e in examples}
    rows: list[tuple[Any, ...]] = [
        (c.query_id, None, c.doc_id, "mined", _hits(c.sources), None, None, "mine", "duplicate", c.reason, False)
        for c in mined
        if c.reason
    ]
    for v in verdicts:
        chosen = (v.query_id, v.doc_id) in (taken if v.reason == "relabelled" else selected)
        stage = "mix" if v.verdict == "keep" else "validate"
        idle = "capped" if (v.query_id, v.doc_id) in capped else "not_selected"
        reason = v.reason if v.verdict != "keep" else "" if chosen else idle
        rows.append(
            (
                v.query_id, v.positive_id, v.doc_id, v.origin, _hits(v.sources), v.relevance, v.positive_relevance,
                stage, v.verdict, reason, chosen,
            )
        )  # fmt: skip
    for v in positives:
        chosen = (v.query_id, v.doc_id) in taken
        reason = v.reason if v.verdict != "keep" else "" if chosen else "not_selected"
        rows.append(
            (
                v.query_id, v.positive_id, v.doc_id, v.origin, _hits(v.sources), v.relevance, v.positive_relevance,
                "restyle", v.verdict, reason, chosen,
            )
        )  # fmt: skip
    hit = pa.struct([pa.field(f.name, f.type) for f in schema_of(Hit)])
    string, number = pa.string(), pa.float64()
    types: Mapping[str, pa.DataType] = {
        "query_id": string, "positive_id": string, "doc_id": string, "origin": string, "sources": pa.list_(hit),
        "relevance": number, "positive_relevance": number, "stage": string, "verdict": string, "reason": string,
        "selected": pa.bool_(),
    }  # fmt: skip
    return _table({name: (kind, [row[i] for row in rows]) for i, (name, kind) in enumerate(types.items())})


def generation_table(rows: Sequence[Generation]) -> "pa.Table":
    """`generations`: one row per attempt."""
    import pyarrow as pa

    attribute = pa.struct([pa.field("axis", pa.string()), pa.field("value", pa.string())])
    text, number = pa.string(), pa.int64()
    types: Mapping[str, pa.DataType] = {
        "request_id": text, "query_id": text, "positive_id": text, "slot": number, "strategy": text,
        "attributes": pa.list_(attribute), "role": text, "grade": number, "round": number, "attempt": number,
        "state": text, "tokens_in": number, "tokens_out": number, "tokens_cached": number, "seed": number,
        "reply": text,
    }  # fmt: skip
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {
        name: (kind, [getattr(row, name) for row in rows]) for name, kind in types.items()
    }
    columns["attributes"] = (
        types["attributes"],
        [[{"axis": a.axis, "value": a.value} for a in row.attributes] for row in rows],
    )
    return _table(columns)


def score_table(rows: Sequence[Scored]) -> "pa.Table":
    """`scores`: what every reranker said, raw; verdicts can be worked out anew from these rows alone."""
    return to_table(rows, Scored)


def _hits(sources: Sequence[Hit]) -> list[dict[str, Any]]:
    return [{"source": hit.source, "rank": hit.rank, "score": hit.score} for hit in sources]


def _table(columns: Mapping[str, tuple["pa.DataType", list[Any]]]) -> "pa.Table":
    import pyarrow as pa

    schema = pa.schema([pa.field(name, kind) for name, (kind, _) in columns.items()])
    return pa.table({name: values for name, (_, values) in columns.items()}, schema=schema)
