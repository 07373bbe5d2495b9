"""What the texts turned out to be, beside what they were asked to be, as far as it can be measured."""

import re
import statistics
from collections.abc import Sequence
from typing import Any

from syneg_data.collection import Collection
from syneg_data.records import Attribute, Generation
from syneg_data.texts.language import language_of

_SENTENCE_END = re.compile(r"[.!?]+(?:\s|$)")
_WORD = re.compile(r"\w+")
_ANY = Attribute("(all)", "")


def reading_grade(text: str) -> float | None:
    """Automated Readability Index (Smith & Senter 1967): about the US school grade; None for a text without words.

    4.71 * characters / words + 0.5 * words / sentences - 21.43
    """
    words = _WORD.findall(text)
    if not words:
        return None
    sentences = max(1, len(_SENTENCE_END.findall(text)))
    return 4.71 * sum(map(len, words)) / len(words) + 0.5 * len(words) / sentences - 21.43


def achieved(final: Sequence[Generation], collection: Collection) -> list[dict[str, Any]]:
    """A row for each strategy, axis and value: drafts asked for and kept, and medians over the kept ones.

    `length_ratio` is words of the text over words of the positive, `reading_grade` the Automated Readability Index
    (`positive_reading_grade` that of the positives), `same_language` the share of texts in the positive's language
    among those where both are certain; each is null where nothing could be measured.

    Args:
        final: from final_rows.
        collection: holds the positives.
    """
    groups: dict[tuple[str, Attribute], list[Generation]] = {}
    for row in final:
        for attribute in (_ANY, *row.attributes):
            groups.setdefault((row.strategy, attribute), []).append(row)
    return [
        {"strategy": strategy, "axis": attribute.axis, "value": attribute.value, **_measures(rows, collection)}
        for (strategy, attribute), rows in sorted(groups.items(), key=lambda g: (g[0][0], g[0][1].axis, g[0][1].value))
    ]


def _measures(rows: Sequence[Generation], collection: Collection) -> dict[str, Any]:
    kept = [(row.text, collection.text(row.positive_id)) for row in rows if row.state == "ok"]
    languages = [(language_of(text), language_of(positive)) for text, positive in kept]
    certain = [(a, b) for a, b in languages if a and b]
    return {
        "drafts": len(rows),
        "kept": len(kept),
        "length_ratio": _median([len(text.split()) / max(1, len(positive.split())) for text, positive in kept]),
        "reading_grade": _median([g for text, _ in kept if (g := reading_grade(text)) is not None]),
        "positive_reading_grade": _median([g for _, p in kept if (g := reading_grade(p)) is not None]),
        "same_language": round(sum(a == b for a, b in certain) / len(certain), 4) if certain else None,
    }


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 3) if values else None
