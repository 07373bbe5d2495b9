"""The ledger: how many rows went into each stage and what became of each; counted from the rows, never by hand."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from syneg_data.collection import Collection
from syneg_data.generation.replies import FAILED
from syneg_data.records import Candidate, Example, Generation, Twin, Verdict


def load_entry(collection: Collection) -> dict[str, Any]:
    """Pairs of the split: taken, or not by reason."""
    return _entry("pair", len(collection.pairs()), Counter(dict(collection.rejected)), Counter())


def mine_entry(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Candidates that the miners returned: passed, or refused by a guard."""
    refused = Counter(candidate.reason for candidate in candidates if candidate.reason)
    return _entry("candidate", len(candidates) - refused.total(), refused, Counter())


def generate_entry(final: Sequence[Generation]) -> dict[str, Any]:
    """Drafts by the state of the row that decides each."""
    states = Counter(row.state for row in final)
    kept = states.pop("ok", 0)
    failed = Counter({state: n for state, n in states.items() if state in FAILED})
    return _entry("draft", kept, states - failed, failed)


def restyle_entry(final: Sequence[Generation], verdicts: Sequence[Verdict] | None = None) -> dict[str, Any]:
    """Written positives by the state of the row that decides each; under `relevance`, the gate's word on those kept.

    Args:
        final: the deciding row of each written positive.
        verdicts: from validate; None where the line has not come that far.
    """
    entry = generate_entry(final)
    if verdicts is not None:
        entry["relevance"] = validate_entry(verdicts)
    return entry


def mining_facts(
    collection: Collection, candidates: Sequence[Candidate], twins: Sequence[Twin], kept: Sequence[Verdict]
) -> dict[str, Any]:
    """What mining saw: texts under several ids, what each source brought, and negatives that answer other queries.

    Args:
        collection: corpus and judgements.
        candidates: from mine.
        twins: from mine.
        kept: what the gate kept.
    """
    sources: dict[str, dict[str, int]] = {}
    queries = {(hit.source, candidate.query_id) for candidate in candidates for hit in candidate.sources}
    for candidate in candidates:
        for hit in candidate.sources:
            entry = sources.setdefault(hit.source, {"found": 0, "refused": 0, "found_by_no_other": 0})
            entry["found"] += 1
            entry["refused"] += bool(candidate.reason)
            entry["found_by_no_other"] += len(candidate.sources) == 1
    for name, entry in sources.items():
        entry["queries_without"] = len(collection.queries) - sum(source == name for source, _ in queries)
    owners: dict[str, list[str]] = {}
    for query_id, positive_id in collection.pairs():
        owners.setdefault(positive_id, []).append(query_id)
    mined = [verdict for verdict in kept if verdict.origin == "mined"]
    others = sum(any(q != verdict.query_id for q in owners.get(verdict.doc_id, ())) for verdict in mined)
    return {
        "documents": len(collection.documents),
        "same_text": sum(twin.same_as is not None for twin in twins),
        "without_text": sum(twin.same_as is None for twin in twins),
        "sources": dict(sorted(sources.items())),
        "positives_of_other_queries": {"count": others, "share": round(others / len(mined), 4) if mined else None},
    }


