"""The YAML on top of a retriever's card, as the Hub reads it: what it is, what it comes from, and its figures."""

from collections.abc import Iterator, Mapping
from typing import Any

from syneg_data.publishing.front_matter import as_yaml
from syneg_data.publishing.markdown import plain
from syneg_data.publishing.words import LOSSES
from syneg_data.training.metrics import METRICS

ALL, UNSEEN = "all queries", "queries none of whose positives was trained on"


def model_front_matter(facts: Mapping[str, Any]) -> str:
    """The lines between the two rows of dashes.

    Args:
        facts: what training.json holds.
    """
    data, base = facts["data"], facts["base_model"]
    repo, license = data["repo"], facts["license"] or {}
    objective = facts["settings"]["objective"]
    loss = LOSSES[objective["kind"]] if objective.get("in_batch", True) else None
    front: dict[str, Any] = {
        "language": list(data["language"]),
        **({"license": license["id"]} if license else {}),
        **({f"license_{key}": license[key] for key in ("name", "link")} if license.get("id") == "other" else {}),
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": [
            "sentence-transformers",
            "sentence-similarity",
            "feature-extraction",
            "dense",
            "dense-retrieval",
            "information-retrieval",
            "hard-negatives",
            f"dataset_size:{facts['examples']}",
            *([f"loss:{loss}"] if loss else []),
        ],
        # Only what is on the Hub has an id that a page can link to.
        **({"base_model": base["id"], "base_model_revision": base["revision"]} if base else {}),
        **({"base_model_relation": "finetune"} if base else {}),
        **({"datasets": [repo["id"]]} if repo else {}),
    }
    if facts["before"]:
        front |= {"metrics": [_type(metric) for metric in METRICS], "model-index": list(_index(facts))}
    return as_yaml(front)


def base_name(facts: Mapping[str, Any]) -> str:
    """The base model in a sentence: its id on the Hub, or else its label."""
    return str(facts["base_model"]["id"] if facts["base_model"] else facts["base"])


def order_of(splits: Mapping[str, Any]) -> list[str]:
    """The splits as a card has them: dev, on which weights are chosen, last."""
    return sorted(splits, key=lambda name: (name == "dev", name))


def _index(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """An entry of its own for each of the three, so that nothing takes another one's figures for this model's."""
    base, title = plain(base_name(facts)), plain(facts["data"]["title"])
    bm25 = facts["baselines"]["bm25"]
    unseen = facts["unseen"]
    for name, what, prefix, every, new in (
        (f"{base} trained on {title}", "", "cosine_", facts["after"], {s: unseen[s].get("after") for s in unseen}),
        (
            f"{base} before training", ", base model before training", "cosine_", facts["before"],
            {s: unseen[s].get("before") for s in unseen},
        ),
        ("BM25", ", BM25", "", bm25["metrics"], {s: entry["metrics"] for s, entry in bm25["unseen"].items()}),
    ):  # fmt: skip
        results = []
        for split in order_of(facts["before"]):
            results.append(_result(facts, split, ALL, what, prefix, every[split]))
            if 0 < unseen[split]["queries"] < unseen[split]["of"]:
                results.append(_result(facts, split, UNSEEN, what, prefix, new[split]))
        yield {"name": name, "results": results}


def _result(
    facts: Mapping[str, Any], split: str, reading: str, what: str, prefix: str, values: Mapping[str, float]
) -> dict[str, Any]:
    repo, unseen = facts["data"]["repo"], facts["unseen"][split]
    title = plain(facts["data"]["title"])
    queries = unseen["of"] if reading == ALL else unseen["queries"]
    return {
        "task": {"type": "information-retrieval", "name": "Information Retrieval"},
        "dataset": {
            "type": repo["id"] if repo else plain(facts["dataset"]),
            "name": f"{title}, {split}: {reading}",
            "config": "qrels",
            "split": split,
            **({"revision": repo["commit"] or repo["tag"]} if repo else {}),
            "args": {"queries": queries, "reading": reading},
        },
        "metrics": [
            {"type": f"{prefix}{_type(metric).removeprefix('cosine_')}", "value": value, "name": f"{metric}{what}"}
            for metric, value in ((metric, values[metric]) for metric in METRICS)
        ],
    }


def _type(metric: str) -> str:
    """As sentence-transformers' evaluator of information retrieval names it."""
    return f"cosine_{metric.lower()}"
