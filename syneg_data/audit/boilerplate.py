"""Boilerplate: phrases that written negatives repeat from query to query, and that real texts do not have."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syneg_data.audit.draws import Owned, draw, owned_positives, owned_texts
from syneg_data.audit.measures import Measure
from syneg_data.audit.shares import share, unmeasured
from syneg_data.audit.subject import Subject
from syneg_data.confidential import redact, scan
from syneg_data.texts.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES: tuple[str, ...] = ("boilerplate",)
_SHORTEST, _LONGEST = 4, 8  # words
_FEWEST = 5  # queries that a phrase is written for, lest it be a private one of a text
_LEAST = 0.01  # of the queries
_ODDS = 10.0  # times those of real texts
_PHRASES = 20
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase of normalised words, and for how many queries it stands in a written and in a real text."""

    words: str
    written: int
    real: int


def measure(subject: Subject) -> list[Measure]:
    """The share of written negatives that hold one of the phrases, and which these are."""
    written = draw(owned_texts(subject, "synthetic"), subject.seed, subject.sample)
    real = draw(owned_texts(subject, "mined"), subject.seed, subject.sample)
    real += draw(owned_positives(subject), subject.seed, subject.sample)
    if not written or not real:
        why = "No negative is written." if not written else "There are no real texts to compare with."
        return [unmeasured("boilerplate", "texts", why)]
    phrases, held = find_phrases(written, real)
    shown = "; ".join(f"\u201c{phrase.words}\u201d ({phrase.written:,} queries)" for phrase in _showable(phrases))
    if not phrases:
        what = f"no phrase of {_SHORTEST} to {_LONGEST} words is typical of them"
    else:
        what = f"{len(phrases)} phrase{'s' if len(phrases) > 1 else ''} that real texts hardly have"
        what += f", such as {shown}" if shown else ""
    return [
        share(
            "boilerplate",
            "texts",
            [(query_id, hit) for (query_id, _), hit in zip(written, held, strict=True)],
            lambda told: f"{told} written negatives hold boilerplate: {what}.",
            "",
        )
    ]


def find_phrases(written: Sequence[Owned], real: Sequence[Owned]) -> tuple[list[Phrase], list[bool]]:
    """Phrases typical of the written texts, those that more of them hold first, and which texts hold one of these.

    A phrase is 4 to 8 words that stand in written texts of at least 1 % of the queries (and of 5), at ten times the
    odds of standing in a real text of a query. At most 20 are taken, each for the most texts that hold none of those
    before.
    """
    import numpy as np

    texts = [words_of(redact(text)) for _, text in written] + [words_of(text) for _, text in real]
    vocabulary = {word: i for i, word in enumerate(sorted({word for words in texts for word in words}))}
    places: dict[str, int] = {}
    queries = np.array([places.setdefault(query_id, len(places)) for query_id, _ in [*written, *real]])
    asked = len({query_id for query_id, _ in written})
    others = len({query_id for query_id, _ in real})
    least = max(_FEWEST, math.ceil(_LEAST * asked))

    owner = np.repeat(np.arange(len(texts)), [len(words) for words in texts])
    words = np.array([vocabulary[word] for text in texts for word in text], np.int64)
    found: list[tuple[str, int, int, NDArray[np.int64]]] = []  # words, written, real, the written texts that hold it
    grams = words
    for size in range(2, _LONGEST + 1):
        grams = _longer(grams, words, owner, size)
        frequent = _queries_with(grams, owner, queries, slice(0, len(written)), len(places))
        alive = np.flatnonzero(frequent >= least)
        grams = np.where(np.isin(grams, alive), grams, -1)
        if not len(alive):
            break
        if size < _SHORTEST:
            continue
        elsewhere = _queries_with(grams, owner, queries, slice(len(written), len(texts)), len(places))
        for gram in alive.tolist():
            count, rest = int(frequent[gram]), int(elsewhere[gram]) if gram < len(elsewhere) else 0
            if _odds(count, asked) < _ODDS * _odds(rest, others):
                continue
            at = np.flatnonzero(grams == gram)
            text, start = texts[owner[at[0]]], int(at[0] - np.searchsorted(owner, owner[at[0]]))
            holders = np.unique(owner[at])
            found.append((" ".join(text[start : start + size]), count, rest, holders[holders < len(written)]))
    return _cover(found, len(written))


def _longer(
    grams: "NDArray[np.int64]", words: "NDArray[np.int64]", owner: "NDArray[np.int64]", size: int
) -> "NDArray[np.int64]":
    """Sequences of `size` words, from those of one less, as numbers by place; -1 where none starts that counts."""
    import numpy as np

    longer = np.full(len(grams), -1, np.int64)
    reach = len(grams) - size + 1
    if reach <= 0:
        return longer
    whole = (grams[:reach] >= 0) & (grams[1 : reach + 1] >= 0) & (owner[:reach] == owner[size - 1 :])
    at = np.flatnonzero(whole)
    codes = grams[at] * (int(words.max()) + 1) + words[at + size - 1]
    longer[at] = np.unique(codes, return_inverse=True)[1].reshape(-1)
    return longer


def _queries_with(
    grams: "NDArray[np.int64]", owner: "NDArray[np.int64]", queries: "NDArray[np.int64]", texts: slice, many: int
) -> "NDArray[np.int64]":
    """For how many queries each sequence stands in one of these texts."""
    import numpy as np

    here = (grams >= 0) & (owner >= texts.start) & (owner < texts.stop)
    pairs = np.unique(grams[here] * many + queries[owner[here]])
    return np.bincount(pairs // many, minlength=int(grams.max(initial=-1)) + 1)


def _odds(count: int, of: int) -> float:
    """Odds with half a case added to either side (Haldane 1956), so that none are zero or infinite."""
    return (count + 0.5) / (of - count + 0.5)


def _cover(found: "Sequence[tuple[str, int, int, NDArray[np.int64]]]", many: int) -> tuple[list[Phrase], list[bool]]:
    """Phrases in the order of how many texts each adds; of equals the longer one, then by its words."""
    import numpy as np

    held = np.zeros(many, bool)
    phrases: list[Phrase] = []
    left = list(found)
    while left and len(phrases) < _PHRASES:
        gains = [int((~held[holders]).sum()) for _, _, _, holders in left]
        best = min(range(len(left)), key=lambda i: (-gains[i], -len(left[i][0].split()), left[i][0]))
        if gains[best] < _FEWEST:
            break
        text, written, real, holders = left.pop(best)
        held[holders] = True
        phrases.append(Phrase(text, written, real))
    return phrases, held.tolist()


def _showable(phrases: Sequence[Phrase]) -> list[Phrase]:
    """Those that may be named: letters, digits and spaces alone, and nothing that looks confidential."""
    return [p for p in phrases if re.fullmatch(r"[\w ]+", p.words) and not scan(p.words)][:_NAMED]
