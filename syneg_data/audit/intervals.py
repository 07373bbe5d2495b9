"""Intervals: 95 % of a figure by drawing the queries anew, because the negatives of one query are alike. Pure."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DRAWS, _AT_ONCE = 1000, 50

Statistic = Callable[["NDArray[np.float64]", "NDArray[np.float64]"], "NDArray[np.float64]"]


def mean(values: "NDArray[np.float64]", weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Weighted means, one per row of weights; shapes (n,), (draws, n) -> (draws,)."""
    found: NDArray[np.float64] = (weights @ values) / weights.sum(axis=1)
    return found


def median(values: "NDArray[np.float64]", weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Weighted medians (the mean of two in the middle), one per row of weights; shapes as for `mean`."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[:, order], axis=1)
    half, ranked = sums[:, -1:] / 2, values[order]
    found: NDArray[np.float64] = (ranked[(sums < half).sum(axis=1)] + ranked[(sums <= half).sum(axis=1)]) / 2
    return found


def lower_median(values: "NDArray[np.float64]", weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Weighted medians (the lower of two in the middle), one per row of weights; shapes as for `mean`."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[:, order], axis=1)
    found: NDArray[np.float64] = values[order][(sums < sums[:, -1:] / 2).sum(axis=1)]
    return found


def interval(
    values: "NDArray[np.float64]", group: "NDArray[np.int64]", statistic: Statistic, seed: int
) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of a figure over a thousand draws of the groups with replacement.

    Args:
        values: of each row.
        group: of each row, counted from 0; queries as a rule.
        statistic: `mean` or `median`.
        seed: of the draws.
    """
    import numpy as np

    groups, group = np.unique(group, return_inverse=True)
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(_DRAWS // _AT_ONCE):
        drawn = generator.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), _AT_ONCE)
        found.append(statistic(values, drawn[:, group].astype(float)))
    low, high = np.quantile(np.concatenate(found), [0.025, 0.975]).tolist()
    return round(low, 4), round(high, 4)
