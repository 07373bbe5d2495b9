"""The study's figures: differences by condition, the audit beside the outcome, and the arms on test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.study.analysis import Difference, difference
from benchmarks.study.protocol import CONDITIONS, GROUNDS
from benchmarks.study.rows import Cell
from syneg_data.judge.arms import ARMS
from syneg_data.training.statistics import Interval

_COLOURS = {"medquad-small": "#1b6ca8", "squad-nqg-small": "#c8553d", "scifact": "#3d8361"}
_MARKS = {"smollm2": "o", "qwen": "s"}


def draw(found: Sequence[Difference], tested: Sequence[Cell], folder: Path, into: Path) -> list[tuple[str, str]]:
    """Write the figures that there are rows for.

    Args:
        found: ablations.
        tested: cells of the test stage.
        folder: of the rows.
        into: folder for the figures.

    Returns:
        Their file names, with what they show.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    names = []
    if found:
        conditions = (
            "Difference on dev by condition, with synthetic negatives less mined ones only, and 95 % intervals."
        )
        audit = "Two figures of the audit of each set beside that difference; 0.5 is chance, 1 is told without fail."
        names += [(_conditions(found, into), conditions), (_audit(found, into), audit)]
    if tested:
        arms = (
            "On test: what is tested less every other arm, with 95 % intervals. Right of zero the other arm is worse."
        )
        names.append((_arms(tested, folder, into), arms))
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
        _intervals(axes, rows, [one.interval for one in mine], _COLOURS[ground], label=ground)
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
        main = CONDITIONS[cell.condition].arm
        names = [name for name in ARMS if name in cell.rates and ARMS[name].trains and name != main]
        intervals = [difference(folder, cell, main, name).interval for name in names]
        _intervals(axes, range(len(names)), intervals, _COLOURS[cell.ground])
        axes.axvline(0, color="black", lw=0.8)
        axes.axvline(1, color="black", lw=0.8, ls=":")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_title(f"{cell.ground}\n{cell.generator}, {cell.condition}, {cell.student}", fontsize=9)
        axes.tick_params(labelsize=8)
    figure.supxlabel("nDCG@10 on test, points above the arm (dotted: the hoped-for gain)", fontsize=9)
    return _save(figure, into, "study-test.png")


def _intervals(
    axes: Any,  # noqa: ANN401
    rows: Sequence[float],
    intervals: Sequence[Interval],
    colour: str,
    label: str | None = None,
) -> None:
    """Means in points as dots, their intervals as lines."""
    reach = [
        [100 * (one.mean - one.low) for one in intervals],
        [100 * (one.high - one.mean) for one in intervals],
    ]
    centre = [100 * one.mean for one in intervals]
    axes.errorbar(centre, rows, xerr=reach, fmt="o", ms=4, lw=1.2, color=colour, label=label)


def _save(figure: Any, into: Path, name: str) -> str:  # noqa: ANN401
    from matplotlib import pyplot

    figure.savefig(into / name, dpi=130, metadata={"Software": None})
    pyplot.close(figure)
    return name
