"""worth: the whole way from a recipe to trained retrievers, and what one way to choose negatives gains over others.

One recipe per collection, built and then compared: the same student trained for the same steps on the same pairs, with
the hard negatives of one arm after the other.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.cases import collections, retrieval
from benchmarks.cases.collections import Collection
from benchmarks.cases.planted import CROSS
from benchmarks.results import Row, row

_WORK = "SYNEG_WORK"
_SEEDS, _DEPTH, _QUICK_QUERIES = 3, 20, 60


@dataclass(frozen=True)
class Ground:
    """A collection to build on.

    Attributes:
        name: of the case.
        of: where it lies and what it is about.
        source: the rest of a recipe's source section.
        limit: training queries; None for all.
    """

    name: str
    of: Collection
    source: Mapping[str, Any]
    limit: int | None = None


SCIFACT = Ground("scifact", collections.SCIFACT, {"split": "train", "dev": 0.1})
MEDQUAD = Ground("medquad", collections.MEDQUAD, {"split": "train"}, 1000)


def recipe(ground: Ground) -> dict[str, Any]:
    """Two miners, and the gate as a recipe gets it that names its rerankers and no more.

    Raises:
        Skipped: the collection or the student is not here.
    """
    return {
        "name": ground.name,
        "seed": 13,
        "source": {"kind": "beir", "license": ground.of.license, "path": ground.of.folder(), **ground.source},
        "mining": miners(),
        "validation": gate(),
        "mixing": {"kind": "mined_only", "mined": 1, "shortage": "drop"},
        "publishing": {"license": ground.of.license},
        "training": {
            "base": {"kind": "path", "path": collections.student()},
            "epochs": 2,
            "batch_size": 16,
            "max_length": 96,
            "precision": "bfloat16",
            "checks": 1,
        },
        "comparison": {"learning_rates": [5e-5, 1e-4]},
    }


def miners() -> list[dict[str, Any]]:
    """BM25, and the bi-encoder that the recipes have."""
    return [
        {"kind": "bm25", "name": "bm25", "depth": _DEPTH},
        {"kind": "dense", "name": "dense", "depth": _DEPTH, "model": retrieval.reference(), "max_length": 256},
    ]


def gate() -> dict[str, Any]:
    """The validation section: the shipped cross-encoder and the bi-encoder, under the default rule."""
    crossed = {
        "kind": "cross_encoder",
        "name": "crossed",
        "model": str(CROSS),
        "max_length": 256,
        "backend": "openvino",
    }
    nearby = {"kind": "bi_encoder", "name": "minilm-l6", "model": retrieval.reference(), "allow_same_model": True}
    return {"rerankers": [crossed, nearby]}


def measure(text: Mapping[str, Any], arms: Sequence[str], main: str, quick: bool, limit: int | None) -> list[Row]:
    """Build a recipe, compare its arms, put the `main` one beside every other; `SYNEG_WORK` keeps what is finished."""
    from syneg_data.judge.compare import compare
    from syneg_data.pipeline import build
    from syneg_data.recipe import load_recipe
    from syneg_data.report.terminal import TerminalProgress

    name, seeds = str(text["name"]), 1 if quick else _SEEDS
    with tempfile.TemporaryDirectory(prefix="worth-") as scratch:
        work = Path(os.environ.get(_WORK) or scratch)
        work.mkdir(parents=True, exist_ok=True)
        path = work / f"{name}.yaml"
        path.write_text(yaml.safe_dump(dict(text), sort_keys=False), encoding="utf-8")
        file = load_recipe(path, _QUICK_QUERIES if quick else limit)
        built = build(file, work / name, progress=TerminalProgress())
        out = work / f"{name}-comparison"
        compared = compare(file, out, arms, seeds, TerminalProgress())
        ledger = [*_ledger(name, built.report), *_written(name, built.report, work / name)]
        return [*ledger, *_differences(name, arms, main, compared, out, seeds)]


def _ledger(name: str, report: Mapping[str, Any]) -> list[Row]:
    """Where every candidate of the build went."""
    rows = []
    for stage, account in report["stages"].items():
        if stage == "load":
            continue
        what = f"{name}: ledger, {stage}"
        counts = {"in": account["in"], "kept": account["kept"]}
        counts |= {f"rejected, {reason}": n for reason, n in account["rejected"].items()}
        counts |= {f"failed, {reason}": n for reason, n in account["failed"].items()}
        balances = account["in"] == sum(counts.values()) - account["in"]
        for metric, count in counts.items():
            rows.append(row(what, metric, f"{account['unit']}s", count, None, "", 1, "balances", balances))
    return rows


def _written(name: str, report: Mapping[str, Any], folder: Path) -> list[Row]:
    """What the gate said of the written negatives alone."""
    if "generate" not in report["stages"]:
        return []
    import pyarrow.parquet as pq

    paths = sorted((folder / "candidates").glob("*.parquet"))
    judged = [one for path in paths for one in pq.read_table(path, columns=["origin", "verdict"]).to_pylist()]
    counts = Counter(one["verdict"] for one in judged if one["origin"] == "synthetic")
    balances = counts.total() == report["stages"]["generate"]["kept"]
    what = f"{name}: gate, written ones"
    return [
        row(what, verdict, "candidates", counts[verdict], None, "", 1, "balances", balances)
        for verdict in sorted(counts)
    ]


def _differences(
    name: str, arms: Sequence[str], main: str, report: Mapping[str, Any], out: Path, seeds: int
) -> list[Row]:
    """nDCG@10 on the test split, the main arm beside every other."""
    from syneg_data.judge.findings import differences
    from syneg_data.judge.runs import Run, read_run
    from syneg_data.training.statistics import paired_interval

    by_arm: dict[str, list[Run]] = {}
    for file in report["runs"]:
        run = read_run(out / "runs" / file)
        assert run is not None
        by_arm.setdefault(run.arm, []).append(run)
    means = {line["arm"]: line for line in report["tables"][report["name"]][report["split"]]}
    rows = []
    for arm in arms:
        if arm == main or arm not in means:
            continue
        found = paired_interval(differences(by_arm, main, arm, report["name"], report["split"]))
        between = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
        metric = f"nDCG@10 on {report['split']} (difference {100 * found.mean:+.2f}, 95 % interval {between})"
        what = f"{name}: trained on {report['pairs']:,} pairs, {means[main]['queries']} queries"
        ours, theirs = (100 * means[one]["nDCG@10"] for one in (main, arm))
        rows.append(row(what, metric, "points", ours, theirs, arm, seeds, "better, interval above 0", found.low > 0))
    return rows
