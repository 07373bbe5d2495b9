"""Attributes: whether the drafts turned out as they were asked to be, where that can be read off the text."""

import re
from collections.abc import Callable, Sequence

from syneg_data.audit.intervals import interval, mean
from syneg_data.audit.measures import Measure
from syneg_data.audit.subject import Subject
from syneg_data.generation.achieved import reading_grade
from syneg_data.records import Generation
from syneg_data.spec import seed_of

GROUP = "attributes"
NAMES = ("length_obeyed", "level_obeyed")
_ALIKE, _MUCH = 1.25, 2.0  # times as many words, or as few: still as long; much longer
# Schools in order; of each the words that a requested level may have for it.
_SCHOOLS = (
    r"elementary|primary|basic|beginner|child",
    r"middle school",
    r"high school|secondary",
    r"college|undergraduate|bachelor|intermediate",
    r"(?<!under)graduate|master|advanced",
    r"doctora|phd|expert|professional|research",
)


def measure(subject: Subject) -> list[Measure]:
    """The figures; medians by strategy, axis and value are in the report's `attributes` already."""
    drafts = [row for row in subject.generations if row.state == "ok" and row.role == "negative"]
    return [_length(drafts, subject), _level(drafts, subject)]


def length_wanted(value: str) -> Callable[[float], bool] | None:
    """What a requested length says of words over the positive's words; None where it says nothing of that.

    `shorter than` and `longer than` are meant as they stand, `much` as half or twice as many, and `as long as`,
    `similar` or `same` as no more than a quarter more or fewer.
    """
    much = _MUCH if re.search(r"\bmuch\b|\bfar\b|\bsubstantially\b", value, re.IGNORECASE) else 1.0
    if re.search(r"\bshorter\b", value, re.IGNORECASE):
        return lambda ratio: ratio < 1 / much
    if re.search(r"\blonger\b", value, re.IGNORECASE):
        return lambda ratio: ratio > much
    if re.search(r"\bas long as\b|\bsimilar\b|\bsame\b", value, re.IGNORECASE):
        return lambda ratio: 1 / _ALIKE <= ratio <= _ALIKE
    return None


def school(value: str) -> float | None:
    """Where a requested level stands among the schools, the middle of those that it names; None if it names none."""
    named = [i for i, words in enumerate(_SCHOOLS) if re.search(words, value, re.IGNORECASE)]
    return sum(named) / len(named) if named else None


def _length(drafts: Sequence[Generation], subject: Subject) -> Measure:
    rows = []
    for row in drafts:
        ratio = len(row.text.split()) / max(1, len(subject.collection.text(row.positive_id).split()))
        wanted = [length_wanted(attribute.value) for attribute in row.attributes if attribute.axis == "length"]
        rows += [(row.query_id, float(fits(ratio))) for fits in wanted if fits is not None]
    return _share(
        "length_obeyed", rows, subject.seed, "no kept draft was asked to be longer or shorter than its positive",
        "of the drafts that were asked to be longer, shorter, or much so than their positive are, counted in words",
    )  # fmt: skip


def _level(drafts: Sequence[Generation], subject: Subject) -> Measure:
    """Drafts for one query that were asked to differ in level, two by two: is the harder one the harder to read?"""
    levels: dict[str, list[tuple[float, float]]] = {}
    for row in drafts:
        grade = reading_grade(row.text)
        wanted = [school(attribute.value) for attribute in row.attributes if attribute.axis == "difficulty"]
        levels.setdefault(row.query_id, []).extend(
            (level, grade) for level in wanted if level is not None and grade is not None
        )
    rows = [
        (query_id, 1.0 if harder > easier else 0.5 if harder == easier else 0.0)
        for query_id, drafted in levels.items()
        for high, harder in drafted
        for low, easier in drafted
        if high > low
    ]
    return _share(
        "level_obeyed", rows, subject.seed, "no two kept drafts for one query were asked to differ in level",
        "of the pairs of drafts for one query, the one that was asked to be the more advanced is the harder to read, "
        "by the Automated Readability Index (50 % is chance)",
    )  # fmt: skip


def _share(name: str, rows: Sequence[tuple[str, float]], seed: int, missing: str, what: str) -> Measure:
    import numpy as np

    if not rows:
        return Measure(name, GROUP, None, None, None, 0, f"Not measured: {missing}.")
    values = np.array([value for _, value in rows])
    numbers = {query_id: i for i, query_id in enumerate(dict.fromkeys(query_id for query_id, _ in rows))}
    group = np.array([numbers[query_id] for query_id, _ in rows], np.int64)
    low, high = interval(values, group, mean, seed_of(name, seed))
    share = round(float(values.mean()), 4)
    head = "In " if what.startswith("of the pairs") else ""
    return Measure(name, GROUP, share, low, high, len(rows), f"{head}{100 * share:.1f} % {what}.")
