"""explain: the whole story of one query, read from a build folder."""

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from syneg_data.errors import InputError


def query_story(folder: Path, query_id: str) -> dict[str, Any]:
    """Query, positives, every candidate with its text, and every attempt of the generator.

    Raises:
        InputError: the folder is no build, or the query is not in it.
    """
    if not (folder / "manifest.json").is_file():
        raise InputError(f"{folder}: no build here (no manifest.json); name the folder that `build` wrote")
    queries = {row["_id"]: row["text"] for row in _rows(folder, "queries")}
    if query_id not in queries:
        trained = sorted({row["query_id"] for row in _rows(folder, "candidates")})  # the others have no story to tell
        near = difflib.get_close_matches(query_id, trained, 3) or trained[:3]
        raise InputError(
            f"{folder}: no query '{query_id}'; there are {len(trained)} with candidates, such as {', '.join(near)}"
        )
    texts = {row["_id"]: f"{row['title']} {row['text']}".strip() for row in _rows(folder, "corpus")}
    generations = _rows(folder, "generations", query_id)
    written = written_texts(generations)
    candidates = _rows(folder, "candidates", query_id)
    for row in candidates:
        row["text"] = texts.get(row["doc_id"]) or written.get((query_id, row["positive_id"], *_draft_of(row)), "")
    judged = [row for row in _rows(folder, "qrels") if row["query-id"] == query_id and row["score"] > 0]
    return {
        "query_id": query_id,
        "query": queries[query_id],
        "positives": [
            {"doc_id": row["corpus-id"], "grade": row["score"], "text": texts[row["corpus-id"]]} for row in judged
        ],
        "candidates": candidates,
        "generations": generations,
    }


def written_texts(generations: Iterable[dict[str, Any]]) -> dict[tuple[str, str, str, int], str]:
    """(query_id, positive_id, strategy, slot) -> what the model wrote, of rows of `generations`."""
    written = {}
    for row in generations:
        if row["state"] == "ok" and row["role"] != "critique":
            reply = json.loads(row["reply"])
            text = reply.get("passage") or reply.get(f"grade_{row['grade']}", "")
            written[row["query_id"], row["positive_id"], row["strategy"], row["slot"]] = text
    return written


def _draft_of(row: dict[str, Any]) -> tuple[str, int]:
    """Strategy and slot of a synthetic candidate; its one source is its strategy, its rank the slot counted from 1."""
    hit = row["sources"][0]
    return hit["source"], hit["rank"] - 1


def _rows(folder: Path, config: str, query_id: str | None = None) -> list[dict[str, Any]]:
    import pyarrow.dataset as ds

    table = ds.dataset(sorted((folder / config).glob("*.parquet")), format="parquet")
    chosen = None if query_id is None else ds.field("query_id") == query_id
    rows: list[dict[str, Any]] = table.to_table(filter=chosen).to_pylist()
    return rows
