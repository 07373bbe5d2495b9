"""tells: real abstracts split at random into "synthetic" and "mined", a shortcut planted in a share of the former.

Nothing but the planted shortcut tells the two apart, so what the audit should find is known: nothing where nothing is
planted, and where a share of the texts gives itself away at most an AUC of 0.5 + share / 2.
"""

import gzip
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.results import FOLDER, Row, row
from syneg_data.audit.measures import Measure
from syneg_data.audit.shortcuts import PROBES, examine
from syneg_data.audit.subject import Subject
from syneg_data.collection import Collection, Document
from syneg_data.durable import write_text
from syneg_data.records import Example
from syneg_data.spec import seed_of

CORPUS = Path(__file__).resolve().parents[2] / "recipes" / "data" / "scifact" / "corpus.jsonl.gz"
STRENGTHS = (0.0, 0.1, 0.25, 0.5, 1.0)
_EXAMPLES, _QUICK_EXAMPLES = 1200, 300
_CLEAN, _CLEAN_EXAMPLES = 40, 200  # sets without a shortcut, and the examples of each

Plant = Callable[[Document, random.Random, Sequence[Document]], Document]


def token(document: Document, chance: random.Random, others: Sequence[Document]) -> Document:
    """One tell-tale word somewhere in the text."""
    words = document.text.split()
    words.insert(chance.randrange(len(words) + 1), "delving")
    return Document(document.doc_id, " ".join(words), document.title)


def length(document: Document, chance: random.Random, others: Sequence[Document]) -> Document:
    """About twice the length: another abstract goes on where this one ends."""
    return Document(document.doc_id, f"{document.text} {chance.choice(others).text}", document.title)


_REGISTER = (
    (r"\b[Ww]e\b", "i"),
    (r"\b[Oo]ur\b", "my"),
    (r"\bis\b", "may be"),
    (r"\bare\b", "might be"),
    (r"\bshow(s|ed|n)?\b", "seem to tell"),
)


def register(document: Document, chance: random.Random, others: Sequence[Document]) -> Document:
    """The same in another register: no capitals, first person singular, hedged."""
    text = document.text
    for pattern, instead in _REGISTER:
        text = re.sub(pattern, instead, text)
    return Document(document.doc_id, text.lower(), document.title)


PLANTS: dict[str, Plant] = {"token": token, "length": length, "register": register}


@cache
def abstracts() -> tuple[Document, ...]:
    """The documents of SciFact."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return tuple(Document(row["_id"], row["text"], row["title"]) for row in rows)


def planted(examples: int, seed: int, plant: Plant | None = None, share: float = 0.0) -> Subject:
    """A set of real abstracts: of each example the positive, a "synthetic" and a mined negative, dealt at random.

    Args:
        examples: how many; no document is used twice.
        seed: of the deal.
        plant: what is done to "synthetic" ones.
        share: to how many of them, exactly.
    """
    chance = random.Random(seed_of("tells", seed))
    dealt = chance.sample(abstracts(), 3 * examples)
    affected = set(chance.sample(range(examples), round(share * examples)))
    documents: dict[str, Document] = {}
    made = []
    for i in range(examples):
        positive, synthetic, mined = dealt[3 * i : 3 * i + 3]
        if plant is not None and i in affected:
            synthetic = plant(synthetic, chance, abstracts())
        documents |= {document.doc_id: document for document in (positive, synthetic, mined)}
        negatives = (synthetic.doc_id, mined.doc_id)
        made.append(Example(f"q{i}", positive.doc_id, negatives, ("synthetic:planted", "mined:dealt"), (0.5, 0.5)))
    queries = {example.query_id: f"query {example.query_id}" for example in made}
    qrels = {example.query_id: {example.positive_id: 1} for example in made}
    return Subject(Collection(documents, queries, qrels, ""), made, seed=seed)


@dataclass(frozen=True, slots=True)
class Point:
    """What the audit found where a share of the texts had a shortcut."""

    plant: str
    share: float
    figures: dict[str, Measure]


def measure(quick: bool) -> list[Row]:
    """Detection curves, and how often the interval of a clean set holds 0.5."""
    examples = _QUICK_EXAMPLES if quick else _EXAMPLES
    points = [
        Point(name, share, {found.name: found for found in examine(planted(examples, 13, plant, share))[0]})
        for name, plant in PLANTS.items()
        for share in STRENGTHS
    ]
    _write(points)
    _plot(points)
    rows = [_row(point, examples) for point in points]
    return [*rows, *_clean(_CLEAN // 4 if quick else _CLEAN)]


def _row(point: Point, examples: int) -> Row:
    """The strongest probe's figure beside the most that could be told; the interval stands with the metric."""
    found = point.figures["source_auc"]
    assert found.value is not None and found.low is not None and found.high is not None
    ceiling = 0.5 + point.share / 2
    if point.share == 0:
        goal, holds = "0.5 within the interval", found.low <= 0.5 <= found.high
    elif point.share >= 0.25:
        goal, holds = "0.5 below the interval", found.low > 0.5
    else:
        goal, holds = "for the record", True
    return row(
        f"tells: {point.plant} in {point.share:.0%} of {examples:,} texts",
        f"source_auc ({found.low:.3f} to {found.high:.3f})",
        "AUC", found.value, ceiling, "the most that can be told, 0.5 + share / 2", 1, goal, holds,
    )  # fmt: skip


