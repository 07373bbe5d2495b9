"""Analysis: what the rows say, as differences with intervals and as rank correlations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS, LEAST_PAIRS, SCREEN
from benchmarks.study.rows import Cell, cells, differences, mean, read_groups, read_scores
from syneg_data.training.statistics import (
    Components,
    Interval,
    design_effect,
    detectable,
    paired_interval,
    variance_components,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIGURES = ("query_blind_auc", "source_auc", "source_auc_length", "hardness_synthetic")
SCREENED = "where every condition was measured"
USEFUL = -0.5  # a rank correlation that would be of use to somebody who chooses by the audit
_RESAMPLES = 10_000
_LEAST_CONDITIONS = 4  # of a generator on a collection: fewer have no ranks to speak of


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
    interval = _interval(folder, cell, *differences(scores, arm, other, without))
    return Difference(cell, arm, other, mean(scores, arm, without), mean(scores, other, without), interval)


def _interval(folder: Path, cell: Cell, queries: Sequence[str], table: "NDArray[np.float64]") -> Interval:
    """Queries with a common positive are drawn together."""
    groups = read_groups(folder, cell)
    return paired_interval(table, groups=[groups[query_id] for query_id in queries])


def beyond_base(folder: Path, found: Sequence[Difference], one: Difference) -> Interval | None:
    """A condition's difference less that of base, on the same queries and seeds; None of base itself."""
    if one.cell.condition == "base":
        return None
    base = next((other for other in found if other.cell.condition == "base" and _stratum(other) == _stratum(one)), None)
    if base is None:
        return None
    (queries, ours), (others, theirs) = (
        differences(read_scores(folder, each.cell), each.arm, each.other) for each in (one, base)
    )
    place = {query_id: i for i, query_id in enumerate(others)}
    return _interval(folder, one.cell, queries, ours - theirs[:, [place[query_id] for query_id in queries]])


def beside_alone(folder: Path, tested: Cell, alone: Cell) -> Difference:
    """The tested arm beside mined negatives for all pairs that mining serves by itself, which are others and more."""
    arm = CONDITIONS[tested.condition].arm
    mine, theirs = (read_scores(folder, cell) for cell in (tested, alone))
    scores = {key: by_query for key, by_query in mine.items() if key[0] == arm}
    scores |= {key: by_query for key, by_query in theirs.items() if key[0] == "gated"}
    interval = _interval(folder, tested, *differences(scores, arm, "gated"))
    return Difference(tested, arm, "gated", mean(scores, arm), mean(scores, "gated"), interval)


