"""Two builds held against each other: everything that `syneg-data diff` tells."""

from dataclasses import asdict
from typing import Any

from syneg_data.difference.facts import (
    compare_audits,
    compare_ledgers,
    compare_licenses,
    compare_recipes,
    listed,
    published_license,
)
from syneg_data.difference.gate import compare_gates
from syneg_data.difference.rows import compare_columns, compare_rows, compare_searched, row_count, schema_of
from syneg_data.difference.teaching import compare_negatives
from syneg_data.export.configs import CONFIGS
from syneg_data.publishing.release import Release
from syneg_data.publishing.versioning import Changes, Columns, Rows, decide, next_version


def difference(before: Release, after: Release, version: str | None = None) -> dict[str, Any]:
    """How one build differs from another.

    Args:
        before: the earlier one.
        after: the later one.
        version: the version that the earlier one carries.

    Returns:
        `before` and `after` (name, digest), `level` and `reasons`, `version` (before, after) or null, `files` (added,
        removed, changed), `columns`, `rows`, `negatives`, `gate`, `ledger`, `audit`, `recipe` and `licenses`; the rooms
        that make each say what stands in it.

    Raises:
        InputError: a build is not as a build is written, or `version` is none.
    """
    if version is not None:
        next_version(version, "none")  # before any row is read
    files = _files(before, after)
    differing = {name for names in files.values() for name in names}
    rows, columns = _tables(before, after, differing)
    gate = compare_gates(before, after)
    there = all(("corpus", release.split) in release.tables() for release in (before, after))
    other_corpus = there and any(name.startswith("corpus/") for name in differing)
    level, reasons = decide(
        Changes(
            rows=rows,
            columns=columns,
            evaluation={split for config, split in before.tables() if config == "qrels" and split != before.split},
            searched=compare_searched(before, after) if other_corpus else None,
            verdicts=(sum(flip["count"] for flip in gate["flips"]), gate["judged_by_both"]),
            exports=_exports(before, after, files),
            licenses=(published_license(before), published_license(after)),
            files=sorted(differing),
        )
    )
    return {
        "before": {"name": before.label, "digest": before.digest},
        "after": {"name": after.label, "digest": after.digest},
        "level": level,
        "reasons": [asdict(reason) for reason in reasons],
        "version": None if version is None else {"before": version, "after": next_version(version, level)},
        "files": files,
        "columns": [asdict(entry) for entry in columns],
        "rows": [asdict(entry) for entry in rows],
        "negatives": compare_negatives(before, after),
        "gate": gate,
        "ledger": compare_ledgers(before, after),
        "audit": compare_audits(before, after),
        "recipe": compare_recipes(before, after),
        "licenses": compare_licenses(before, after),
    }


def _files(before: Release, after: Release) -> dict[str, list[str]]:
    old, new = listed(before), listed(after)
    return {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
    }


def _tables(before: Release, after: Release, differ: set[str]) -> tuple[list[Rows], list[Columns]]:
    """Rows and columns of every config and split; those whose files are the same are not read."""
    rows: list[Rows] = []
    columns: dict[str, Columns] = {}
    old, new = before.tables(), after.tables()
    for config, split in sorted({*old, *new}, key=_place):
        if (config, split) not in new:
            count = row_count(before, config, split)
            rows.append(Rows(config, split, count, None, 0, count, 0, 0))
        elif (config, split) not in old:
            count = row_count(after, config, split)
            rows.append(Rows(config, split, None, count, count, 0, 0, 0))
        elif not differ & (_named(before, config, split) | _named(after, config, split)):
            count = row_count(before, config, split)
            rows.append(Rows(config, split, count, count, 0, 0, 0, count))
        else:
            schemas = [schema_of(release, config, split) for release in (before, after)]
            if (found := compare_columns(config, *schemas)) is not None:
                columns.setdefault(config, found)
            common = [name for name in schemas[0].names if name in schemas[1].names]
            rows.append(compare_rows(config, split, before, after, common))
    return rows, list(columns.values())


def _place(table: tuple[str, str]) -> tuple[int, str, str]:
    """What is trained on comes first."""
    config, split = table
    return (CONFIGS.index(config) if config in CONFIGS else len(CONFIGS), config, split)


def _named(release: Release, config: str, split: str) -> set[str]:
    """The files of a split as the manifest names them."""
    return {path.relative_to(release.folder).as_posix() for path in release.paths(config, split)}


def _exports(before: Release, after: Release, files: dict[str, list[str]]) -> dict[str, str]:
    """Kinds of export that differ -> added, removed or changed."""
    old, new = ({_export(name) for name in release.files} for release in (before, after))
    differ = {_export(name) for names in files.values() for name in names} - {""}
    return {
        kind: "added" if kind not in old else "removed" if kind not in new else "changed" for kind in sorted(differ)
    }


def _export(name: str) -> str:
    """The kind of an export that a file is part of; empty for other files."""
    parts = name.split("/")
    return parts[1] if parts[0] == "exports" and len(parts) > 2 else ""
