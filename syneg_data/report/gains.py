"""What `train` shows in the end: every split before and after, with intervals, in words too."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from rich.console import Console
from rich.table import Table

from syneg_data.training.metrics import METRICS


def print_gains(facts: Mapping[str, Any], folder: str) -> None:
    """The table of a training run.

    Args:
        facts: what training.json holds.
        folder: where it is.
    """
    console = Console(highlight=False)
    table = Table(title=f"{facts['base']}, trained on {facts['examples']} examples", title_justify="left")
    for name in ("split", "metric", "before", "after", "gain", "95 % interval"):
        table.add_column(name, justify="left" if name in ("split", "metric") else "right", no_wrap=True)
    for split, before in facts["before"].items():
        _rows(table, split, before, facts["after"][split], facts["gain"][split])
        new = facts["unseen"][split]
        if 0 < new["queries"] < new["of"]:
            label = f"{split},\nno positive\ntrained on:\n{new['queries']} of {new['of']}\nqueries"
            _rows(table, label, new["before"], new["after"], new["gain"])
    if facts["before"]:
        console.print(table)
    for split, gains in facts["gain"].items():
        if gains["nDCG@10"]:
            chosen = " (chose the weights, which flatters it)" if split == "dev" and facts["settings"]["checks"] else ""
            console.print(f"{split}{chosen}: {in_words(gains['nDCG@10'])}", markup=False)
            console.print(f"{split}: {beside_bm25(facts, split)}", markup=False)
            new = facts["unseen"][split]
            if 0 < new["queries"] < new["of"] and (gain := new["gain"]["nDCG@10"]):
                console.print(f"{split}, no positive trained on: {in_words(gain)}", markup=False)
    if facts["license"] is None:
        console.print("no licence follows for the model (its card says why): name one with --license to publish it")
    console.print(
        f"{facts['steps']} steps in {facts['seconds']:.0f} s, best weights of step {facts['best_step']}; "
        f"model, runs and curves in {folder}",
        markup=False,
    )


def in_words(gain: Mapping[str, Any]) -> str:
    """What an interval of nDCG@10 differences says."""
    figures = f"nDCG@10 {gain['mean']:+.4f}, 95 % interval {gain['low']:+.4f} to {gain['high']:+.4f}"
    if gain["low"] > 0:
        return f"training helped ({figures})"
    if gain["high"] < 0:
        return f"training HURT ({figures}); do not use this model"
    return f"no effect was found ({figures}, over {gain['queries']} queries)"


def beside_bm25(facts: Mapping[str, Any], split: str) -> str:
    """How the trained model compares with BM25 on a split of more than one query."""
    bm25 = facts["baselines"]["bm25"]
    over, value = bm25["gain"][split]["nDCG@10"], bm25["metrics"][split]["nDCG@10"]
    told = "better than" if over["low"] > 0 else "worse than" if over["high"] < 0 else "not told apart from"
    return (
        f"{told} BM25, which has {value:.4f} (difference {over['mean']:+.4f}, 95 % interval {over['low']:+.4f} to "
        f"{over['high']:+.4f})"
    )


def _rows(
    table: Table, split: str, before: Mapping[str, float], after: Mapping[str, float], gain: Mapping[str, Any]
) -> None:
    for metric, words in zip_longest(METRICS, split.split("\n"), fillvalue=""):
        shown = ("-", "-")
        if difference := gain[metric]:
            shown = (f"{difference['mean']:+.4f}", f"{difference['low']:+.4f} .. {difference['high']:+.4f}")
        table.add_row(words, metric, f"{before[metric]:.4f}", f"{after[metric]:.4f}", *shown)
