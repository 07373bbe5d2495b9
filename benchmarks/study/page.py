"""The page: results and figures of docs/study.md, and the README's table, written from the rows alone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.study import examples, final, markdown, tables
from benchmarks.study.analysis import ablations, difference
from benchmarks.study.choosing import FROZEN
from benchmarks.study.drawing import draw
from benchmarks.study.markdown import UNSEEN, points, signed, without_seen
from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS
from benchmarks.study.rows import STUDY, cells
from syneg_data.durable import write_text
from syneg_data.training.statistics import Interval, reading

_ROOT = STUDY.parents[2]
PAGE, README = _ROOT / "docs" / "study.md", _ROOT / "README.md"
BEGIN, END = "<!-- results: written by python -m benchmarks.study -->", "<!-- end of the results -->"
GOAL, ENOUGH = 0.01, 2  # nDCG@10, and on how many collections


def update(folder: Path, page: Path = PAGE, readme: Path = README) -> None:
    """Write what the rows say between the marks of page and README, and the figures beside the page.

    Raises:
        ValueError: the marks are not there.
    """
    found, tested, frozen = ablations(folder), list(cells(folder, "test")), _frozen(folder)
    figures = [f"![{caption}]({name})\n\n*{caption}*" for name, caption in draw(found, tested, folder, page.parent)]
    parts = [
        headline(folder),
        *figures,
        tables.rates(folder),
        tables.conditions(folder, found),
        tables.yields(found),
        tables.power(folder),
        tables.failed(folder),
        *(tables.ranked(folder, generator) for generator in GENERATORS),
        tables.untested(frozen["chosen"]) if frozen else "",
        examples.shown(folder),
        tables.correlated(found),
        *(final.tested(folder, cell) for cell in tested),
        final.alone(folder, tested),
        final.repeated(folder),
        tables.cost(folder),
    ]
    _between_marks(page, "\n\n".join(part for part in parts if part))
    _between_marks(readme, headline(folder))


def headline(folder: Path) -> str:
    """The answer to the question, a row for each collection; before the test stage how far the study is."""
    frozen, tested = _frozen(folder), list(cells(folder, "test"))
    if frozen is None or not tested:
        done = sum(1 for cell in cells(folder, "ablations") if cell.pairs)
        return f"No test split has been read under this protocol. Ablations on dev that have been measured: {done}."
    lines, deciding = [], list[Interval]()
    for cell in tested:
        one = difference(folder, cell, CONDITIONS[cell.condition].arm, cell.rival)
        decides = cell.generator == frozen["decides"] and cell.student == "L3"
        if decides:
            deciding.append(one.interval)
        lines.append(
            [
                *(cell.ground, GENERATORS[cell.generator].title, cell.student, cell.condition),
                *(points(one.ours), f"{points(one.theirs)} ({one.other})", signed(one.interval)),
                *(without_seen(folder, one), verdict(one.interval), "yes" if decides else ""),
            ]
        )
    head = ["collection", "written by", "student", "condition", "with synthetic", "best mined-only", "difference"]
    table = markdown.table([*head, UNSEEN, "reading", "decides"], lines)
    return "\n\n".join(["nDCG@10 on test in points.", table, answer(deciding)])


def answer(deciding: Sequence[Interval]) -> str:
    """The protocol's question, answered by the comparisons that decide it: one for each collection."""
    if len(deciding) < len(GROUNDS):
        return f"Measured on {len(deciding)} of {len(GROUNDS)} collections; the question is decided when all are."
    as_hoped = sum(interval.low > 0 and interval.mean >= GOAL for interval in deciding)
    ruled_out = sum(interval.high < GOAL for interval in deciding)
    worse = sum(interval.high < 0 for interval in deciding)
    said = f"{as_hoped} of {len(GROUNDS)} as hoped for, {ruled_out} with a gain of a point ruled out, {worse} worse"
    if as_hoped >= ENOUGH:
        return f"**They help**: {said}."
    if ruled_out >= ENOUGH:
        return f"**They do not help by a point**: {said}."
    return f"**The study was too small to say**: {said}."


def verdict(interval: Interval) -> str:
    """What an interval says of a difference, and of the hope for a gain of at least one point."""
    word = {"better": "better", "worse": "worse", "no effect found": "not told apart"}[reading(interval)]
    if interval.high < GOAL:
        return f"{word}; a gain of a point is ruled out"
    if interval.low > 0 and interval.mean >= GOAL:
        return f"{word}; as hoped for"
    return f"{word}; a gain of a point is undecided"


def _between_marks(path: Path, written: str) -> None:
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path.name}: the marks around the results are missing")
    write_text(path, f"{before}{BEGIN}\n\n{written}\n\n{END}{after}")


def _frozen(folder: Path) -> dict[str, Any] | None:
    path = folder / FROZEN
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
