"""How things are measured: in turn, in processes of their own, and what the machine is."""

import contextlib
import multiprocessing
import os
import platform
import re
import statistics
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class Skipped(Exception):
    """A case that cannot be run here, and why."""


def in_turn(runs: int, *measures: Callable[[], T]) -> list[list[T]]:
    """What each of `measures` returned in each run: A B A B ..., so that a change of the machine meets all alike."""
    taken: list[list[T]] = [[] for _ in measures]
    for _ in range(runs):
        for mine, measure in zip(taken, measures, strict=True):
            mine.append(measure())
    return taken


def median(values: list[float]) -> float:
    """The median."""
    return float(statistics.median(values))


def apart(function: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401
    """What `function` returns in a fresh process, with memory and threads of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


@contextlib.contextmanager
def fresh_store() -> Iterator[Path]:
    """An empty store for the time of the body; the models are those of the store before."""
    before = Path(os.environ["SYNEG_CACHE"])
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        (Path(scratch) / "models").symlink_to((before / "models").resolve())
        os.environ["SYNEG_CACHE"] = scratch
        try:
            yield Path(scratch)
        finally:
            os.environ["SYNEG_CACHE"] = str(before)


class PeakMemory:
    """The most resident memory that this process takes from now on, beyond what it has now.

    getrusage would not do: its figure starts with that of the process that started this one, and never goes down.
    """

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the peak is what is resident now
        except OSError as error:
            raise Skipped(f"this kernel does not reset the peak of memory ({error.strerror})") from error
        self._before = _resident("VmRSS")

    def kib(self) -> float:
        """How much more it was at most."""
        return float(_resident("VmHWM") - self._before)


def peak_resident() -> float:
    """The most resident memory that this process has had since it started, in MiB; to be asked in a fresh process."""
    return _resident("VmHWM") / 1024


def _resident(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise Skipped(f"this kernel does not tell {name}")
    return int(found.group(1))


def machine() -> str:
    """This machine in words, without its name."""
    model, memory = platform.machine(), ""
    with contextlib.suppress(OSError):
        if found := re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            model = found.group(1).strip()
        if found := re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE):
            memory = f", {int(found.group(1)) // 2**20} GiB"
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {model}{memory}"
