"""evaluation: three query sets over one corpus, ours and sentence-transformers' InformationRetrievalEvaluator."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.cases import retrieval
from benchmarks.measuring import PeakMemory, apart, fresh_store, in_turn, median
from benchmarks.results import Row, row
from syneg_data.collection import Collection

_RUNS, _DOCUMENTS = 3, 1500
_QUICK_RUNS, _QUICK_DOCUMENTS = 2, 200
_SETS, _QUERIES, _LENGTH = 3, 60, 128


@dataclass(frozen=True)
class _Cost:
    seconds: float
    memory: float  # KiB at the peak, beyond the loaded model
    figures: tuple[tuple[float, ...], ...]  # of each set: nDCG@10, MRR@10, Recall@10, MAP@100


def run(quick: bool) -> list[Row]:
    """Time, memory, and whether both say the same."""
    retrieval.base()
    runs, documents = (_QUICK_RUNS, _QUICK_DOCUMENTS) if quick else (_RUNS, _DOCUMENTS)
    ours, peers = in_turn(runs, lambda: _in_an_empty_store(documents), lambda: apart(_peer, documents))
    what = (
        f"evaluation: {_SETS} sets of {_QUERIES} queries, {documents:,} documents, {_LENGTH} tokens, {retrieval.LABEL}"
    )
    peer = "InformationRetrievalEvaluator, once for each set"
    time_ours, time_peer = median([cost.seconds for cost in ours]), median([cost.seconds for cost in peers])
    memory, peer_memory = median([cost.memory for cost in ours]), median([cost.memory for cost in peers])
    pairs = [
        (a, b)
        for one, two in zip(ours[0].figures, peers[0].figures, strict=True)
        for a, b in zip(one, two, strict=True)
    ]
    most = max(abs(a - b) for a, b in pairs)
    return [
        row(what, "time", "s", time_ours, time_peer, peer, runs, "<= 0.7 of its time", time_ours <= 0.7 * time_peer),
        row(what, "largest difference of a metric", "points", most, None, "", runs, "0 to 1e-6", most <= 1e-6),
        row(
            what, "peak memory beyond the loaded model", "MiB", memory / 1024, peer_memory / 1024, peer, runs,
            "no more", memory <= peer_memory,
        ),
    ]  # fmt: skip


def _sets(documents: int) -> tuple[dict[str, str], list[Collection]]:
    """A part of the corpus that holds all judged documents, and disjoint sets of queries."""
    whole = retrieval.collection()
    queries = list(whole.queries)[: _SETS * _QUERIES]
    judged = [doc_id for query_id in queries for doc_id in whole.qrels[query_id]]
    chosen = list(dict.fromkeys([*judged, *whole.documents]))[: max(documents, len(set(judged)))]
    corpus = {doc_id: whole.text(doc_id) for doc_id in chosen}
    parts = [queries[i * _QUERIES : (i + 1) * _QUERIES] for i in range(_SETS)]
    return corpus, [
        Collection(
            {d: whole.documents[d] for d in chosen}, {q: whole.queries[q] for q in part},
            {q: whole.qrels[q] for q in part}, "",
        )
        for part in parts
    ]  # fmt: skip


def _in_an_empty_store(documents: int) -> _Cost:
    with fresh_store():
        return apart(_ours, documents)


def _ours(documents: int) -> _Cost:
    from syneg_data.encoders.bi_encoder import BiEncoder
    from syneg_data.training.evaluation import Searcher
    from syneg_data.training.metrics import means, score_run

    base, (corpus, sets) = retrieval.base(), _sets(documents)
    retrieval.warm(base)
    memory, started = PeakMemory(), time.monotonic()
    searcher = Searcher(BiEncoder(base, _LENGTH, 32), corpus, base.label)
    found = [means(score_run(searcher.run(part.queries), part.qrels)) for part in sets]
    seconds = time.monotonic() - started
    names = ("nDCG@10", "MRR@10", "Recall@10", "MAP@100")
    return _Cost(seconds, memory.kib(), tuple(tuple(one[name] for name in names) for one in found))


def _peer(documents: int) -> _Cost:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    base, (corpus, sets) = retrieval.base(), _sets(documents)
    retrieval.warm(base)
    memory, started = PeakMemory(), time.monotonic()
    model = SentenceTransformer(str(base.path), device="cpu", local_files_only=True)
    model.max_seq_length = _LENGTH
    found: list[Mapping[str, Any]] = []
    for part in sets:
        relevant = {q: {d for d, grade in grades.items() if grade > 0} for q, grades in part.qrels.items()}
        evaluator = InformationRetrievalEvaluator(
            dict(part.queries), dict(corpus), relevant, batch_size=32, write_csv=False
        )
        found.append(evaluator(model))
    seconds = time.monotonic() - started
    names = ("cosine_ndcg@10", "cosine_mrr@10", "cosine_recall@10", "cosine_map@100")
    return _Cost(seconds, memory.kib(), tuple(tuple(float(one[name]) for name in names) for one in found))
