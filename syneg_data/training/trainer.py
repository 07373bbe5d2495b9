"""The trainer: examples in, a trained model out, with checkpoints that a later run goes on from."""

import contextlib
import io
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syneg_data.errors import InputError, StorageError, SynegError
from syneg_data.execution import Progress
from syneg_data.loading import device, quiet_loading
from syneg_data.references import Resolved
from syneg_data.training import Training
from syneg_data.training.checkpoints import last_whole, watcher
from syneg_data.training.examples import Examples, refuse_unfit
from syneg_data.training.student import load_model

MAIN_METRIC = "nDCG@10"


@dataclass(frozen=True, slots=True)
class Point:
    """A step of a run as the curves show it; `dev` is the main metric where it was measured."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    dev: float | None = None


@dataclass(frozen=True)
class Trained:
    """The model with the best weights, the step that they are of, and how it got there."""

    model: Any
    best_step: int
    steps: int
    points: list[Point]

    @property
    def dev(self) -> float | None:
        """The main metric on dev of the best weights; None without checks."""
        return max((point.dev for point in self.points if point.dev is not None), default=None)


Check = Callable[[Any], Mapping[str, float]]  # a sentence-transformers model -> its metrics on dev


def steps_of(spec: Training, examples: int, devices: int = 1) -> int:
    """Steps of a whole run, each of `batch_size` examples on every device."""
    return spec.epochs * math.ceil(examples / (spec.batch_size * devices))


def device_count() -> int:
    """Processes that train together, as torchrun or accelerate started them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def train_model(
    spec: Training,
    base: Resolved,
    guide: Any,  # noqa: ANN401
    examples: Examples,
    folder: Path,
    *,
    seed: int,
    check: Check | None,
    progress: Progress,
    name: str = "train",
    save_after: float = 120.0,
) -> Trained:
    """Train, or go on from the last whole checkpoint in `folder`.

    Args:
        spec: settings.
        base: the model to start from.
        guide: a loaded sentence-transformers model for the objective `guided`, else None.
        examples: what to train on.
        folder: for checkpoints; of this run alone.
        seed: of shuffling and dropout.
        check: measures a model on dev; None: the last weights are the best.
        progress: hears of every step.
        name: of the run, for `progress`.
        save_after: seconds between checkpoints; several processes save at checks only, for they would have to agree.

    Raises:
        InputError: the examples do not fit.
        Diverged: the loss is not a number; the last good checkpoint stays.
        StorageError: the disk is full.
    """
    refuse_unfit(spec, examples)
    with quiet_loading(base.label):
        import sentence_transformers.sentence_transformer.trainer  # noqa: F401
    model = load_model(spec, base)
    steps = steps_of(spec, len(examples), device_count())
    trainer = _trainer(spec, model, guide, examples, folder, seed, steps, check)
    resumed = last_whole(folder)
    trainer.add_callback(watcher(progress, folder, save_after if device_count() == 1 else math.inf))
    progress.start(name, steps, "steps")
    try:
        with _failures(folder):
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    finally:
        progress.finish()
    best = trainer.state.best_model_checkpoint
    at = int(best.rpartition("-")[2]) if best else trainer.state.global_step
    return Trained(trainer.model, at, trainer.state.global_step, _curve(trainer.state.log_history))


def _trainer(
    spec: Training,
    model: Any,  # noqa: ANN401
    guide: Any,  # noqa: ANN401
    examples: Examples,
    folder: Path,
    seed: int,
    steps: int,
    check: Check | None,
) -> Any:  # noqa: ANN401
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from transformers import EarlyStoppingCallback, PrinterCallback

    columns: dict[str, Any] = {**examples.columns()}
    # The model's own prompts too: what is encoded with them afterwards must have been trained with them.
    of_query = model.prompts.get("query", "")
    of_document = next((model.prompts[name] for name in ("document", "passage", "corpus") if name in model.prompts), "")
    prompts = {column: of_query if column == "query" else of_document for column in columns}
    if spec.objective.needs_scores:
        columns["scores"] = [list(scores) for scores in examples.scores or ()]
    every = max(1, steps // max(1, spec.checks))
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        max_steps=steps,  # not epochs: a sampler that keeps duplicates apart may make fewer batches of a pass
        per_device_train_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        warmup_steps=spec.warmup,
        prompts={column: prompt for column, prompt in prompts.items() if prompt},
        batch_sampler="no_duplicates" if spec.duplicates == "apart" else "batch_sampler",
        seed=seed,
        data_seed=seed,
        bf16=spec.precision == "bfloat16",
        use_cpu=device() == "cpu",
        eval_strategy="no" if check is None else "steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,  # the best and the last
        load_best_model_at_end=check is not None,
        restore_callback_states_from_checkpoint=True,  # how long early stopping has waited
        metric_for_best_model=None if check is None else f"eval_{MAIN_METRIC}",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        ddp_timeout=7200,  # seconds; the first process evaluates while the others wait
        dataloader_pin_memory=device() != "cpu",
    )
    if arguments.n_gpu > 1:  # without torchrun one device trains; DataParallel would multiply the batch unseen
        arguments._n_gpu = 1
    with contextlib.redirect_stderr(io.StringIO()):  # a bar about a card that is not used
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict(columns),
            loss=spec.objective.loss(model, guide, device_count()),
            evaluator=None if check is None else _evaluator(check),
        )
    trainer.remove_callback(PrinterCallback)
    if spec.patience is not None and check is not None:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=spec.patience))
    return trainer


def _evaluator(check: Check) -> Any:  # noqa: ANN401
    from sentence_transformers.sentence_transformer.evaluation import SentenceEvaluator

    class OnDev(SentenceEvaluator):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.primary_metric = MAIN_METRIC

        def __call__(self, model: Any, *_: Any, **__: Any) -> dict[str, float]:  # noqa: ANN401
            return dict(check(model))

    return OnDev()


@contextlib.contextmanager
def _failures(folder: Path) -> Iterator[None]:
    """Turn the ways in which libraries report a full disk or a full device into errors that say so."""
    try:
        yield
    except SynegError:
        raise
    except Exception as error:
        said = str(error)
        if shutil.disk_usage(folder).free < 1 << 20 or "No space left" in said or "File too large" in said:
            raise StorageError(f"{folder}: the disk is full; free space, and the same command resumes") from error
        if "out of memory" in said:
            raise InputError(
                "training: the device ran out of memory; lower batch_size or max_length, or choose objective "
                "kind: cached_ranking"
            ) from error
        raise


def _curve(history: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The trainer's log as one point per step."""
    dev = {int(entry["step"]): float(v) for entry in history if (v := entry.get(f"eval_{MAIN_METRIC}")) is not None}
    return [
        Point(
            int(entry["step"]), float(entry["epoch"]), float(entry["loss"]), float(entry["learning_rate"]),
            dev.get(int(entry["step"])),
        )
        for entry in history
        if "loss" in entry
    ]  # fmt: skip