def validate_entry(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Candidates by the gate's verdict; the reason of a rejection is the verdict itself."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    kept = counts.pop("keep", 0)
    failed = Counter(v.reason for v in verdicts if v.verdict == "failed")
    counts.pop("failed", 0)
    return _entry("candidate", kept, counts, failed)


def mix_entry(
    kept: Sequence[Verdict],
    examples: Sequence[Example],
    rejected: Mapping[str, int],
    capped: AbstractSet[tuple[str, str]] = frozenset(),
) -> dict[str, Any]:
    """Kept candidates: used in an example or not, those at the cap apart; under `pairs` the same for the pairs."""
    used = {(example.query_id, doc_id) for example in examples for doc_id in example.negative_ids}
    idle = Counter({"capped": len(capped), "not_selected": len(kept) - len(used) - len(capped)})
    entry = _entry("candidate", len(used), +idle, Counter())
    entry["pairs"] = _entry("pair", len(examples), Counter(dict(rejected)), Counter())
    return entry


def mixing_facts(
    kind: str, examples: Sequence[Example], capped: AbstractSet[tuple[str, str]] = frozenset()
) -> dict[str, Any]:
    """What came of mixing: negatives by example, by source and by document.

    Args:
        kind: of the mixing.
        examples: of the build.
        capped: (query_id, doc_id) of what was passed over because of the cap.
    """
    sources = Counter(source for example in examples for source in example.sources)
    uses = Counter(doc_id for example in examples for doc_id in example.negative_ids)
    synthetic = sum(n for source, n in sources.items() if source.startswith("synthetic:"))
    mined = sources.total() - synthetic
    sizes = Counter(len(example.negative_ids) for example in examples)
    return {
        "kind": kind,
        "negatives_per_example": {str(size): n for size, n in sorted(sizes.items())},
        "sources": dict(sorted(sources.items())),
        "backfilled": sum(n for source, n in sources.items() if source.endswith(":backfill")),
        "synthetic_per_mined": round(synthetic / mined, 4) if mined else None,
        "documents": len(uses),
        "most_often": max(uses.values(), default=0),
        "capped": len(capped),
    }


def tokens_entry(rows: Iterable[Generation], final: Sequence[Generation]) -> dict[str, Any]:
    """Tokens read, written and cached, by role too; those written for replies that were not `ok`, by state.

    `per_accepted` is what one draft that passed the checks of its reply cost, all attempts and critiques included: the
    tokens written for it, null where none passed.
    """
    totals = {"in": 0, "out": 0, "cached": 0}
    roles: dict[str, int] = {}
    wasted: Counter[str] = Counter()
    for row in rows:
        totals["in"] += row.tokens_in
        totals["out"] += row.tokens_out
        totals["cached"] += row.tokens_cached
        roles[row.role] = roles.get(row.role, 0) + row.tokens_out
        if row.state != "ok":
            wasted[row.state] += row.tokens_out
    accepted = sum(row.state == "ok" for row in final)
    return {
        **totals,
        "cached_share": round(totals["cached"] / totals["in"], 4) if totals["in"] else None,
        "out_by_role": dict(sorted(roles.items())),
        "wasted": dict(sorted(wasted.items())),
        "per_accepted": round(totals["out"] / accepted, 1) if accepted else None,
    }


def check_balance(stages: Mapping[str, Any], relabelled: int = 0) -> None:
    """Insist that nothing disappeared between stages.

    Args:
        stages: of the report.
        relabelled: false negatives that mixing got as positives: a pair more each.

    Raises:
        AssertionError: rows are missing or counted twice; a bug, never the user's fault.
    """

    def kept(stage: str) -> int:
        return int(stages[stage]["kept"]) if stage in stages else 0

    if "validate" in stages:
        assert stages["validate"]["in"] == kept("mine") + kept("generate"), f"the gate lost candidates: {stages}"
    if "relevance" in stages.get("restyle", {}):
        assert stages["restyle"]["relevance"]["in"] == kept("restyle"), f"the gate lost written positives: {stages}"
    if "mix" in stages:
        assert stages["mix"]["in"] == kept("validate"), f"mixing lost candidates: {stages}"
        assert stages["mix"]["pairs"]["in"] == kept("load") + relabelled, f"mixing lost pairs: {stages}"


def origins(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """How many negatives of the examples come from each source, and their mean relevance."""
    found: dict[str, list[float]] = {}
    for example in examples:
        for source, score in zip(example.sources, example.scores, strict=True):
            found.setdefault(source, []).append(score)
    return [
        {"source": source, "count": len(scores), "mean": round(sum(scores) / len(scores), 4)}
        for source, scores in sorted(found.items())
    ]


def _entry(unit: str, kept: int, rejected: Counter[str], failed: Counter[str]) -> dict[str, Any]:
    return {
        "unit": unit,
        "in": kept + rejected.total() + failed.total(),
        "kept": kept,
        "rejected": dict(sorted(rejected.items())),
        "failed": dict(sorted(failed.items())),
    }
