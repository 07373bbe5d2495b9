"""`compare --plan`: which difference can be detected at all, from a pilot's variance, before hours are spent."""

import json
from pathlib import Path
from typing import Any

from syneg_data.errors import InputError
from syneg_data.judge.findings import differences, findings
from syneg_data.judge.measuring import FIGURES
from syneg_data.judge.runs import Run
from syneg_data.training.statistics import detectable, variance_components

SEEDS = (1, 2, 3, 5, 10)


def plan_seeds(folder: Path, dataset: str) -> dict[str, Any]:
    """What could be found with more seeds, going by the runs there are.

    Args:
        folder: of a comparison, the pilot: two trained arms at least.
        dataset: the training set's name.

    Returns:
        `pilot`: whose difference the variances are of; `components`: variances between queries, between seeds, and the
        rest; `rows`: seeds -> the smallest true difference in nDCG@10 that is found with 80 % probability, and hours.

    Raises:
        InputError: the folder holds no such runs.
    """
    runs = _pilot(folder)
    report = findings(runs, dataset)
    headline = report["headline"]
    if headline is None:
        raise InputError("the pilot has fewer than two trained arms; run `compare` with two, then plan")
    by_arm: dict[str, list[Run]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    table = differences(by_arm, headline["arm"], headline["against"], dataset, report["split"])
    components = variance_components(table)
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
                "detectable": round(detectable(components, queries, seeds), FIGURES),
                "runs": arms * (grid + seeds - 1),
                "hours": round(arms * (grid + seeds - 1) * once / 3600, 2),
            }
        )
    return {
        "pilot": {"arm": headline["arm"], "against": headline["against"], "seeds": table.shape[0], "queries": queries},
        "components": {
            "query": components.query, "seed": components.seed, "residual": components.residual,
        },
        "rows": rows,
    }  # fmt: skip


def _pilot(folder: Path) -> list[Run]:
    """The runs that an earlier `compare` committed in its folder.

    Raises:
        InputError: there are none.
    """
    runs = []
    for path in sorted((folder / "runs").glob("*.json")):
        try:
            runs.append(Run(**json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: not a run of `compare` ({error}); move it away") from error
    if not runs:
        raise InputError(
            f"{folder}: holds no runs to take the variance from; first run a pilot into it, such as "
            "`syneg-data compare RECIPE --out DIR --arms in_batch,gated --seeds 2`"
        )
    return runs