def ablations(folder: Path) -> list[Difference]:
    """Every condition that was trained, against its rival for the same pairs; as in the protocol."""
    order = [list(names) for names in (GENERATORS, CONDITIONS, GROUNDS)]
    trained = [cell for cell in cells(folder, "ablations") if cell.pairs]
    trained.sort(
        key=lambda c: [names.index(n) for names, n in zip(order, (c.generator, c.condition, c.ground), strict=True)]
    )
    return [difference(folder, cell, CONDITIONS[cell.condition].arm, cell.rival) for cell in trained]


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of an audit figure with the outcome, over the conditions of some strata."""

    figure: str
    strata: str
    rho: float
    low: float
    high: float
    cells: int


def correlations(found: Sequence[Difference]) -> list[Correlation]:
    """Spearman's rho within strata, averaged by their number of conditions, with a bootstrap interval.

    A stratum is a generator on a collection, for both differ in the figures and in the outcome: what is asked is
    whether the condition with the worse figure has the worse outcome. First the one stratum where every condition was
    measured, then all. Left out are conditions with another objective, which share the audit of base, and those with
    few pairs. The interval resamples conditions within strata.
    """
    import numpy as np

    taken = [one for one in found if CONDITIONS[one.cell.condition].eligible and one.cell.pairs >= LEAST_PAIRS]
    screened = [one for one in taken if _stratum(one) == (next(iter(GENERATORS)), SCREEN)]
    rows = []
    for figure in FIGURES:
        for strata, among in ((SCREENED, screened), ("all", taken)):
            groups = []
            for stratum in dict.fromkeys(map(_stratum, among)):
                pairs = [
                    (value, one.interval.mean)
                    for one in among
                    if _stratum(one) == stratum and (value := one.cell.audit.get(figure, [None])[0]) is not None
                ]
                if len(pairs) >= _LEAST_CONDITIONS:
                    groups.append(np.array(pairs))
            rho = float(_rho([group[None] for group in groups])[0])
            if math.isnan(rho):
                continue
            random = np.random.default_rng(0)
            drawn = [group[random.integers(0, len(group), (_RESAMPLES, len(group)))] for group in groups]
            low, high = np.nanpercentile(_rho(drawn), [2.5, 97.5])
            rows.append(Correlation(figure, strata, rho, float(low), float(high), sum(map(len, groups))))
    return rows


def _stratum(one: Difference) -> tuple[str, str]:
    return one.cell.generator, one.cell.ground


def foretells(found: Sequence[Correlation]) -> str:
    """Whether the figure named in the protocol goes with the outcome, as a sentence; empty without that figure."""
    one = next((one for one in found if (one.figure, one.strata) == (FIGURES[0], SCREENED)), None)
    if one is None:
        return ""
    if one.high < 0:
        said = "predicts the outcome: its interval lies below zero"
    elif one.low > USEFUL:
        said = f"does not predict the outcome: its interval lies above {USEFUL}"
    else:
        said = "may or may not predict the outcome: there are too few conditions to say"
    # Fisher's z, with the variance of Spearman's coefficient: 1.06 / (n - 3) (Fieller, Hartley and Pearson 1957).
    reach = (NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)) * math.sqrt(1.06 / (one.cells - 3))
    return (
        f"`{one.figure}`, over the {one.cells} conditions on {SCREEN}, {said}. "
        f"With so many conditions a correlation of {-math.tanh(reach):.2f} is found four times out of five."
    )


@dataclass(frozen=True)
class Power:
    """The smallest true difference that would be found four times out of five."""

    cell: Cell
    queries: int
    by_seeds: dict[int, float]


def powers(folder: Path) -> list[Power]:
    """What the base condition's variances on dev say of more seeds, and of as many queries as there are.

    Variances over queries are multiplied by the design effect of queries that have a positive in common.
    """
    found = []
    for cell in cells(folder, "ablations"):
        if cell.condition == "base" and cell.pairs:
            names, table = differences(read_scores(folder, cell), CONDITIONS["base"].arm, cell.rival)
            groups = read_groups(folder, cell)
            effect = design_effect(table, [groups[query_id] for query_id in names])
            of, queries = variance_components(table), len(names)
            components = Components(effect * of.query, of.seed, effect * of.residual)
            found.append(Power(cell, queries, {seeds: detectable(components, queries, seeds) for seeds in (3, 5, 10)}))
    return found


def _rho(groups: Sequence["NDArray[np.float64]"]) -> "NDArray[np.float64]":
    """Spearman's rho of each sample, shape (samples,); NaN where no group has ranks.

    Args:
        groups: each of shape (samples, conditions, 2).
    """
    import numpy as np
    from scipy.stats import rankdata

    samples = len(groups[0]) if groups else 1
    total, weights = np.zeros(samples), np.zeros(samples)
    for group in groups:
        ranks = rankdata(group, axis=1)
        ranks -= ranks.mean(axis=1, keepdims=True)
        spread = np.sqrt((ranks**2).sum(axis=1).prod(axis=1))
        ranked = spread > 0  # without differences there is no rank
        total[ranked] += len(group[0]) * ranks[ranked].prod(axis=2).sum(axis=1) / spread[ranked]
        weights += ranked * len(group[0])
    found: NDArray[np.float64] = np.divide(total, weights, out=np.full(samples, np.nan), where=weights > 0)
    return found
