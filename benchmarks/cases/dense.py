"""dense_mining: hard negatives from given embeddings, ours and sentence-transformers' `mine_hard_negatives`.

Ours is timed up to the rows of candidates, the peer up to its data set. Its defaults are those of its signature, with
the output format `triplet`; beside them stands the format `n-tuple`, which it makes faster, at the default and at the
best chunk size. Comparing the texts of the corpus, which ours does once per collection and keeps, and the peer does not
do, has a row of its own.
"""

import contextlib
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.cases import corpora
from benchmarks.measuring import PeakMemory, apart, in_turn, median
from benchmarks.results import Row, row
from syneg_data.collection import Collection
from syneg_data.encoders.nearest import nearest
from syneg_data.encoders.vectors import Vectors
from syneg_data.mining import Dense
from syneg_data.mining.candidates import Source, mine_queries
from syneg_data.mining.guards import Guards, find_echoes, find_twins
from syneg_data.ranking import Ranked, TieRanks
from syneg_data.records import Candidate
from syneg_data.stages import _QUERIES_PER_MINE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Size = tuple[int, int]  # queries, documents
_SIZE, _PART, _RUNS = (20_000, 50_000), (8_192, 50_000), 3
_QUICK_SIZE, _QUICK_PART, _QUICK_RUNS = (2_000, 10_000), (1_000, 10_000), 2
_WARM: Size = (256, 2_000)
_NEGATIVES = 50
_DEFAULT, _CHUNKS, _TRIES = 16_384, (512, 1024, 2048, 4096), 2
_MEMORY: int = Dense.model_fields["max_memory"].default
_TIE = 1e-5  # the last decimal that scores keep


@dataclass(frozen=True)
class Lists:
    """The negatives of every query, best first: rows of the corpus and scores, both of shape (queries, 50)."""

    rows: "NDArray[np.int64]"
    scores: "NDArray[np.float64]"


@dataclass(frozen=True)
class _Cost:
    seconds: float
    memory: float  # KiB at the peak, beyond embeddings and texts
    found: Lists | None


def run(quick: bool) -> list[Row]:
    """Time and memory beside both ways of calling the peer, and whether it found the same."""
    size, part, runs = (_QUICK_SIZE, _QUICK_PART, _QUICK_RUNS) if quick else (_SIZE, _PART, _RUNS)
    chunk = apart(_best_chunk, part)
    ours, peer, tuples, best = in_turn(
        runs,
        lambda: apart(_ours, size),
        lambda: apart(_peer, size, _DEFAULT, "triplet"),
        lambda: apart(_peer, size, _DEFAULT, "n-tuple"),
        lambda: apart(_peer, size, chunk, "n-tuple"),
    )
    what = (
        f"dense_mining: {size[0]:,} queries, {size[1]:,} documents, {corpora.DIMENSION} dimensions, "
        f"{_NEGATIVES} negatives each"
    )
    name, tuples_name = "mine_hard_negatives, its defaults", "mine_hard_negatives, n-tuple"
    best_name = f"mine_hard_negatives, n-tuple, faiss_batch_size={chunk}, its best"
    time_ours, time_peer, time_tuples, time_best = (
        median([cost.seconds for cost in side]) for side in (ours, peer, tuples, best)
    )
    memory, memory_peer, memory_best = (median([cost.memory for cost in side]) / 1024 for side in (ours, peer, best))
    found, theirs = ours[0].found, tuples[0].found
    assert found is not None and theirs is not None
    alike, same, difference = agreement(found, theirs)
    compared = apart(_compared, size)
    return [
        row(what, "time", "s", time_ours, time_peer, name, runs, "<= 0.5 of its time", time_ours <= 0.5 * time_peer),
        row(what, "time", "s", time_ours, time_tuples, tuples_name, runs, "for the record", True),
        row(what, "time", "s", time_ours, time_best, best_name, runs, "no more", time_ours <= time_best),
        row(what, "comparing all texts, once per collection", "s", compared, None, "", 1, "for the record", True),
        row(
            what, "peak memory beyond embeddings and texts", "MiB", memory, memory_peer, name, runs,
            "<= 0.3 of its memory", memory <= 0.3 * memory_peer,
        ),
        row(
            what, "peak memory beyond embeddings and texts", "MiB", memory, memory_best, best_name, runs,
            "for the record", True,
        ),
        row(
            what, "queries with the same negatives, equal scores in any order", "%", 100 * alike, None, "", 1,
            "100", alike == 1,
        ),
        row(what, "queries with the very same list", "%", 100 * same, None, "", 1, "for the record", True),
        row(what, "largest difference of a score", "points", difference, None, "", 1, "0 to 1e-5", difference <= _TIE),
    ]  # fmt: skip


def agreement(ours: Lists, peer: Lists) -> tuple[float, float, float]:
    """Share of queries with the same list but for ties, with the very same list, and the largest difference.

    Two documents tie if they stand at the same rank of either list with scores that do not differ by more than the last
    decimal that we keep. The difference is that of the scores of a (query, document) that is in both.
    """
    import numpy as np

    same = ours.rows == peer.rows
    tied = np.abs(ours.scores - peer.scores) <= _TIE
    width = 1 + max(int(ours.rows.max()), int(peer.rows.max()))
    pairs = [np.arange(len(side.rows))[:, None] * width + side.rows for side in (ours, peer)]
    _, left, right = np.intersect1d(pairs[0], pairs[1], return_indices=True)
    difference = np.abs(ours.scores.reshape(-1)[left] - peer.scores.reshape(-1)[right])
    return float((same | tied).all(1).mean()), float(same.all(1).mean()), float(difference.max(initial=0))


