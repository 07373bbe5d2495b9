"""The worth of the gate: retrievers trained on mined negatives that passed it, and on some that did not have to."""

from collections.abc import Callable
from functools import partial

from benchmarks.cases import worth
from benchmarks.results import Row

_ARMS = ("none", "bm25", "nearest", "dense", "gated")


def _run(ground: worth.Ground, quick: bool) -> list[Row]:
    return worth.measure(worth.recipe(ground), _ARMS, "gated", quick, ground.limit)


CASES: dict[str, Callable[[bool], list[Row]]] = {
    ground.name: partial(_run, ground) for ground in (worth.SCIFACT, worth.MEDQUAD)
}
