"""Running a cell: build the condition's set, train its arms on the same pairs, keep what came of it query by query."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import machine
from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS
from benchmarks.study.recipes import recipe
from benchmarks.study.rows import Cell, Scores, cells, write
from syneg_data.errors import InputError
from syneg_data.judge.compare import compare
from syneg_data.judge.runs import UNSEEN, Run, read_run
from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from syneg_data.report.terminal import TerminalProgress
from syneg_data.spec import fingerprint

_NOTHING: Mapping[str, Any] = {"pairs": 0, "arms": [], "name": ""}  # the report of a comparison that could not be made
# What `compare` says of a condition that leaves nothing to train on, which is a result.
_NO_PAIRS = ("pairs can be served by all arms", "no example takes a restyled positive")
_MACHINE_PATHS = ("path", "model")  # of a recipe: where things lie says nothing of what they are


def digest_of(text: Mapping[str, Any], arms: Sequence[str], seeds: int) -> str:
    """Names a cell by what was asked for, wherever the files lie."""

    def portable(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, Mapping):
            return {
                key: Path(inner).name if key in _MACHINE_PATHS and isinstance(inner, str) else portable(inner)
                for key, inner in value.items()
            }
        return [portable(inner) for inner in value] if isinstance(value, list) else value

    return fingerprint("study", portable(text), list(arms), seeds)[:24]


def run_cell(
    stage: str,
    ground: str,
    generator: str,
    condition: str,
    *,
    rates: Sequence[float],
    arms: Sequence[str],
    seeds: int,
    work: Path,
    folder: Path,
    student: tuple[str, Mapping[str, Any]] | None = None,
) -> bool:
    """Measure one condition on one collection, unless its rows are there.

    Args:
        stage: rates, ablations or test.
        ground: name of the collection.
        generator: name of who writes.
        condition: name of what differs.
        rates: learning rates to try.
        arms: to train.
        seeds: runs of every arm.
        work: folder for what is built and trained; the same call goes on from what is there.
        folder: for the rows.
        student: name and reference of the model to train; None: L3, from the folder that the environment names.

    Returns:
        Whether something was run.

    Raises:
        Skipped: a collection or model is not here.
        SynegError: see its subclasses.
    """
    test = stage == "test"
    text = recipe(
        GROUNDS[ground], GENERATORS[generator], CONDITIONS[condition], rates,
        test=test, student=student[1] if student else None,
    )  # fmt: skip
    name = student[0] if student else "L3"
    digest = digest_of(text, arms, seeds)
    if _is_there(folder, stage, (ground, generator, condition, name, digest)):
        return False
    place = work / stage
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{text['name']}-{name}.yaml"
    path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    file, started = load_recipe(path), time.monotonic()
    built = build(file, place / path.stem, progress=TerminalProgress()).report
    built_at = time.monotonic()
    out = place / f"{path.stem}-comparison"
    split = "test" if test else "dev"
    failure, report, runs = "", _NOTHING, list[Run]()
    try:
        report = compare(file, out, arms, seeds, TerminalProgress())
        runs = [run for one in report["runs"] if (run := read_run(out / "runs" / one))]
    except InputError as error:
        if not any(said in str(error) for said in _NO_PAIRS):
            raise
        failure = str(error).replace(str(path), path.name)
    cell = Cell(
        stage=stage, ground=ground, generator=generator, condition=condition, student=name,
        digest=digest, date=time.strftime("%Y-%m-%d %H:%M", time.gmtime()), machine=machine(), split=split,
        pairs=report["pairs"],
        rates={row["arm"]: row["learning_rate"] for row in report["arms"]},
        tried={row["arm"]: row["tried"] for row in report["arms"]},
        dev={row["arm"]: row["nDCG@10"] for row in report["tables"][report["name"]]["dev"]} if runs else {},
        seen=_seen(runs, report["name"], split, report["leakage"][split]) if runs else [],
        ledger={stage: account for stage, account in built["stages"].items() if stage != "load"},
        tokens=built["tokens"],
        audit={m["name"]: [m["value"], m["low"], m["high"]] for m in built["audit"]["measures"]},
        seconds={
            "build": round(built_at - started, 1),
            "train": round(sum(run.seconds for run in runs), 1),
            "all": round(time.monotonic() - started, 1),
        },
        failure=failure,
    )  # fmt: skip
    write(folder, cell, _scores(runs, report["name"], split))
    return True


def _is_there(folder: Path, stage: str, key: tuple[str, ...]) -> bool:
    return any(
        (cell.ground, cell.generator, cell.condition, cell.student, cell.digest) == key for cell in cells(folder, stage)
    )


def _scores(runs: Sequence[Run], dataset: str, split: str) -> Scores:
    return {
        (run.arm, run.seed): {query_id: values["nDCG@10"] for query_id, values in run.scores[dataset][split].items()}
        for run in runs
    }


def _seen(runs: Sequence[Run], dataset: str, split: str, leakage: Mapping[str, int]) -> list[str]:
    """The queries of the split that have a positive which was trained on."""
    by_split = runs[0].scores[dataset]
    if split + UNSEEN in by_split:
        return sorted(set(by_split[split]) - set(by_split[split + UNSEEN]))
    return sorted(by_split[split]) if leakage["trained_on"] else []  # the other reading is left out if it is the same
