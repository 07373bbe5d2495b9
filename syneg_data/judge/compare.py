"""`compare`: experiment -> runs -> findings; stopped at any point, the same call goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from syneg_data import __version__
from syneg_data.collection import linked
from syneg_data.durable import replacing, write_json, write_text
from syneg_data.errors import InputError
from syneg_data.execution import Progress
from syneg_data.judge.arms import ARMS
from syneg_data.judge.experiment import VERSIONS, Experiment, prepare
from syneg_data.judge.findings import Groups, findings
from syneg_data.judge.runs import Run, rows_of, run_arms, run_path
from syneg_data.loading import device
from syneg_data.recipe import RecipeFile
from syneg_data.report.comparison import comparison_page
from syneg_data.spec import canonical

_OURS = frozenset({"runs", "results.parquet", "scores.parquet", "report.json", "README.md"})


def compare(file: RecipeFile, out: Path, names: Sequence[str], seeds: int, progress: Progress) -> dict[str, Any]:
    """Train and measure every arm, and say what follows.

    Args:
        file: the recipe; it needs a training section.
        out: folder for runs/, results.parquet, scores.parquet, report.json and README.md.
        names: arms; empty: all that the recipe allows.
        seeds: runs of every arm, with seeds counted up from the recipe's.
        progress: hears of stages, encoding and steps.

    Returns:
        What report.json holds.

    Raises:
        SynegError: see its subclasses; what is committed stays, and the same call goes on.
    """
    out = out.absolute()
    if out.is_file():
        raise InputError(f"{out}: is a file; choose another --out")
    # A writer that was killed leaves a temporary file behind.
    there = {p.name for p in out.iterdir() if not p.name.endswith(".tmp")} if out.is_dir() else set()
    if foreign := sorted(there if "runs" not in there else there - _OURS):
        raise InputError(f"{out}: holds what no comparison wrote ({', '.join(foreign[:3])}); choose another --out")
    experiment = prepare(file, out, names, progress)
    with experiment.workspace.locked():
        runs = []
        for run in run_arms(experiment, out / "runs", seeds, progress):
            runs.append(run)
            _write_rows(out, runs)
        report = {
            "schema": 1,
            "tool": f"syneg-data {__version__}",
            "name": experiment.name,
            "base": experiment.base.label,
            "base_sha256": experiment.base.digest,
            "pairs": len(experiment.pairs),
            "held_out_pairs": len(experiment.probes),
            "seed": experiment.seed,
            "settings": canonical(experiment.spec),
            "versions": VERSIONS,
            "device": device(),
            "own_gate": experiment.own_gate,
            "runs": [run_path(experiment, out / "runs", ARMS[run.arm], run.seed).name for run in runs],
            "learning_rates": list(experiment.comparison.learning_rates),
            "served": {name: len(chosen) for name, chosen in experiment.negatives.items()},
            "restyled_positives": _restyled(experiment),
            "leakage": _leakage(experiment),
            **findings(runs, experiment.name, _groups(experiment)),
        }
        write_json(out / "report.json", report)
        write_text(out / "README.md", comparison_page(report))
    return report


def _groups(experiment: Experiment) -> Groups:
    return {
        name: {split: linked(part.pairs()) for split, part in splits.items()}
        for name, splits in experiment.sets.items()
    }


def _restyled(experiment: Experiment) -> dict[str, int]:
    """Of how many pairs an arm has the positive in a model's words; only arms that have some."""
    return {name: sum(pair in taken for pair in experiment.pairs) for name, taken in experiment.versions.items()}


def _leakage(experiment: Experiment) -> dict[str, Any]:
    """How many positives of each split are positives that the arms were trained on."""
    trained = {positive_id for _, positive_id in experiment.pairs}
    found = {}
    for split, part in experiment.sets[experiment.name].items():
        positives = {positive_id for _, positive_id in part.pairs()}
        found[split] = {"positives": len(positives), "trained_on": len(positives & trained)}
    return found


def _write_rows(out: Path, runs: Sequence[Run]) -> None:
    """results.parquet and scores.parquet of the runs so far."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    results, scores = rows_of(runs)
    text = [(name, pa.string()) for name in ("dataset", "split", "metric")]
    head, value = [("arm", pa.string()), ("seed", pa.int64()), *text], ("value", pa.float64())
    for name, rows, columns in (
        ("results", results, [*head, value]),
        ("scores", scores, [*head, ("query_id", pa.string()), value]),
    ):
        with replacing(out / f"{name}.parquet") as temporary:
            pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(columns)), temporary, compression="zstd")
