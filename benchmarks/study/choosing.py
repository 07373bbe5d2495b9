"""Choosing, on dev alone: the rate of a collection, and the condition of each generator that is tested."""

import json
import math
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS, LEAST_PAIRS, LEAST_SHARE, SCREEN
from benchmarks.study.rows import Cell, cells, differences, read_scores
from syneg_data.durable import write_json

FROZEN = "frozen.json"


def outcome(folder: Path, cell: Cell) -> float:
    """The mean difference on dev between the condition's arm and its rival."""
    _, table = differences(read_scores(folder, cell), CONDITIONS[cell.condition].arm, cell.rival)
    return float(table.mean())


def rated(folder: Path) -> Iterator[Cell]:
    """The cells of the stage `rates` that have tried the collection's grid."""

    def whole(cell: Cell) -> bool:
        grid = {str(rate) for rate in GROUNDS[cell.ground].rates}
        return all(tried.keys() == grid for tried in cell.tried.values())

    return filter(whole, cells(folder, "rates"))


def rate_of(folder: Path, ground: str) -> float | None:
    """The rate with the best mean over both arms on dev, of equals the lowest; None before the stage `rates`."""
    cell = next((cell for cell in rated(folder) if cell.ground == ground), None)
    if cell is None:
        return None
    means = {rate: mean(_tried(tried, rate) for tried in cell.tried.values()) for rate in GROUNDS[ground].rates}
    return max(means, key=lambda rate: (means[rate], -rate))


def inner_rate(folder: Path, ground: str) -> float:
    """What stage 1 chose.

    Raises:
        ValueError: it has not run, or what it chose is an end of the grid.
    """
    rate, grid = rate_of(folder, ground), GROUNDS[ground].rates
    if rate is None:
        raise ValueError(f"{ground}: no rate yet; first run `python -m benchmarks.study rates`")
    if rate in (grid[0], grid[-1]):
        raise ValueError(
            f"{ground}: the best rate, {rate:g}, is an end of the grid; move its `rates` in "
            "benchmarks/study/protocol.py by two steps to that side, and run `python -m benchmarks.study rates` again"
        )
    return rate


def rates_beside(ground: str, rate: float) -> tuple[float, ...]:
    """A rate within the collection's grid with its neighbours."""
    grid = GROUNDS[ground].rates
    place = grid.index(rate)
    return grid[place - 1 : place + 2]


def _tried(tried: Mapping[str, float | None], rate: float) -> float:
    """What a rate gave; one at which the loss ran away gave nothing."""
    return tried[str(rate)] or 0.0


def ranking(folder: Path, generator: str) -> list[dict[str, Any]]:
    """Conditions that can be chosen, the highest mean difference on dev first, of equals as in the protocol.

    Raises:
        ValueError: not all that the protocol asks for has been measured.
    """
    wanted = list(asked(folder, generator))
    _refuse_missing(folder, generator, wanted)
    names = {condition for condition, _ in wanted}
    pairs = {(c.condition, c.ground): c.pairs for c in cells(folder, "ablations") if c.generator == generator}
    return [
        {
            "condition": name,
            "mean": round(mean(by_ground.values()), 6),
            "by_collection": {ground: round(by_ground[ground], 6) for ground in GROUNDS},
            "pairs": {ground: pairs[name, ground] for ground in GROUNDS},
        }
        for name, by_ground in _best_first(_outcomes(folder, generator))
        if name in names and set(by_ground) == set(GROUNDS)
    ]


def asked(folder: Path, generator: str) -> Iterator[tuple[str, str]]:
    """Condition and collection of all that the stage of ablations measures, in its order.

    Conditions are measured on one collection, those that are best there on the others; base with the first generator
    on every collection.

    Raises:
        ValueError: what comes next depends on conditions that have not been measured.
    """
    yield from (("base", ground) for ground in GROUNDS if ground == SCREEN or _is_first(generator))
    yield from ((condition, SCREEN) for condition in _screened(folder, generator))
    for condition in promoted(folder, generator):
        yield from ((condition, ground) for ground in GROUNDS if ground != SCREEN)


def _screened(folder: Path, generator: str) -> Iterator[str]:
    """Conditions other than base: with the first generator all, with another what is best of the first's.

    Raises:
        ValueError: the latter is not known yet.
    """
    if _is_first(generator):
        yield from (condition for condition in CONDITIONS if condition != "base")
        return
    best = chosen(folder, next(iter(GENERATORS)))
    if best and best["condition"] != "base":
        yield best["condition"]


