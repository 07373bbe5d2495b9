"""Contamination: what the set has in common with what retrievers are evaluated on."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syneg_data.audit.draws import Owned, owned_positives, owned_texts
from syneg_data.audit.measures import Measure
from syneg_data.audit.shares import not_all_compared, share, unmeasured
from syneg_data.audit.subject import Subject
from syneg_data.collection import normalise
from syneg_data.texts.near import Likeness, Near
from syneg_data.texts.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES: tuple[str, ...] = (
    "contaminated_queries",
    "shared_positives",
    "contaminated_negatives",
    "evaluation_positives_mined",
    "evaluation_ngrams",
)
GRAM = 13  # words; Brown et al. 2020, appendix C
_GROUP = "contamination"
_PASSAGE = 0.8  # Jaccard similarity of 3-word sequences
_QUERY = 0.9  # Jaccard similarity of words, whatever their order
_NOTHING = "The data set brings no split to evaluate on, and the recipe names no file."
Told = tuple[str, str, str]  # name of the measure, what its rows are, what holds of the hits


@dataclass(frozen=True, slots=True)
class Foreign:
    """One set that retrievers are evaluated on: a split, or a file that the recipe names, whose texts may be either."""

    name: str
    queries: tuple[str, ...]
    passages: tuple[str, ...]


def measure(subject: Subject) -> list[Measure]:
    """What of the training set stands in an evaluation set, too: as it is, but for form, or almost."""
    sets = _foreign(subject)
    if not any(part.queries or part.passages for part in sets):
        return [unmeasured(name, _GROUP, _NOTHING) for name in NAMES]
    queries = [(query_id, subject.collection.queries[query_id]) for query_id in subject.query_ids]
    positives, written, mined = (
        owned_positives(subject),
        owned_texts(subject, "synthetic"),
        owned_texts(subject, "mined"),
    )
    passages = {part.name: part.passages for part in sets}
    near = _alike([*positives, *written, *mined], passages, 3, _PASSAGE)
    to_written = len(positives)
    to_mined = to_written + len(written)
    return [
        _measure(
            (
                "contaminated_queries",
                "training queries",
                "are evaluation queries, too: in the same words, or all but one in ten",
            ),
            queries,
            _alike(queries, {part.name: part.queries for part in sets}, 1, _QUERY),
        ),
        _measure(
            (
                "shared_positives",
                "positives",
                "are also relevant to an evaluation query, as they are or almost word for word",
            ),
            positives,
            _between(near, 0, to_written),
        ),
        _measure(
            (
                "contaminated_negatives",
                "written negatives",
                "are almost word for word what is relevant to an evaluation query",
            ),
            written,
            _between(near, to_written, to_mined),
        ),
        _measure(
            (
                "evaluation_positives_mined",
                "mined negatives",
                "are relevant to an evaluation query, and training pushes them away",
            ),
            mined,
            _between(near, to_mined, to_mined + len(mined)),
        ),
        _measure(
            (
                "evaluation_ngrams",
                "written negatives",
                f"share {GRAM} words in a row with an evaluation query or what is relevant to it",
            ),
            written,
            _sharing([text for _, text in written], {part.name: (*part.queries, *part.passages) for part in sets}),
        ),
    ]


def _foreign(subject: Subject) -> list[Foreign]:
    splits = [
        Foreign(
            f"split {name}",
            tuple(part.queries.values()),
            tuple(part.text(d) for d in sorted({d for query_id in part.queries for d in part.positives(query_id)})),
        )
        for name, part in subject.held_out.items()
    ]
    return splits + [Foreign(name, tuple(texts), tuple(texts)) for name, texts in subject.evaluation.items()]


def _alike(owned: Sequence[Owned], sets: Mapping[str, Sequence[str]], shingle: int, least: float) -> dict[str, Near]:
    """Which texts, by number, have a near-duplicate in each of the sets, or all its words and no others."""
    texts = [text for _, text in owned]
    likeness = Likeness([*texts, *(text for part in sets.values() for text in part)], shingle)
    alike: dict[str, Near] = {}
    start = len(texts)
    for name, part in sets.items():
        near = likeness.search(range(len(texts)), range(start, start + len(part)), least=least)
        same = {normalise(text) for text in part} - {""}
        found = near.found | {i for i, text in enumerate(texts) if normalise(text) in same}
        alike[name] = Near(found, near.unfinished - found)
        start += len(part)
    return alike


def _between(hits: Mapping[str, Near], start: int, stop: int) -> dict[str, Near]:
    """The hits among the texts from one number to another, counted from the first of them."""

    def cut(numbers: frozenset[int]) -> frozenset[int]:
        return frozenset(i - start for i in numbers if start <= i < stop)

    return {name: Near(cut(near.found), cut(near.unfinished)) for name, near in hits.items()}


def _measure(told: Told, rows: Sequence[Owned], hits: Mapping[str, Near]) -> Measure:
    name, what, holds = told
    every = frozenset[int]().union(*(near.found for near in hits.values()))
    unfinished = frozenset[int]().union(*(near.unfinished for near in hits.values())) - every
    by_set = ", ".join(f"{part}: {len(near.found):,}" for part, near in hits.items())
    return share(
        name,
        _GROUP,
        [(query_id, i in every) for i, (query_id, _) in enumerate(rows)],
        lambda share_told: f"{share_told} {what} {holds} ({by_set}).{not_all_compared(len(unfinished))}",
        f"There are no {what}.",
    )


def _sharing(texts: Sequence[str], sets: Mapping[str, Iterable[str]]) -> dict[str, Near]:
    """Which texts, by number, share a sequence of 13 words with each of the sets."""
    import numpy as np

    codes: dict[str, int] = {}
    grams, owner = _grams(texts, codes)
    found = {name: np.unique(owner[np.isin(grams, _grams(part, codes)[0])]) for name, part in sets.items()}
    return {name: Near(frozenset(numbers.tolist()), frozenset()) for name, numbers in found.items()}


def _grams(texts: Iterable[str], codes: dict[str, int]) -> "tuple[NDArray[np.uint64], NDArray[np.int64]]":
    """A 64-bit number for each sequence of 13 words, the same in every process, and whose it is."""
    import numpy as np

    numbers, owners = [], []
    for i, text in enumerate(texts):
        words = words_of(text)
        if len(words) < GRAM:
            continue
        coded = np.array(
            [codes[word] if word in codes else codes.setdefault(word, _code(word)) for word in words], np.uint64
        )
        gram = np.zeros(len(words) - GRAM + 1, np.uint64)
        for place in range(GRAM):  # modulo 2**64, as polynomials are
            gram = gram * np.uint64(0x9E3779B97F4A7C15) + coded[place : place + len(gram)]
        numbers.append(gram)
        owners.append(np.full(len(gram), i, np.int64))
    if not numbers:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    return np.concatenate(numbers), np.concatenate(owners)


def _code(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
