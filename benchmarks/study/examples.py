"""Examples: what the deciding condition made of the first pairs of each collection, kept beside the rows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.study.choosing import inner_rate, read_frozen
from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS
from benchmarks.study.recipes import recipe
from syneg_data.durable import write_json
from syneg_data.pipeline import build
from syneg_data.remixing import read_build
from syneg_data.report.terminal import TerminalProgress

PAIRS = 2  # of each collection, in working order: nobody has picked them
LENGTH = 400  # characters of a text that are shown
_FILE = "examples.json"


def keep_examples(folder: Path, work: Path) -> None:
    """Build what was frozen for the deciding generator on every collection, and write `examples.json`.

    Args:
        folder: of the rows.
        work: where the builds are kept.

    Raises:
        ValueError: nothing is frozen and committed.
        SynegError: see its subclasses.
    """
    frozen = read_frozen(folder)
    generator, place = GENERATORS[frozen["decides"]], work / "examples"
    condition = CONDITIONS[frozen["chosen"][generator.name]["condition"]]
    place.mkdir(parents=True, exist_ok=True)
    found = {
        name: of_recipe(recipe(ground, generator, condition, [inner_rate(folder, name)]), place)
        for name, ground in GROUNDS.items()
    }
    write_json(folder / _FILE, {"schema": 1, "condition": condition.name, "generator": generator.name, "pairs": found})


def of_recipe(text: Mapping[str, Any], place: Path) -> list[dict[str, Any]]:
    """Query, positive and negatives of the first pairs that a recipe makes."""
    path = place / f"{text['name']}.yaml"
    path.write_text(yaml.safe_dump(dict(text), sort_keys=False), encoding="utf-8")
    build(path, place / path.stem, progress=TerminalProgress())
    past = read_build(place / path.stem)
    return [
        {
            "query": past.collection.queries[example.query_id],
            "positive": past.collection.text(example.positive_id)[:LENGTH],
            "negatives": [
                {"source": source, "relevance": round(score, 4), "text": past.collection.text(doc_id)[:LENGTH]}
                for doc_id, source, score in zip(example.negative_ids, example.sources, example.scores, strict=True)
            ],
        }
        for example in past.examples[:PAIRS]
    ]


def shown(folder: Path) -> str:
    """The examples as Markdown; nothing before they are there."""
    path = folder / _FILE
    if not path.exists():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    what = f"{GENERATORS[found['generator']].title}, {found['condition']}"
    parts = [
        f"### What was written: {what}",
        f"The first {PAIRS} pairs of each collection in working order, picked by nobody; texts are cut off after "
        f"{LENGTH} characters. With each negative stands where it comes from, and the gate's word on its relevance.",
    ]
    for ground, pairs in found["pairs"].items():
        for pair in pairs:
            lines = [f"- *positive*: {_plain(pair['positive'])}"]
            for one in pair["negatives"]:
                lines.append(f"- *{one['source']}*, {one['relevance']:.3f}: {_plain(one['text'])}")
            parts += [f"**{ground}**: {_plain(pair['query'])}", "\n".join(lines)]
    return "\n\n".join(parts)


def _plain(text: str) -> str:
    """On one line, and no Markdown of its own."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|~" else sign for sign in " ".join(text.split()))
