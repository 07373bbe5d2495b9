"""From ranked lists to candidates: the window of ranks, the guards, and the union over miners."""

from collections.abc import Mapping, Sequence
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
    lists = {source.name: source.index.search(query_ids, source.skip + source.depth) for source in sources}
    skips = {source.name: source.skip for source in sources}
    found: list[Candidate] = []
    for i, query_id in enumerate(query_ids):
        found += unite(query_id, {name: ranked[i] for name, ranked in lists.items()}, skips, guards)
    return found


def unite(query_id: str, lists: Mapping[str, Ranked], skips: Mapping[str, int], guards: OpenGuards) -> list[Candidate]:
    """One candidate per document of one query's lists, with every source's rank and score."""
    hits: dict[str, tuple[Hit, ...]] = {}
    for name, ranked in lists.items():
        skip = skips[name]
        for rank, (doc_id, score) in enumerate(ranked[skip:], start=skip + 1):
            hits[doc_id] = (*hits.get(doc_id, ()), Hit(name, rank, score))
    order = sorted(hits, key=lambda doc_id: (min(hit.rank for hit in hits[doc_id]), doc_id))
    reason = guards.of_query(query_id).reason
    return [Candidate(query_id, doc_id, hits[doc_id], reason(doc_id)) for doc_id in order]
