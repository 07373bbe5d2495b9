"""Checkpoints: when one is written, which of them is whole, and when a run must not go on."""

import math
import shutil
import time
from pathlib import Path
from typing import Any

from syneg_data.durable import write_json
from syneg_data.errors import InputError
from syneg_data.execution import Progress

_WHOLE = "whole.json"  # written into a checkpoint last; one without it was cut off


class Diverged(InputError):
    """The loss is not a finite number."""


def watcher(progress: Progress, folder: Path, save_after: float) -> Any:  # noqa: ANN401
    """A callback of the trainer that reports steps, marks whole checkpoints, and stops at a loss that is no number.

    Args:
        progress: hears of every step.
        folder: of the checkpoints.
        save_after: seconds between checkpoints.

    Raises:
        Diverged: from within the training.
    """
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        """Before anything of a step is saved, its loss is looked at."""

        saved = time.monotonic()

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
            if state.global_step:
                progress.advance(state.global_step, reused=True)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
            progress.advance(1)
            if time.monotonic() - self.saved > save_after:
                control.should_save = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ANN401
            loss = (logs or {}).get("loss")
            if loss is not None and not math.isfinite(loss):
                kept = last_whole(folder)
                where = f"the checkpoint of step {kept.name.rpartition('-')[2]} is kept" if kept else "nothing is saved"
                raise Diverged(
                    f"training: the loss of step {state.global_step} is not a finite number; {where}: lower "
                    "learning_rate, raise the temperature, or use precision: float32"
                )

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
            self.saved = time.monotonic()
            if state.is_world_process_zero:
                write_json(folder / f"checkpoint-{state.global_step}" / _WHOLE, {"step": state.global_step})

    return Watcher()


def last_whole(folder: Path) -> Path | None:
    """The latest checkpoint that was written to its end; cut-off ones are removed."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        if (path / _WHOLE).is_file():
            whole.append(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
