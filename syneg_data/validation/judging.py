"""Judging: from scores to the fitted gate that gives the verdicts, and what it found out about its rerankers. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from syneg_data.records import Scored
from syneg_data.validation import Reranker, Validation
from syneg_data.validation.calibration import auc
from syneg_data.validation.fitting import evidence_of, fit_joint, fit_rule, refuse_useless
from syneg_data.validation.gate import Gate
from syneg_data.validation.rules import Bar, Evidence


def cheapest_of(panel: Mapping[int, Reranker]) -> str:
    """The reranker that is asked about random documents too, against which `too_easy` is measured."""
    return min(panel.values(), key=lambda reranker: reranker.cost).name


def fit_gate(
    spec: Validation,
    panel: Mapping[int, Reranker],
    rows: Sequence[Scored],
    mined: Collection[tuple[str, str]],
    at: Callable[[str], str],
) -> tuple[Gate, dict[str, Any]]:
    """The gate, its rule fitted to the scores of each reranker that judges everything.

    Args:
        spec: the validation section.
        panel: these rerankers, by their position in it.
        rows: their scores.
        mined: (query_id, doc_id) of the mined candidates; what a model wrote is no evidence.
        at: how an error names a section.

    Returns:
        The gate, and the facts of the report: `rerankers` (name, counts of known scores, AUC, bar), `agree` and, where
        one curve was fitted to all of them, `joint`.

    Raises:
        InputError: a reranker is of no use.
    """
    bars: dict[str, Bar] = {}
    facts: dict[str, Any] = {"rerankers": []}
    for i, reranker in panel.items():
        mine = [row for row in rows if row.reranker == reranker.name]
        evidence = evidence_of(mine, mined, reranker.bounded)
        bar = bars[reranker.name] = fit_rule(spec, reranker, evidence)
        refuse_useless(at(f"validation.rerankers[{i}]"), reranker.name, evidence, bar)
        counts = {name: len(getattr(evidence, name)) for name in ("positives", "mined", "random")}
        facts["rerankers"].append({"name": reranker.name, **counts, **trust(evidence), "bar": bar.describe()})
    joint = fit_joint(spec, {r.name: r.bounded for r in panel.values()}, rows, mined)
    facts["agree"] = spec.agreement()
    if joint is not None:
        facts["joint"] = joint.describe(list(bars))
    elif facts["agree"] == "joint" and len(bars) > 1:
        facts["agree"] = "any"  # known scores are too few for one curve
    return Gate(spec, bars, cheapest_of(panel), joint), facts


def trust(evidence: Evidence) -> dict[str, float | None]:
    """How well a reranker tells known positives from random and from mined documents."""
    return {
        "auc_random": auc(evidence.positives, evidence.random),
        "auc_mined": auc(evidence.positives, evidence.mined),
    }