class _Given:
    """The dense miner's index over embeddings that are there already."""

    def __init__(self, made: corpora.Embedded, doc_ids: Sequence[str], query_ids: Sequence[str]) -> None:
        self._queries, self._vectors, self._ranks = made.queries, Vectors.of(made.documents), TieRanks(doc_ids)
        self._rows = {query_id: i for i, query_id in enumerate(query_ids)}

    def search(self, query_ids: Sequence[str], k: int) -> list[Ranked]:
        asked = self._queries[[self._rows[query_id] for query_id in query_ids]]
        return nearest(asked, self._vectors, self._ranks, k, _MEMORY)


def _ours(size: Size) -> _Cost:
    warm = _made(_WARM)
    _mine(warm, warm.collection())
    made = _made(size)
    collection = made.collection()
    memory, started = PeakMemory(), time.monotonic()
    rows = _mine(made, collection)
    return _Cost(time.monotonic() - started, memory.kib(), _lists_of(rows, list(collection.queries)))


def _mine(made: corpora.Embedded, collection: Collection) -> list[Candidate]:
    """What the stage does, chunk by chunk; the peer has no guard against near-duplicates, so it is off."""
    query_ids = list(collection.queries)
    guards = Guards(near_duplicate=None).open(collection, [], [])
    # The positive takes a rank of its own.
    source = Source("dense", 0, _NEGATIVES + 1, _Given(made, list(collection.documents), query_ids))
    rows: list[Candidate] = []
    for start in range(0, len(query_ids), _QUERIES_PER_MINE):
        rows += mine_queries(query_ids[start : start + _QUERIES_PER_MINE], [source], guards)
    return rows


def _lists_of(candidates: Sequence[Candidate], query_ids: Sequence[str]) -> Lists:
    """The first 50 of every query that were not refused."""
    import numpy as np

    kept: dict[str, list[Candidate]] = {query_id: [] for query_id in query_ids}
    for candidate in candidates:
        if not candidate.reason and len(kept[candidate.query_id]) < _NEGATIVES:
            kept[candidate.query_id].append(candidate)
    return Lists(
        np.array([[corpora.row_of(candidate.doc_id) for candidate in found] for found in kept.values()]),
        np.array([[candidate.sources[0].score for candidate in found] for found in kept.values()], np.float64),
    )


def _compared(size: Size) -> float:
    collection = _made(size).collection()
    started = time.monotonic()
    find_twins(collection)
    find_echoes(collection)
    return time.monotonic() - started


def _peer(size: Size, chunk: int, form: str) -> _Cost:
    warm, made = _Asked(_made(_WARM)), _Asked(_made(size))
    warm.mine(chunk, form)
    memory, started = PeakMemory(), time.monotonic()
    found = made.mine(chunk, form)
    return _Cost(time.monotonic() - started, memory.kib(), made.lists_of(found) if form == "n-tuple" else None)


def _best_chunk(size: Size) -> int:
    """The peer's fastest chunk size, by the median of two runs over a part of the queries."""
    made = _Asked(_made(size))
    made.mine(_CHUNKS[0])
    taken = in_turn(_TRIES, *[lambda c=chunk: _seconds(made, c) for chunk in _CHUNKS])
    return min(zip(map(median, taken), _CHUNKS, strict=True))[1]


def _seconds(made: "_Asked", chunk: int) -> float:
    started = time.monotonic()
    made.mine(chunk)
    return time.monotonic() - started


def _made(size: Size) -> corpora.Embedded:
    return corpora.embedded(size[1], size[0])


class _Asked:
    """The peer and what it asks of a model, over embeddings that are there already.

    Similarity is the plain inner product, which saves the peer from normalising vectors that have length 1.
    """

    def __init__(self, made: corpora.Embedded) -> None:
        import torch
        from datasets import Dataset
        from sentence_transformers import util

        collection = made.collection()
        self.device = torch.device("cpu")
        self.similarity, self.similarity_pairwise = util.dot_score, util.pairwise_dot_score
        self._miner: Any = util.mine_hard_negatives  # it wants a whole SentenceTransformer, and needs what is here
        self._made = made
        self._texts = [document.text for document in collection.documents.values()]
        positives = [self._texts[row] for row in made.positives.tolist()]
        self._pairs = Dataset.from_dict({"query": list(collection.queries.values()), "positive": positives})

    def encode_query(self, texts: Sequence[str], **_: object) -> "NDArray[np.float32]":
        return self._made.queries

    def encode_document(self, texts: Sequence[str], **_: object) -> "NDArray[np.float32]":
        return self._made.documents

    def mine(self, chunk: int, form: str = "n-tuple") -> Any:  # noqa: ANN401
        """The peer's dataset."""
        with contextlib.redirect_stderr(io.StringIO()):  # its bars
            return self._miner(
                self._pairs, self, corpus=self._texts, range_min=0, num_negatives=_NEGATIVES, output_format=form,
                output_scores=True, faiss_batch_size=chunk, verbose=False,
            )  # fmt: skip

    def lists_of(self, found: Any) -> Lists:  # noqa: ANN401
        """What is in such a dataset."""
        import numpy as np

        if list(found["query"]) != list(self._pairs["query"]):
            raise AssertionError("the peer left out queries")
        rows = {text: i for i, text in enumerate(self._texts)}
        columns = [[rows[text] for text in found[f"negative_{n}"]] for n in range(1, _NEGATIVES + 1)]
        return Lists(np.array(columns).T, np.array(list(found["scores"]))[:, 1:])
