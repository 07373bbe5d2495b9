"""Choosing, on dev alone: the rate of a collection, and the condition of each generator that is tested."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS, LEAST_PAIRS, RATES
from benchmarks.study.rows import Cell, cells, differences, read_scores
from syneg_data.durable import write_json

FROZEN = "frozen.json"


def outcome(folder: Path, cell: Cell) -> float:
    """The mean difference on dev between the condition's arm and its mined-only one."""
    return float(differences(read_scores(folder, cell), CONDITIONS[cell.condition].arm, "gated").mean())


def rate_of(folder: Path, ground: str) -> float | None:
    """The rate with the best mean over both arms on dev, of equals the lowest; None before the stage `rates`."""
    cell = next((cell for cell in cells(folder, "rates") if cell.ground == ground), None)
    if cell is None:
        return None
    means = {rate: mean(_tried(tried, rate) for tried in cell.tried.values() if tried) for rate in RATES}
    return max(means, key=lambda rate: (means[rate], -rate))


def _tried(tried: Mapping[str, float | None], rate: float) -> float:
    """What a rate gave; one at which the loss ran away gave nothing."""
    return tried[str(rate)] or 0.0


def ranking(folder: Path, generator: str) -> list[dict[str, Any]]:
    """Conditions that can be chosen, the highest mean difference on dev first, of equals as in the protocol."""
    found: dict[str, dict[str, float]] = {}
    for cell in cells(folder, "ablations"):
        fit = CONDITIONS[cell.condition].eligible and cell.pairs >= LEAST_PAIRS
        if cell.generator == generator and fit:
            found.setdefault(cell.condition, {})[cell.ground] = outcome(folder, cell)
    order = list(CONDITIONS)
    rows = [
        {
            "condition": name,
            "mean": round(mean(by_ground.values()), 6),
            "by_collection": {ground: round(by_ground[ground], 6) for ground in GROUNDS},
        }
        for name, by_ground in found.items()
        if set(by_ground) == set(GROUNDS)
    ]
    return sorted(rows, key=lambda row: (-row["mean"], order.index(row["condition"])))


def conditions_of(folder: Path, generator: str) -> Sequence[str]:
    """What the stage of ablations measures: everything with the first generator, three conditions with any other."""
    first = next(iter(GENERATORS))
    if generator == first:
        return list(CONDITIONS)
    best = ranking(folder, first)
    return list(dict.fromkeys(["base", "rewrite", *(row["condition"] for row in best[:1])]))


def freeze(folder: Path) -> dict[str, Any]:
    """What is tested: for each generator the condition with the highest mean on dev, and whose comparison decides.

    Raises:
        ValueError: a condition of the protocol has not been measured on every collection.
    """
    chosen = {}
    for name in GENERATORS:
        rows = ranking(folder, name)
        there = {(cell.condition, cell.ground) for cell in cells(folder, "ablations") if cell.generator == name}
        asked = [(condition, ground) for condition in conditions_of(folder, name) for ground in GROUNDS]
        if missing := [" on ".join(one) for one in asked if one not in there]:
            raise ValueError(f"{name}: not yet measured: {', '.join(missing)}")
        if not rows:
            raise ValueError(f"{name}: no condition leaves {LEAST_PAIRS} pairs on every collection")
        chosen[name] = rows[0]
    deciding = max(chosen, key=lambda name: chosen[name]["mean"])
    return {
        "schema": 1,
        "rule": "highest mean difference on dev over the collections",
        "chosen": chosen,
        "decides": deciding,
    }


def keep_frozen(folder: Path, found: Mapping[str, Any]) -> None:
    """Write what is tested; once a test split has been read it stays.

    Raises:
        ValueError: it would be another choice than the one that was tested.
    """
    path = folder / FROZEN
    if path.exists() and any(cells(folder, "test")) and json.loads(path.read_text(encoding="utf-8")) != found:
        raise ValueError(
            f"{path.name}: dev now chooses otherwise, but test splits have been read with what stands there"
        )
    write_json(path, found)
