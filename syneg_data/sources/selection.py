"""What sources share: queries in working order, the limit, and pairs that are not taken, counted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from syneg_data.collection import Collection, Document, sample_order
from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.lines import shown
from syneg_data.spec import fingerprint


def select(
    documents: Mapping[str, Document],
    texts: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    files: Sequence[str],
    seed: int,
    limit: int | None,
    kind: str,
    empty: str,
    not_there: int = 0,
) -> Collection:
    """Put the queries into working order, apply the limit, and refuse pairs that have no text, counting both.

    Args:
        documents: of the corpus.
        texts: of queries.
        qrels: query_id -> {doc_id: grade}.
        files: what the digest is made from, besides the selection.
        seed: of the recipe.
        limit: keep only the queries whose sha256 of `seed:query_id` is smallest.
        kind: of the source.
        empty: the error where no pair is left.
        not_there: relevant pairs that the reader left out, because the query or the document is not there.

    Raises:
        InputError: no pair is left.
    """
    # Queries that are judged but have no relevant document are no training queries; they take no place of the limit.
    relevant = [query_id for query_id, grades in qrels.items() if any(grade > 0 for grade in grades.values())]
    order = sorted(relevant, key=lambda query_id: (sample_order(query_id, seed), query_id))
    rejected = {"over_limit": 0, "no_text": 0, "not_there": not_there}
    queries: dict[str, str] = {}
    kept: dict[str, dict[str, int]] = {}
    for position, query_id in enumerate(order):
        positives = [doc_id for doc_id, grade in qrels[query_id].items() if grade > 0]
        if limit is not None and position >= limit:
            rejected["over_limit"] += len(positives)
            continue
        grades = {}
        for doc_id, grade in qrels[query_id].items():
            document = documents[doc_id]
            if grade > 0 and not (texts[query_id].strip() and (document.text.strip() or document.title.strip())):
                rejected["no_text"] += 1
            else:
                grades[doc_id] = grade
        if any(grade > 0 for grade in grades.values()):
            queries[query_id], kept[query_id] = texts[query_id], grades
    digest = fingerprint(kind, list(files), list(queries), kept)
    collection = Collection(documents, queries, kept, digest, {k: n for k, n in rejected.items() if n})
    if not collection.pairs():
        raise InputError(empty)
    return collection


def refuse_changed(path: Path, digest: str) -> None:
    """Make sure that a file is what it was when its digest was taken.

    Raises:
        InputError: it is not.
    """
    if sha256_file(path) != digest:
        raise InputError(f"{shown(path)}: changed while it was being read; run again when it is at rest")
