"""What a comparison of arms looks like: a page of Markdown, and the same on a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from syneg_data.training.metrics import METRICS


def comparison_page(report: Mapping[str, Any]) -> str:
    """README.md of a comparison.

    Args:
        report: what report.json holds.
    """
    settings = report["settings"]
    lines = [
        f"# What hard negatives are worth: {report['name']}",
        "",
        *(f"- {sentence}" for sentence in report["verdict"]),
        "",
        "## How it was measured",
        "",
        f"Every arm starts from `{report['base']}` and trains on the same {report['pairs']} (query, positive) pairs "
        f"with the same batch ({settings['batch_size']}), steps and seeds; the learning rate is the best on dev out of "
        f"{', '.join(f'{rate:g}' for rate in report['learning_rates'])}, for each arm. Every query searches the whole "
        "corpus exactly; ties go by document id. Intervals are 95 % paired bootstrap intervals over queries, of which "
        "those with a common positive are drawn together, and over seeds where there are several.",
        "",
        *(f"- {sentence}" for sentence in (*_leakage(report["leakage"]), *_caveats(report))),
        "",
        *_table(
            ("arm", "what", "hard negatives", "learning rate", "steps", "seeds", "training, s"),
            [
                (
                    row["arm"], row["what"], row["negatives"] or "-", _number(row["learning_rate"], "g"),
                    row["steps"] or "-", row["seeds"], row["seconds"],
                )
                for row in report["arms"]
            ],
        ),
    ]  # fmt: skip
    for dataset, splits in report["tables"].items():
        for split, rows in splits.items():
            lines += ["", f"## {dataset}, {_split(split)} ({rows[0]['queries']} queries)", "", *_arms(rows)]
    lines += _shortcuts(report["arms"])
    return "\n".join(lines) + "\n"


def print_comparison(report: Mapping[str, Any], folder: str) -> None:
    """The page on a terminal, and where it is."""
    console = Console(highlight=False)
    console.print(Markdown(comparison_page(report)))
    console.print(f"rows, runs and this page in {folder}", markup=False)


def print_plan(plan: Mapping[str, Any]) -> None:
    """What can be detected with how many seeds."""
    pilot = plan["pilot"]
    lines = [
        f"Pilot: {pilot['arm']} against {pilot['against']}, {pilot['queries']} queries, {pilot['seeds']} seeds.",
        "",
        *_table(
            ("seeds", "smallest difference found 4 times out of 5 (nDCG@10)", "training runs", "hours, as the pilot's"),
            [(row["seeds"], f"{row['detectable']:.4f}", row["runs"], row["hours"]) for row in plan["rows"]],
        ),
    ]
    if plan["design_effect"] > 1:
        lines += [
            "",
            "Some queries have a positive in common, so the variance of their mean is "
            f"{plan['design_effect']:.2f} times that of as many strangers; the table counts that in.",
        ]
    if plan["components"]["seed"] is None:
        lines += ["", "The pilot has one seed, so nothing is known of others: run it with --seeds 2."]
    elif pilot["seeds"] < 5:
        lines += [
            "",
            f"How much seeds differ is itself a guess from {pilot['seeds']} of them: where they happened to agree, the "
            "table promises too much.",
        ]
    Console(highlight=False).print(Markdown("\n".join(lines)))


def _leakage(leakage: Mapping[str, Any]) -> Iterator[str]:
    for split, found in leakage.items():
        if found["trained_on"]:
            yield (
                f"Of the {found['positives']} positives of {split}, {found['trained_on']} are positives that were "
                "trained on, so its tables come twice: with all queries, and without those that have such a positive."
            )


def _caveats(report: Mapping[str, Any]) -> Iterator[str]:
    """What a reader must know before believing the tables."""
    counts = {row["arm"]: row["negatives"] for row in report["arms"] if row["negatives"]}
    if len(set(counts.values())) > 1:
        most = max(counts.values())
        fewer = ", ".join(f"{arm} {count}" for arm, count in counts.items() if count < most)
        yield f"Not all arms have the same number of hard negatives: {fewer}, the others {most}; more alone may help."
    for arm, count in report["restyled_positives"].items():
        yield f"Of the {report['pairs']} positives of {arm}, {count} stand in the model's words, under the same pairs."
    if report["own_gate"]:
        yield (
            "The base model itself mined or judged the negatives, so they are ones it could tell already: it gains "
            "less from them than another model might, and its accuracy in the shortcut table starts near 1."
        )
    edges = [
        row["arm"]
        for row in report["arms"]
        if len(report["learning_rates"]) > 1
        and row["learning_rate"] in (min(report["learning_rates"]), max(report["learning_rates"]))
    ]
    if edges:
        yield f"The chosen learning rate is at the edge of the grid for {', '.join(edges)}: a wider one may do better."


def _arms(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    head = ("arm", *METRICS, "nDCG@10 to no fine-tuning", "nDCG@10 to in-batch")
    cells = [
        (
            row["arm"] + (" (below no fine-tuning)" if row["below_none"] else ""),
            *(f"{row[metric]:.4f}" for metric in METRICS),
            _difference(row["to_none"]),
            _difference(row["to_in_batch"]),
        )
        for row in rows
    ]
    return _table(head, cells)


def _shortcuts(arms: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            arm["arm"],
            *(f"{arm['shortcuts'][kind][name]:.4f}" for kind in ("mined", "synthetic") for name in ("accuracy", "gap")),
        )
        for arm in arms
        if arm["shortcuts"]
    ]
    if not rows:
        return []
    counts = next(arm["shortcuts"] for arm in arms if arm["shortcuts"])
    return [
        "",
        "## Shortcuts",
        "",
        "On pairs that no arm was trained on: how often the positive scores above a negative of either kind "
        f"({counts['mined']['comparisons']} mined, {counts['synthetic']['comparisons']} synthetic comparisons), and by "
        "how much. An arm that gains on synthetic negatives and not on mined ones may have learnt who wrote a text.",
        "",
        *_table(("arm", "mined: accuracy", "mined: gap", "synthetic: accuracy", "synthetic: gap"), rows),
    ]


def _split(name: str) -> str:
    split, _, reading = name.partition(":")
    return f"{split}, no positive trained on" if reading else split


def _difference(difference: Mapping[str, Any] | None) -> str:
    if difference is None:
        return "-"
    return f"{difference['mean']:+.4f} ({difference['low']:+.4f} .. {difference['high']:+.4f})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [head, ["---", *(["---:"] * (len(head) - 1))], *rows]
    return [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]
