"""Fitting: from stored scores to a rule's bar for each reranker, and to one curve for all. Pure."""

import math
from collections.abc import Iterable, Mapping

from syneg_data.errors import InputError
from syneg_data.records import Scored
from syneg_data.validation import Reranker, Validation
from syneg_data.validation.calibration import Calibrated, Curve, Joint, auc
from syneg_data.validation.rules import Absolute, Bar, Evidence

_LEAST = 20  # scores of either kind from which on a reranker that cannot tell them apart is refused


def fit_rule(spec: Validation, reranker: Reranker, evidence: Evidence) -> Bar:
    """The recipe's rule for one reranker; a language model's verdicts are not relative to anything."""
    if reranker.absolute is not None:
        return Absolute(maximum=reranker.absolute).fit(evidence)
    return spec.rule.fit(evidence)


def refuse_useless(where: str, name: str, evidence: Evidence, bar: Bar) -> None:
    """Let nobody judge who cannot tell what is known to be relevant from what is not.

    Args:
        where: what the recipe calls it, for the error.
        name: the reranker's.
        evidence: its scores of documents whose relevance is known.
        bar: the rule fitted to them.

    Raises:
        InputError: it does not tell known positives from random documents, or the curve falls.
    """
    random, near = auc(evidence.positives, evidence.random), auc(evidence.positives, evidence.mined)
    if random is not None and random <= 0.5 and min(len(evidence.positives), len(evidence.random)) >= _LEAST:
        raise InputError(
            f"{where}: {name} does not tell known positives from random documents (AUC {random}; 0.5 is chance); it is "
            "no relevance model: choose another"
        )
    if isinstance(bar, Curve) and bar.joint.slopes[0] <= 0:
        raise InputError(
            f"{where}: {name} does not put known positives above other documents (AUC {random} against random, {near} "
            "against mined ones), so no curve fits; choose another, or a rule of kind relative"
        )


def evidence_of(rows: Iterable[Scored], mined: Iterable[tuple[str, str]], bounded: bool) -> Evidence:
    """What one reranker's rows say of documents whose relevance is known, or all but known.

    Args:
        rows: of one reranker.
        mined: (query_id, doc_id) of the mined candidates; what a model wrote is no evidence.
        bounded: whether its scores are probabilities.
    """
    known = set(mined)
    parts: dict[str, list[float]] = {"positive": [], "candidate": [], "random": []}
    queries: list[str] = []
    for row in rows:
        wanted = row.role in parts and (row.role != "candidate" or (row.query_id, row.doc_id) in known)
        if wanted and math.isfinite(row.score):
            parts[row.role].append(row.score)
            if row.role == "positive":
                queries.append(row.query_id)
    positives, candidates, random = (tuple(part) for part in parts.values())
    return Evidence(positives, candidates, random, bounded, tuple(queries))


def fit_joint(
    spec: Validation, bounded: Mapping[str, bool], rows: Iterable[Scored], mined: Iterable[tuple[str, str]]
) -> Joint | None:
    """One curve over the scores of all rerankers; None where the recipe wants none, or known scores are too few.

    Args:
        spec: the validation section.
        bounded: reranker -> whether its scores are probabilities, of those that judge every candidate.
        rows: of these rerankers; only documents that all of them scored count.
        mined: (query_id, doc_id) of the mined candidates.
    """
    if spec.agreement() != "joint" or not isinstance(spec.rule, Calibrated) or len(bounded) < 2:
        return None
    known = set(mined)
    found: dict[str, dict[tuple[str, str], dict[str, float]]] = {"positive": {}, "candidate": {}, "random": {}}
    for row in rows:
        pair = (row.query_id, row.doc_id or "")
        wanted = row.role in found and (row.role != "candidate" or pair in known)
        if wanted and row.reranker in bounded and math.isfinite(row.score):
            found[row.role].setdefault(pair, {})[row.reranker] = row.score
    whole = [
        {pair: tuple(scores[name] for name in bounded) for pair, scores in part.items() if len(scores) == len(bounded)}
        for part in found.values()
    ]
    queries = [query_id for query_id, _ in whole[0]]
    return spec.rule.fit_joint([list(part.values()) for part in whole], tuple(bounded.values()), queries)
