"""Duplicates: negatives that say what another one, their positive or their query says already."""

from collections import Counter

from syneg_data.audit.measures import Measure
from syneg_data.audit.shares import not_all_compared, share
from syneg_data.audit.subject import ORIGINS, Origin, Subject
from syneg_data.collection import normalise
from syneg_data.texts.near import Likeness

NAMES: tuple[str, ...] = (
    "exact_duplicates",
    "near_duplicates",
    "near_duplicates_synthetic",
    "near_duplicates_mined",
    "copied_positive_synthetic",
    "copied_positive_mined",
    "copied_query",
)
LEAST = 0.8  # Jaccard similarity of 3-word sequences; four words changed in a hundred leave it at about that
_GROUP = "texts"
_SAID: dict[Origin, str] = {"synthetic": "written", "mined": "mined"}


def measure(subject: Subject) -> list[Measure]:
    """How many negatives repeat each other, their positives, or their queries."""
    owner: dict[str, str] = {}
    for row in subject.negatives:
        owner.setdefault(row.doc_id, row.query_id)
    negatives = list(owner)
    known = _known_positives(subject)
    positives = sorted({doc_id for doc_ids in known.values() for doc_id in doc_ids} - set(negatives))
    texts = [*subject.texts(negatives), *subject.texts(positives)]
    texts += [subject.collection.queries[query_id] for query_id in subject.query_ids]
    likeness = Likeness(texts)
    number = {doc_id: i for i, doc_id in enumerate([*negatives, *positives])}
    asked = {query_id: len(number) + i for i, query_id in enumerate(subject.query_ids)}
    return [
        _exact(owner, texts[: len(negatives)]),
        _among("near_duplicates", "distinct", negatives, owner, number, likeness),
        *(
            _among(f"near_duplicates_{origin}", _SAID[origin], subject.negative_ids(origin), owner, number, likeness)
            for origin in ORIGINS
        ),
        *(_near_positive(subject, origin, known, number, likeness) for origin in ORIGINS),
        share(
            "copied_query",
            _GROUP,
            [(r.query_id, likeness.near(number[r.doc_id], asked[r.query_id], LEAST)) for r in subject.negatives],
            lambda told: f"{told} negatives are almost word for word their query.",
            "There are no negatives.",
        ),
    ]


def _known_positives(subject: Subject) -> dict[str, list[str]]:
    """For each query all positives that are known, and those that are trained on, which may be rewritten."""
    known = {query_id: dict.fromkeys(subject.collection.positives(query_id)) for query_id in subject.query_ids}
    for example in subject.examples:
        known[example.query_id][example.positive_id] = None
    return {query_id: list(doc_ids) for query_id, doc_ids in known.items()}


def _exact(owner: dict[str, str], texts: list[str]) -> Measure:
    keys = [normalise(text) for text in texts]
    counts = Counter(key for key in keys if key)
    return share(
        "exact_duplicates",
        _GROUP,
        [(query_id, counts[key] > 1) for query_id, key in zip(owner.values(), keys, strict=True)],
        lambda told: (
            f"{told} distinct negative documents have the same text as another one, but for case, white space and "
            "punctuation."
        ),
        "There are no negatives.",
    )


def _among(
    name: str, said: str, doc_ids: list[str], owner: dict[str, str], number: dict[str, int], likeness: Likeness
) -> Measure:
    near = likeness.search([number[doc_id] for doc_id in doc_ids], least=LEAST)
    bounded = not_all_compared(len(near.unfinished))
    return share(
        name,
        _GROUP,
        [(owner[doc_id], number[doc_id] in near.found) for doc_id in doc_ids],
        lambda told: (
            f"{told} {said} negative documents say almost word for word what another of them says "
            f"(four fifths of their 3-word sequences in common).{bounded}"
        ),
        "There are no negatives." if said == "distinct" else f"No negative is {said}.",
    )


def _near_positive(
    subject: Subject, origin: Origin, known: dict[str, list[str]], number: dict[str, int], likeness: Likeness
) -> Measure:
    said = _SAID[origin]
    return share(
        f"copied_positive_{origin}",
        _GROUP,
        [
            (row.query_id, any(likeness.near(number[row.doc_id], number[p], LEAST) for p in known[row.query_id]))
            for row in subject.negatives
            if row.origin == origin
        ],
        lambda told: (
            f"{told} {said} negatives are almost word for word a positive of their query, which would make them "
            "false negatives."
        ),
        f"No negative is {said}.",
    )
