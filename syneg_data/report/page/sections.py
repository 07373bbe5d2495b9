"""The sections of the page, from report.json and the counts: figures ready to be shown, drawings included."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syneg_data.report.page.charts import dot, histogram, interval, number, stacked_bar
from syneg_data.report.page.tally import FATES, Tally, drafts_by_state, is_failure

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

_STAGES = {
    "load": "Load",
    "mine": "Mine",
    "generate": "Generate",
    "restyle": "Restyle",
    "validate": "Validate",
    "mix": "Mix",
}
_PARTS = {"pairs": "pairs", "relevance": "their relevance"}
_WHAT = {
    "load": "query and positive, read from the source",
    "mine": "what the miners found; a guard refuses the query's own positives",
    "generate": "texts that the model was asked for; some replies are none, some are refused",
    "restyle": "positives that the model was asked to write again",
    "validate": "every candidate before the gate",
    "mix": "what the gate kept, dealt to examples",
}
_GROUPS = {
    "source shortcut": "Can written negatives be told from mined ones?",
    "query-blind shortcut": "Can positives be told from negatives without the query?",
    "hardness": "How hard are the negatives?",
    "texts": "What are the texts like?",
    "contamination": "Is anything here that evaluation will ask?",
    "secrets": "Secrets and personal data",
    "attributes": "Asked for, and what came",
}
_LENGTHS = {"synthetic": "used", "mined": "mined", "positive": "positive"}


def tiles(report: Mapping[str, Any], queries: int) -> list[Row]:
    """The key figures."""
    stages, origins = report["stages"], report.get("origins", [])
    seen = sum(stages[name]["in"] for name in ("mine", "generate") if name in stages)
    by_origin: Counter[str] = Counter()
    for row in origins:
        by_origin[row["source"].partition(":")[0]] += row["count"]
    split = " · ".join(f"{count:,} {name}" for name, count in sorted(by_origin.items()))
    kept = stages["validate"]["kept"] / stages["validate"]["in"] if stages["validate"]["in"] else 0.0
    found: list[Row] = [
        {"figure": f"{report['examples']:,}", "what": "training examples", "more": f"of {queries:,} queries"},
        {"figure": f"{by_origin.total():,}", "what": "hard negatives", "more": split},
        {"figure": f"{seen:,}", "what": "candidates seen", "more": "each with its verdict and the reason"},
        {"figure": f"{kept:.0%}", "what": "kept by the gate", "more": f"of {stages['validate']['in']:,} judged"},
    ]
    if review := report.get("review"):
        rate = review["kept"]["rate"]
        more = f"{review['kept']['relevant']} of {review['kept']['judged']} judged again"
        found.append(
            {"figure": "–" if rate is None else f"{rate:.1%}", "what": "false negatives left", "more": more}
        )
    if tokens := report.get("tokens"):
        found.append(
            {"figure": f"{tokens['out']:,}", "what": "tokens written", "more": f"{tokens['in']:,} read"}
        )
    for measure in (report.get("audit") or {}).get("measures", []):
        if measure["name"] == "query_blind_auc" and measure["value"] is not None:
            found.append(
                {"figure": f"{measure['value']:.2f}", "what": "query-blind AUC", "more": "0.5 is what one hopes for"}
            )
    return found


def ledger(stages: Mapping[str, Any]) -> list[Row]:
    """A row for each stage, and for each part of one that has rows of another unit."""
    rows = []
    for stage in sorted(stages, key=[*_STAGES, *stages].index):
        entry = stages[stage]
        parts = [(_STAGES.get(stage, stage), entry, _WHAT.get(stage, ""))]
        parts += [(f"{_STAGES.get(stage, stage)}: {what}", entry[key], "") for key, what in _PARTS.items() if key in entry]
        for label, part, what in parts:
            drawn = [("b-kept", "kept", part["kept"])]
            drawn += [("b-rejected", f"rejected, {reason}", n) for reason, n in part["rejected"].items()]
            drawn += [("b-failed", f"failed, {reason}", n) for reason, n in part["failed"].items()]
            rows.append(
                {
                    "label": label,
                    "what": what,
                    "unit": part["unit"],
                    "in": part["in"],
                    "kept": part["kept"],
                    "rejected": part["rejected"],
                    "failed": part["failed"],
                    "bar": stacked_bar(f"{label}: {part['kept']:,} of {part['in']:,} kept", drawn, part["in"]),
                }
            )
    return rows


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
        panels.append(_panel("known positives", sum(tally.positives), drawn, tally.edges, stacks, {"positive": "all"}))
    for source, fates in tally.scores.items():
        stacks = {fate: fates[fate] for fate in FATES if fate in fates}
        total = sum(map(sum, stacks.values()))
        drawn = histogram(
            f"Relevance of {total} candidates of {source}", tally.edges, stacks, FATES, lines=lines, band=band,
            axis="relevance",
        )  # fmt: skip
        panels.append(_panel(source, total, drawn, tally.edges, stacks, FATES))
    return panels


def _panel(
    label: str, total: int, drawn: Any, edges: Sequence[float], stacks: Mapping[str, Sequence[int]],  # noqa: ANN401
    labels: Mapping[str, str],
) -> Row:  # fmt: skip
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
    rules = sorted({bar["rule"] for bar in _bars(validation)})
    places = " and ".join(number(level) for level in tally.levels)
    if (band := tally.band()) is None:
        return f"The dashed line, at {places}, is the threshold ({', '.join(rules)}): what lies above is a false negative."
    return (
        f"The dashed line, at {places}, is the threshold of an average query ({', '.join(rules)}): what lies above is a "
        "false negative. It moves with what the gate says of the query's own positive; the shaded band, from "
        f"{number(band[0])} to {number(band[1])}, holds the thresholds of nine queries of ten."
    )


def _bars(validation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if joint := validation.get("joint"):
        return [joint]
    return [row["bar"] for row in validation.get("rerankers", [])]


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
        fitted = ", ".join(f"{name} {_shown(value)}" for name, value in row["bar"].items() if name != "rule")
        rows.append({**row, "charts": charts, "fitted": f"{row['bar']['rule']}: {fitted}"})
    return rows


def joint_note(validation: Mapping[str, Any]) -> str:
    """The curve over all rerankers, in words."""
    if not (joint := validation.get("joint")):
        return ""
    fitted = ", ".join(f"{name} {_shown(value)}" for name, value in joint.items() if name != "rule")
    return f"One logistic curve over all their scores decides: {fitted}."


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
    for measure in found.get("measures", []):
        drawn = _measure_chart(measure, bounds.get(measure["name"], ()), measure["name"] in broken)
        groups.setdefault(measure["group"], []).append({**measure, "shown": _shown(measure["value"]), "chart": drawn})
    details = found.get("details", {})
    panels = [
        *_detail_panels(details.get("lengths", {}), "Length", "words"),
        *_detail_panels(details.get("hardness", {}), "Hardness", "relevance over that of the positive"),
    ]
    return {
        "groups": [{"title": _GROUPS.get(name, name), "rows": rows} for name, rows in groups.items()],
        "gates": [_gate(gate) for gate in found.get("gates", [])],
        "on_fail": found.get("on_fail", "warn"),
        "panels": panels,
    }


def _gate(gate: Mapping[str, Any]) -> Row:
    bounds = [
        f"{word} {_shown(gate[end])}" for end, word in (("min", "at least"), ("max", "at most")) if gate.get(end) is not None
    ]
    return {**gate, "bounds": " and ".join(bounds), "shown": _shown(gate["value"])}


def _measure_chart(measure: Mapping[str, Any], bounds: Sequence[float], bad: bool) -> Any:  # noqa: ANN401
    """A dot with whiskers for what is a share or an AUC; a plain count has no drawing."""
    value, low, high = measure["value"], measure["low"], measure["high"]
    is_auc = "auc" in measure["name"].lower()
    if value is None or (low is None and not is_auc and not bounds):
        return None
    highest = max(value, high or value, *bounds, 1.0)
    lowest = min(value, low if low is not None else value, *bounds, 0.0)
    ends = (lowest, highest)
    title = f"{measure['name']}: {_shown(value)}"
    if low is not None and high is not None:
        title += f", 95 % interval {_shown(low)} to {_shown(high)}"
    return interval(title, value, low, high, ends, chance=0.5 if is_auc else None, bounds=bounds, bad=bad)


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
        panels.append(_panel(label, sum(counts), drawn, edges, {key: counts}, {key: "texts"}))
    return panels


def generation(report: Mapping[str, Any], generations: "pa.Table") -> Row | None:
    """Requests, attempts, states and tokens; None without generation."""
    tokens = report.get("tokens")
    if not tokens:
        return None
    import pyarrow.compute as pc

    states = {row["values"]: row["counts"] for row in pc.value_counts(generations["state"]).to_pylist()}
    wasted = sum(tokens["wasted"].values())
    parts = [("b-kept", "for replies that passed", tokens["out"] - wasted)]
    parts += [
        ("b-failed" if is_failure(state) else "b-rejected", f"for replies that were {state}", n)
        for state, n in tokens["wasted"].items()
    ]
    requests = pc.count_distinct(generations["request_id"]).as_py()
    retries = pc.sum(pc.greater(generations["attempt"], 0)).as_py() or 0
    rows = [
        (
            "b-kept" if state == "ok" else "b-failed" if is_failure(state) else "b-rejected",
            state,
            count,
        )
        for state, count in sorted(states.items(), key=lambda item: (item[0] != "ok", -item[1], item[0]))
    ]
    return {
        "tokens": tokens,
        "wasted": wasted,
        "bar": stacked_bar(f"{tokens['out']:,} tokens written, {wasted:,} for nothing", parts, tokens["out"]),
        "parts": parts,
        "requests": requests,
        "attempts": generations.num_rows,
        "retries": retries,
        "states": [
            {"state": state, "count": count, "bar": stacked_bar(f"{state}: {count}", [(css, state, count)], generations.num_rows)}
            for css, state, count in rows
        ],
        "drafts_lost": sum(drafts_by_state(report["stages"]).values()),
    }


def attributes(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Requested against achieved, with lengths and reading grades drawn on one scale for all rows."""
    ratios = [row["length_ratio"] for row in rows if row["length_ratio"] is not None]
    grades = [row[key] for row in rows for key in ("reading_grade", "positive_reading_grade") if row[key] is not None]
    widest, highest = max([*ratios, 1.0]), max([*grades, 12.0])
    return [
        {
            **row,
            "label": f"{row['axis']}: {row['value']}" if row["value"] else "all drafts",
            "passed": stacked_bar(f"{row['kept']} of {row['drafts']}", [("b-kept", "passed", row["kept"])], row["drafts"]),
            "ratio": _against(row["length_ratio"], 1.0, widest, "length over the positive's"),
            "grade": _against(row["reading_grade"], row["positive_reading_grade"], highest, "reading grade"),
        }
        for row in rows
    ]


