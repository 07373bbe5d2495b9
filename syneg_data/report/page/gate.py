"""The section on the gate: scores by source with the threshold drawn in, and what each reranker is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from syneg_data.report.page.charts import histogram, interval, number, shown
from syneg_data.report.page.tally import FATES, Tally, deciding

Row = dict[str, Any]


def score_panels(tally: Tally) -> list[Row]:
    """Histograms of relevance: of the positives that count, then of each source by what became of its candidates."""
    lines, band = tally.levels, tally.band()
    panels = []
    if sum(tally.positives):
        drawn = histogram(
            f"Relevance of {sum(tally.positives)} known positives", tally.edges, {"positive": tally.positives},
            {"positive": "known positives"}, lines=lines, band=band, axis="relevance",
        )  # fmt: skip
        stacks = {"positive": tally.positives}
        panels.append(panel("known positives", sum(tally.positives), drawn, tally.edges, stacks, {"positive": "all"}))
    for source, fates in tally.scores.items():
        stacks = {fate: fates[fate] for fate in FATES if fate in fates}
        total = sum(map(sum, stacks.values()))
        drawn = histogram(
            f"Relevance of {total} candidates of {source}", tally.edges, stacks, FATES, lines=lines, band=band,
            axis="relevance",
        )  # fmt: skip
        panels.append(panel(source, total, drawn, tally.edges, stacks, FATES))
    return panels


def panel(
    label: str, total: int, drawn: Markup, edges: Sequence[float], stacks: Mapping[str, Sequence[int]],
    labels: Mapping[str, str],
) -> Row:  # fmt: skip
    """A drawing with its heading, and the same as a table for those who cannot see it."""
    head = [labels[key] for key in stacks]
    rows = [
        [f"{number(edges[i])} to {number(edges[i + 1])}", *(counts[i] for counts in stacks.values())]
        for i in range(len(edges) - 1)
        if any(counts[i] for counts in stacks.values())
    ]
    return {"label": label, "total": total, "chart": drawn, "head": head, "rows": rows}


def threshold_note(tally: Tally, validation: Mapping[str, Any]) -> str:
    """What the dashed line is, in words."""
    if not tally.levels:
        return ""
    rules = sorted({bar["rule"] for bar in deciding(validation)})
    places = " and ".join(number(level) for level in tally.levels)
    if (band := tally.band()) is None:
        return (
            f"The dashed line, at {places}, is the threshold ({', '.join(rules)}): what lies above is a false negative."
        )
    return (
        f"The dashed line, at {places}, is the threshold of an average query ({', '.join(rules)}): what lies above is "
        "a false negative. It moves with what the gate says of the query's own positive; the shaded band, from "
        f"{number(band[0])} to {number(band[1])}, holds the thresholds of nine queries of ten."
    )


def rerankers(validation: Mapping[str, Any]) -> list[Row]:
    """Who judged, and how well each tells known positives from other documents."""
    rows = []
    for row in validation.get("rerankers", []):
        charts = {
            what: interval(f"{row['name']}: AUC {row[key]}", row[key], None, None, (0.0, 1.0), chance=0.5)
            if row[key] is not None
            else None
            for what, key in (("random", "auc_random"), ("mined", "auc_mined"))
        }
        fitted = ", ".join(f"{name} {shown(value)}" for name, value in row["bar"].items() if name != "rule")
        rows.append({**row, "charts": charts, "fitted": f"{row['bar']['rule']}: {fitted}"})
    return rows


def joint_note(validation: Mapping[str, Any]) -> str:
    """The curve over all rerankers, in words."""
    if not (joint := validation.get("joint")):
        return ""
    fitted = ", ".join(f"{name} {shown(value)}" for name, value in joint.items() if name != "rule")
    return f"One logistic curve over all their scores decides: {fitted}."
