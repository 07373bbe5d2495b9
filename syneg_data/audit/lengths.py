"""Lengths: words per text, by source and beside the positive; length alone can give a source away."""

from typing import Any

from syneg_data.audit.draws import Owned, draw, owned_positives, owned_texts
from syneg_data.audit.measures import Measure
from syneg_data.audit.shares import median_interval, unmeasured
from syneg_data.audit.subject import ORIGINS, Origin, Subject
from syneg_data.texts.words import words_of

NAMES: tuple[str, ...] = (
    "words_positive",
    "words_synthetic",
    "words_mined",
    "length_ratio_synthetic",
    "length_ratio_mined",
)
_GROUP = "texts"
_BINS = 24
_SAID: dict[Origin, str] = {"synthetic": "written", "mined": "mined"}


def measure(subject: Subject) -> list[Measure]:
    """Median words of each source, and of each negative over its positive."""
    return [
        _words("positive", "positives", owned_positives(subject), subject),
        *(_words(origin, f"{_SAID[origin]} negatives", owned_texts(subject, origin), subject) for origin in ORIGINS),
        *(_ratio(origin, subject) for origin in ORIGINS),
    ]


def details(subject: Subject) -> dict[str, Any]:
    """Histograms of words per text.

    Returns:
        `lengths`: source (`positive`, `synthetic`, `mined`) -> `edges` (words, one more than bins, the same for all)
        and `counts`; the last bin holds all that is longer, too. Sources without texts are left out.
    """
    import numpy as np

    texts = {"positive": owned_positives(subject)} | {origin: owned_texts(subject, origin) for origin in ORIGINS}
    words = {
        source: [len(words_of(text)) for _, text in draw(owned, subject.seed, subject.sample)]
        for source, owned in texts.items()
        if owned
    }
    if not words:
        return {"lengths": {}}
    usual = max(float(np.percentile(counts, 99)) for counts in words.values())
    width = max(1, -(-int(usual) // _BINS))
    edges = [width * i for i in range(_BINS + 1)]
    return {
        "lengths": {
            source: {"edges": edges, "counts": _histogram(counts, width)} for source, counts in sorted(words.items())
        }
    }


def _histogram(values: list[int], width: int) -> list[int]:
    counts = [0] * _BINS
    for value in values:
        counts[min(value // width, _BINS - 1)] += 1
    return counts


def _words(source: str, said: str, texts: list[Owned], subject: Subject) -> Measure:
    rows = [(query_id, float(len(words_of(text)))) for query_id, text in draw(texts, subject.seed, subject.sample)]
    if not rows:
        return unmeasured(f"words_{source}", _GROUP, f"There are no {said}.")
    typical, low, high = median_interval(rows, subject.seed)
    return Measure(
        f"words_{source}",
        _GROUP,
        typical,
        low,
        high,
        len(rows),
        f"Half of the {len(rows):,} {said} have at most {typical:g} words.",
    )


def _ratio(origin: Origin, subject: Subject) -> Measure:
    said, name = _SAID[origin], f"length_ratio_{origin}"
    rows = [row for row in subject.negatives if row.origin == origin]
    if not rows:
        return unmeasured(name, _GROUP, f"No negative is {said}.")
    words = {d: len(words_of(subject.collection.text(d))) for d in {i for r in rows for i in (r.doc_id, r.positive_id)}}
    typical, low, high = median_interval(
        [(row.query_id, words[row.doc_id] / max(1, words[row.positive_id])) for row in rows], subject.seed
    )
    return Measure(
        name,
        _GROUP,
        round(typical, 3),
        round(low, 3),
        round(high, 3),
        len(rows),
        f"The typical {said} negative has {typical:.2f} times the words of the positive that it stands beside.",
    )
