"""Analysis: what the rows say, as differences with intervals and as rank correlations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.study.protocol import CONDITIONS
from benchmarks.study.rows import Cell, cells, differences, mean, read_scores
from syneg_data.judge.arms import ARMS
from syneg_data.training.statistics import Interval, paired_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIGURES = ("query_blind_auc", "source_auc", "source_auc_length", "hardness_synthetic")
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """One arm beside another on one split."""

    cell: Cell
    arm: str
    other: str
    ours: float
    theirs: float
    interval: Interval


def difference(folder: Path, cell: Cell, arm: str, other: str, *, unseen: bool = False) -> Difference:
    """nDCG@10 of an arm less the other's.

    Args:
        folder: of the rows.
        cell: whose.
        arm: the one.
        other: the other.
        unseen: without the queries one of whose positives was trained on.
    """
    scores, without = read_scores(folder, cell), cell.seen if unseen else ()
    interval = paired_interval(differences(scores, arm, other, without))
    return Difference(cell, arm, other, mean(scores, arm, without), mean(scores, other, without), interval)


def ablations(folder: Path) -> list[Difference]:
    """Every condition that was trained, against mined negatives alone for the same pairs."""
    return [
        difference(folder, cell, CONDITIONS[cell.condition].arm, "gated")
        for cell in cells(folder, "ablations")
        if cell.pairs
    ]


def rival(cell: Cell) -> str:
    """The mined-only arm that is best on dev over all seeds; of equals the one that comes first in the table."""
    return max((name for name in ARMS if name in cell.rates and ARMS[name].mined_only), key=lambda name: cell.dev[name])


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of an audit figure with the outcome, over conditions and collections."""

    figure: str
    rho: float
    low: float
    high: float
    cells: int


def correlations(found: Sequence[Difference]) -> list[Correlation]:
    """Spearman's rho within collections, averaged by their number of conditions, with a bootstrap interval.

    Ranks are taken within a collection, for collections differ in both: what is asked is whether, on one collection,
    the condition with the worse figure has the worse outcome. The interval resamples conditions within collections.
    """
    import numpy as np

    rows = []
    for figure in FIGURES:
        groups = []
        for ground in dict.fromkeys(one.cell.ground for one in found):
            pairs = [
                (value, one.interval.mean)
                for one in found
                if one.cell.ground == ground and (value := one.cell.audit.get(figure, [None])[0]) is not None
            ]
            if len(pairs) >= 4:
                groups.append(np.array(pairs))
        rho = _rho(groups)
        if math.isnan(rho):
            continue
        random = np.random.default_rng(0)
        drawn = [
            _rho([group[random.integers(0, len(group), len(group))] for group in groups]) for _ in range(_RESAMPLES)
        ]
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        rows.append(Correlation(figure, rho, float(low), float(high), sum(map(len, groups))))
    return rows


def _rho(groups: Sequence["NDArray[np.float64]"]) -> float:
    import numpy as np
    from scipy.stats import rankdata

    each, weights = [], []
    for group in groups:
        ranks = np.array([rankdata(column) for column in group.T])
        if ranks.std(axis=1).min() > 0:  # without differences there is no rank
            each.append(np.corrcoef(ranks)[0, 1])
            weights.append(len(group))
    return float(np.average(each, weights=weights)) if each else float("nan")
