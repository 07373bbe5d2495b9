"""Collection: corpus, queries and relevance judgements in memory; the one place where ids become texts."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from syneg_data.errors import InputError


@dataclass(frozen=True, slots=True)
class Document:
    """A document of the corpus, or a synthetic one."""

    doc_id: str
    text: str
    title: str = ""


@dataclass(frozen=True)
class Collection:
    """A retrieval collection for one split.

    Attributes:
        documents: doc_id -> Document.
        queries: query_id -> text, only queries of the split, in the order in which they are worked on.
        qrels: query_id -> {doc_id: grade}; a grade above 0 is relevant.
        digest: sha256 over the source's files and the selected queries and judgements; names everything below. Only
            builds, which keep what they computed, need one.
        rejected: (query, positive) pairs of the split that were not taken, by reason.
        aliases: doc_id -> the id under which its text stands in `documents`, None for a document without text; of ids
            that are left out of `documents`.
        origin: repository on the Hub -> the commit that it was read at; empty for what comes from elsewhere.
    """

    documents: Mapping[str, Document]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    digest: str = ""
    rejected: Mapping[str, int] = field(default_factory=dict)
    aliases: Mapping[str, str | None] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Collection({len(self.documents)} documents, {len(self.queries)} queries, {len(self.pairs())} pairs)"

    def text(self, doc_id: str) -> str:
        """Title and text joined by a space, as BEIR evaluates them."""
        document = self.documents[doc_id]
        return f"{document.title} {document.text}".strip()

    def positives(self, query_id: str) -> list[str]:
        """Relevant doc_ids by (grade desc, doc_id asc)."""
        grades = self.qrels.get(query_id, {})
        return sorted((doc_id for doc_id, grade in grades.items() if grade > 0), key=lambda d: (-grades[d], d))

    def pairs(self) -> list[tuple[str, str]]:
        """All (query_id, positive_id) in working order."""
        return [(query_id, positive_id) for query_id in self.queries for positive_id in self.positives(query_id)]

    def with_documents(self, documents: Iterable[Document]) -> "Collection":
        """A copy that also holds `documents`.

        Raises:
            InputError: an id is taken already.
        """
        merged = dict(self.documents)
        for document in documents:
            if document.doc_id in merged:
                raise InputError(f"document id {document.doc_id!r} is taken by the corpus; rename it there")
            merged[document.doc_id] = document
        return replace(self, documents=merged)

    def with_positives(self, pairs: Iterable[tuple[str, str]]) -> "Collection":
        """A copy in which these (query_id, doc_id) are judged too, as the least relevant positives of their queries."""
        qrels = {query_id: dict(grades) for query_id, grades in self.qrels.items()}
        for query_id, doc_id in pairs:
            qrels[query_id][doc_id] = min(grade for grade in self.qrels[query_id].values() if grade > 0)
        return replace(self, qrels=qrels)

    def distinct(self, aliases: Mapping[str, str | None]) -> "Collection":
        """A copy without the documents that `aliases` names, which stand under another id or have no text."""
        documents = {doc_id: document for doc_id, document in self.documents.items() if doc_id not in aliases}
        return replace(self, documents=documents, aliases=aliases)

    def without_queries(self, query_ids: AbstractSet[str]) -> "Collection":
        """A copy that does not know of these queries."""
        return replace(
            self,
            queries={query_id: text for query_id, text in self.queries.items() if query_id not in query_ids},
            qrels={query_id: grades for query_id, grades in self.qrels.items() if query_id not in query_ids},
        )


def linked(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Which queries belong together because a positive is relevant to both, or to others that link them.

    Args:
        pairs: (query_id, positive_id).

    Returns:
        query_id -> number of its group, counted from 0 as queries come.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not (given := list(pairs)):
        return {}
    query, positive = ({name: i for i, name in enumerate(dict.fromkeys(names))} for names in zip(*given, strict=True))
    ends = [query[q] for q, _ in given], [len(query) + positive[p] for _, p in given]
    size = len(query) + len(positive)
    _, label = connected_components(coo_array(([True] * len(given), ends), shape=(size, size)), directed=False)
    number = {group: i for i, group in enumerate(dict.fromkeys(label[: len(query)].tolist()))}
    return {query_id: number[label[i]] for query_id, i in query.items()}


def sample_order(query_id: str, seed: int) -> str:
    """Sort key of the working order: sha256 of `seed:query_id`, so that the first N queries of any N nest."""
    return hashlib.sha256(f"{seed}:{query_id}".encode()).hexdigest()


class _Blanks(dict[int, str | int]):
    """Translation table, filled as characters are met: punctuation, separators and control characters are spaces."""

    def __missing__(self, code: int) -> str | int:
        self[code] = " " if unicodedata.category(chr(code))[0] in "PZC" else code
        return self[code]


_BLANKS = _Blanks()


def normalise(text: str) -> str:
    """Text without differences of case, white space, Unicode composition (NFC) and punctuation."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().translate(_BLANKS).split())
