"""Text of tables: figures in points, differences with their intervals, headings and rows."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.study.analysis import Difference, difference
from syneg_data.training.statistics import Interval

UNSEEN = "without seen positives"


def without_seen(folder: Path, one: Difference) -> str:
    """The same difference over the queries none of whose positives was trained on; a dash where that is all."""
    if not one.cell.seen:
        return "-"
    return signed(difference(folder, one.cell, one.arm, one.other, unseen=True).interval)


def points(value: float) -> str:
    """nDCG@10 in points."""
    return f"{100 * value:.2f}"


def signed(interval: Interval) -> str:
    """A difference in points, with its interval."""
    return f"{100 * interval.mean:+.2f} ({100 * interval.low:+.2f} to {100 * interval.high:+.2f})"


def section(title: str, head: Sequence[str], lines: Sequence[Sequence[str]], note: str = "") -> str:
    """A heading, a note and a table; nothing without lines."""
    if not lines:
        return ""
    return "\n\n".join(part for part in (f"### {title}", note, table(head, lines)) if part)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
