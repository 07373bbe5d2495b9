"""The paper's five recipes, against a Hub that holds small repositories of the same ids and layouts."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from syneg_data.plan import plan_build
from syneg_data.recipe import load_recipe
from tests.loopback import reach

ROOT = Path(__file__).resolve().parents[2]
FIVE = ("fiqa", "scifact", "quora", "hotpotqa", "msmarco")
SPLITS = {  # as BEIR has them
    "fiqa": ("train", "dev", "test"),
    "scifact": ("train", "test"),
    "quora": ("dev", "test"),
    "hotpotqa": ("train", "dev", "test"),
    "msmarco": ("train", "dev", "test"),
}
TRAINED_ON = {"quora": "dev"}
MEASURED_ON = {"msmarco": "dev"}
QUERIES = 200


def lines(entries):
    return gzip.compress("".join(json.dumps(entry) + "\n" for entry in entries).encode())


def queries_of(split):
    return {f"{split}-{i}": f"what of {split} is number {i}" for i in range(QUERIES)}


def seed(hub, name):
    """Corpus and queries in one repository, a table of judgements for every split in another; and the models."""
    splits = SPLITS[name]
    documents = [
        {
            "_id": f"d{split}{i}",
            "title": f"Number {i}",
            "text": f"Of {split} it is the one after {i - 1}.",
            "metadata": {},
        }
        for split in splits
        for i in range(QUERIES)
    ]
    queries = [{"_id": q, "text": text, "metadata": {}} for split in splits for q, text in queries_of(split).items()]
    main = {"corpus.jsonl.gz": lines(documents), "queries.jsonl.gz": lines(queries)}
    main |= {"README.md": b"---\nlicense: cc-by-sa-4.0\n---\n", f"{name}.py": b"raise SystemExit('code was run')\n"}
    qrels = {
        f"{split}.tsv": "query-id\tcorpus-id\tscore\n"
        + "".join(f"{split}-{i}\td{split}{i}\t1\n" for i in range(QUERIES))
        for split in splits
    }
    hub.put(f"datasets/BeIR/{name}", "dataset", main, private=False)
    hub.put(f"datasets/BeIR/{name}-qrels", "dataset", {k: text.encode() for k, text in qrels.items()}, private=False)
    recipe = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text())
    models = [recipe["mining"][0]["model"], recipe["generation"]["engine"]["model"]]
    for model in {*models, *(reranker["model"] for reranker in recipe["validation"]["rerankers"])}:
        repo = model.partition("@")[0]
        hub.put(f"models/{repo}", "model", {"config.json": b"{}", "model.safetensors": repo.encode()}, private=False)
    return recipe


@pytest.mark.parametrize("name", FIVE)
def test_a_recipe_of_the_paper_loads_and_its_splits_are_apart(hub, monkeypatch, tmp_path, name):
    reach(hub, monkeypatch, tmp_path)
    seed(hub, name)
    file = load_recipe(ROOT / "recipes" / f"{name}.yaml")
    plan = plan_build(file)
    trained = TRAINED_ON.get(name, "train")
    collection = file.recipe.source.load(file.recipe.seed)
    assert plan["documents"] == QUERIES * len(SPLITS[name])
    assert plan["drafts"] == 2 * plan["pairs"] == 2 * len(collection.queries)
    assert {q.rpartition("-")[0] for q in collection.queries} == {trained}
    held_out = file.recipe.source.held_out(collection, file.recipe.seed)
    assert set(held_out) == {"dev", "test"}
    parts = [collection, *held_out.values()]
    assert sum(len(part.queries) for part in parts) == len({q for part in parts for q in part.queries})
    test = MEASURED_ON.get(name, "test")
    assert dict(held_out["test"].queries) == queries_of(test)
    assert {q.rpartition("-")[0] for q in held_out["dev"].queries} == {trained if file.recipe.source.dev else "dev"}
    assert not any(log.path.endswith(".py") for log in hub.log)


def test_check_says_what_would_be_built(hub, tmp_path):
    seed(hub, "quora")
    done = subprocess.run(
        [sys.executable, "-m", "syneg_data", "check", "recipes/quora.yaml", "--json"],
        cwd=ROOT, env=hub.environment(tmp_path, None), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["recipe"] == "quora"
    commit = hub.refs("models/Qwen/Qwen2.5-7B-Instruct").branches["main"]
    assert plan["models"]["generation.engine"].startswith(f"Qwen/Qwen2.5-7B-Instruct@{commit} (sha256 ")


@pytest.mark.parametrize("name", FIVE)
def test_a_recipe_says_what_it_takes_and_that_nobody_has_run_it(name):
    head = (ROOT / "recipes" / f"{name}.yaml").read_text().split("name:")[0].replace("\n#", " ")
    head = " ".join(head.split())
    for words in (
        "documents",
        "queries",
        "Licence:",
        "not measured. Estimate",
        "tokens per second",
        "unknown",
        "recipe.lock",
    ):
        assert words in head, words
    assert "Nobody has run this recipe whole" in head
