"""Ranked lists with one tie rule everywhere: score descending, then doc_id ascending. Miners and the judge rank so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORE_DECIMALS = 5  # the same vectors give sums that differ by 1e-7 between machines; ties must not depend on it
_GROUP = 64  # scores of which only the best is looked at to find out how good a score must be

Ranked = list[tuple[str, float]]


class Index(Protocol):
    """A corpus made searchable by one miner."""

    def search(self, query_ids: Sequence[str], k: int) -> list[Ranked]:
        """The best `k` (doc_id, score) of each query by (score desc, doc_id asc), fewer if fewer qualify."""


class TieRanks:
    """The tie rule over a fixed list of documents."""

    def __init__(self, doc_ids: Sequence[str]) -> None:
        import numpy as np

        self.doc_ids = doc_ids
        by_id = np.array(sorted(range(len(doc_ids)), key=doc_ids.__getitem__), dtype=np.int64)
        self.rank = np.empty(len(doc_ids), dtype=np.int64)
        """Of every document, its place in the order of ids: where scores are equal, the lower comes first."""
        self.rank[by_id] = np.arange(len(doc_ids))

    def top(self, scores: "NDArray[np.floating]", k: int, above: float | None = None) -> Ranked:
        """The best `k` of `scores` (one per document, any float dtype), only those greater than `above`.

        Scores that are not finite are left out.
        """
        import numpy as np

        floor = -np.inf if above is None else above
        bar = max(floor, self._bar(scores, k))
        with np.errstate(invalid="ignore"):
            rows = np.flatnonzero(scores >= bar)
        rounded = np.round(scores[rows].astype(np.float64), SCORE_DECIMALS)
        fit = np.isfinite(rounded) & (rounded > floor)
        rows, rounded = rows[fit], rounded[fit]
        if len(rows) > k:
            # Keep everything that ties with the k-th score: which of them come first is decided by id below.
            kth = np.partition(rounded, len(rows) - k)[len(rows) - k]
            rows, rounded = rows[rounded >= kth], rounded[rounded >= kth]
        order = np.lexsort((self.rank[rows], -rounded))[:k]
        ids = [self.doc_ids[row] for row in rows[order].tolist()]
        return list(zip(ids, rounded[order].tolist(), strict=True))

    def _bar(self, scores: "NDArray[np.floating]", k: int) -> float:
        """A score that at least `k` documents reach: the k-th best of the best of each group, less the rounding."""
        import numpy as np

        groups = len(scores) // _GROUP
        if groups < 2 * k:
            return -np.inf
        best = scores[: groups * _GROUP].reshape(_GROUP, groups).max(axis=0)  # along whole rows, which is fast
        kth = float(np.partition(best, groups - k)[groups - k])  # NaN, which sorts last, would count as best
        return kth - 10.0**-SCORE_DECIMALS if np.isfinite(best).all() else -np.inf
