"""From ranked lists to candidates: the window of ranks, the guards, and the union over miners."""

import contextlib
import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syneg_data.mining.guards import OpenGuards
from syneg_data.ranking import Index, Ranked
from syneg_data.records import Candidate, Hit


@dataclass(frozen=True)
class Source:
    """A miner at work: its name in the rows, its window of ranks, and its index."""

    name: str
    skip: int
    depth: int
    index: Index


def mine_queries(query_ids: Sequence[str], sources: Sequence[Source], guards: OpenGuards) -> list[Candidate]:
    """Candidates of queries, kept ones and refused ones, query by query, each query's by (best rank, doc_id).

    A window of a miner's ranks is cut out first (`skip` at the top, then `depth`); the guards then look at what is in
    it. So ranks are those of the search, positives counted, and no filter can move the window.
    """
    skips = {source.name: source.skip for source in sources}
    found: list[Candidate] = []
    with _without_collection():
        lists = {source.name: source.index.search(query_ids, source.skip + source.depth) for source in sources}
        for i, query_id in enumerate(query_ids):
            found += unite(query_id, {name: ranked[i] for name, ranked in lists.items()}, skips, guards)
    return found


def unite(query_id: str, lists: Mapping[str, Ranked], skips: Mapping[str, int], guards: OpenGuards) -> list[Candidate]:
    """One candidate per document of one query's lists, with every source's rank and score.

    A list from elsewhere may name one text by several ids, and documents without text. Each keeps its rank, and none
    disappears: the text counts under the id by which all miners know it, or, where the window does not have that one,
    the best ranked of the others stands for it; what else is there stays a document that the guards refuse.
    """
    reason = guards.of_query(query_id).reason
    if len(lists) == 1:  # in the order of its ranks already, each document once
        ((name, ranked),) = lists.items()
        skip = skips[name]
        window = ranked[skip:]
        named = _named([doc_id for doc_id, _ in window], guards)
        return [
            Candidate(query_id, doc_id, (Hit(name, rank, score),), reason(doc_id))
            for rank, (doc_id, (_, score)) in enumerate(zip(named, window, strict=True), start=skip + 1)
        ]
    hits: dict[str, tuple[Hit, ...]] = {}
    best: dict[str, int] = {}
    for name, ranked in lists.items():
        skip = skips[name]
        window = ranked[skip:]
        named = _named([doc_id for doc_id, _ in window], guards)
        for rank, (doc_id, (_, score)) in enumerate(zip(named, window, strict=True), start=skip + 1):
            hit = Hit(name, rank, score)
            if doc_id in hits:
                hits[doc_id] += (hit,)
                best[doc_id] = min(best[doc_id], rank)
            else:
                hits[doc_id], best[doc_id] = (hit,), rank
    order = sorted(best.items(), key=lambda entry: (entry[1], entry[0]))
    return [Candidate(query_id, doc_id, hits[doc_id], reason(doc_id)) for doc_id, _ in order]


def _named(doc_ids: list[str], guards: OpenGuards) -> list[str]:
    """The ids under which the documents of a window become candidates; distinct if they are."""
    known = [guards.document(doc_id) for doc_id in doc_ids]
    if known == doc_ids:
        return doc_ids
    taken = set(doc_ids)
    named = []
    for doc_id, same in zip(doc_ids, known, strict=True):
        if same is not None and same not in taken:
            taken.add(same)
            named.append(same)
        else:
            named.append(doc_id)
    return named


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """No garbage collection in the body: of a million small rows that all stay it takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
