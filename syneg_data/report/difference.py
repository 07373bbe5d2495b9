"""What `diff` shows: the level and why, then whatever differs, the most important first; what is equal is not said."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_LONGEST = 60  # letters of a value that is shown
_MOST = 12  # changed keys that are shown


def print_difference(found: Mapping[str, Any], before: str, after: str) -> None:
    """How two builds differ.

    Args:
        found: from `difference`.
        before: the earlier build, as the user named it.
        after: the later build.
    """
    console = Console(highlight=False)
    head = {"none": "no change", "patch": "PATCH", "minor": "MINOR", "major": "MAJOR"}[found["level"]]
    version = found["version"]
    carried = f"; {version['before']} is followed by {version['after']}" if version else ""
    console.print(Text(f"{head}, from {before} to {after}{carried}", style="bold"))
    for reason in found["reasons"]:
        console.print(Text(f"  {reason['level'].upper()}: {reason['what']}"), soft_wrap=True)
    for table in (
        _licenses(found["licenses"]),
        _rows(found["rows"]),
        _sources(found["negatives"]["sources"]),
    ):
        _print(console, table)
    for sentence in _teaching(found["negatives"]):
        console.print(Text(sentence), soft_wrap=True)
    for table in (
        _flips(found["gate"]),
        _values("What was fitted", found["gate"]["bars"]),
        _ledger(found["ledger"]),
        _audit(found["audit"]),
        _values("The recipe", found["recipe"]["keys"]),
        _inputs(found["recipe"]["inputs"]),
    ):
        _print(console, table)
    if tool := found["recipe"]["tool"]:
        console.print(Text(f"tool: {tool['before']} -> {tool['after']}"))


def _print(console: Console, table: Table) -> None:
    title, table.title = str(table.title), None  # rich would break it at the width of the table
    if table.row_count:
        console.print()
        console.print(Text(title), soft_wrap=True)
        console.print(table)


def _table(title: str, words: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    table = Table(title=title, box=None, pad_edge=False)
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _licenses(entries: Sequence[Mapping[str, Any]]) -> Table:
    names = {"license": "the data set", "source": "the source", "terms": "the generator's output"}
    table = _table("Licences", ("of", "before", "after"))
    for entry in entries:
        table.add_row(names[entry["of"]], _short(entry["before"]), _short(entry["after"]))
    return table


def _rows(entries: Sequence[Mapping[str, Any]]) -> Table:
    counts = ("before", "after", "added", "removed", "changed", "unchanged")
    table = _table("Rows", ("config", "split"), counts)
    for entry in entries:
        if entry["added"] or entry["removed"] or entry["changed"] or None in (entry["before"], entry["after"]):
            figures = ("-" if entry[name] is None else f"{entry[name]:,}" for name in counts)
            table.add_row(Text(entry["config"]), Text(entry["split"]), *figures)
    return table


def _sources(entries: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("Negatives by source", ("source",), ("before", "after"))
    for entry in entries:
        if entry["before"] != entry["after"]:
            table.add_row(Text(entry["source"]), f"{entry['before']:,}", f"{entry['after']:,}")
    return table


def _teaching(negatives: Mapping[str, Any]) -> list[str]:
    pairs, queries = negatives["pairs"], negatives["queries"]
    sentences = []
    if pairs["with_other_negatives"]:
        sentences.append(
            f"{pairs['with_other_negatives']:,} of the {pairs['in_both']:,} (query, positive) pairs that both have got "
            "other negatives"
        )
    for what in ("gained", "lost"):
        if queries[what]:
            sentences.append(f"queries {what}: {queries[what]:,}, such as {', '.join(queries['examples'][what])}")
    return sentences


def _flips(gate: Mapping[str, Any]) -> Table:
    title = f"Verdicts that are other, of {gate['judged_by_both']:,} candidates that both judge"
    table = _table(title, ("from", "to"), ("count",))
    table.add_column("such as (query, document)", overflow="fold")
    for flip in gate["flips"]:
        named = "; ".join(f"{row['query_id']}, {_short(row['doc_id'], 20).plain}" for row in flip["examples"])
        table.add_row(Text(flip["from"]), Text(flip["to"]), f"{flip['count']:,}", Text(named))
    return table


def _ledger(entries: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("What became of every row", ("stage", "what"), ("before", "after"))
    for entry in entries:
        halves = [entry[side] and _counts(entry[side]) for side in ("before", "after")]
        for name in dict.fromkeys([*(halves[0] or ()), *(halves[1] or ())]):
            old, new = ("-" if half is None else f"{half.get(name, 0):,}" for half in halves)
            if old != new:
                table.add_row(Text(entry["stage"]), Text(name), old, new)
    return table


def _counts(entry: Mapping[str, Any], under: str = "") -> dict[str, int]:
    """The counts of a stage, those of its parts too."""
    found: dict[str, int] = {}
    for name, value in entry.items():
        if isinstance(value, Mapping):
            found |= _counts(value, f"{under}{name} ")
        elif isinstance(value, int):
            found[f"{under}{name}"] = value
    return found


def _audit(entries: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("Audit (95 % intervals)", ("measure",), ("before", "after"))
    table.add_column("intervals")
    for entry in entries:
        overlap = {True: "overlap", False: "APART", None: "-"}[entry["overlap"]]
        table.add_row(Text(entry["name"]), _measured(entry["before"]), _measured(entry["after"]), overlap)
    return table


def _measured(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    interval = "" if figure["low"] is None else f" ({figure['low']:g} .. {figure['high']:g})"
    return f"{figure['value']:g}{interval}"


def _values(title: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(title, ("what", "before", "after"))
    for entry in entries[:_MOST]:
        table.add_row(Text(entry["path"]), _short(entry["before"]), _short(entry["after"]))
    if len(entries) > _MOST:
        table.add_row(f"and {len(entries) - _MOST} more (--json has all)", "", "")
    return table


def _inputs(entries: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("Models and source", ("role", "before", "after"))
    for entry in entries:
        table.add_row(Text(entry["role"]), _input(entry["before"]), _input(entry["after"]))
    return table


def _input(entry: Mapping[str, Any] | None) -> Text:
    if not isinstance(entry, Mapping):
        return Text("-")
    return Text(f"{entry.get('model', '')} {str(entry.get('sha256'))[:12]}".strip())


def _short(value: Any, length: int = _LONGEST) -> Text:  # noqa: ANN401
    """A value in so many letters, without line breaks; nothing is `-`."""
    flat = "-" if value is None else " ".join(str(value).split())
    return Text(flat if len(flat) <= length else flat[: length - 1] + "…")
