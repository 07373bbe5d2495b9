"""The section on the audit: each measure with its interval and a sentence, the gates, and histograms."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from syneg_data.report.page.charts import histogram, interval, shown
from syneg_data.report.page.gate import panel

Row = dict[str, Any]

_GROUPS = {
    "source shortcut": "Can written negatives be told from mined ones?",
    "query-blind shortcut": "Can positives be told from negatives without the query?",
    "hardness": "How hard are the negatives?",
    "texts": "What are the texts like?",
    "contamination": "Is anything here that evaluation will ask?",
    "secrets": "Secrets and personal data",
    "attributes": "Asked for, and what came",
}
_SHORTCUTS = ("source shortcut", "query-blind shortcut")


def audit(report: Mapping[str, Any]) -> Row | None:
    """Measures by group with their drawings, gates, and histograms; None where the build has no audit."""
    found = report.get("audit")
    if not found:
        return None
    bounds: dict[str, list[float]] = {}
    broken = set()
    for gate in found.get("gates", []):
        ends = [gate[end] for end in ("min", "max") if gate.get(end) is not None]
        bounds.setdefault(gate["measure"], []).extend(ends)
        if not gate["holds"]:
            broken.add(gate["measure"])
    groups: dict[str, list[Row]] = {}
    measures = found.get("measures", [])
    for measure in measures:
        name = measure["name"]
        drawn = _measure_chart(measure, bounds.get(name, ()), name in broken, _reach(measures, _stem(name)))
        between = None if measure["low"] is None else f"{shown(measure['low'])} to {shown(measure['high'])}"
        row = {**measure, "shown": shown(measure["value"]), "between": between, "chart": drawn}
        groups.setdefault(measure["group"], []).append(row)
    details = found.get("details", {})
    panels = [
        *_detail_panels(details.get("lengths", {}), "Length", "words"),
        *_detail_panels(details.get("hardness", {}), "Hardness", "relevance over that of the positive"),
    ]
    order = sorted(groups, key=[*_GROUPS, *groups].index)
    parts = [{"title": _GROUPS.get(name, name), "rows": groups[name]} for name in order]
    shortcuts = sum(name in _SHORTCUTS for name in order)
    return {
        "groups": {"before": parts[:shortcuts], "after": parts[shortcuts:]},
        "gates": [_gate(gate) for gate in found.get("gates", [])],
        "on_fail": found.get("on_fail", "warn"),
        "panels": panels,
    }


def _gate(gate: Mapping[str, Any]) -> Row:
    bounds = [
        f"{word} {shown(gate[end])}"
        for end, word in (("min", "at least"), ("max", "at most"))
        if gate.get(end) is not None
    ]
    return {**gate, "bounds": " and ".join(bounds), "shown": shown(gate["value"])}


def _measure_chart(measure: Mapping[str, Any], bounds: Sequence[float], bad: bool, reach: float) -> Any:  # noqa: ANN401
    """A dot with whiskers for what is a share or an AUC; a plain count has no drawing.

    Args:
        measure: one of the report.
        bounds: of its gate.
        bad: whether that is violated.
        reach: the highest end of what the drawing is compared with, so that all have one scale.
    """
    value, low, high = measure["value"], measure["low"], measure["high"]
    is_auc = "auc" in measure["name"].lower()
    if value is None or (low is None and not is_auc and not bounds):
        return None
    highest = max(value, reach, *bounds, 1.0)
    lowest = min(value, low if low is not None else value, *bounds, 0.0)
    ends = (lowest, highest)
    title = f"{measure['name']}: {shown(value)}"
    if low is not None and high is not None:
        title += f", 95 % interval {shown(low)} to {shown(high)}"
    return interval(title, value, low, high, ends, chance=0.5 if is_auc else None, bounds=bounds, bad=bad)


def _stem(name: str) -> str:
    """What a measure is of, without the source that it is of."""
    return re.sub("_(synthetic|mined|positive)$", "", name)


def _reach(measures: Sequence[Mapping[str, Any]], stem: str) -> float:
    ends = (m["high"] if m["high"] is not None else m["value"] for m in measures if _stem(m["name"]) == stem)
    return max((end for end in ends if end is not None), default=0.0)


def _detail_panels(found: Mapping[str, Any], title: str, axis: str) -> list[Row]:
    panels = []
    for source, entry in sorted(found.items()):
        edges, counts = entry["edges"], entry["counts"]
        if len(edges) < 2 or len(edges) != len(counts) + 1:
            continue
        key = source.partition(":")[0]
        key = key if key in ("mined", "synthetic", "positive") else "other"
        label = f"{title}, {source}"
        drawn = histogram(label, edges, {key: counts}, {key: source}, axis=axis)
        panels.append(panel(label, sum(counts), drawn, edges, {key: counts}, {key: "texts"}))
    return panels
