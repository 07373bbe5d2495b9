"""The worth of mixing: retrievers trained on the paper's arms, with a very small generator and with a larger one."""

from collections.abc import Callable

from benchmarks.cases import mixtures
from benchmarks.results import Row

CASES: dict[str, Callable[[bool], list[Row]]] = mixtures.CASES
