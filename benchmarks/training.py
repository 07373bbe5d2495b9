"""Training: our trainer beside a bare sentence-transformers script, and our evaluation beside the library's."""

from collections.abc import Callable

from benchmarks.cases import evaluation, steps
from benchmarks.results import Row

CASES: dict[str, Callable[[bool], list[Row]]] = {
    "training_steps": steps.run,
    "evaluation": evaluation.run,
}
