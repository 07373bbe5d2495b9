"""Guards: why a document that a miner found may not be a negative of the query, decided from texts alone."""

import functools
from collections.abc import Mapping, Sequence

from pydantic import Field

from syneg_data.collection import Collection, normalise
from syneg_data.records import Twin
from syneg_data.spec import Spec

_SHINGLE = 3  # words


class Guards(Spec):
    """What is refused before any model looks at it; positives and their exact copies always are."""

    near_duplicate: float | None = Field(
        0.9, gt=0, le=1, description="refuse a text whose 3-word sequences overlap so much (Jaccard) with a positive's"
    )

    def open(self, collection: Collection, twins: Sequence[Twin]) -> "OpenGuards":
        """The guards over a collection, whose twins are known."""
        return OpenGuards(collection, {twin.doc_id: twin.same_as for twin in twins}, self.near_duplicate)


def find_twins(collection: Collection) -> list[Twin]:
    """Documents that are no documents of their own: their normalised text is another's (the lower id's), or is empty.

    Sorted by doc_id. `same_as` is null for an empty one.
    """
    first: dict[str, str] = {}
    twins = []
    for doc_id in sorted(collection.documents):
        text = normalise(collection.text(doc_id))
        if not text:
            twins.append(Twin(doc_id, None))
        elif (known := first.setdefault(text, doc_id)) != doc_id:
            twins.append(Twin(doc_id, known))
    return twins


class OpenGuards:
    """The guards over one collection; what they say of a document depends on texts and judgements alone."""

    def __init__(self, collection: Collection, same_as: Mapping[str, str | None], near_duplicate: float | None) -> None:
        """Args: the collection, twins by doc_id, and the Jaccard similarity from which a text is a near-duplicate."""
        self._collection = collection
        self._same_as = same_as
        self._near_duplicate = near_duplicate
        self._normalised = functools.lru_cache(50_000)(lambda doc_id: normalise(collection.text(doc_id)))
        self._shingles = functools.lru_cache(5_000)(lambda doc_id: shingles(self._normalised(doc_id)))

    def distinct(self) -> Collection:
        """The collection as miners see it: every text once, under the lowest of its ids, and no empty ones."""
        return self._collection.distinct(self._same_as)

    def document(self, doc_id: str) -> str | None:
        """The id under which miners know a document's text; None for an empty one."""
        return self._same_as.get(doc_id, doc_id)

    def of_query(self, query_id: str) -> "QueryGuards":
        """The guards of one query."""
        positives = self._collection.positives(query_id)
        texts = {known for doc_id in positives if (known := self.document(doc_id)) is not None}
        return QueryGuards(self, normalise(self._collection.queries[query_id]), frozenset(positives), frozenset(texts))

    def is_text(self, doc_id: str, text: str) -> bool:
        """Whether a document, with or without its title, is this normalised text."""
        return text in (self._normalised(doc_id), normalise(self._collection.documents[doc_id].text))

    def is_near(self, doc_id: str, positive_id: str) -> bool:
        """Whether two documents are near-duplicates: of like length, and of like sequences of three words."""
        if self._near_duplicate is None:
            return False
        lengths = len(self._normalised(doc_id)), len(self._normalised(positive_id))
        if min(lengths) < (self._near_duplicate - 0.2) * max(lengths):  # spares most pairs the work below
            return False
        left, right = self._shingles(doc_id), self._shingles(positive_id)
        common = len(left & right)
        return common >= self._near_duplicate * (len(left) + len(right) - common)


class QueryGuards:
    """The guards of one query."""

    def __init__(self, guards: OpenGuards, query: str, positives: frozenset[str], texts: frozenset[str]) -> None:
        """Args: all guards, the normalised query, its positives, and the ids under which miners know their texts."""
        self._guards, self._query, self._positives, self._texts = guards, query, positives, texts

    def reason(self, doc_id: str) -> str:
        """Why a document is refused; empty if it is not."""
        if doc_id in self._positives:
            return "positive"
        if doc_id in self._texts:
            return "text_of_positive"
        if self._query and self._guards.is_text(doc_id, self._query):
            return "text_of_query"
        near = any(self._guards.is_near(doc_id, positive_id) for positive_id in self._texts)
        return "near_duplicate_of_positive" if near else ""


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """The sequences of three words of a normalised text; of a shorter one, all its words as one."""
    words = text.split()
    if len(words) < _SHINGLE:
        return frozenset([tuple(words)])
    return frozenset(zip(*(words[i:] for i in range(_SHINGLE)), strict=False))
