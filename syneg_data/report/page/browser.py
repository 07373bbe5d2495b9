"""The examples that the page holds: a seeded sample of queries, each with everything that was ever its candidate."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syneg_data.collection import sample_order
from syneg_data.report.page.escaping import all_visible, cut, embedded_json
from syneg_data.report.page.tally import Threshold, fate_of, source_of, threshold_of
from syneg_data.report.story import written_texts

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
Place = tuple[str, str, str, int]  # query_id, positive_id, strategy, slot


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a build the page holds, so that it opens anywhere.

    Attributes:
        queries: at most so many, drawn by seed.
        candidates: of a query, at most so many besides those that examples use.
        length: of a text, in characters.
        size: of all of it as JSON, in bytes; fewer queries where it would be more.
    """

    queries: int = 500
    candidates: int = 100
    length: int = 1_600
    size: int = 6_000_000


def browser_data(
    tables: Mapping[str, "pa.Table"], validation: Mapping[str, Any], seed: int, bounds: Bounds
) -> dict[str, Any]:
    """What the page's script shows: `queries` in working order, and the `texts` of their documents.

    Args:
        tables: config -> rows of the split that is trained on.
        validation: the section of report.json.
        seed: of the recipe; the queries with the smallest sha256 of `seed:query_id` are taken.
        bounds: how much is taken at most.
    """
    all_ids = tables["queries"]["_id"].to_pylist()
    drawn = sorted(all_ids, key=lambda query_id: sample_order(query_id, seed))[: bounds.queries]
    shelf, threshold = _Shelf(tables, drawn), threshold_of(validation)
    texts: dict[str, list[Any]] = {}
    records: dict[str, Row] = {}
    size = 0
    for query_id in drawn:
        record = _query(shelf, query_id, threshold, bounds)
        new = {
            doc_id: [cut(text, bounds.length), len(text)]
            for doc_id in _documents(record)
            if doc_id not in texts and (text := shelf.texts.get(doc_id)) is not None
        }
        record, new = all_visible(record), {doc_id: all_visible(entry) for doc_id, entry in new.items()}
        size += len(embedded_json([record, new]).encode())
        if records and size > bounds.size:
            break
        records[query_id] = record
        texts |= new
    # Ids as they are shown are the keys by which the script finds texts.
    shown = {all_visible(doc_id): entry for doc_id, entry in texts.items()}
    return {
        "of": len(all_ids),
        "queries": [records[query_id] for query_id in all_ids if query_id in records],
        "texts": shown,
        "length": bounds.length,
    }


class _Shelf:
    """The rows of some queries, by query, and the texts of their documents."""

    def __init__(self, tables: Mapping[str, "pa.Table"], query_ids: Sequence[str]) -> None:
        self.queries = {row["_id"]: row["text"] for row in _of(tables["queries"], "_id", query_ids)}
        self.examples = _grouped(_of(tables["ids"], "query_id", query_ids), "query_id")
        self.judged = _grouped(_of(tables["qrels"], "query-id", query_ids), "query-id")
        self.candidates = _grouped(_of(tables["candidates"], "query_id", query_ids), "query_id")
        self.scores = _grouped(_of(tables["scores"], "query_id", query_ids), "query_id")
        generations = _of(tables["generations"], "query_id", query_ids)
        self.attempts: dict[Place, list[Row]] = {}
        for row in generations:
            self.attempts.setdefault(_place(row), []).append(row)
        self.drafts = _grouped([rows[-1] for rows in self.attempts.values()], "query_id")
        self.texts = self._texts(tables["corpus"], written_texts(generations))

    def _texts(self, corpus: "pa.Table", written: Mapping[Place, str]) -> dict[str, str]:
        mined = [row["doc_id"] for rows in self.candidates.values() for row in rows]
        judged = [row["corpus-id"] for rows in self.judged.values() for row in rows]
        positives = [row["positive_id"] for rows in self.examples.values() for row in rows]
        found = {
            row["_id"]: f"{row['title']} {row['text']}".strip()
            for row in _of(corpus, "_id", sorted({*mined, *judged, *positives}))
        }
        for rows in self.candidates.values():
            for row in rows:
                text = written.get(_draft_place(row)) if row["doc_id"] not in found else None
                if text is not None:
                    found[row["doc_id"]] = text
        return found


