"""What the rows of a build add up to, counted in one pass: fates by origin, scores by source, thresholds by query."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syneg_data.generation.replies import FAILED
from syneg_data.validation.calibration import Joint

if TYPE_CHECKING:
    import pyarrow as pa

# What became of a candidate, best first, as the page names and colours it.
FATES = {
    "used": "used",
    "relabelled": "relabelled as positive",
    "not_selected": "kept, not used",
    "ambiguous": "ambiguous",
    "too_easy": "too easy",
    "false_negative": "false negative",
    "duplicate": "duplicate",
    "failed": "no score",
}
BINS = 20
_SOURCES = 8  # histograms; smaller sources share one
_COLUMNS = (
    "query_id",
    "origin",
    "sources",
    "relevance",
    "positive_relevance",
    "stage",
    "verdict",
    "reason",
    "selected",
)
_ROWS = 10_000  # of a batch, so that a large build is never in memory as Python objects

Threshold = Callable[[float | None], float | None]


@dataclass
class Tally:
    """Counts over `candidates`.

    Attributes:
        fates: (origin, stage, fate) -> candidates; at the stage `mine` the fate is the guard's reason.
        edges: of the bins of relevance, one more than bins.
        scores: source -> fate -> candidates by bin; largest source first.
        positives: by bin, one per query: the positive that its candidates are held against.
        thresholds: of each query that has one, sorted.
        levels: thresholds that hold for an average query, or for all.
    """

    fates: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    edges: list[float] = field(default_factory=list)
    scores: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    positives: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)

    def band(self) -> tuple[float, float] | None:
        """Where the thresholds of nine queries of ten lie; None where all have the same, or none is known."""
        if not self.thresholds or self.thresholds[0] == self.thresholds[-1]:
            return None
        last = len(self.thresholds) - 1
        return self.thresholds[round(0.05 * last)], self.thresholds[round(0.95 * last)]


def fate_of(row: Mapping[str, Any]) -> str:
    """What became of a row of `candidates`; one of FATES."""
    if row["reason"] == "relabelled":
        return "relabelled"
    if row["verdict"] == "keep":
        return "used" if row["selected"] else "not_selected"
    return str(row["verdict"])


def source_of(row: Mapping[str, Any]) -> str:
    """Where it came from, as examples name it: `mined:bm25+dense`, `synthetic:syneg`."""
    return f"{row['origin']}:{'+'.join(hit['source'] for hit in row['sources'])}"


def tally_of(candidates: "pa.Table", validation: Mapping[str, Any]) -> Tally:
    """Count the candidates of a build.

    Args:
        candidates: the config of that name.
        validation: the section of report.json.
    """
    found, threshold = Tally(edges=_edges(candidates)), threshold_of(validation)
    sources: dict[str, dict[str, list[int]]] = {}
    references: dict[str, float] = {}
    for batch in candidates.select(list(_COLUMNS)).to_batches(max_chunksize=_ROWS):
        for row in batch.to_pylist():
            fate = fate_of(row)
            found.fates[row["origin"], row["stage"], row["reason"] if row["stage"] == "mine" else fate] += 1
            if row["relevance"] is None or row["stage"] == "restyle":
                continue
            bins = sources.setdefault(source_of(row), {}).setdefault(fate, [0] * BINS)
            bins[_bin(row["relevance"], found.edges)] += 1
            if row["positive_relevance"] is not None:
                references.setdefault(row["query_id"], row["positive_relevance"])
    found.scores = _largest(sources)
    found.positives = [0] * BINS
    for value in references.values():
        found.positives[_bin(value, found.edges)] += 1
    found.thresholds = sorted(t for value in references.values() if (t := threshold(value)) is not None)
    found.levels = _levels(validation, found.thresholds)
    return found


def threshold_of(validation: Mapping[str, Any]) -> Threshold:
    """The highest relevance that is no false negative, of the relevance of the positive that a candidate is held to.

    It answers None where the report does not tell: several rerankers with curves of their own each have a threshold.
    """
    bars = deciding(validation)
    first = bars[0] if bars else {}
    if len({tuple(sorted(bar.items())) for bar in bars}) != 1:
        return lambda _: None
    if first["rule"] == "relative":
        margin = first["margin"]
        return lambda reference: None if reference is None else round(reference - margin * abs(reference), 4)
    if "lean" in first:
        curve = Joint((), 0.0, (), first["maximum"], 0.0, first["lean"], first["middle"])
        return lambda reference: None if reference is None else round(curve.threshold(reference), 4)
    level = first["maximum"]
    return lambda _: level if math.isfinite(level) else None


def drafts_by_state(stages: Mapping[str, Any]) -> dict[str, int]:
    """Drafts that came to nothing, by the state of their last reply."""
    entry = stages.get("generate", {"rejected": {}, "failed": {}})
    return {**entry["rejected"], **entry["failed"]}


def is_failure(state: str) -> bool:
    """Whether a reply of this state was none, rather than one that was refused."""
    return state in FAILED


def deciding(validation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The fitted rules that decide: that of the joint curve, or those of all rerankers."""
    if joint := validation.get("joint"):
        return [joint]
    return [reranker["bar"] for reranker in validation.get("rerankers", [])]


def _levels(validation: Mapping[str, Any], thresholds: Sequence[float]) -> list[float]:
    levels = {bar["maximum"] for bar in deciding(validation) if math.isfinite(bar.get("maximum", math.nan))}
    if not levels and thresholds:
        levels = {thresholds[len(thresholds) // 2]}
    return sorted(levels)


def _edges(candidates: "pa.Table") -> list[float]:
    """Of BINS equal bins: from 0 to 1 where relevance is a probability or a cosine above 0, else over what there is."""
    import pyarrow.compute as pc

    ends = [pc.min_max(candidates[name]).as_py() for name in ("relevance", "positive_relevance")]
    low = min((end["min"] for end in ends if end["min"] is not None), default=0.0)
    high = max((end["max"] for end in ends if end["max"] is not None), default=1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    width = (high - low or 1.0) / BINS
    return [low + width * i for i in range(BINS)] + [low + width * BINS]


def _bin(value: float, edges: Sequence[float]) -> int:
    return min(max(int((value - edges[0]) / (edges[-1] - edges[0]) * BINS), 0), BINS - 1)


def _largest(sources: Mapping[str, dict[str, list[int]]]) -> dict[str, dict[str, list[int]]]:
    """The largest sources, and the others of each origin as one."""
    ordered = sorted(sources, key=lambda name: (-sum(map(sum, sources[name].values())), name))
    shown = ordered if len(ordered) <= _SOURCES else ordered[: _SOURCES - 2]
    found = {name: sources[name] for name in shown}
    for name in ordered[len(shown) :]:
        rest = found.setdefault(f"{name.partition(':')[0]}:(others)", {})
        for fate, bins in sources[name].items():
            rest[fate] = [a + b for a, b in zip(rest.get(fate, [0] * BINS), bins, strict=True)]
    return found