def promoted(folder: Path, generator: str) -> list[str]:
    """The best conditions where all are measured, the best first; of the first generator those better than base.

    Raises:
        ValueError: not all of them have been.
    """
    screened = ["base", *_screened(folder, generator)]
    _refuse_missing(folder, generator, [(condition, SCREEN) for condition in screened])
    found = {name: by[SCREEN] for name, by in _outcomes(folder, generator).items() if name in screened and SCREEN in by}
    least = found.get("base", -math.inf) if _is_first(generator) else -math.inf  # of the first, base is everywhere
    better = {name: {SCREEN: gain} for name, gain in found.items() if gain > least}
    return [name for name, _ in _best_first(better)][: GENERATORS[generator].promoted]


def _is_first(generator: str) -> bool:
    return generator == next(iter(GENERATORS))


def chosen(folder: Path, generator: str) -> dict[str, Any] | None:
    """The first in the ranking of what the protocol asks for; None if nothing leaves enough pairs on every collection.

    Raises:
        ValueError: not all of that has been measured.
    """
    return next(iter(ranking(folder, generator)), None)


def _refuse_missing(folder: Path, generator: str, wanted: Iterable[tuple[str, str]]) -> None:
    there = {(cell.condition, cell.ground) for cell in cells(folder, "ablations") if cell.generator == generator}
    if missing := [" on ".join(one) for one in wanted if one not in there]:
        raise ValueError(f"{generator}: not yet measured: {', '.join(missing)}")


def _outcomes(folder: Path, generator: str) -> dict[str, dict[str, float]]:
    """Condition -> collection -> mean difference on dev, of what can be chosen."""
    found: dict[str, dict[str, float]] = {}
    measured = [cell for cell in cells(folder, "ablations") if cell.generator == generator]
    of_base = {cell.ground: cell.pairs for cell in measured if cell.condition == "base"}
    for cell in measured:
        # With few pairs there are few steps, and a difference that is none would win over one that is negative.
        enough = cell.pairs >= max(LEAST_PAIRS, LEAST_SHARE * of_base.get(cell.ground, 0))
        if CONDITIONS[cell.condition].eligible and enough:
            found.setdefault(cell.condition, {})[cell.ground] = outcome(folder, cell)
    return found


def _best_first(outcomes: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Mapping[str, float]]]:
    order = list(CONDITIONS)
    return sorted(outcomes.items(), key=lambda item: (-mean(item[1].values()), order.index(item[0])))


def freeze(folder: Path) -> dict[str, Any]:
    """What is tested: for each generator the condition with the highest mean on dev, and whose comparison decides.

    A generator none of whose conditions leaves enough pairs on every collection is not tested.

    Raises:
        ValueError: not all that the protocol asks for has been measured, or no generator is left.
    """
    found = {name: best for name in GENERATORS if (best := chosen(folder, name))}
    if not found:
        raise ValueError(f"no condition of any generator leaves {LEAST_PAIRS} pairs on every collection")
    # Who serves few pairs trains for few steps, which makes any difference small.
    most = max(found, key=lambda name: sum(found[name]["pairs"].values()))
    least = {ground: LEAST_SHARE * pairs for ground, pairs in found[most]["pairs"].items()}
    deciding = [name for name, row in found.items() if all(row["pairs"][ground] >= least[ground] for ground in GROUNDS)]
    return {
        "schema": 1,
        "rule": "highest mean difference on dev over the collections",
        "chosen": found,
        "decides": max(deciding, key=lambda name: found[name]["mean"]),
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


def read_frozen(folder: Path) -> dict[str, Any]:
    """What is tested, as it is committed.

    Raises:
        ValueError: nothing is frozen, dev now chooses otherwise, or the file is not committed as it is.
    """
    path = folder / FROZEN
    if not path.exists():
        raise ValueError("nothing is frozen yet; first run `python -m benchmarks.study freeze`, and commit it")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found != freeze(folder):
        raise ValueError(f"{FROZEN}: is not what dev chooses; run `python -m benchmarks.study freeze`, and commit it")
    kept = subprocess.run(["git", "show", f"HEAD:./{FROZEN}"], cwd=folder, capture_output=True, check=False)
    if kept.returncode or kept.stdout != path.read_bytes():
        raise ValueError(f"{FROZEN}: is not committed as it is; the test is run on what has been committed before")
    return found
