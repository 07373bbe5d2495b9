"""The rows of a card's tables, from report.json: names escaped, figures as people read them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syneg_data.publishing.markdown import code, count, inline, interval, number, percent
from syneg_data.publishing.models import Credit
from syneg_data.publishing.words import CONFIGS, REASONS

_SHORT = "too_few_"
_LINE = ("load", "mine", "generate", "restyle", "validate", "mix")


def funnel(stages: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row per stage and part of one: unit, in, kept, and what was rejected or failed, by reason."""
    return [
        {
            "stage": inline(label),
            "unit": inline(part["unit"]),
            "in": count(part["in"]),
            "kept": count(part["kept"]),
            "rejected": _reasons(part["rejected"]),
            "failed": _reasons(part["failed"]),
        }
        for label, part in _parts(stages)
    ]


def reasons(stages: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The reasons that occur, each with what it means; those that need no word are left out."""
    found = {reason for _, part in _parts(stages) for kind in ("rejected", "failed") for reason in part[kind]}
    known = [(code(reason), meaning) for reason, meaning in REASONS.items() if reason in found]
    short = sorted(reason for reason in found if reason.startswith(_SHORT))
    return [*known, *((code(name), f"pairs without enough {_words(name.removeprefix(_SHORT))}") for name in short)]


def _words(source: str) -> str:
    return inline({"synthetic": "written negatives", "mined": "mined negatives"}.get(source, f"negatives: {source}"))


def _parts(stages: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The entries of the ledger in the order of the line, whatever order the report has them in."""
    for stage in [*filter(stages.__contains__, _LINE), *sorted(set(stages) - set(_LINE))]:
        entry = stages[stage]
        yield stage, entry
        for name in ("pairs", "relevance"):
            if entry.get(name):
                yield f"{stage}, {name}", entry[name]


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{code(reason)} {count(n)}" for reason, n in counts.items()) or "-"


def origins(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row per source: `mined:bm25+dense` was found by both, `:backfill` stands in for another source."""
    total = sum(row["count"] for row in rows)
    shown = []
    for row in rows:
        kind, _, rest = row["source"].partition(":")
        names, *marks = rest.split(":")
        notes = ["in place of another source" if mark == "backfill" else mark.replace("_", " ") for mark in marks]
        shown.append(
            {
                "origin": inline(kind),
                "by": inline(" + ".join(names.split("+")) + (f" ({', '.join(notes)})" if notes else "")),
                "count": count(row["count"]),
                "share": percent(row["count"] / total),
                "mean": number(row["mean"]),
            }
        )
    return shown


def mixing(facts: Mapping[str, Any]) -> list[str]:
    """What mixing did, a sentence each."""
    said = [f"Mixed as {code(facts['kind'])}."]
    sizes = {int(n): examples for n, examples in facts.get("negatives_per_example", {}).items()}
    if len(sizes) > 1:
        parts = (f"{_some(n, 'negative')} in {_some(examples, 'example')}" for n, examples in sorted(sizes.items()))
        said.append(f"Not all examples have equally many: {', '.join(parts)}.")
    if (ratio := facts.get("synthetic_per_mined")) is not None:
        said.append(f"Written to mined negatives: {number(ratio, 2)} to 1.")
    if facts.get("documents"):
        said.append(
            f"They are {_some(facts['documents'], 'document')}; the one used most is a negative of "
            f"{_some(facts['most_often'], 'example')}."
        )
    if facts.get("backfilled"):
        said.append(f"Taken in place of a source that had too few: {count(facts['backfilled'])}.")
    if facts.get("capped"):
        said.append(f"Passed over because they are negatives often enough already: {count(facts['capped'])}.")
    return said


def _some(n: int, noun: str) -> str:
    return f"{count(n)} {noun}{'' if n == 1 else 's'}"


def gate(validation: Mapping[str, Any]) -> dict[str, Any]:
    """How well each reranker tells known positives, the rules as fitted, and whether all give probabilities."""
    rerankers = [
        {
            "name": inline(row["name"]),
            "positives": count(row["positives"]),
            "auc_random": number(row["auc_random"]),
            "auc_mined": number(row["auc_mined"]),
            "rule": inline(row["bar"]["rule"]),
        }
        for row in validation["rerankers"]
    ]
    joint = validation.get("joint")
    bars = [(inline(row["name"]), _fitted(row["bar"])) for row in validation["rerankers"]]
    return {
        "rerankers": rerankers,
        "joint": _fitted(joint) if joint else "",
        "bars": [] if joint else bars,
        "calibrated": all(row["bar"]["rule"] == "calibrated" for row in validation["rerankers"]),
    }


def _fitted(bar: Mapping[str, Any]) -> str:
    return ", ".join(f"{inline(name)} {inline(str(value))}" for name, value in sorted(bar.items()) if name != "rule")


def configs(rows: Mapping[str, Mapping[str, int]]) -> list[dict[str, str]]:
    """A row per config, those to train on first: name, rows of each split, what it holds."""
    names = [*filter(rows.__contains__, CONFIGS), *(name for name in rows if name not in CONFIGS)]
    return [{"name": code(name), "rows": _by_split(rows[name]), "what": CONFIGS.get(name, "")} for name in names]


def _by_split(rows: Mapping[str, int]) -> str:
    if len(rows) == 1:
        return "".join(map(count, rows.values()))
    return ", ".join(f"{split} {count(n)}" for split, n in rows.items())


def digests(models: Sequence[Credit]) -> str:
    """A line per model whose weights are known, as `sha256sum` writes them."""
    return "\n".join(f"{model.sha256}  {model.label}" for model in models if model.sha256)


def review(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a second judge said of a sample: of what was kept, per source, and of what was refused."""
    parts = [("kept", found["kept"]), *((f"kept, {name}", part) for name, part in found["sources"].items())]
    rows = [
        {
            "what": inline(name),
            "judged": count(part["judged"]),
            "relevant": count(part["relevant"]),
            "rate": percent(part["rate"]),
            "interval": "-" if part["low"] is None else f"{percent(part['low'])} to {percent(part['high'])}",
        }
        for name, part in [*parts, ("refused as false negative", found["refused"])]
    ]
    figures = {name: number(found.get(name)) for name in ("kappa", "auc_mined")}
    return {"by": inline(found["by"]), "rows": rows, **figures, "trusted": "auc_mined" in found}


def attributes(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The rows of the report's `attributes`, what could not be measured as a dash."""
    return [
        {
            "strategy": inline(row["strategy"]),
            "attribute": inline(f"{row['axis']}: {row['value']}" if row["value"] else "all drafts"),
            "drafts": count(row["drafts"]),
            "kept": count(row["kept"]),
            "length_ratio": number(row["length_ratio"], 2),
            "reading_grade": number(row["reading_grade"], 1),
            "positive_reading_grade": number(row["positive_reading_grade"], 1),
            "same_language": percent(row["same_language"]),
        }
        for row in rows
    ]


def audit(found: Mapping[str, Any]) -> dict[str, Any]:
    """The audit's figures by group, and its gates."""
    groups: dict[str, list[dict[str, str]]] = {}
    for row in found["measures"]:
        groups.setdefault(inline(row["group"]), []).append(
            {
                "name": code(row["name"]),
                "value": number(row["value"]),
                "interval": interval(row["low"], row["high"]),
                "n": count(row["n"]),
                "sentence": inline(row["sentence"]),
            }
        )
    gates = [
        {
            "measure": code(row["measure"]),
            "bound": _bound(row.get("min"), row.get("max")),
            "value": number(row["value"]),
            "holds": "yes" if row["holds"] else "**no**",
        }
        for row in found["gates"]
    ]
    return {"groups": groups, "gates": gates}


def _bound(low: float | None, high: float | None) -> str:
    bounds = [
        f"at least {number(low)}" if low is not None else "",
        f"at most {number(high)}" if high is not None else "",
    ]
    return " and ".join(filter(None, bounds))
