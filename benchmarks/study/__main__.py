"""`python -m benchmarks.study [STAGE]`: run what the protocol asks for and is missing; `--report`: the page alone."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.cases import retrieval
from benchmarks.cases.world import need_vllm
from benchmarks.measuring import Skipped
from benchmarks.study.choosing import asked, freeze, inner_rate, keep_frozen, rates_beside, read_frozen
from benchmarks.study.examples import keep_examples
from benchmarks.study.page import update
from benchmarks.study.protocol import (
    ABLATION_SEEDS,
    ALONE,
    ALONE_ARMS,
    BESIDE_ARMS,
    CONDITIONS,
    GENERATORS,
    GROUNDS,
    NOBODY,
    RATE_ARMS,
    RIVALS,
    SCREEN,
    TEST_ARMS,
    TEST_SEEDS,
)
from benchmarks.study.repeating import repeat
from benchmarks.study.rows import STUDY
from benchmarks.study.running import plan, refuse_uncommitted, run_cell
from syneg_data.errors import SynegError
from syneg_data.judge.arms import ARMS

STAGES = ("rates", "ablations", "freeze")
LATER = ("test", "examples", "repeat")  # asked for by name, the first two once what is frozen is committed
_WORK = "SYNEG_WORK"


@dataclass(frozen=True)
class Only:
    """What of a stage is run; None: all."""

    ground: str | None
    generator: str | None
    condition: str | None

    def grounds(self) -> list[str]:
        """Names of collections, the smallest first."""
        return [name for name in GROUNDS if self.ground in (None, name)]

    def generators(self) -> list[str]:
        """Names of generators, the smallest first."""
        return [name for name in GENERATORS if self.generator in (None, name)]


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("stage", nargs="?", choices=[*STAGES, *LATER], help="default: the first three")
    parser.add_argument("--collection", choices=list(GROUNDS))
    parser.add_argument("--generator", choices=list(GENERATORS))
    parser.add_argument("--condition", choices=list(CONDITIONS))
    parser.add_argument("--report", action="store_true", help="only write page, tables and figures from the rows")
    options = parser.parse_args()
    if options.condition and options.stage not in (None, "ablations"):
        parser.error(f"--condition {options.condition}: only the stage `ablations` has a choice of conditions")
    logging.basicConfig(level=logging.WARNING)
    only = Only(options.collection, options.generator, options.condition)
    try:
        if not options.report:
            need_vllm()
            for stage in [options.stage] if options.stage else STAGES:
                _run(stage, only)
        update(STUDY)
    except Skipped as reason:
        sys.exit(f"study: {reason}")
    except (SynegError, ValueError) as error:
        sys.exit(f"study: {error}")
    return 0


def _run(stage: str, only: Only) -> None:
    if stage == "freeze":
        _refuse_stale()
        keep_frozen(STUDY, freeze(STUDY))
    elif stage == "repeat":
        repeat(STUDY, _work())
    elif stage == "examples":
        keep_examples(STUDY, _work())
    else:
        if stage == "test":
            _refuse_stale()
            refuse_uncommitted()
        for what in _cells(stage, only):
            planned = plan(**what)
            _say(f"{what['stage']}: {what['ground']}, {what['generator']}, {what['condition']} ...")
            if planned.is_there(STUDY):
                _say("is there")
                continue
            if stage == "test":
                planned.refuse_another(STUDY)
            # In a process of its own: a language model in this one would stay in memory for all that follow.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                process.submit(run_cell, planned, _work(), STUDY).result()
            _say("done")


def _refuse_stale() -> None:
    """Rows of another recipe than the protocol's of today are no ground to choose on.

    Raises:
        ValueError: some are.
    """
    for stage in ("rates", "ablations"):
        for what in _cells(stage, Only(None, None, None)):
            if not plan(**what).is_there(STUDY):
                place = f"{what['ground']}, {what['generator']}, {what['condition']}"
                raise ValueError(
                    f"{place}: not measured as the protocol now says; run `python -m benchmarks.study {stage}`"
                )


def _cells(stage: str, only: Only) -> Iterator[dict[str, Any]]:
    """What a stage runs, in order; what an earlier stage chose is read from its rows.

    Raises:
        ValueError: the earlier stage has not run.
    """
    if stage == "rates":
        for ground in only.grounds():
            yield _cell(stage, ground, "smollm2", "base", rates=GROUNDS[ground].rates, arms=RATE_ARMS, seeds=1)
    elif stage == "ablations":
        for generator in only.generators():
            for condition, ground in asked(STUDY, generator):
                if ground not in only.grounds() or only.condition not in (None, condition):
                    continue
                rates, arms = [inner_rate(STUDY, ground)], arms_of(condition)
                yield _cell(stage, ground, generator, condition, rates=rates, arms=arms, seeds=ABLATION_SEEDS)
    else:
        yield from cells_to_test(STUDY, only, read_frozen(STUDY))


def arms_of(condition: str) -> tuple[str, ...]:
    """What an ablation trains."""
    scored = "training.objective" in CONDITIONS[condition].changes(GROUNDS[SCREEN], 1)
    return (*(arm for arm in RIVALS if ARMS[arm].scored or not scored), CONDITIONS[condition].arm)


def cells_to_test(folder: Path, only: Only, frozen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """First what decides, on every collection; then, with fewer arms, another student and the other generators.

    At last mined negatives alone, for all pairs that they can serve.
    """
    first, best = frozen["decides"], frozen["chosen"]
    for generator in sorted(filter(best.__contains__, only.generators()), key=lambda name: name != first):
        condition = best[generator]["condition"]
        cells: list[tuple[str, Any]] = [(ground, None) for ground in only.grounds()]
        if generator == first and "scifact" in only.grounds():
            cells.append(("scifact", ("L6", retrieval.reference())))
        for ground, student in cells:
            rate, decides = inner_rate(folder, ground), generator == first and student is None
            yield _cell(
                "test", ground, generator, condition,
                rates=rates_beside(ground, rate) if decides else (rate,),
                arms=TEST_ARMS if decides else BESIDE_ARMS, seeds=TEST_SEEDS, student=student,
            )  # fmt: skip
    for ground in only.grounds() if only.generator is None else ():
        rates = rates_beside(ground, inner_rate(folder, ground))
        yield _cell("alone", ground, NOBODY.name, ALONE.name, rates=rates, arms=ALONE_ARMS, seeds=TEST_SEEDS)


def _cell(stage: str, ground: str, generator: str, condition: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"stage": stage, "ground": ground, "generator": generator, "condition": condition, **settings}


def _work() -> Path:
    """Where sets are built and models trained.

    Raises:
        Skipped: the environment does not say.
    """
    work = os.environ.get(_WORK, "")
    if not work:
        raise Skipped(f"set {_WORK} to a folder that keeps what is finished, with some GB of room")
    return Path(work)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
