"""What to say when no example came of a build: where the rows went, and what to do about most of them."""

from collections.abc import Mapping
from typing import Any

_SHOWN = ("mine", "generate", "validate", "mix")
# Of a rejection or failure: what would make it rarer. Pairs that got none are why one asks, not a reason.
_ADVICE = {
    "mine": {
        "positive": "many mined documents are judged positives: mine deeper (mining[].depth)",
        "text_of_positive": "much of what was mined has a positive's text: mine deeper (mining[].depth)",
        "near_duplicate_of_positive": "much of what was mined is nearly a positive: mine deeper (mining[].depth), or "
        "raise guards.near_duplicate",
        "no_text": "much of what was mined has no text: look at the run and the corpus",
    },
    "validate": {
        "too_easy": "many candidates are no nearer to their query than random documents: mine less deep, with another "
        "miner, or choose a reranker that knows such texts",
        "false_negative": "many candidates count as relevant: mine deeper (mining[].depth or skip), or let "
        "validation.rule allow more",
        "ambiguous": "many candidates are in the band of doubt: lower validation.rule.doubt, or set "
        "validation.ambiguous: keep",
        "duplicate": "many drafts repeat a text that is there already: ask for other attributes, or choose a stronger "
        "generator",
    },
    "mix": {
        "not_selected": "what was kept is spread over too many pairs: ask for fewer (mixing), or mine deeper",
        "capped": "many documents are negatives as often as they may be: raise mixing.cap, or mine deeper",
    },
}
_FAILED = {
    "generate": "many drafts failed: choose another generator, or raise generation.sampling.max_tokens",
    "validate": "many candidates got no score: choose another reranker, or dtype: float32",
}
_REFUSED_DRAFTS = "many drafts were refused: choose a stronger generator, or raise generation.sampling.attempts"
_NOTHING = "no candidate was found: look at mining[].depth and skip, and at what the miners search"
_FEW = "there are too few candidates: mine deeper (mining[].depth), generate more, or ask for fewer (mixing)"


def told(stages: Mapping[str, Any]) -> list[str]:
    """A line for each stage from mining on, with its counts, and one of advice that fits the largest of them.

    Args:
        stages: of the report.
    """
    lines = []
    for name in _SHOWN:
        if name not in stages:
            continue
        entry = stages[name]
        lines.append(_line(name, entry))
        if "pairs" in entry:
            lines.append(_line(f"{name}, pairs", entry["pairs"]))
    return [*lines, _advice(stages)]


def _line(name: str, entry: Mapping[str, Any]) -> str:
    parts = [f"  {name}: {entry['kept']} of {entry['in']} kept"]
    for part in ("rejected", "failed"):
        if entry[part]:
            parts.append(f"{part}: {', '.join(f'{reason} {n}' for reason, n in _by_count(entry[part]))}")
    return "; ".join(parts)


def _by_count(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))


def _advice(stages: Mapping[str, Any]) -> str:
    there = {name: stages[name] for name in _SHOWN if name in stages}
    if not any(there[name]["in"] for name in ("mine", "generate") if name in there):
        return _NOTHING
    found = [
        (n, name, part, reason)
        for name, entry in there.items()
        for part in ("rejected", "failed")
        for reason, n in _by_count(entry[part])
    ]
    if not found:
        return _FEW
    _, name, part, reason = max(found, key=lambda entry: entry[0])  # of equals the first, where rows go first
    if part == "failed":
        return _FAILED.get(name, _FEW)
    return _REFUSED_DRAFTS if name == "generate" else _ADVICE[name].get(reason, _FEW)
