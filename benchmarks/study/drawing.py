"""The study's figures: differences by condition, the audit beside the outcome, and the arms on test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.study.analysis import Difference
from benchmarks.study.protocol import CONDITIONS, GROUNDS
from benchmarks.study.rows import Cell, mean, read_scores
from syneg_data.judge.arms import ARMS

_COLOURS = {"medquad-small": "#1b6ca8", "squad-nqg-small": "#c8553d", "scifact": "#3d8361"}
_MARKS = {"smollm2": "o", "qwen": "s"}


def draw(found: Sequence[Difference], tested: Sequence[Cell], folder: Path, into: Path) -> list[str]:
    """Write the figures that there are rows for.

    Args:
        found: ablations.
        tested: cells of the test stage.
        folder: of the rows.
        into: folder for the figures.

    Returns:
        Their file names.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    names = []
    if found:
        names += [_conditions(found, into), _audit(found, into)]
    if tested:
        names.append(_arms(tested, folder, into))
    return names


def _conditions(found: Sequence[Difference], into: Path) -> str:
    from matplotlib import pyplot

    keys = [
        (g, c) for g in _MARKS for c in CONDITIONS if any((o.cell.generator, o.cell.condition) == (g, c) for o in found)
    ]
    figure, axes = pyplot.subplots(figsize=(8, 1.5 + 0.36 * len(keys)), layout="constrained")
    for number, ground in enumerate(GROUNDS):
        mine = [one for one in found if one.cell.ground == ground]
        rows = [keys.index((one.cell.generator, one.cell.condition)) + 0.22 * (number - 1) for one in mine]
        centre = [100 * one.interval.mean for one in mine]
        reach = [
            [100 * (one.interval.mean - one.interval.low) for one in mine],
            [100 * (one.interval.high - one.interval.mean) for one in mine],
        ]
        axes.errorbar(centre, rows, xerr=reach, fmt="o", ms=4, lw=1.2, color=_COLOURS[ground], label=ground)
    axes.axvline(0, color="black", lw=0.8)
    axes.axvline(1, color="black", lw=0.8, ls=":")
    axes.set_yticks(range(len(keys)), [f"{condition.replace('_', ' ')} ({generator})" for generator, condition in keys])
    axes.invert_yaxis()
    axes.set_xlabel("nDCG@10 on dev, with synthetic less mined only, points (dotted: the hoped-for gain)")
    # Above the plot: an interval may reach into any corner of it.
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(GROUNDS), fontsize=8, frameon=False)
    return _save(figure, into, "study-conditions.png")


def _audit(found: Sequence[Difference], into: Path) -> str:
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
    for axes, name in zip(panels, ("query_blind_auc", "source_auc"), strict=True):
        for ground, colour in _COLOURS.items():
            for generator, mark in _MARKS.items():
                points = [
                    (value, 100 * one.interval.mean)
                    for one in found
                    if (one.cell.ground, one.cell.generator) == (ground, generator)
                    and (value := one.cell.audit.get(name, [None])[0]) is not None
                ]
                if points:
                    axes.scatter(
                        *zip(*points, strict=True), s=18, color=colour, marker=mark, label=f"{ground}, {generator}"
                    )
        axes.axhline(0, color="black", lw=0.8)
        axes.set_xlabel(name)
    panels[0].set_ylabel("difference on dev, points")
    panels[1].legend(loc="best", fontsize=7)
    return _save(figure, into, "study-audit.png")


def _arms(tested: Sequence[Cell], folder: Path, into: Path) -> str:
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(tested), figsize=(max(4.0, 3.2 * len(tested)), 3.8), layout="constrained", squeeze=False
    )
    for axes, cell in zip(panels[0], tested, strict=True):
        scores = read_scores(folder, cell)
        names = [name for name in ARMS if name in cell.rates]
        colours = ["#c8553d" if name == CONDITIONS[cell.condition].arm else "#8a99a8" for name in names]
        values = [100 * mean(scores, name) for name in names]
        axes.barh(names, values, color=colours)
        axes.set_xlim(max(0.0, min(values) - 5), max(values) + 2)
        axes.invert_yaxis()
        axes.set_title(f"{cell.ground}\n{cell.generator}, {cell.condition}, {cell.student}", fontsize=9)
        axes.tick_params(labelsize=8)
    figure.supxlabel("nDCG@10 on test, points (axes do not begin at 0)", fontsize=9)
    return _save(figure, into, "study-test.png")


def _save(figure: Any, into: Path, name: str) -> str:  # noqa: ANN401
    from matplotlib import pyplot

    figure.savefig(into / name, dpi=130, metadata={"Software": None})
    pyplot.close(figure)
    return name
