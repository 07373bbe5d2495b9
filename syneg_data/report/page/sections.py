"""The sections on rows, texts and examples, from report.json: figures ready to be shown, drawings included."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syneg_data.report.page.charts import dot, interval, shown, stacked_bar
from syneg_data.report.page.tally import drafts_by_state, is_failure

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
        found.append({"figure": "-" if rate is None else f"{rate:.1%}", "what": "false negatives left", "more": more})
    if tokens := report.get("tokens"):
        found.append({"figure": f"{tokens['out']:,}", "what": "tokens written", "more": f"{tokens['in']:,} read"})
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
        parts = [(_STAGES.get(stage, stage), entry)]
        parts += [(f"{_STAGES.get(stage, stage)}: {what}", entry[key]) for key, what in _PARTS.items() if key in entry]
        for label, part in parts:
            drawn = [("b-kept", "kept", part["kept"])]
            drawn += [("b-rejected", f"rejected, {reason}", n) for reason, n in part["rejected"].items()]
            drawn += [("b-failed", f"failed, {reason}", n) for reason, n in part["failed"].items()]
            rows.append(
                {
                    "label": label,
                    "unit": part["unit"],
                    "in": part["in"],
                    "kept": part["kept"],
                    "rejected": part["rejected"],
                    "failed": part["failed"],
                    "bar": stacked_bar(f"{label}: {part['kept']:,} of {part['in']:,} kept", drawn, part["in"]),
                }
            )
    return rows


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
            {
                "state": state,
                "count": count,
                "bar": stacked_bar(f"{state}: {count}", [(css, state, count)], generations.num_rows),
            }
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
            "passed": stacked_bar(
                f"{row['kept']} of {row['drafts']}", [("b-kept", "passed", row["kept"])], row["drafts"]
            ),
            "ratio": _against(row["length_ratio"], 1.0, widest, "length over the positive's"),
            "grade": _against(row["reading_grade"], row["positive_reading_grade"], highest, "reading grade"),
        }
        for row in rows
    ]


def _against(value: float | None, reference: float | None, top: float, what: str) -> Any:  # noqa: ANN401
    """A dot for what came, and a dashed line for what it is compared with."""
    if value is None:
        return None
    return dot(f"{what}: {shown(value)}", value, (0.0, top), reference)


def critic(report: Mapping[str, Any]) -> Row | None:
    """The critic's exam; None where it sat none."""
    exam = report.get("critic")
    if not exam:
        return None
    rows = [
        {
            "kind": kind.replace("_", " "),
            **row,
            "bar": stacked_bar(kind, [("b-kept", "right", row["right"])], row["cases"]),
        }
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
                f"{row['source']}: {row['count']}",
                [(f"b-{row['source'].partition(':')[0]}", row["source"], row["count"])],
                total,
            ),
            "share": f"{row['count'] / total:.0%}" if total else "-",
        }
        for row in origins
    ]
    per_example = found.get("negatives_per_example") or {str(report["negatives_per_example"]): report["examples"]}
    counted = sorted(per_example.items(), key=lambda item: int(item[0]))
    most = max(per_example.values(), default=0)
    known = {"sources", "negatives_per_example"}
    facts = {
        key.replace("_", " "): shown(value)
        for key, value in found.items()
        if key not in known and not isinstance(value, dict | list)
    }
    return {
        "origins": shares,
        "per_example": [
            {
                "negatives": n,
                "examples": count,
                "bar": stacked_bar(f"{n}: {count}", [("b-kept", "examples", count)], most),
            }
            for n, count in counted
        ],
        "facts": facts,
    }
