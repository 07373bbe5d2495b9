"""Guards: why a document that a miner found may not be a negative of the query, decided from texts alone."""

import functools
import hashlib
from collections.abc import Mapping, Sequence

from pydantic import Field

from syneg_data.collection import Collection, normalise
from syneg_data.records import Echo, Twin
from syneg_data.spec import Spec
from syneg_data.texts.near import length_enough, overlap_enough, shingles

_POSITIVE = ("positive", "text_of_positive")


class Guards(Spec):
    """What is refused before any model looks at it; positives and their exact copies always are."""

    near_duplicate: float | None = Field(
        default=0.9,
        gt=0,
        le=1,
        description="refuse a text whose 3-word sequences overlap so much (Jaccard) with a positive's",
    )

    def open(
        self, collection: Collection, twins: Sequence[Twin] | None = None, echoes: Sequence[Echo] | None = None
    ) -> "OpenGuards":
        """The guards over a collection.

        Args:
            collection: texts and judgements.
            twins: from `find_twins`; left out: they are looked for.
            echoes: from `find_echoes`; left out: they are looked for.
        """
        return OpenGuards(
            collection,
            find_twins(collection) if twins is None else twins,
            find_echoes(collection) if echoes is None else echoes,
            self.near_duplicate,
        )


def find_twins(collection: Collection) -> list[Twin]:
    """Documents that are no documents of their own: their normalised text is another's (the lower id's), or is empty.

    Sorted by doc_id. `same_as` is null for an empty one.
    """
    first: dict[bytes, str] = {}  # by digest: the texts of a whole corpus would fill the memory a second time
    twins = []
    for doc_id in sorted(collection.documents):
        text = normalise(collection.text(doc_id))
        if not text:
            twins.append(Twin(doc_id, None))
            continue
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if (known := first.setdefault(digest, doc_id)) != doc_id:
            twins.append(Twin(doc_id, known))
    return twins


def find_echoes(collection: Collection) -> list[Echo]:
    """Documents whose normalised text, with or without the title, is a query's; sorted by query_id, doc_id."""
    queries: dict[str, list[str]] = {}
    for query_id, text in collection.queries.items():
        queries.setdefault(normalise(text), []).append(query_id)
    queries.pop("", None)
    found = {
        (query_id, doc_id)
        for doc_id, document in collection.documents.items()
        for text in {normalise(document.text), normalise(collection.text(doc_id))}
        for query_id in queries.get(text, ())
    }
    return [Echo(*pair) for pair in sorted(found)]


class OpenGuards:
    """The guards over one collection; what they say of a document depends on texts and judgements alone."""

    def __init__(
        self, collection: Collection, twins: Sequence[Twin], echoes: Sequence[Echo], near_duplicate: float | None
    ) -> None:
        """Args: as `Guards.open`, and the Jaccard similarity from which on a text is a near-duplicate."""
        self._collection = collection
        self._same_as = {twin.doc_id: twin.same_as for twin in twins}
        self._near_duplicate = near_duplicate
        self._echoes: dict[str, list[str]] = {}
        for echo in echoes:
            self._echoes.setdefault(echo.query_id, []).append(echo.doc_id)
        self._shingles = functools.lru_cache(2_000)(lambda doc_id: shingles(normalise(collection.text(doc_id)).split()))

    def distinct(self) -> Collection:
        """The collection as miners see it: every text once, under the lowest of its ids, and no empty ones."""
        return self._collection.distinct(self._same_as)

    def document(self, doc_id: str) -> str | None:
        """The id under which miners know a document's text; None for an empty one."""
        return self._same_as.get(doc_id, doc_id)

    def of_query(self, query_id: str) -> "QueryGuards":
        """The guards of one query."""
        positives = self._collection.positives(query_id)
        texts = sorted({known for doc_id in positives if (known := self.document(doc_id)) is not None})
        # What comes later counts: a document that is itself judged is `positive`, whatever else it is.
        refused = dict.fromkeys(self._echoes.get(query_id, ()), "text_of_query")
        refused |= dict.fromkeys(texts, "text_of_positive") | dict.fromkeys(positives, "positive")
        return QueryGuards(self, refused, texts if self._near_duplicate is not None else [])

    def is_near(self, doc_id: str, positive_id: str) -> bool:
        """Whether two documents are near-duplicates: of like length, and of like sequences of three words."""
        least = self._near_duplicate or 0.0
        # The length first: it spares most pairs the work below.
        if not length_enough(self._length(doc_id), self._length(positive_id), least):
            return False
        left, right = self._shingles(doc_id), self._shingles(positive_id)
        return overlap_enough(len(left & right), len(left), len(right), least)

    def _length(self, doc_id: str) -> int:
        document = self._collection.documents[doc_id]
        return len(document.title) + len(document.text)


class QueryGuards:
    """The guards of one query."""

    def __init__(self, guards: OpenGuards, refused: Mapping[str, str], texts: Sequence[str]) -> None:
        """Args: all guards, doc_id -> reason of what is refused anyhow, and what must have no near-duplicate."""
        self._guards, self._refused, self._texts = guards, refused, texts

    def reason(self, doc_id: str) -> str:
        """Why a document is refused; empty if it is not.

        One that is none of its own is refused in any case: miners know its text under another id, which see, or it has
        none.
        """
        if why := self._refused.get(doc_id, ""):
            return why
        known = self._guards.document(doc_id)
        if known is None:
            return "no_text"
        if known != doc_id:
            return "text_of_positive" if self._refused.get(known) in _POSITIVE else "same_text"
        for text_id in self._texts:
            if self._guards.is_near(doc_id, text_id):
                return "near_duplicate_of_positive"
        return ""
