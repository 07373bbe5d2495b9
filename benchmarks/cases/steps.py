"""training_steps: steps per second of our trainer, and of a bare sentence-transformers script over the same data."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import retrieval
from benchmarks.measuring import PeakMemory, apart, in_turn, median
from benchmarks.results import Row, row

_RUNS, _STEPS, _BATCH, _LENGTH = 5, 24, 8, 64
_QUICK_RUNS, _QUICK_STEPS = 2, 6


@dataclass(frozen=True)
class _Cost:
    rate: float  # steps per second, checkpoint at the end included
    memory: float  # KiB at the peak, beyond the loaded model
    loss: float  # of the last step


def run(quick: bool) -> list[Row]:
    """Rate and memory."""
    retrieval.base()
    runs, steps = (_QUICK_RUNS, _QUICK_STEPS) if quick else (_RUNS, _STEPS)
    ours, bare = in_turn(runs, lambda: apart(_ours, steps), lambda: apart(_bare, steps))
    if (a := ours[0].loss) != (b := bare[0].loss):
        raise AssertionError(f"the two did not train alike: losses {a} and {b}")
    what = f"training_steps: {steps} steps of {_BATCH} examples, 2 hard negatives, {_LENGTH} tokens, {retrieval.LABEL}"
    peer = "bare SentenceTransformerTrainer"
    rate, peer_rate = median([cost.rate for cost in ours]), median([cost.rate for cost in bare])
    memory, peer_memory = median([cost.memory for cost in ours]), median([cost.memory for cost in bare])
    return [
        row(what, "steps", "steps/s", rate, peer_rate, peer, runs, ">= 0.98 of its steps/s", rate >= 0.98 * peer_rate),
        row(
            what, "peak memory beyond the loaded model", "MiB", memory / 1024, peer_memory / 1024, peer, runs,
            "at most 1.05 of it", memory <= 1.05 * peer_memory,
        ),
    ]  # fmt: skip


def _ours(steps: int) -> _Cost:
    from syneg_data.execution import Silence
    from syneg_data.training.trainer import train_model

    spec, base, examples = retrieval.settings(_BATCH, _LENGTH), retrieval.base(), retrieval.examples(steps * _BATCH)
    retrieval.warm(base)
    with tempfile.TemporaryDirectory() as folder:
        memory, started = PeakMemory(), time.monotonic()
        trained = train_model(spec, base, None, examples, Path(folder), seed=13, check=None, progress=Silence())
        seconds = time.monotonic() - started
        return _Cost(trained.steps / seconds, memory.kib(), trained.points[-1].loss)


def _bare(steps: int) -> _Cost:
    """What the library's documentation shows, with the same settings; it logs as often and saves as often."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    spec, base, examples = retrieval.settings(_BATCH, _LENGTH), retrieval.base(), retrieval.examples(steps * _BATCH)
    retrieval.warm(base)
    with tempfile.TemporaryDirectory() as folder:
        memory, started = PeakMemory(), time.monotonic()
        model = SentenceTransformer(str(base.path), device="cpu", local_files_only=True)
        model.max_seq_length = _LENGTH
        columns: dict[str, Any] = {**examples.columns()}
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=_BATCH, learning_rate=spec.learning_rate,
            warmup_steps=spec.warmup, batch_sampler="no_duplicates", seed=13, data_seed=13, use_cpu=True,
            save_strategy="steps", save_steps=steps, logging_steps=1, disable_tqdm=True, report_to="none",
            dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=Dataset.from_dict(columns),
            loss=MultipleNegativesRankingLoss(model, scale=20.0),
        )  # fmt: skip
        trainer.train()
        seconds = time.monotonic() - started
        loss = next(entry["loss"] for entry in reversed(trainer.state.log_history) if "loss" in entry)
        return _Cost(steps / seconds, memory.kib(), loss)