def _query(shelf: _Shelf, query_id: str, threshold: Threshold, bounds: Bounds) -> Row:
    examples = shelf.examples.get(query_id, [])
    chosen = {doc_id for row in examples for doc_id in (row["positive_id"], *row["negative_ids"])}
    scores = _raw_scores(shelf.scores.get(query_id, []))
    rows = shelf.candidates.get(query_id, [])
    records = [_candidate(shelf, row, scores, threshold, bounds) for row in rows]
    records.sort(key=lambda r: (r["id"] not in chosen, -(r["relevance"] or 0.0), r["relevance"] is None, r["id"]))
    kept = sum(record["id"] in chosen for record in records) + bounds.candidates
    judged = [row for row in shelf.judged.get(query_id, []) if row["score"] > 0]
    return {
        "id": query_id,
        "text": cut(shelf.queries[query_id], bounds.length),
        "positives": [
            {"id": row["corpus-id"], "grade": row["score"], "raw": scores.get(row["corpus-id"], {})} for row in judged
        ],
        "examples": [
            {"positive": row["positive_id"], "negatives": row["negative_ids"], "sources": row["sources"]}
            for row in examples
        ],
        "candidates": records[:kept],
        "left_out": max(0, len(records) - kept),
        "drafts": [_failed(shelf, row, bounds) for row in shelf.drafts.get(query_id, []) if not _stands(shelf, row)],
    }


def _candidate(shelf: _Shelf, row: Row, scores: Mapping[str, Row], threshold: Threshold, bounds: Bounds) -> Row:
    """One candidate as the script needs it; what is empty is left out."""
    record: Row = {
        "id": row["doc_id"],
        "origin": row["origin"],
        "source": source_of(row),
        "hits": [[hit["source"], hit["rank"], hit["score"]] for hit in row["sources"]],
        "fate": fate_of(row),
        "stage": row["stage"],
        "reason": row["reason"],
        "relevance": row["relevance"],
        "reference": row["positive_relevance"],
        "threshold": threshold(row["positive_relevance"]) if row["relevance"] is not None else None,
        "raw": scores.get(row["doc_id"], {}),
    }
    if row["origin"] == "synthetic":
        record |= {"positive": row["positive_id"], "strategy": row["sources"][0]["source"]}
        record |= _birth(shelf.attempts.get(_draft_place(row), []), bounds)
    return record


def _birth(attempts: Sequence[Row], bounds: Bounds) -> Row:
    """How a text came to be: what was asked for, what the model thought first, what the critic said."""
    written = [row for row in attempts if row["state"] == "ok" and row["role"] != "critique"]
    if not written:
        return {}
    row, reply = written[-1], _object(written[-1]["reply"])
    notes = [
        [name, cut(" ".join(str(note).split()), bounds.length)]
        for name, note in reply.items()
        if name != "passage" and not name.startswith("grade_") and str(note).strip()
    ]
    critic = [cut(row["reply"], bounds.length) for row in attempts if row["role"] == "critique"]
    return {
        "attributes": [[attribute["axis"], attribute["value"]] for attribute in row["attributes"]],
        "notes": notes,
        "critic": critic,
        "round": row["round"],
        "attempts": sum(row["role"] != "critique" for row in attempts),
        "grade": row["grade"],
    }


def _failed(shelf: _Shelf, row: Row, bounds: Bounds) -> Row:
    """A draft that came to nothing, with the last reply."""
    attempts = [a for a in shelf.attempts[_place(row)] if a["role"] != "critique"]
    last = attempts[-1] if attempts else row
    return {
        "strategy": row["strategy"],
        "source": f"synthetic:{row['strategy']}",
        "slot": row["slot"],
        "positive": row["positive_id"],
        "state": last["state"],
        "attempts": len(attempts),
        "attributes": [[attribute["axis"], attribute["value"]] for attribute in last["attributes"]],
        "reply": [cut(last["reply"], bounds.length), len(last["reply"])],
    }


def _stands(shelf: _Shelf, row: Row) -> bool:
    return any(a["state"] == "ok" and a["role"] != "critique" for a in shelf.attempts[_place(row)])


def _documents(record: Row) -> list[str]:
    """Ids of the documents whose texts a record needs, each once."""
    ids = [row["id"] for part in ("positives", "candidates") for row in record[part]]
    return list(dict.fromkeys([*ids, *(row["positive"] for row in record["examples"])]))


def _raw_scores(rows: Iterable[Row]) -> dict[str, Row]:
    """doc_id -> reranker -> [score as it came, its words]."""
    found: dict[str, Row] = {}
    for row in rows:
        if row["role"] in ("candidate", "positive", "reviewed"):
            score = round(row["score"], 4) if row["score"] == row["score"] else None
            found.setdefault(row["doc_id"], {})[row["reranker"]] = [score, row["words"]]
    return found


def _object(reply: str) -> Row:
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _place(row: Row) -> Place:
    return row["query_id"], row["positive_id"], row["strategy"], row["slot"]


def _draft_place(row: Row) -> Place:
    """The draft that a synthetic candidate is: its one source is its strategy, its rank the slot counted from 1."""
    hit = row["sources"][0]
    return row["query_id"], row["positive_id"] or "", hit["source"], hit["rank"] - 1


def _of(table: "pa.Table", column: str, values: Sequence[str]) -> list[Row]:
    """The rows whose value in a column is one of these."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows: list[Row] = table.filter(pc.is_in(table[column], value_set=pa.array(values, pa.string()))).to_pylist()
    return rows


def _grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found