def _against(value: float | None, reference: float | None, top: float, what: str) -> Any:  # noqa: ANN401
    """A dot for what came, and a dashed line for what it is compared with."""
    if value is None:
        return None
    return dot(f"{what}: {_shown(value)}", value, (0.0, top), reference)


def critic(report: Mapping[str, Any]) -> Row | None:
    """The critic's exam; None where it sat none."""
    exam = report.get("critic")
    if not exam:
        return None
    rows = [
        {"kind": kind.replace("_", " "), **row, "bar": stacked_bar(kind, [("b-kept", "right", row["right"])], row["cases"])}
        for kind, row in exam["by_kind"].items()
    ]
    bad = not exam["passed"]
    chart = interval(
        f"balanced accuracy {exam['balanced_accuracy']}", exam["balanced_accuracy"], None, None, (0.0, 1.0), chance=0.5,
        bounds=[exam["minimum"]], bad=bad,
    )  # fmt: skip
    return {**exam, "rows": rows, "chart": chart}


def mixing(report: Mapping[str, Any]) -> Row:
    """Where the negatives of the examples come from, and how many each has."""
    found = report.get("mixing") or {}
    origins = report.get("origins", [])
    total = sum(row["count"] for row in origins)
    shares = [
        {
            **row,
            "bar": stacked_bar(
                f"{row['source']}: {row['count']}", [(f"b-{row['source'].partition(':')[0]}", row["source"], row["count"])], total
            ),
            "share": f"{row['count'] / total:.0%}" if total else "–",
        }
        for row in origins
    ]
    per_example = found.get("negatives_per_example") or {str(report["negatives_per_example"]): report["examples"]}
    counted = sorted(per_example.items(), key=lambda item: int(item[0]))
    most = max(per_example.values(), default=0)
    known = {"sources", "negatives_per_example"}
    facts = {key.replace("_", " "): _shown(value) for key, value in found.items() if key not in known and not isinstance(value, dict | list)}
    return {
        "origins": shares,
        "per_example": [
            {"negatives": n, "examples": count, "bar": stacked_bar(f"{n}: {count}", [("b-kept", "examples", count)], most)}
            for n, count in counted
        ],
        "facts": facts,
    }


def _shown(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return str(value)
