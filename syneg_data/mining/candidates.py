"""From ranked lists to candidates: the guards, the union over miners, and a reason for everything refused."""

from collections.abc import Callable, Sequence

from syneg_data.collection import Collection, normalise
from syneg_data.ranking import Index
from syneg_data.records import Candidate, Hit


def mine_query(collection: Collection, query_id: str, indexes: Sequence[tuple[str, int, Index]]) -> list[Candidate]:
    """Candidates of one query, kept ones and refused ones, by (best rank, doc_id).

    Each miner's list is walked from the top until `depth` documents pass the guards; whatever was seen on the way is
    a row. Refused are positives, documents with the text of a positive, and documents with the text of the query.

    Args:
        collection: where texts and judgements are.
        query_id: the query.
        indexes: (source name, depth, index) of every miner.
    """
    query = collection.queries[query_id]
    positives = set(collection.positives(query_id))
    positive_texts = {normalise(collection.text(doc_id)) for doc_id in positives}
    query_text = normalise(query)
    hits: dict[str, list[Hit]] = {}
    reasons: dict[str, str] = {}

    def reason(doc_id: str) -> str:
        if doc_id in positives:
            return "positive"
        text = normalise(collection.text(doc_id))
        if text in positive_texts:
            return "text_of_positive"
        document = collection.documents[doc_id]
        return "text_of_query" if query_text in (text, normalise(document.text)) else ""

    for name, depth, index in indexes:
        for rank, (doc_id, score) in enumerate(_walk(index, query, depth, reason, reasons), start=1):
            hits.setdefault(doc_id, []).append(Hit(name, rank, score))
    order = sorted(hits, key=lambda doc_id: (min(hit.rank for hit in hits[doc_id]), doc_id))
    return [Candidate(query_id, doc_id, tuple(hits[doc_id]), reasons[doc_id]) for doc_id in order]


def _walk(
    index: Index, query: str, depth: int, reason: Callable[[str], str], reasons: dict[str, str]
) -> list[tuple[str, float]]:
    """The top of a ranked list, just long enough to hold `depth` documents that no guard refuses."""
    k = depth + 8
    while True:
        ranked = index.search(query, k)
        kept = 0
        for position, (doc_id, _) in enumerate(ranked, start=1):
            if doc_id not in reasons:
                reasons[doc_id] = reason(doc_id)
            kept += not reasons[doc_id]
            if kept == depth:
                return ranked[:position]
        if len(ranked) < k:
            return ranked
        k *= 2
