"""Semantic versioning of data: which level of change lies between two builds, and why (docs/versioning.md)."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from syneg_data.errors import InputError
from syneg_data.licenses import duties

Level = Literal["major", "minor", "patch", "none"]
LEVELS: tuple[Level, ...] = ("major", "minor", "patch", "none")  # the gravest first

WHOLESALE = 0.5  # more than this share of labels that are gone or other make it another data set
_VERSION = re.compile(r"(v?)(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


@dataclass(frozen=True, slots=True)
class Rows:
    """What became of the rows of one config and split.

    Attributes:
        config: such as `triplet`.
        split: such as `train`.
        before: how many there were; None where there was no such split.
        after: how many there are; None where there is none any more.
        added: rows whose key is new.
        removed: rows whose key is gone.
        changed: rows with the same key and another content.
        unchanged: rows that are in both.
    """

    config: str
    split: str
    before: int | None
    after: int | None
    added: int
    removed: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Columns:
    """How the columns of a config differ.

    Attributes:
        config: such as `n-tuple`.
        added: their names.
        removed: their names.
        retyped: name -> (type before, type after).
        moved: the columns that stayed are no longer the first ones in their old order.
    """

    config: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retyped: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """All that decides the level.

    Attributes:
        rows: of every config and split that either build has.
        columns: of the configs in which they differ.
        evaluation: splits to measure on, of the earlier build.
        searched: of the documents that an evaluation searches; None where they were not compared.
        verdicts: candidates that both builds judge, and how many of these have another verdict.
        exports: kinds of export that differ -> `added`, `removed` or `changed`.
        licenses: of the published set, before and after.
        files: relative paths of all files that differ.
    """

    rows: Sequence[Rows] = ()
    columns: Sequence[Columns] = ()
    evaluation: Collection[str] = ()
    searched: Rows | None = None
    verdicts: tuple[int, int] = (0, 0)
    exports: Mapping[str, str] = field(default_factory=dict)
    licenses: tuple[str, str] = ("", "")
    files: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause of a level, in words."""

    level: Level
    what: str


def decide(changes: Changes) -> tuple[Level, list[Reason]]:
    """The level of a change and all reasons, the gravest first."""
    found = [*_shape(changes), *_license(*changes.licenses), *_labels(changes), *_content(changes)]
    found += _rest(changes, explained=bool(found))
    reasons = sorted(found, key=lambda reason: LEVELS.index(reason.level))
    return (reasons[0].level if reasons else "none"), reasons


def next_version(version: str, level: Level) -> str:
    """The version that follows, as semver.org counts; a leading `v` is kept.

    Raises:
        InputError: it is no version of three numbers.
    """
    parsed = _VERSION.fullmatch(version)
    if parsed is None:
        raise InputError(f"--version {version[:40]}: no version; write three numbers, such as 1.2.0")
    major, minor, patch = (int(part) for part in parsed.groups()[1:])
    after = {
        "major": (major + 1, 0, 0),
        "minor": (major, minor + 1, 0),
        "patch": (major, minor, patch + 1),
        "none": (major, minor, patch),
    }[level]
    return parsed[1] + ".".join(map(str, after))


def _shape(changes: Changes) -> Iterator[Reason]:
    """Configs, splits, columns and exports that came or went."""
    had = {row.config for row in changes.rows if row.before is not None}
    has = {row.config for row in changes.rows if row.after is not None}
    for config in sorted(had - has):
        yield Reason("major", f"config {config} is gone")
    for row in changes.rows:
        if row.after is None and row.config in has:
            yield Reason("major", f"split {row.split} of {row.config} is gone")
    for entry in changes.columns:
        if entry.removed:
            yield Reason("major", f"{entry.config} has lost {_named('column', entry.removed)}")
        for name, (before, after) in entry.retyped.items():
            yield Reason("major", f"column {name} of {entry.config} is {after}, and was {before}")
        if entry.moved:
            yield Reason("major", f"the columns of {entry.config} stand in another order, and trainers go by it")
    for kind, what in changes.exports.items():
        if what == "removed":
            yield Reason("major", f"export {kind} is gone")
    for config in sorted(has - had):
        yield Reason("minor", f"config {config} is new")
    for row in changes.rows:
        if row.before is None and row.config in had:
            yield Reason("minor", f"split {row.split} of {row.config} is new")
    for entry in changes.columns:
        if entry.added:
            yield Reason("minor", f"{entry.config} has the new {_named('column', entry.added)}")
    for kind, what in changes.exports.items():
        if what == "added":
            yield Reason("minor", f"export {kind} is new")


def _license(before: str, after: str) -> Iterator[Reason]:
    if before == after:
        return
    more = duties(after) - duties(before)
    if "terms of its own" in duties(before) | duties(after):
        yield Reason("major", f"the licence {before} became {after}; which of the two asks for more, nobody can tell")
    elif more:
        yield Reason("major", f"the licence {before} became {after}, which adds: {', '.join(sorted(more))}")
    else:
        yield Reason("minor", f"the licence {before} became {after}, which asks for nothing more")


def _labels(changes: Changes) -> Iterator[Reason]:
    """What says which text answers which query, where it was changed wholesale or is measured on."""
    for row in changes.rows:
        lost = row.removed + row.changed
        if row.before is None or row.after is None or not lost + row.added:
            continue
        where = f"{row.config}/{row.split}"
        if row.config in ("qrels", "queries") and row.split in changes.evaluation:
            yield Reason("major", f"{_counted(row)} of {where}: figures measured there do not compare")
        elif row.config == "triplet" and lost > WHOLESALE * row.before:
            yield Reason("major", f"{lost} of {row.before} rows of {where} are gone: most of what it taught")
        elif row.config == "qrels" and row.changed > WHOLESALE * (row.changed + row.unchanged):
            both = row.changed + row.unchanged
            yield Reason("major", f"{row.changed} of {both} judgements that stayed in {where} have another grade")
    found = changes.searched
    if found is not None and changes.evaluation and found.removed + found.changed + found.added:
        where = ", ".join(sorted(changes.evaluation))
        yield Reason(
            "major", f"{_counted(found)} of the corpus without synthetic ones: figures on {where} do not compare"
        )
    flipped, both = changes.verdicts
    if flipped > WHOLESALE * both:
        yield Reason("major", f"{flipped} of the {both} candidates that both builds judge have another verdict")


def _content(changes: Changes) -> Iterator[Reason]:
    """Rows that came, went or are other, within the same columns."""
    differ = [
        f"{row.config}/{row.split}" if row.split in changes.evaluation else row.config
        for row in changes.rows
        if None not in (row.before, row.after) and (row.added or row.removed or row.changed)
    ]
    if differ:
        yield Reason("minor", f"rows differ in {', '.join(differ)}")
    for kind, what in changes.exports.items():
        if what == "changed" and not differ:
            yield Reason("minor", f"export {kind} is other, though its rows are the same")


def _rest(changes: Changes, *, explained: bool) -> Iterator[Reason]:
    """Files that hold no row, and rows that only moved."""
    beside = [name for name in changes.files if not name.endswith(".parquet") and not name.startswith("exports/")]
    if beside:
        yield Reason("patch", f"files beside the rows differ: {', '.join(beside)}")
    elif changes.files and not explained:
        yield Reason("patch", "the same rows, in another order or written in another way")


def _counted(row: Rows) -> str:
    parts = [(row.removed, "gone"), (row.changed, "other"), (row.added, "new")]
    return " and ".join(f"{count} {what}" for count, what in parts if count) + f" beside {row.unchanged} rows"


def _named(what: str, names: Sequence[str]) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}"
