"""How the judge measures a model: one search per split, metrics per query, and the two readings of leakage."""

from collections.abc import Collection as Ids
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syneg_data.collection import Collection, linked
from syneg_data.training.evaluation import Run, Searcher
from syneg_data.training.metrics import METRICS, means, score_run
from syneg_data.training.statistics import Interval, paired_interval

Scores = Mapping[str, Mapping[str, float]]  # query_id -> metric -> value
FIGURES = 4  # decimals of every figure that is written down


@dataclass(frozen=True)
class Measured:
    """A model on every split: what it ranked, and each query's metrics."""

    runs: dict[str, Run] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)

    def averages(self) -> dict[str, dict[str, float]]:
        """Split -> metric -> mean, as it is written down."""
        return {split: rounded(means(scores)) for split, scores in self.scores.items()}


def measure(searcher: Searcher, splits: Mapping[str, Collection]) -> Measured:
    """Search and score every split with one model."""
    runs = {split: searcher.run(part.queries) for split, part in splits.items()}
    return Measured(runs, {split: score_run(run, splits[split].qrels) for split, run in runs.items()})


def unseen(split: Collection, trained: Ids[str]) -> list[str]:
    """The queries none of whose positives is among the documents `trained` on as positives."""
    return [query_id for query_id in split.queries if not set(split.positives(query_id)) & set(trained)]


def gains(before: Scores, after: Scores, split: Collection, query_ids: Ids[str] | None = None) -> dict[str, Any]:
    """Metric -> the paired difference after - before over queries, with its 95 % interval.

    Queries with a common positive are drawn together; fewer than two such groups have no interval: None.

    Args:
        before: of the one model.
        after: of the other.
        split: that they are of.
        query_ids: only these; None: all.
    """
    import numpy as np

    chosen = [query_id for query_id in after if query_ids is None or query_id in query_ids]
    number = linked(split.pairs())
    groups = [number[query_id] for query_id in chosen]
    if len(set(groups)) < 2:
        return dict.fromkeys(METRICS)
    found = {}
    for metric in METRICS:
        differences = np.array([[after[q][metric] - before[q][metric] for q in chosen]])
        found[metric] = as_json(paired_interval(differences, groups=groups))
    return found


def only(scores: Scores, query_ids: Ids[str]) -> Scores:
    """The scores of some queries."""
    return {query_id: values for query_id, values in scores.items() if query_id in set(query_ids)}


def as_json(interval: Interval) -> dict[str, Any]:
    """An interval as it is written down."""
    return {
        "mean": round(interval.mean, FIGURES),
        "low": round(interval.low, FIGURES),
        "high": round(interval.high, FIGURES),
        "level": interval.level,
        "queries": interval.queries,
        "seeds": interval.seeds,
        "covers": interval.covers,
    }


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Figures as they are written down."""
    return {name: round(value, FIGURES) for name, value in values.items()}
