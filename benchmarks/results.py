"""Results: what a benchmark measured, kept in one file each, and the table in the README that is made from them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from syneg_data.durable import write_json, write_text

FOLDER = Path(__file__).resolve().parent / "results"
README = Path(__file__).resolve().parent / "README.md"
SCHEMA = 1
BEGIN, END = "<!-- table: written by python -m benchmarks -->", "<!-- end of the table -->"
_HEAD = ("case", "metric", "unit", "ours", "peer", "peer is", "ratio", "runs", "goal", "holds")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of ours beside one of a peer; both are medians.

    Attributes:
        case: name of the case, a colon, and what was done at which size.
        metric: what was measured.
        unit: of `ours` and `peer`.
        ours: our figure.
        peer: the peer's; null where the goal is an absolute one.
        peer_name: who that is; empty without a peer.
        ratio: ours / peer; null without a peer, or if that is 0.
        runs: how often each side ran.
        goal: the figure asked for, in words.
        holds: whether this run met it.
    """

    case: str
    metric: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: float | None
    runs: int
    goal: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark measured, when and where."""

    benchmark: str
    date: str
    machine: str
    rows: tuple[Row, ...]


def row(
    case: str,
    metric: str,
    unit: str,
    ours: float,
    peer: float | None,
    peer_name: str,
    runs: int,
    goal: str,
    holds: bool,
) -> Row:
    """A row with its figures rounded as they are kept (counts are not), and the ratio taken before that."""
    ratio = round(ours / peer, 3) if peer else None
    return Row(
        case,
        metric,
        unit,
        _rounded(ours),
        None if peer is None else _rounded(peer),
        peer_name,
        ratio,
        runs,
        goal,
        holds,
    )


def keep(folder: Path, result: Result, order: Sequence[str]) -> Result:
    """Write a benchmark's file; a case that was run now takes the place of its earlier rows.

    Earlier rows of other cases stay if they are from the same machine, for a file speaks of one machine.

    Args:
        folder: of all results.
        result: what was run now.
        order: the benchmark's cases.
    """
    path = folder / f"{result.benchmark}.json"
    now = {case_name(row) for row in result.rows}
    earlier: tuple[Row, ...] = ()
    if path.exists() and (before := read(path)).machine == result.machine:
        earlier = tuple(row for row in before.rows if case_name(row) not in now and case_name(row) in order)
    rows = sorted((*earlier, *result.rows), key=lambda row: order.index(case_name(row)))
    kept = Result(result.benchmark, result.date, result.machine, tuple(rows))
    write_json(path, {"schema": SCHEMA, **asdict(kept)})
    return kept


def read(path: Path) -> Result:
    """A result from its file.

    Raises:
        ValueError: the file is not what the schema says.
    """
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    if content.keys() != {"schema", *(field.name for field in fields(Result))} or content["schema"] != SCHEMA:
        raise ValueError(f"{path.name}: keys {sorted(content)}")
    names = {field.name for field in fields(Row)}
    for entry in content["rows"]:
        if entry.keys() != names:
            raise ValueError(f"{path.name}: a row with keys {sorted(entry)}")
    rows = tuple(Row(**entry) for entry in content["rows"])
    return Result(content["benchmark"], content["date"], content["machine"], rows)


def read_all(folder: Path) -> list[Result]:
    """All results, by name."""
    return [read(path) for path in sorted(folder.glob("*.json"))]


def case_name(row: Row) -> str:
    """The name of a row's case, without what was done in it."""
    return row.case.partition(":")[0]


def table(results: Iterable[Result]) -> str:
    """Results as Markdown."""
    parts = []
    for result in results:
        head = [f"### {result.benchmark}", "", f"{result.date}; {result.machine}", ""]
        lines = [_line(_HEAD), _line(["---"] * len(_HEAD)), *(_line(_cells(row)) for row in result.rows)]
        parts.append("\n".join([*head, *lines]))
    return "\n\n".join(parts) or "Nothing has been measured yet."


def update_readme(readme: Path, folder: Path) -> None:
    """Write the table of all results between the README's two marks, and below it the drawings beside them.

    Raises:
        ValueError: the marks are not there.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme.name}: the marks around the table are missing")
    drawings = [f"![{path.stem}]({folder.name}/{path.name})" for path in sorted(folder.glob("*.png"))]
    written = "\n\n".join([table(read_all(folder)), *drawings])
    write_text(readme, f"{before}{BEGIN}\n\n{written}\n\n{END}{after}")


def _cells(row: Row) -> list[str]:
    return [
        row.case, row.metric, row.unit, _shown(row.ours), _shown(row.peer), row.peer_name or "-", _shown(row.ratio),
        str(row.runs), row.goal, "yes" if row.holds else "no",
    ]  # fmt: skip


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.10g}"


def _rounded(value: float) -> float:
    """Four digits say all that a measurement can; a count is kept whole, for a ledger's add up."""
    return float(value if isinstance(value, int) else f"{value:.4g}")
