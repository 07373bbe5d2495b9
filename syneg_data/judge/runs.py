"""Runs: each arm trained on the same pairs with the same budget, measured, and committed as it ends."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from syneg_data.collection import Collection
from syneg_data.durable import write_json
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.execution import Progress
from syneg_data.judge.arms import ARMS, Arm
from syneg_data.judge.experiment import Experiment
from syneg_data.judge.measuring import FIGURES, measure, unseen
from syneg_data.judge.shortcuts import shortcuts
from syneg_data.training.checkpoints import Diverged
from syneg_data.training.evaluation import Embedder, InTraining, Searcher, small_corpus, texts_of
from syneg_data.training.metrics import means, score_run
from syneg_data.training.student import prompts_of
from syneg_data.training.trainer import Check, train_model

Scores = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]  # set -> split -> query_id -> metric -> value
UNSEEN = ":unseen"  # marks the reading of a split without queries whose positives were trained on


@dataclass(frozen=True)
class Run:
    """One arm with one seed, measured.

    Attributes:
        arm: its name.
        seed: of the training.
        learning_rate: the best on dev; None without training.
        tried: learning rate -> nDCG@10 on dev, None where the loss ran away; of a later seed only the chosen one.
        scores: every set and split; a split with `:unseen` holds the queries none of whose positives was trained on.
        shortcuts: see shortcuts.py; empty without synthetic negatives.
        slots: hard negatives per example.
        steps: of training.
        seconds: of training, all learning rates.
    """

    arm: str
    seed: int
    learning_rate: float | None
    tried: Mapping[str, float | None]
    scores: Scores
    shortcuts: Mapping[str, Any]
    slots: int
    steps: int
    seconds: float


def run_arms(experiment: Experiment, folder: Path, seeds: int, progress: Progress) -> Iterator[Run]:
    """Train and measure every arm with every seed; runs that an earlier call committed are read, not made again.

    Args:
        experiment: what the arms have in common.
        folder: where a file per run is committed.
        seeds: how many, counted from the recipe's.
        progress: hears of encoding and steps.

    Raises:
        SynegError: see its subclasses; what is committed stays, and the same call goes on.
    """
    base = _Base(experiment, progress)
    for arm in (ARMS[name] for name in experiment.negatives):
        rate = None
        for number in range(seeds if arm.trains else 1):
            seed = experiment.seed + number
            path = run_path(experiment, folder, arm, seed)
            run = read_run(path)
            if run is None:
                key = path.stem.rpartition("-")[2]
                same = next((found for found in map(read_run, sorted(folder.glob(f"*-{key}.json"))) if found), None)
                made = replace(same, arm=arm.name) if same else _run(experiment, base, arm, seed, rate, progress)
                write_json(path, asdict(made))
                run = read_run(path)  # what is there in a later call too, to the order of its keys
                assert run is not None
            rate = run.learning_rate
            yield run


def run_path(experiment: Experiment, folder: Path, arm: Arm, seed: int) -> Path:
    """Where the run of an arm is committed; arms that choose alike have the same key."""
    return folder / f"{arm.name}-{seed}-{experiment.key(arm, seed)[:24]}.json"


class _Base:
    """The base model, measured once; the stores make that cheap in a later call."""

    def __init__(self, experiment: Experiment, progress: Progress) -> None:
        spec, model = experiment.spec, experiment.base
        self.embedder = BiEncoder(model, spec.max_length, spec.encode_batch, prompts_of(spec))
        self.scores = _measured(experiment, self.embedder, model.label, progress)
        dev = _training_set(experiment)["dev"]
        corpus = texts_of(dev)
        self.corpus = small_corpus(
            dev, Searcher(self.embedder, corpus, model.label).run(dev.queries, spec.dev_depth), spec.dev_depth
        )


def _run(experiment: Experiment, base: _Base, arm: Arm, seed: int, rate: float | None, progress: Progress) -> Run:
    """One arm with one seed; without a `rate`, every one of the grid is tried and dev chooses."""
    if not arm.trains:
        evidence = shortcuts(base.embedder, experiment.collection, experiment.probes)
        return Run(arm.name, seed, None, {}, base.scores, evidence, 0, 0, 0.0)
    spec, started = experiment.spec, time.monotonic()
    tried: dict[str, float | None] = {}
    best: Any = None
    lost: Diverged | None = None
    for learning_rate in (rate,) if rate is not None else experiment.comparison.learning_rates:
        settings = spec.model_copy(update={"learning_rate": learning_rate})
        scratch = experiment.workspace.root / "runs" / f"{experiment.key(arm, seed)[:20]}-{learning_rate}"
        scratch.mkdir(parents=True, exist_ok=True)
        try:
            trained = train_model(
                settings, experiment.base, experiment.guide, experiment.examples(arm.name), scratch,
                seed=seed, check=_check(experiment, base), progress=progress,
                name=f"{arm.name}, seed {seed}, learning rate {learning_rate:g}",
            )  # fmt: skip
        except Diverged as error:
            tried[str(learning_rate)], lost = None, error
            continue
        assert trained.dev is not None
        tried[str(learning_rate)] = round(trained.dev, FIGURES)
        if best is None or trained.dev > best[1].dev:  # of equals the first
            best = (learning_rate, trained)
    if best is None:
        assert lost is not None
        raise Diverged(f"arm {arm.name}, seed {seed}, learning rates {', '.join(tried)}: {lost}")
    seconds = time.monotonic() - started
    embedder = InTraining(best[1].model, spec.encode_batch)
    scores = _measured(experiment, embedder, arm.name, progress)
    evidence = shortcuts(embedder, experiment.collection, experiment.probes)
    shutil.rmtree(experiment.workspace.root / "runs", ignore_errors=True)
    return Run(
        arm.name, seed, best[0], tried, scores, evidence, experiment.slots(arm.name), best[1].steps, round(seconds, 1)
    )


def _check(experiment: Experiment, base: _Base) -> Check:
    dev = _training_set(experiment)["dev"]

    def check(model: Any) -> Mapping[str, float]:  # noqa: ANN401
        searcher = Searcher(InTraining(model, experiment.spec.encode_batch), base.corpus, "in training")
        return means(score_run(searcher.run(dev.queries), dev.qrels))

    return check


def _measured(experiment: Experiment, embedder: Embedder, label: str, progress: Progress) -> Scores:
    """Every set, its corpus encoded once, and of the training set's splits the reading without leakage."""
    trained = {positive_id for _, positive_id in experiment.pairs}
    found: dict[str, Any] = {}
    for name, splits in experiment.sets.items():
        corpus = texts_of(next(iter(splits.values())))
        found[name] = measure(Searcher(embedder, corpus, label, progress), splits).scores
        if name == experiment.name:
            for split, part in splits.items():
                if 0 < len(new := unseen(part, trained)) < len(part.queries):
                    found[name][split + UNSEEN] = {query_id: found[name][split][query_id] for query_id in new}
    return found


def _training_set(experiment: Experiment) -> dict[str, Collection]:
    return experiment.sets[experiment.name]


def read_run(path: Path) -> Run | None:
    """A committed run."""
    try:
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # absent, or not whole
        return None


def rows_of(runs: Sequence[Run]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of results.parquet (means) and of scores.parquet (a row per query)."""
    results, scores = [], []
    for run in runs:
        for dataset, splits in run.scores.items():
            for split, by_query in splits.items():
                where = {"arm": run.arm, "seed": run.seed, "dataset": dataset, "split": split}
                for metric, value in means(by_query).items():
                    results.append({**where, "metric": metric, "value": value})
                for query_id, values in by_query.items():
                    for metric, value in values.items():
                        scores.append({**where, "metric": metric, "query_id": query_id, "value": value})
    return results, scores
