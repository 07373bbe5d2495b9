"""Exact top-k with one tie rule everywhere: score descending, then doc_id ascending. Miners and the judge rank so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORE_DECIMALS = 5  # the same vectors give sums that differ by 1e-7 between machines; ties must not depend on it


class Index(Protocol):
    """A corpus made searchable by one miner."""

    def search(self, query: str, k: int) -> list[tuple[str, float]]:
        """The best `k` (doc_id, score) by (score desc, doc_id asc), fewer if fewer qualify."""


class TieRanks:
    """Turns score vectors over a fixed list of documents into ranked ids."""

    def __init__(self, doc_ids: Sequence[str]) -> None:
        import numpy as np

        self.doc_ids = doc_ids
        self._by_id = np.empty(len(doc_ids), dtype=np.int64)
        self._by_id[np.array(sorted(range(len(doc_ids)), key=doc_ids.__getitem__), dtype=np.int64)] = np.arange(
            len(doc_ids)
        )

    def top(self, scores: "NDArray[np.floating]", k: int, above: float | None = None) -> list[tuple[str, float]]:
        """The best `k` of `scores` (one per document, any float dtype), only those greater than `above`."""
        import numpy as np

        rounded = np.round(scores.astype(np.float64), SCORE_DECIMALS)
        rows = np.flatnonzero(np.isfinite(rounded) if above is None else rounded > above)
        if len(rows) > k:
            # Keep everything that ties with the k-th score: which of them come first is decided by id below.
            kth = np.partition(rounded[rows], len(rows) - k)[len(rows) - k]
            rows = rows[rounded[rows] >= kth]
        order = np.lexsort((self._by_id[rows], -rounded[rows]))[:k]
        return [(self.doc_ids[row], float(rounded[row])) for row in rows[order]]
