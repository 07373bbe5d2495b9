"""False negatives that were planted: how many a gate catches, and how many true negatives it loses for that."""

from collections.abc import Callable

from benchmarks.cases import choice, planted
from benchmarks.results import Row

CASES: dict[str, Callable[[bool], list[Row]]] = {"planted": planted.run, "choice": choice.run}
