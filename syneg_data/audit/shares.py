"""Shares and other figures over rows of queries: rows of one query are alike, and their intervals know it."""

import math
from collections.abc import Callable, Sequence

from syneg_data.audit.intervals import interval, lower_median
from syneg_data.audit.measures import Measure

_Z = 1.959964  # 95 %


def share(name: str, group: str, rows: Sequence[tuple[str, bool]], tell: Callable[[str], str], nothing: str) -> Measure:
    """The share of rows for which something holds, as a measure.

    Args:
        name: of the measure.
        group: of the measure.
        rows: (query_id, whether it holds).
        tell: the sentence, given "12 of 3,400 (0.4 %)" or "None of 3,400".
        nothing: the sentence where there are no rows.
    """
    if not rows:
        return Measure(name, group, None, None, None, 0, nothing)
    hits = sum(hit for _, hit in rows)
    low, high = share_interval(rows)
    told = f"{hits:,} of {len(rows):,} ({as_percent(hits / len(rows))})" if hits else f"None of {len(rows):,}"
    return Measure(name, group, round(hits / len(rows), 4), low, high, len(rows), tell(told))


def not_all_compared(texts: int) -> str:
    """What to add to a sentence where this many texts have more likely twins than were looked at."""
    return f" {texts:,} have more likely twins than were compared, so this may be too low." if texts else ""


def unmeasured(name: str, group: str, why: str) -> Measure:
    """A measure without a figure."""
    return Measure(name, group, None, None, None, 0, why)


def share_interval(rows: Sequence[tuple[str, bool]]) -> tuple[float, float]:
    """95 % interval of a share: Wilson's (1927), of as many rows as the rows are worth (Kish 1965).

    Rows of one query are alike, so n of them are worth n / deff, where deff is the variance between queries over that
    of as many independent rows. Where all rows or none are hits that cannot be seen, and the rows of a query count as
    one.
    """
    sizes: dict[str, int] = {}
    hits: dict[str, int] = {}
    for query_id, hit in rows:
        sizes[query_id] = sizes.get(query_id, 0) + 1
        hits[query_id] = hits.get(query_id, 0) + hit
    n, p = len(rows), sum(hits.values()) / len(rows)
    if 0 < p < 1 and len(sizes) > 1:
        spread = sum((hits[q] - p * size) ** 2 for q, size in sizes.items()) * len(sizes) / (len(sizes) - 1)
        effect = spread / (n * n / (n - 1) * p * (1 - p))
    else:
        effect = sum(size**2 for size in sizes.values()) / n
    worth = n / max(1.0, effect)
    centre = (p + _Z**2 / (2 * worth)) / (1 + _Z**2 / worth)
    reach = _Z / (1 + _Z**2 / worth) * math.sqrt(p * (1 - p) / worth + _Z**2 / (4 * worth**2))
    return round(max(0.0, centre - reach), 4), round(min(1.0, centre + reach), 4)


def median_interval(rows: Sequence[tuple[str, float]], seed: int) -> tuple[float, float, float]:
    """Median of the rows' values (the lower one of two), and its 95 % bootstrap interval over queries."""
    import numpy as np

    places: dict[str, int] = {}
    group = np.array([places.setdefault(query_id, len(places)) for query_id, _ in rows], np.int64)
    values = np.array([value for _, value in rows], float)
    return (float(np.quantile(values, 0.5, method="lower")), *interval(values, group, lower_median, seed))


def as_percent(value: float) -> str:
    """A share as a reader would say it: never 0 % of something that is there, never 100 % where one is missing."""
    if 0 < value < 0.001:
        return "under 0.1 %"
    if 0.999 < value < 1:
        return "over 99.9 %"
    return f"{100 * value:.1f} %".replace(".0 %", " %")
