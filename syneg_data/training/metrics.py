"""Retrieval metrics of ranked documents against relevance judgements, one value per query.

The project's tie rule: a run is ranked by (score desc, doc_id asc) before it comes here, and a document whose id
equals the query's is not ranked (as in BEIR). Other tools break ties otherwise (trec_eval: doc_id desc), so figures
agree with theirs on runs without ties.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from syneg_data.training.runs import Scored, is_ranked

METRICS: tuple[str, ...] = ("nDCG@10", "MRR@10", "Recall@10", "Recall@100", "MAP@100")


def score_query(ranked: Sequence[str], grades: Mapping[str, int]) -> dict[str, float]:
    """Every metric of METRICS for one query; `ranked` is doc_ids best first, a grade above 0 is relevant.

    nDCG@10: gain is the grade, discount log2(rank + 1), ideal over all judged documents (trec_eval's ndcg_cut).
    MRR@10: 1 / rank of the first relevant document. Recall@k: over all relevant documents. MAP@100: the sum of
    precision at each relevant document, over all relevant documents (ir_measures' AP@100).

    Raises:
        ValueError: no document is relevant, or one is ranked twice.
    """
    if len(set(ranked)) != len(ranked):
        raise ValueError("a document is ranked twice")
    gains = [max(grades.get(doc_id, 0), 0) for doc_id in ranked[:100]]
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    if not ideal:
        raise ValueError("no document is relevant; such a query has no metrics")
    hits = [rank for rank, gain in enumerate(gains, start=1) if gain > 0]
    values = (
        _dcg(gains[:10]) / _dcg(ideal[:10]),
        1 / hits[0] if hits and hits[0] <= 10 else 0.0,
        sum(rank <= 10 for rank in hits) / len(ideal),
        len(hits) / len(ideal),
        math.fsum(found / rank for found, rank in enumerate(hits, start=1)) / len(ideal),
    )
    return dict(zip(METRICS, values, strict=True))


def score_run(run: Mapping[str, Scored], qrels: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, float]]:
    """query_id -> metric -> value for every query of `qrels`, in its order; a query missing in the run scores 0.

    Raises:
        ValueError: a ranking is not by (score desc, doc_id asc), or a query has no relevant document.
    """
    scores = {}
    for query_id, grades in qrels.items():
        ranking = run.get(query_id, ())
        if not is_ranked(ranking):
            raise ValueError(f"the ranking of query {query_id!r} is not by (score desc, doc_id asc)")
        try:
            scores[query_id] = score_query([doc_id for doc_id, _ in ranking], grades)
        except ValueError as error:
            raise ValueError(f"query {query_id!r}: {error}") from error
    return scores


def means(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean of every metric over queries, each query counting once; not rounded.

    Raises:
        ValueError: there is no query.
    """
    if not scores:
        raise ValueError("there is no query to take a mean over")
    return {metric: fmean(values[metric] for values in scores.values()) for metric in METRICS}


def _dcg(gains: Sequence[int]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
