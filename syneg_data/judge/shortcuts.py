"""Shortcut evidence after training: does a model tell held-out synthetic negatives more easily than real ones?"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from syneg_data.collection import Collection
from syneg_data.records import Verdict
from syneg_data.training.evaluation import Embedder


@dataclass(frozen=True, slots=True)
class Probe:
    """A (query, positive) that no arm is trained on, with the candidates of both kinds that the gate kept."""

    query_id: str
    positive_id: str
    mined: tuple[str, ...]
    synthetic: tuple[str, ...]


def probe_pairs(collection: Collection, kept: Sequence[Verdict], held_out: AbstractSet[str]) -> list[Probe]:
    """The pairs of the `held_out` queries that have negatives of both kinds among the `kept`."""
    mined: dict[str, list[str]] = {}
    written: dict[tuple[str, str | None], list[str]] = {}
    for verdict in kept:
        if verdict.origin == "synthetic":
            written.setdefault((verdict.query_id, verdict.positive_id), []).append(verdict.doc_id)
        else:
            mined.setdefault(verdict.query_id, []).append(verdict.doc_id)
    pairs = [pair for pair in collection.pairs() if pair[0] in held_out]
    return [
        Probe(*pair, tuple(mined[pair[0]]), tuple(written[pair]))
        for pair in pairs
        if pair[0] in mined and pair in written
    ]


def shortcuts(embedder: Embedder, collection: Collection, probes: Sequence[Probe]) -> dict[str, Any]:
    """How a model tells the positives of the probes from negatives of either kind.

    Returns:
        kind -> `accuracy` (share of (positive, negative) of one query in which the positive scores higher), `gap` (mean
        cosine of the positive less that of the negative) and `comparisons`; empty without probes.
    """
    import numpy as np

    found: dict[str, Any] = {}
    if not probes:
        return found
    doc_ids = sorted({d for probe in probes for d in (probe.positive_id, *probe.mined, *probe.synthetic)})
    row = {doc_id: i for i, doc_id in enumerate(doc_ids)}
    documents = embedder.encode([collection.text(doc_id) for doc_id in doc_ids], "document")
    queries = embedder.encode([collection.queries[probe.query_id] for probe in probes], "query")
    for kind in ("mined", "synthetic"):
        gaps = []
        for query, probe in zip(queries, probes, strict=True):
            negatives = documents[[row[doc_id] for doc_id in getattr(probe, kind)]]
            gaps.append(query @ documents[row[probe.positive_id]] - negatives @ query)
        every = np.concatenate(gaps)
        found[kind] = {
            "accuracy": round(float((every > 0).mean()), 4),
            "gap": round(float(every.mean()), 4),
            "comparisons": len(every),
        }
    return found
