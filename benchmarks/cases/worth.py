"""worth: the whole way from a recipe over the gate to trained retrievers, and whether the gate was worth it.

One recipe per collection, built and then compared: the same student trained for the same steps on the same pairs, with
the best documents of BM25, of a bi-encoder, of `mine_hard_negatives`, or with what the gate kept of the first two.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.cases import retrieval
from benchmarks.cases.planted import CROSS
from benchmarks.measuring import Skipped
from benchmarks.results import Row, row

_STUDENT, _WORK = "SYNEG_STUDENT", "SYNEG_WORK"
_ARMS = ("none", "bm25", "nearest", "dense", "gated")
_SEEDS, _DEPTH, _QUICK_QUERIES, _MEDQUAD_QUERIES = 3, 20, 60, 1000
_MAIN = "gated"


def scifact(quick: bool) -> list[Row]:
    """SciFact, a tenth of whose training queries are set aside as dev."""
    return _run("scifact", {"path": _folder("SYNEG_SCIFACT"), "split": "train", "dev": 0.1}, quick)


def medquad(quick: bool) -> list[Row]:
    """The small MedQuAD, which has a dev split; a thousand of its training questions."""
    return _run("medquad", {"path": _folder("SYNEG_MEDQUAD_SMALL"), "split": "train"}, quick, _MEDQUAD_QUERIES)


def _folder(variable: str) -> str:
    folder = os.environ.get(variable, "")
    if not folder or not (Path(folder) / "qrels").is_dir():
        raise Skipped(f"set {variable} to a folder in the BEIR layout")
    return folder


def recipe(name: str, source: Mapping[str, Any], student: str) -> dict[str, Any]:
    """Two miners, and the gate as a recipe gets it that names its rerankers and no more."""
    teacher = retrieval.reference()
    return {
        "name": name,
        "seed": 13,
        "source": {"kind": "beir", "license": "cc-by-4.0", **source},
        "mining": [
            {"kind": "bm25", "name": "bm25", "depth": _DEPTH},
            {"kind": "dense", "name": "dense", "depth": _DEPTH, "model": teacher, "max_length": 256},
        ],
        "validation": {
            "rerankers": [
                {
                    "kind": "cross_encoder",
                    "name": "crossed",
                    "model": str(CROSS),
                    "max_length": 256,
                    "backend": "openvino",
                },
                {"kind": "bi_encoder", "name": "minilm-l6", "model": teacher, "allow_same_model": True},
            ]
        },
        "mixing": {"kind": "mined_only", "mined": 1, "shortage": "drop"},
        "publishing": {"license": "cc-by-4.0"},
        "training": {
            "base": {"kind": "path", "path": student},
            "epochs": 2,
            "batch_size": 16,
            "max_length": 96,
            "precision": "bfloat16",
            "checks": 1,
        },
        "comparison": {"learning_rates": [5e-5, 1e-4]},
    }


def _run(name: str, source: Mapping[str, Any], quick: bool, limit: int | None = None) -> list[Row]:
    student = os.environ.get(_STUDENT, "")
    if not (Path(student) / "modules.json").is_file():
        raise Skipped(f"set {_STUDENT} to the folder of a small bi-encoder to train")
    with tempfile.TemporaryDirectory(prefix="worth-") as scratch:
        return _measure(Path(os.environ.get(_WORK) or scratch), recipe(name, source, student), quick, limit)


def _measure(work: Path, text: Mapping[str, Any], quick: bool, limit: int | None) -> list[Row]:
    from syneg_data.judge.compare import compare
    from syneg_data.pipeline import build
    from syneg_data.recipe import load_recipe
    from syneg_data.report.terminal import TerminalProgress

    work.mkdir(parents=True, exist_ok=True)
    path = work / f"{text['name']}.yaml"
    path.write_text(yaml.safe_dump(dict(text), sort_keys=False), encoding="utf-8")
    file = load_recipe(path, _QUICK_QUERIES if quick else limit)
    built = build(file, work / str(text["name"]), progress=TerminalProgress())
    seeds = 1 if quick else _SEEDS
    out = work / f"{text['name']}-comparison"
    compared = compare(file, out, _ARMS, seeds, TerminalProgress())
    return [*_ledger(str(text["name"]), built.report), *_differences(str(text["name"]), compared, out, seeds)]


def _ledger(name: str, report: Mapping[str, Any]) -> list[Row]:
    """Where every candidate of the build went."""
    rows = []
    for stage in ("mine", "validate", "mix"):
        account = report["stages"][stage]
        what = f"{name}: ledger, {stage}"
        counts = {"in": account["in"], "kept": account["kept"]}
        counts |= {f"rejected, {reason}": n for reason, n in account["rejected"].items()}
        counts |= {f"failed, {reason}": n for reason, n in account["failed"].items()}
        balances = account["in"] == sum(counts.values()) - account["in"]
        for metric, count in counts.items():
            rows.append(row(what, metric, f"{account['unit']}s", count, None, "", 1, "balances", balances))
    return rows


def _differences(name: str, report: Mapping[str, Any], out: Path, seeds: int) -> list[Row]:
    """nDCG@10 on the test split, the gate's arm beside every other."""
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
    for arm in _ARMS:
        if arm == _MAIN or arm not in means:
            continue
        found = paired_interval(differences(by_arm, _MAIN, arm, report["name"], report["split"]))
        between = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
        metric = f"nDCG@10 on {report['split']} (difference {100 * found.mean:+.2f}, 95 % interval {between})"
        what = f"{name}: trained on {report['pairs']:,} pairs, {means[_MAIN]['queries']} queries"
        ours, theirs = (100 * means[one]["nDCG@10"] for one in (_MAIN, arm))
        rows.append(row(what, metric, "points", ours, theirs, arm, seeds, "better, interval above 0", found.low > 0))
    return rows
