"""A comparison with written negatives from end to end: what each arm may see, and what the report says of it."""

import json

import pytest
import yaml

from syneg_data.engines.honest import honest_value
from syneg_data.engines.scripted import Reply, ScriptedServer
from syneg_data.execution import Silence
from syneg_data.judge.compare import compare
from syneg_data.judge.experiment import prepare

ARMS = ("none", "in_batch", "random", "bm25", "gated", "synthetic", "pooled", "hybrid", "count_matched", "placebo")


def about(queries):
    """A script that writes something with half the words of the query, so that the gate has reason to keep it."""

    def script(serial, body):
        asked = " ".join(message["content"] for message in body["messages"])
        query = next((text for text in queries if text.rstrip(".") in asked), "nothing")
        words = query.split()
        value = honest_value(body)
        if "passage" in value:
            some = " ".join(words[: len(words) // 2 + 1])
            value["passage"] = f"{some} was looked at in {serial} mice {value['passage']}"
        return Reply(json.dumps(value))

    return script


@pytest.fixture
def written(recipe, slice_of_scifact, root):
    """A recipe whose drafts come from a scripted server, and whose gate is a real encoder."""
    lines = (slice_of_scifact / "queries.jsonl").read_text().splitlines()
    queries = [json.loads(line)["text"] for line in lines]
    gate = yaml.safe_load((root / "recipes" / "mined.yaml").read_text())["validation"]["rerankers"]
    with ScriptedServer(about(queries)) as server:
        generation = {
            "engine": {"kind": "openai", "base_url": server.base_url, "model": "scripted", "revision": "1"},
            "strategies": [{"kind": "syneg", "per_pair": 3, "attributes": {"length": ["shorter than"]}}],
            "reflection": {"kind": "inline"},
            "sampling": {"attempts": 1},
            "terms": "apache-2.0",
        }
        yield recipe(
            generation=generation,
            validation={"rerankers": gate, "rule": {"kind": "absolute", "maximum": 0.7}, "floor": {"sample": 20}},
            mixing={"kind": "hybrid", "synthetic": 1, "mined": 1, "shortage": "drop"},
            comparison={"learning_rates": [1e-3], "held_out": 0.3},
        )


def is_synthetic(doc_id):
    return doc_id.startswith("synthetic-")


def test_the_arms_see_what_they_may(written, fresh_cache, tmp_path):
    experiment = prepare(written, tmp_path / "out", ARMS, Silence())
    assert len(experiment.pairs) >= 10 and len(experiment.probes) >= 5
    taken = {
        name: {doc_id for negatives in chosen.values() for doc_id in negatives}
        for name, chosen in experiment.negatives.items()
    }
    for name in ("random", "bm25", "gated", "count_matched"):
        assert not any(map(is_synthetic, taken[name])), f"{name} mines among documents, drafts that were refused too"
    for name in ("synthetic", "pooled", "hybrid", "placebo"):
        assert any(map(is_synthetic, taken[name])), name
    # What the shortcut table asks about, no arm has seen: neither the queries nor what was written for them.
    asked = {probe.query_id for probe in experiment.probes}
    assert not asked & {query_id for chosen in experiment.negatives.values() for query_id, _ in chosen}
    shown = {doc_id for probe in experiment.probes for doc_id in probe.synthetic}
    assert shown and not shown & set().union(*taken.values())


@pytest.mark.slow
def test_the_report_of_a_hybrid(written, fresh_cache, tmp_path):
    report = compare(
        written, tmp_path / "out", ("none", "in_batch", "hybrid", "count_matched", "placebo"), 2, Silence()
    )
    assert report["headline"]["arm"] == "hybrid"
    assert {"count_matched", "placebo"} - {report["headline"]["against"]} == set(report["controls"])
    rows = {row["arm"]: row for row in report["arms"]}
    assert {name: row["negatives"] for name, row in rows.items()} == {
        "none": 0, "in_batch": 0, "hybrid": 2, "count_matched": 2, "placebo": 2,
    }  # fmt: skip
    assert len({row["steps"] for name, row in rows.items() if name != "none"}) == 1
    for row in rows.values():
        assert row["shortcuts"]["synthetic"]["comparisons"] >= report["held_out_pairs"] > 0
    page = (tmp_path / "out" / "README.md").read_text()
    assert "## Shortcuts" in page and "The base model itself" not in page
    assert set(report["versions"]) == {"torch", "sentence-transformers", "transformers"}
