"""explain: the whole story of one query, read from a build folder."""

import difflib
import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from syneg_data.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


class Tables(Protocol):
    """A build read back, as `publishing.release` has it."""

    @property
    def label(self) -> str:
        """Its name."""

    def table(self, config: str) -> "pa.Table":
        """The rows of a config, of the split that is trained on."""

    def whole(self, config: str) -> "pa.Table":
        """The rows of a config, of all splits."""

    def reading(self, name: str) -> AbstractContextManager[None]:
        """Where content that is not as a build writes it becomes an error that says so."""


def query_story(release: Tables, query_id: str) -> dict[str, Any]:
    """Query, positives, every candidate with its text, and every attempt of the generator.

    Raises:
        InputError: the query is not in the build, or the build is not as one is written.
    """
    queries = {row["_id"]: row["text"] for row in release.whole("queries").to_pylist()}
    if query_id not in queries:
        trained = sorted(set(release.table("candidates")["query_id"].to_pylist()))  # the others have no story to tell
        near = difflib.get_close_matches(query_id, trained, 3) or trained[:3]
        raise InputError(
            f"{release.label}: no query '{query_id}'; there are {len(trained)} with candidates, such as "
            f"{', '.join(near)}"
        )
    texts = {row["_id"]: f"{row['title']} {row['text']}".strip() for row in release.table("corpus").to_pylist()}
    generations = _of_query(release.table("generations"), query_id)
    with release.reading("generations"):
        written = written_texts(generations)
    candidates = _of_query(release.table("candidates"), query_id)
    with release.reading("candidates"):
        for row in candidates:
            row["text"] = texts.get(row["doc_id"]) or written.get((query_id, row["positive_id"], *_draft_of(row)), "")
    judged = [row for row in release.whole("qrels").to_pylist() if row["query-id"] == query_id and row["score"] > 0]
    with release.reading("corpus"):
        positives = [
            {"doc_id": row["corpus-id"], "grade": row["score"], "text": texts[row["corpus-id"]]} for row in judged
        ]
    return {
        "query_id": query_id,
        "query": queries[query_id],
        "positives": positives,
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


def _of_query(table: "pa.Table", query_id: str) -> list[dict[str, Any]]:
    import pyarrow.compute as pc

    rows: list[dict[str, Any]] = table.filter(pc.field("query_id") == query_id).to_pylist()
    return rows
