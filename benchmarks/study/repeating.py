"""Repeating: the arms of one cell trained again with the first seed, from nothing, and how far the metrics differ."""

import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import machine
from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS, SEED
from benchmarks.study.recipes import recipe
from benchmarks.study.rows import cells, read_scores
from syneg_data.durable import write_json
from syneg_data.judge.compare import compare
from syneg_data.judge.runs import read_run
from syneg_data.recipe import load_recipe
from syneg_data.report.terminal import TerminalProgress

TOLERANCE = 0.002  # of a mean nDCG@10; stores hold replies, scores and vectors, so only the training is done anew


def repeat(folder: Path, work: Path) -> dict[str, Any]:
    """Train the arms of the first ablation once more, and write `repeat.json`.

    Args:
        folder: of the rows.
        work: where a new folder is made and removed.

    Raises:
        ValueError: there is no ablation yet.
    """
    cell = next((cell for cell in cells(folder, "ablations") if cell.pairs), None)
    if cell is None:
        raise ValueError("no ablation to repeat yet; first run `python -m benchmarks.study ablations`")
    rates = sorted({rate for rate in cell.rates.values() if rate is not None})
    text = recipe(GROUNDS[cell.ground], GENERATORS[cell.generator], CONDITIONS[cell.condition], rates)
    with tempfile.TemporaryDirectory(prefix="repeat-", dir=work) as scratch:
        path = Path(scratch) / "repeat.yaml"
        path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
        out = Path(scratch) / "comparison"
        report = compare(load_recipe(path), out, list(cell.rates), 1, TerminalProgress())
        runs = [run for one in report["runs"] if (run := read_run(out / "runs" / one))]
    before = read_scores(folder, cell)
    rows = []
    for run in runs:
        now = {query_id: values["nDCG@10"] for query_id, values in run.scores[report["name"]][cell.split].items()}
        then = before[run.arm, SEED]
        means = [sum(values.values()) / len(values) for values in (then, now)]
        apart = abs(means[1] - means[0])
        rows.append(
            {
                "arm": run.arm,
                "then": round(means[0], 6),
                "now": round(means[1], 6),
                "queries_that_differ": sum(abs(now[q] - then[q]) > 1e-6 for q in then),
                "queries": len(then),
                "holds": apart <= TOLERANCE,
            }
        )
    found = {
        "schema": 1,
        "cell": str(cell.place),
        "seed": SEED,
        "tolerance": TOLERANCE,
        "machine": machine(),
        "rows": rows,
    }
    write_json(folder / "repeat.json", found)
    return found
