"""Export: our formats beside `datasets` over the same examples, and how time and memory grow with their number."""

from collections.abc import Callable

from benchmarks.cases import exporting
from benchmarks.results import Row

CASES: dict[str, Callable[[bool], list[Row]]] = {"formats": exporting.run}
