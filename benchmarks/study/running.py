"""Running a cell: build the condition's set, train its arms on the same pairs, keep what came of it query by query."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import machine
from benchmarks.study.protocol import ALONE, CONDITIONS, GENERATORS, GROUNDS, NOBODY
from benchmarks.study.recipes import recipe
from benchmarks.study.rows import Cell, Scores, cells, write, write_groups
from syneg_data.collection import linked
from syneg_data.errors import InputError
from syneg_data.execution import Progress
from syneg_data.judge.compare import compare
from syneg_data.judge.runs import UNSEEN, Run, read_run
from syneg_data.pipeline import build
from syneg_data.recipe import RecipeFile, load_recipe, recorded_recipe
from syneg_data.report.terminal import TerminalProgress
from syneg_data.spec import fingerprint
from syneg_data.training.checkpoints import Diverged

ROOT = Path(__file__).parents[2]
READ_TEST = ("test", "alone")  # the stages that do
# What `compare` says of a condition that leaves nothing to train on, which is a result.
_NO_PAIRS = ("pairs can be served by all arms", "no example takes a restyled positive")


@dataclass(frozen=True)
class Plan:
    """A cell before it is measured.

    Attributes:
        stage: rates, ablations, test or alone.
        ground: name of the collection.
        generator: name of who writes.
        condition: name of what differs.
        student: name of the model to train.
        text: the recipe.
        arms: to train.
        seeds: runs of every arm.
    """

    stage: str
    ground: str
    generator: str
    condition: str
    student: str
    text: Mapping[str, Any]
    arms: Sequence[str]
    seeds: int

    @property
    def name(self) -> str:
        """Of the files in the work folder."""
        return f"{self.text['name']}-{self.student}"

    @property
    def digest(self) -> str:
        """Names what is asked for, with every default, wherever the files lie."""
        return fingerprint("study", recorded_recipe(self.text), self.student, list(self.arms), self.seeds)[:24]

    def is_there(self, folder: Path) -> bool:
        """Whether its rows are, as it is asked for now."""
        return any(cell.digest == self.digest for cell in self._cells(folder))

    def refuse_another(self, folder: Path) -> None:
        """A test split is read once: a row of another recipe is not replaced.

        Raises:
            ValueError: there is one.
        """
        for cell in self._cells(folder):
            if cell.digest != self.digest:
                raise ValueError(
                    f"{cell.place}: was measured as another recipe says; the test split is not read a second time. "
                    "Restore the program that made the row"
                )

    def _cells(self, folder: Path) -> list[Cell]:
        key = (self.ground, self.generator, self.condition, self.student)
        return [c for c in cells(folder, self.stage) if (c.ground, c.generator, c.condition, c.student) == key]


def plan(
    stage: str,
    ground: str,
    generator: str,
    condition: str,
    *,
    rates: Sequence[float],
    arms: Sequence[str],
    seeds: int,
    student: tuple[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """One condition on one collection.

    Args:
        stage: rates, ablations, test or alone.
        ground: name of the collection.
        generator: name of who writes; none of the stage `alone`.
        condition: name of what differs.
        rates: learning rates to try.
        arms: to train.
        seeds: runs of every arm.
        student: name and reference of the model to train; None: L3, from the folder that the environment names.

    Raises:
        Skipped: a collection or model is not here.
    """
    text = recipe(
        GROUNDS[ground],
        {**GENERATORS, NOBODY.name: NOBODY}[generator],
        {**CONDITIONS, ALONE.name: ALONE}[condition],
        rates,
        test=stage in READ_TEST,
        student=student[1] if student else None,
    )
    return Plan(stage, ground, generator, condition, student[0] if student else "L3", text, tuple(arms), seeds)


def run_cell(plan: Plan, work: Path, folder: Path) -> None:
    """Measure one condition on one collection.

    Args:
        plan: what.
        work: folder for what is built and trained; the same call goes on from what is there.
        folder: for the rows.

    Raises:
        SynegError: see its subclasses; an ablation with too few pairs, or whose loss runs away, is a row instead.
    """
    place = work / plan.stage
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{plan.name}.yaml"
    path.write_text(yaml.safe_dump(dict(plan.text), sort_keys=False), encoding="utf-8")
    file, started, progress = load_recipe(path), time.monotonic(), TerminalProgress()
    # Before the folder is written: a set that nobody can be trained on has a ledger, too, and no folder.
    built = build(file, place / path.stem, until="audit", progress=progress).report
    built_at = time.monotonic()
    out = place / f"{path.stem}-comparison"
    report, failure = _compared(plan, built, file, out, progress)
    runs = [run for one in report["runs"] if (run := read_run(out / "runs" / one))]
    name, split = file.recipe.name, "test" if plan.stage in READ_TEST else "dev"
    own = {Path(one).stem.rpartition("-")[2]: run.seconds for one, run in zip(report["runs"], runs, strict=True)}
    cell = Cell(
        stage=plan.stage, ground=plan.ground, generator=plan.generator, condition=plan.condition, student=plan.student,
        digest=plan.digest, date=time.strftime("%Y-%m-%d %H:%M", time.gmtime()), machine=machine(), split=split,
        made_by={"commit": _commit(ROOT)} | {key: report[key] for key in ("versions", "device", "base_sha256") if runs},
        pairs=report["pairs"],
        served=report["served"],
        rates={row["arm"]: row["learning_rate"] for row in report["arms"]},
        tried={row["arm"]: row["tried"] for row in report["arms"]},
        dev={row["arm"]: row["nDCG@10"] for row in report["tables"][name]["dev"]} if runs else {},
        seen=_seen(runs, name, split, report["leakage"][split]) if runs else [],
        ledger={stage: account for stage, account in built["stages"].items() if stage != "load"},
        tokens=built["tokens"],
        audit={m["name"]: [m["value"], m["low"], m["high"]] for m in built["audit"]["measures"]},
        critic=built.get("critic") or {},
        seconds={
            "build": round(built_at - started, 1),
            "train": round(sum(own.values()), 1),  # arms that choose alike share a run
            "all": round(time.monotonic() - started, 1),
        },
        failure=failure,
    )  # fmt: skip
    keep_groups(file, plan.ground, split, folder)
    write(folder, cell, _scores(runs, name, split))


def keep_groups(file: RecipeFile, ground: str, split: str, folder: Path) -> None:
    """Write which queries of a split have a positive in common.

    Args:
        file: a recipe over the collection.
        ground: its name.
        split: to measure on.
        folder: for the rows.
    """
    source, seed = file.recipe.source, file.recipe.seed
    write_groups(folder, ground, split, linked(source.held_out(source.load(seed), seed)[split].pairs()))


def _compared(
    plan: Plan, built: Mapping[str, Any], file: RecipeFile, out: Path, progress: Progress
) -> tuple[dict[str, Any], str]:
    """The report of the comparison, or, of an ablation, why there is none."""
    nothing: dict[str, Any] = {"pairs": 0, "served": {}, "arms": [], "runs": []}
    critic = built.get("critic")
    if critic and not critic["passed"]:  # its word is then not heeded, and everything would be as in base
        accuracy = f"balanced accuracy {critic['balanced_accuracy']}, more than {critic['minimum']} is needed"
        return nothing, f"the critic failed its exam ({accuracy}), so the set is that of the base condition"
    try:
        return compare(file, out, plan.arms, plan.seeds, progress), ""
    except InputError as error:
        too_few = any(said in str(error) for said in _NO_PAIRS)
        if plan.stage != "ablations" or not (too_few or isinstance(error, Diverged)):
            raise
        return nothing, str(error).replace(f"{file.path}: ", "")


def refuse_uncommitted(root: Path = ROOT) -> None:
    """A test split is read by a program that anybody can look up.

    Args:
        root: of the repository.

    Raises:
        ValueError: files of it differ from the commit.
    """
    if _commit(root).endswith("+"):
        raise ValueError("files of the program differ from the commit; commit them before the test is run")


def _commit(root: Path) -> str:
    """Of the program that ran, with a `+` where files of it differ from the commit."""

    def said(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    changed = said(
        "status", "--porcelain", "--untracked-files=no", "--", "syneg_data", "benchmarks/*.py", "recipes/models"
    )
    return said("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


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
