"""Draws: which texts a costly measure looks at, decided by seed and text alone, whatever their ids and order."""

import hashlib
from collections.abc import Iterable

from syneg_data.audit.subject import Origin, Subject

Owned = tuple[str, str]  # query_id, text


def owned_texts(subject: Subject, origin: Origin) -> list[Owned]:
    """The distinct negative documents from there, each with the query of its first use."""
    owner: dict[str, str] = {}
    for row in subject.negatives:
        if row.origin == origin:
            owner.setdefault(row.doc_id, row.query_id)
    return [(query_id, subject.collection.text(doc_id)) for doc_id, query_id in owner.items()]


def owned_positives(subject: Subject) -> list[Owned]:
    """The distinct positives, each with the query of its first use."""
    owner: dict[str, str] = {}
    for example in subject.examples:
        owner.setdefault(example.positive_id, example.query_id)
    return [(query_id, subject.collection.text(doc_id)) for doc_id, query_id in owner.items()]


def draw(texts: Iterable[Owned], seed: int, most: int) -> list[Owned]:
    """At most `most` of them, in an order that follows from seed and text."""
    return sorted(texts, key=lambda owned: _place(seed, owned[1]))[:most]


def one_per_query(texts: Iterable[Owned], seed: int, most: int) -> list[Owned]:
    """At most `most` of them, no two of one query, in an order that follows from seed and text."""
    chosen: dict[str, Owned] = {}
    for query_id, text in sorted(texts, key=lambda owned: _place(seed, owned[1])):
        chosen.setdefault(query_id, (query_id, text))
    return list(chosen.values())[:most]


def _place(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode("utf-8", "surrogatepass")).hexdigest()