def _clean(sets: int) -> list[Row]:
    """How often the 95 % interval of each probe holds 0.5 where there is nothing to find."""
    held: dict[str, list[bool]] = {}
    for seed in range(sets):
        for found in examine(planted(_CLEAN_EXAMPLES, 1000 + seed))[0]:
            if found.low is not None and found.high is not None and found.name.startswith("source"):
                held.setdefault(found.name, []).append(found.low <= 0.5 <= found.high)
    what = f"tells: {sets} clean sets of {_CLEAN_EXAMPLES} texts of either kind"
    rows = []
    for name, hits in held.items():
        share = 100 * sum(hits) / len(hits)
        rows.append(row(what, f"{name}: interval holds 0.5", "%", share, None, "", 1, ">= 85 %", share >= 85))
    return rows


def _write(points: Sequence[Point]) -> None:
    """Every probe's figure at every strength."""
    lines = ["plant,share,figure,auc,low,high,texts"]
    for point in points:
        for found in point.figures.values():
            if found.value is not None:
                lines.append(
                    f"{point.plant},{point.share},{found.name},{found.value},{found.low},{found.high},{found.n}"
                )
    write_text(FOLDER / "audit.csv", "\n".join(lines) + "\n")


def _plot(points: Sequence[Point]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(PLANTS), figsize=(10, 3.6), sharey=True, layout="constrained")
    shown = [*(f"source_auc_{probe}" for probe in PROBES), "query_blind_auc"]
    for axes, plant in zip(panels, PLANTS, strict=True):
        mine = [point for point in points if point.plant == plant]
        shares = [100 * point.share for point in mine]
        for name in shown:
            found = [point.figures[name] for point in mine]
            if any(one.value is None or one.low is None or one.high is None for one in found):
                continue
            values = [one.value or 0.0 for one in found]
            below = [value - (one.low or 0.0) for value, one in zip(values, found, strict=True)]
            above = [(one.high or 0.0) - value for value, one in zip(values, found, strict=True)]
            style = "--" if name.startswith("query_blind") else "-"
            axes.errorbar(shares, values, yerr=(below, above), fmt=style, marker=".", capsize=2, label=name)
        axes.plot([0, 100], [0.5, 1.0], ":", color="grey", label="the most that can be told")
        axes.set(title=plant, xlabel="texts with the shortcut, %", ylim=(0.4, 1.02))
    panels[0].set_ylabel("AUC")
    panels[0].legend(fontsize=6)
    figure.savefig(FOLDER / "audit.png", dpi=150, metadata={"Software": None})
    pyplot.close(figure)
