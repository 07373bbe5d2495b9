"""`compare --plan`: which difference can be detected at all, from a pilot's variance, before hours are spent."""

import json
from pathlib import Path
from typing import Any

from syneg_data.errors import InputError
from syneg_data.judge.findings import differences, findings
from syneg_data.judge.measuring import FIGURES
from syneg_data.judge.runs import Run, read_run
from syneg_data.training.statistics import Components, detectable, variance_components

SEEDS = (1, 2, 3, 5, 10)


def plan_seeds(folder: Path, dataset: str) -> dict[str, Any]:
    """What could be found with more seeds, going by the runs there are.

    Args:
        folder: of a comparison, the pilot: two trained arms at least.
        dataset: the training set's name.

    Returns:
        `pilot`: whose difference the variances are of; `components`: variances between queries, between seeds, and the
        rest; `design_effect`: what queries with a common positive multiply the first and the last by; `rows`: seeds ->
        the smallest true difference in nDCG@10 that is found with 80 % probability, and hours.

    Raises:
        InputError: the folder holds no such runs.
    """
    runs, effect = _pilot(folder)
    if any(dataset not in run.scores for run in runs):
        held = ", ".join(runs[0].scores)
        raise InputError(f"{folder}: holds runs of {held}, not of {dataset!r}; name the recipe they come from")
    report = findings(runs, dataset)
    headline = report["headline"]
    if headline is None:
        raise InputError("the pilot has fewer than two trained arms; run `compare` with two, then plan")
    by_arm: dict[str, list[Run]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    table = differences(by_arm, headline["arm"], headline["against"], dataset, report["split"])
    components = variance_components(table)
    grouped = Components(effect * components.query, components.seed, effect * components.residual)
    queries = table.shape[1]
    trained = [run for run in runs if run.learning_rate is not None]
    # The first seed of an arm tries every learning rate, the others train once.
    once = sum(run.seconds / max(1, len(run.tried)) for run in trained) / len(trained)
    grid = max(len(run.tried) for run in trained)
    arms = len({run.arm for run in trained})
    rows = []
    for seeds in SEEDS if components.seed is not None else (1,):
        rows.append(
            {
                "seeds": seeds,
                "detectable": round(detectable(grouped, queries, seeds), FIGURES),
                "runs": arms * (grid + seeds - 1),
                "hours": round(arms * (grid + seeds - 1) * once / 3600, 2),
            }
        )
    return {
        "pilot": {"arm": headline["arm"], "against": headline["against"], "seeds": table.shape[0], "queries": queries},
        "components": {
            "query": components.query, "seed": components.seed, "residual": components.residual,
        },
        "design_effect": effect,
        "rows": rows,
    }  # fmt: skip


def _pilot(folder: Path) -> tuple[list[Run], float]:
    """The runs that the report of the latest finished `compare` in its folder rests on, and its design effect.

    Raises:
        InputError: there is no report, or one of its runs is gone.
    """
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        names, effect = report["runs"], (report["headline"] or {}).get("design_effect", 1.0)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise InputError(
            f"{folder}: holds no finished comparison to take the variance from; first run a pilot into it, such as "
            "`syneg-data compare RECIPE --out DIR --arms in_batch,gated --seeds 2`"
        ) from None
    runs = [run for name in names if (run := read_run(folder / "runs" / name))]
    if len(runs) < len(names):
        raise InputError(f"{folder}/runs: {len(names) - len(runs)} runs are missing or damaged; run `compare` again")
    return runs, effect
