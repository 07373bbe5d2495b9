"""map_chunks: how the fixed chunks of a stage are mapped over workers, and nothing else."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from syneg_data.records import R
from syneg_data.workspace import Chunks

T = TypeVar("T")


class Progress(Protocol):
    """Hears how far a stage is; `reused` items were there from an earlier run and say nothing about speed."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """A stage of `total` items begins."""

    def advance(self, items: int, *, reused: bool = False) -> None:
        """`items` more are done."""

    def finish(self) -> None:
        """The stage has ended."""


class Silence:
    """A Progress that nobody hears."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Say nothing."""

    def advance(self, items: int, *, reused: bool = False) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


def map_chunks(
    name: str,
    unit: str,
    stage: Chunks[R],
    items: Sequence[T],
    compute: Callable[[Sequence[T]], list[R]],
    progress: Progress,
    final: Callable[[list[R]], bool] = lambda rows: True,
) -> list[R]:
    """Rows of all chunks in order; chunks that are committed already are read, not computed.

    A chunk whose rows are not `final` (something was unavailable) is used but not committed: a later run computes it
    again.

    Chunks are cut by position alone, so a resumed run has the same chunks, hence the same batches, as one that was
    never stopped.
    """
    progress.start(name, len(items), unit)
    try:
        return _map_chunks(stage, items, compute, progress, final)
    finally:
        progress.finish()


def _map_chunks(
    stage: Chunks[R],
    items: Sequence[T],
    compute: Callable[[Sequence[T]], list[R]],
    progress: Progress,
    final: Callable[[list[R]], bool],
) -> list[R]:
    rows: list[R] = []
    complete = True
    chunks = range(0, len(items), stage.size)
    for index, start in enumerate(chunks):
        part = items[start : start + stage.size]
        done = stage.read(index)
        if done is None:
            done = compute(part)
            if final(done):
                stage.commit(index, done)
            else:
                stage.computed += 1
                complete = False
            progress.advance(len(part))
        else:
            progress.advance(len(part), reused=True)
        rows.extend(done)
    if complete:
        stage.finish(len(chunks))
    return rows
