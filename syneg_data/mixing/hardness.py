"""The order in which mined candidates are dealt: hardest first, on one scale."""

from collections.abc import Sequence

from syneg_data.records import Verdict


def hardest_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The candidates of one query by relevance, highest first; ties by doc_id.

    Where rerankers with scales of their own decide in turn (`agree: any` or `all`), the relevance of two candidates
    may not be comparable: one is a cosine, the other a logit. Then every reranker ranks the candidates, and the sum of
    those ranks orders them (equal scores share a rank).

    Args:
        verdicts: kept candidates of one query; what a verdict was decided by is the score that its relevance is.
    """
    if len(verdicts) < 2 or _one_scale(verdicts):
        return sorted(verdicts, key=lambda v: (-(v.relevance or 0.0), v.doc_id))
    sums = dict.fromkeys((v.doc_id for v in verdicts), 0)
    for name in {score.reranker for verdict in verdicts for score in verdict.scores}:
        said = {v.doc_id: score.relevance for v in verdicts for score in v.scores if score.reranker == name}
        places = {value: place for place, value in enumerate(sorted(set(said.values()), reverse=True))}
        for doc_id, value in said.items():
            sums[doc_id] += places[value]
    return sorted(verdicts, key=lambda v: (sums[v.doc_id], v.doc_id))


def _one_scale(verdicts: Sequence[Verdict]) -> bool:
    """Whether one and the same reranker, or what joins them all (a curve, a mean), decided about every candidate."""
    if all(len(verdict.scores) < 2 for verdict in verdicts):
        return True
    common = _deciders(verdicts[0])
    for verdict in verdicts[1:]:
        common = common & _deciders(verdict)
        if not common:
            return False
    return True


def _deciders(verdict: Verdict) -> frozenset[str]:
    """The rerankers whose score the verdict carries; of a curve or mean, which is nobody's score, an empty name."""
    word = (verdict.relevance, verdict.positive_relevance)
    return frozenset(s.reranker for s in verdict.scores if (s.relevance, s.positive_relevance) == word) or frozenset(
        {""}
    )
