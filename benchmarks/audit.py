"""The audit: whether it finds shortcuts that were planted, at every strength, and what it costs."""

from collections.abc import Callable

from benchmarks.cases import burden, tells
from benchmarks.results import Row

CASES: dict[str, Callable[[bool], list[Row]]] = {"tells": tells.measure, "cost": burden.measure}
