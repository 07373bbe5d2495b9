"""What the reports, locks and recipes of two builds say, held against each other."""

import json
from collections.abc import Iterator
from typing import Any

from syneg_data.publishing.manifest import read_manifest
from syneg_data.publishing.release import Release

_LINE = ("load", "mine", "generate", "restyle", "validate", "mix")  # stages in the order of the line
_PLACES = {"license": ("publishing", "license"), "source": ("source", "license"), "terms": ("generation", "terms")}


def changed(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """What differs between two JSON values: `path` as a recipe's errors have it, `before`, `after`; null is absent."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from changed(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            old, new = (half[place] if place < len(half) else None for half in (before, after))
            yield from changed(old, new, f"{path}[{place}]")
    elif before != after or type(before) is not type(after):
        yield {"path": path, "before": before, "after": after}


def compare_ledgers(before: Release, after: Release) -> list[dict[str, Any]]:
    """Entries of the stages that differ: stage, before, after; null where a build had no such stage."""
    old, new = (_stages(release) for release in (before, after))
    return [
        {"stage": stage, "before": old.get(stage), "after": new.get(stage)}
        for stage in dict.fromkeys([*_LINE, *sorted(old | new)])
        if old.get(stage) != new.get(stage)
    ]


def compare_audits(before: Release, after: Release) -> list[dict[str, Any]]:
    """Measures whose figure or interval differs: name, group, before, after, and whether the intervals overlap.

    `overlap` is null where either build has no such measure or no interval.
    """
    old, new = (_measures(release) for release in (before, after))
    found = []
    for name in dict.fromkeys([*old, *new]):
        pair = [half.get(name) for half in (old, new)]
        figures = [entry and {key: entry[key] for key in ("value", "low", "high", "n")} for entry in pair]
        if figures[0] != figures[1]:
            group = next(entry["group"] for entry in reversed(pair) if entry)
            overlap = _overlap(figures[0], figures[1])
            found.append({"name": name, "group": group, "before": figures[0], "after": figures[1], "overlap": overlap})
    return found


def compare_recipes(before: Release, after: Release) -> dict[str, Any]:
    """`keys`: changed keys by path; `inputs`: models and source with another digest; `tool`: where it is another."""
    old, new = (_manifest(release) for release in (before, after))
    inputs = [
        {"role": role, "before": old["inputs"].get(role), "after": new["inputs"].get(role)}
        for role in sorted(old["inputs"] | new["inputs"])
        if _sha256(old, role) != _sha256(new, role)
    ]
    return {
        "keys": list(changed(plain_recipe(before), plain_recipe(after))),
        "inputs": inputs,
        "tool": None if old["tool"] == new["tool"] else {"before": old["tool"], "after": new["tool"]},
    }


def compare_licenses(before: Release, after: Release) -> list[dict[str, Any]]:
    """Licences that differ: of (`license`: the published set, `source`, `terms`: the generator's), before, after."""
    pairs = {
        what: [_at(plain_recipe(release), *where) for release in (before, after)] for what, where in _PLACES.items()
    }
    pairs["license"] = [published_license(release) for release in (before, after)]
    return [{"of": what, "before": old, "after": new} for what, (old, new) in pairs.items() if old != new]


def published_license(release: Release) -> str:
    """The licence of the set, or `other` where its recipe names none; one of its own with its name and link."""
    recipe = plain_recipe(release)
    license = _at(recipe, *_PLACES["license"]) or "other"
    told = [_at(recipe, "publishing", key) for key in ("license_name", "license_link")] if license == "other" else []
    return f"other ({', '.join(filter(None, told))})" if any(told) else license


def plain_recipe(release: Release) -> dict[str, Any]:
    """The recipe as plain JSON.

    Raises:
        InputError: YAML that is nothing of the kind.
    """
    with release.reading("recipe.lock.yaml"):
        return dict(json.loads(json.dumps(release.recipe, default=str)))


def _at(recipe: dict[str, Any], section: str, key: str) -> str | None:
    part = recipe.get(section)
    value = part.get(key) if isinstance(part, dict) else None
    return None if value is None else str(value)


def _stages(release: Release) -> dict[str, Any]:
    with release.reading("report.json"):
        return dict(release.json("report.json")["stages"])


def _measures(release: Release) -> dict[str, dict[str, Any]]:
    with release.reading("report.json"):
        audit = release.json("report.json").get("audit") or {}
        needed = ("group", "value", "low", "high", "n")
        return {entry["name"]: {key: entry[key] for key in needed} for entry in audit.get("measures", ())}


def _overlap(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool | None:
    if not before or not after or None in (before["low"], before["high"], after["low"], after["high"]):
        return None
    return bool(before["low"] <= after["high"] and after["low"] <= before["high"])


def listed(release: Release) -> dict[str, str]:
    """The sha256 of every file by its path."""
    files = _manifest(release)["files"]
    return {name: files[name]["sha256"] for name in release.files}


def _manifest(release: Release) -> dict[str, Any]:
    manifest = read_manifest(release.folder) or {}
    with release.reading("manifest.json"):
        return {"tool": str(manifest["tool"]), "inputs": dict(manifest["inputs"]), "files": dict(manifest["files"])}


def _sha256(manifest: dict[str, Any], role: str) -> Any:  # noqa: ANN401
    entry = manifest["inputs"].get(role)
    return entry.get("sha256") if isinstance(entry, dict) else entry
