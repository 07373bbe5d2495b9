"""The worth of the gate: retrievers trained on mined negatives that passed it, and on some that did not have to."""

from collections.abc import Callable

from benchmarks.cases import worth
from benchmarks.results import Row

CASES: dict[str, Callable[[bool], list[Row]]] = {"scifact": worth.scifact, "medquad": worth.medquad}
