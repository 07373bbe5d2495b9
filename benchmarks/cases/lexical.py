"""bm25: our BM25 miner's search and rank_bm25's over the same words, both indexed beforehand."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.cases import corpora
from benchmarks.measuring import apart, in_turn, median
from benchmarks.results import Row, row
from syneg_data.collection import Collection
from syneg_data.mining import Bm25
from syneg_data.ranking import Index

_SIZE, _QUICK_SIZE = (50_000, 500, 40), (5_000, 500, 40)  # documents, queries, queries that the peer is asked
_RUNS, _QUICK_RUNS = 3, 2
_DEPTH, _TOP = 100, 10
_GOAL = 300


@dataclass(frozen=True)
class _Found:
    """Queries per second of both, and the shares of the peer's queries with the same first ten documents."""

    ours: float
    peer: float
    same: float  # by our engine bm25s, whose weights of words are other ones
    same_reference: float  # by our engine rank-bm25


def run(quick: bool) -> list[Row]:
    """Queries per second, and for the record how alike the lists are."""
    size, runs = (_QUICK_SIZE, _QUICK_RUNS) if quick else (_SIZE, _RUNS)
    found = apart(_measure, size, runs)
    documents, queries, asked = size
    what = (
        f"bm25: {documents:,} documents, {queries} queries of 8 words with stop words, top {_DEPTH}, "
        f"the peer asked {asked} of them"
    )
    peer, goal, same = "rank_bm25.BM25Okapi", f">= {_GOAL} times its queries/s", "same top 10 as the peer's"
    fast = found.ours >= _GOAL * found.peer
    return [
        row(what, "search", "queries/s", found.ours, found.peer, peer, runs, goal, fast),
        row(what, f"{same}, engine bm25s", "%", 100 * found.same, None, "", 1, "for the record", True),
        row(what, f"{same}, engine rank-bm25", "%", 100 * found.same_reference, None, "", 1, "for the record", True),
    ]


def same_top(left: Sequence[Sequence[str]], right: Sequence[Sequence[str]], k: int = _TOP) -> float:
    """Share of queries whose first `k` documents are the same, in the same order."""
    pairs = list(zip(left, right, strict=True))
    return sum(list(a[:k]) == list(b[:k]) for a, b in pairs) / len(pairs)


def opened(collection: Collection, engine: Literal["bm25s", "rank-bm25"] = "bm25s") -> Index:
    """Our index over all words: what counts as a stop word would leave the peer more to do."""
    return Bm25(kind="bm25", engine=engine, stopwords="none").open(collection, None)


def _measure(size: tuple[int, int, int], runs: int) -> _Found:
    """One process for all: indexes are built once, and searched in turn."""
    from rank_bm25 import BM25Okapi

    collection = corpora.worded(size[0], size[1])
    query_ids = list(collection.queries)
    few, doc_ids = query_ids[: size[2]], list(collection.documents)
    index, okapi = opened(collection), BM25Okapi([document.text.split() for document in collection.documents.values()])

    def peer() -> list[list[str]]:
        return [okapi.get_top_n(collection.queries[query_id].split(), doc_ids, n=_DEPTH) for query_id in few]

    index.search(few, _DEPTH)  # whatever the first search costs is no one's
    ours_rates, peer_rates = in_turn(
        runs, lambda: _rate(lambda: index.search(query_ids, _DEPTH), len(query_ids)), lambda: _rate(peer, len(few))
    )
    theirs = peer()
    same, reference = (
        same_top([[doc_id for doc_id, _ in ranked] for ranked in searched.search(few, _DEPTH)], theirs)
        for searched in (index, opened(collection, "rank-bm25"))
    )
    return _Found(median(ours_rates), median(peer_rates), same, reference)


def _rate(search: Any, queries: int) -> float:  # noqa: ANN401
    started = time.perf_counter()
    search()
    return queries / (time.perf_counter() - started)
