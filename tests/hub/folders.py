"""Small folders to publish, as a build and a training leave them, made in a moment without either."""

import json
from pathlib import Path

import numpy as np
import yaml

from syneg_data.collection import Collection, Document
from syneg_data.durable import write_bytes, write_json, write_text
from syneg_data.export.configs import candidate_table, collection_tables, generation_table, query_tables, score_table
from syneg_data.export.configs import training_tables as tables_of
from syneg_data.export.parquet import rows_by_config, write_configs
from syneg_data.publishing.card import dataset_info, read_prose, render_card
from syneg_data.publishing.manifest import read_manifest, write_manifest
from syneg_data.publishing.model_card import render_model_card
from syneg_data.records import Candidate, Example, Hit, Scored, Verdict
from tests.publishing.model_golden import FACTS

TOPICS = ("amber", "basalt", "copper", "flint")
FINGERPRINT = "12" * 32


def texts(changes=()):
    """doc_id -> text: what melts, which is relevant, and what does not."""
    found = {f"{topic}-{n}": f"We know that {topic} {kind}." for topic in TOPICS for n, kind in enumerate(
        ("melts when it is heated", "is mined in many places", "costs little")
    )}  # fmt: skip
    return found | dict(changes)


def write_build(folder: Path, negatives=2, changes=(), license="cc-by-4.0", source="cc-by-4.0", **report) -> Path:
    """A build of four queries to train on and one to test with.

    Args:
        folder: where to.
        negatives: of each pair, 1 or 2.
        changes: (doc_id, text) that are other than they would be.
        license: of the set.
        source: of its source.
        report: entries of report.json.
    """
    documents = {doc_id: Document(doc_id, text) for doc_id, text in texts(changes).items()}
    train = Collection(
        documents, {f"q-{t}": f"when does {t} melt" for t in TOPICS}, {f"q-{t}": {f"{t}-0": 1} for t in TOPICS}, "d"
    )
    test = Collection(documents, {"q-test": "which stone melts"}, {"q-test": {"amber-0": 1}}, "d")
    hit = (Hit("mined:bm25", 1, 2.5),)
    examples = [
        Example(f"q-{t}", f"{t}-0", tuple(f"{t}-{n + 1}" for n in range(negatives)), ("mined:bm25",) * negatives,
                (0.25,) * negatives) for t in TOPICS
    ]  # fmt: skip
    mined = [Candidate(f"q-{t}", f"{t}-{n}", hit) for t in TOPICS for n in (1, 2)]
    verdicts = [
        Verdict(row.query_id, row.doc_id[:-1] + "0", row.doc_id, "mined", hit, 0.25, 0.75, (), "keep", "")
        for row in mined
    ]
    scores = [Scored(row.query_id, row.doc_id, "candidate", "words", 0.25) for row in mined]
    tables = {**tables_of(train, examples, negatives), **collection_tables(train, [], examples)}
    tables |= {"candidates": candidate_table(mined, verdicts, examples), "scores": score_table(scores)}
    tables |= {"generations": generation_table([])}
    by_split = {config: {"train": table} for config, table in tables.items()}
    for config, table in query_tables(test).items():
        by_split[config]["test"] = table
    rows = write_configs(folder, by_split)
    counts = rows_by_config(rows)
    write_json(folder / "report.json", _report(negatives) | report)
    recipe = {
        "name": "stones",
        "seed": 13,
        "source": {"kind": "beir", "path": "data/stones", "split": "train", "license": source},
        "mining": [{"kind": "bm25", "depth": 2}],
        "mixing": {"kind": "mined_only", "mined": negatives},
        "publishing": {"license": license},
    }
    lock = {"fingerprint": FINGERPRINT, "tool": "syneg-data 0.1.0", "inputs": {}, "recipe": recipe}
    write_text(folder / "recipe.lock.yaml", yaml.safe_dump(lock, sort_keys=False))
    card = render_card(
        report=_report(negatives), prose=read_prose(folder / "none.md"),
        publishing={
            "license": license, "pretty_name": "Stones", "language": ("en",), "source_datasets": (), "retriever": None,
        },
        source_license=source, terms=None, split="train", rows=counts, features=dataset_info(folder, counts),
        models=(), recipe_name="stones.yaml", fingerprint=FINGERPRINT,
    )  # fmt: skip
    write_text(folder / "README.md", card)
    write_text(folder / "report.html", "<!doctype html><title>Stones</title><p>Four of them.</p>\n")
    write_manifest(folder, FINGERPRINT, {}, rows)
    write_json(folder / "run.json", {"seconds": 1.5})
    return folder


def _report(negatives):
    stage = {"unit": "candidate", "in": 8, "kept": 8, "rejected": {}, "failed": {}}
    pairs = {"unit": "pair", "in": 4, "kept": 4, "rejected": {}, "failed": {}}
    return {
        "schema": 1,
        "name": "stones",
        "seed": 13,
        "examples": 4,
        "negatives_per_example": negatives,
        "stages": {"load": pairs, "mine": stage, "validate": stage, "mix": {**stage, "pairs": pairs}},
        "origins": [{"source": "mined:bm25", "count": 4 * negatives, "mean": 0.25}],
        "validation": {"agree": "any", "rerankers": []},
    }


def listed(folder: Path) -> Path:
    """Have the manifest list the files as they are now."""
    manifest = read_manifest(folder)
    rows = {name: entry["rows"] for name, entry in manifest["files"].items()}
    write_manifest(folder, manifest["fingerprint"], manifest["inputs"], rows)
    return folder


def changed_report(folder: Path, **entries) -> Path:
    """More entries in report.json, and the manifest to match."""
    write_json(folder / "report.json", json.loads((folder / "report.json").read_text()) | entries)
    return listed(folder)


def write_retriever(folder: Path, repo=None, dataset="ad" * 32, seed=13, license="mit") -> Path:
    """A trained retriever that never learnt anything, with a card that says much of it.

    Args:
        folder: where to.
        repo: where its data set is published, as training.json has it.
        dataset: digest of the manifest of that data set.
        seed: of the training.
        license: of the weights; None: nobody named one.
    """
    from safetensors.numpy import save

    data = FACTS["data"] | {"repo": repo, "license": "cc-by-4.0", "terms": None}
    named = {"id": license, "name": None, "link": None, "chosen": True} if license else None
    facts = FACTS | {"data": data, "dataset_sha256": dataset, "seed": seed, "license": named}
    facts |= {"dataset": "stones", "base": "small", "base_model": None}
    write_json(folder / "training.json", facts)
    write_text(folder / "README.md", render_model_card(facts))
    write_text(folder / "modules.json", "[]\n")
    write_text(folder / "runs" / "after.test.trec", "q1 Q0 amber-0 1 0.5 syneg-data-after\n")
    write_bytes(folder / "model.safetensors", save({"w": np.zeros(4, np.float32)}))
    write_manifest(folder, FINGERPRINT, {"dataset": dataset}, {})
    return folder
