"""The card of a real build: what it says equals group-bys over the build's own tables, and what it shows runs."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard

from syneg_data.engines.honest import honest_value
from syneg_data.engines.scripted import Reply, ScriptedServer
from syneg_data.pipeline import build
from syneg_data.publishing.released import release_card
from syneg_data.recipe import load_recipe
from tests.hub.server import LoopbackHub

FORMATS = (
    "beir", "flag_embedding", "mteb", "sentence_transformers_ids", "sentence_transformers_labeled_list",
    "sentence_transformers_n_tuple", "sentence_transformers_triplet", "tevatron",
)  # fmt: skip
NOT_INSTALLED = ("beir", "FlagEmbedding", "mteb")  # their readers are no dependencies
TOPICS = ("amber", "basalt", "copper", "diamond", "emerald", "flint", "granite", "helium")


def script(serial, body):
    """A writer that stays on the topic, and a judge that knows the answers by a word in them."""
    said = json.dumps(body["messages"])
    value = honest_value(body)
    if isinstance(value, dict) and "verdict" in value:
        document, query = re.findall(r'\\"(?:document|query)\\": \\"(.*?)\\"', said)
        topic = next(topic for topic in TOPICS if topic in query)
        value["verdict"] = "unrelated" if topic not in document else "answers" if "melts" in document else "related"
    elif isinstance(value, dict) and "passage" in value:
        topic = max(TOPICS, key=said.count)
        value["passage"] = f"Much has been written about {topic}. {value['passage']}"
    return Reply(json.dumps(value))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished build: four judged topics to train on and one to test on, four documents each."""
    base = tmp_path_factory.mktemp("card")
    kinds = ("melts at {} degrees when heated", "is mined in {} places", "costs {} a piece", "was known {} years ago")
    documents = [
        {"_id": f"{topic}-{n}", "title": "", "text": f"We know that {topic} {kind.format(100 + 7 * at + n)}."}
        for at, topic in enumerate(TOPICS)
        for n, kind in enumerate(kinds)
    ]
    documents += [{"_id": f"other-{n}", "title": "", "text": f"Page {n} is about nothing."} for n in range(100)]
    queries = [{"_id": f"q{at}", "text": f"when does {topic} melt"} for at, topic in enumerate(TOPICS)]
    (base / "data" / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", documents), ("queries", queries)):
        (base / "data" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for split, part in (("train", TOPICS[:6]), ("test", TOPICS[6:])):
        lines = [f"q{TOPICS.index(topic)}\t{topic}-0\t1" for topic in part]
        (base / "data" / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines, ""]))
    with pytest.MonkeyPatch.context() as patch, ScriptedServer(script) as server:
        patch.setenv("SYNEG_CACHE", str(base / "cache"))
        patch.delenv("OPENAI_API_KEY", raising=False)
        engine = {"kind": "openai", "base_url": server.base_url, "model": "scripted", "revision": "one"}
        recipe = {
            "name": "stones",
            "seed": 13,
            "source": {"kind": "beir", "path": str(base / "data"), "split": "train", "license": "cc-by-sa-4.0"},
            "mining": [{"kind": "bm25", "name": "bm25", "depth": 5}],
            "generation": {
                "engine": engine,
                "strategies": [{"kind": "syneg", "per_pair": 2, "attributes": {"length": ["shorter than"]}}],
                "terms": "apache-2.0",
            },
            "validation": {
                "rerankers": [{"kind": "llm", "name": "reader", "engine": engine}],
                "rule": {"kind": "absolute", "maximum": 0.9},
                "floor": {"sample": 20},
            },
            "mixing": {"kind": "hybrid", "synthetic": 1, "mined": 2},
            "export": {"formats": [{"kind": kind} for kind in FORMATS]},
            "publishing": {"license": "cc-by-sa-4.0", "pretty_name": "Stones | and --- more", "language": ["no"]},
        }
        path = base / "stones.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False))
        build(load_recipe(path), base / "out")
    return base / "out"


def rows(folder, config, split="train"):
    paths = sorted((folder / config).glob(f"{split}-*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def table(folder, title):
    """The cells of the first table below a heading."""
    text = (folder / "README.md").read_text().split(f"## {title}\n")[1]
    lines = text[text.index("\n|") + 1 :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def counts(cell):
    return {} if cell == "-" else {name: int(n) for name, n in re.findall(r"`(\w+)` ([\d]+)", cell)}


def test_the_funnel_recounted_from_the_tables(folder):
    funnel = {
        row[0]: (int(row[2]), int(row[3]), counts(row[4]), counts(row[5]))
        for row in table(folder, "What became of every row")
    }
    candidates, generations = rows(folder, "candidates"), rows(folder, "generations")
    mined = [row for row in candidates if row["origin"] == "mined"]
    refused = Counter(row["reason"] for row in mined if row["stage"] == "mine")
    assert funnel["mine"] == (len(mined), len(mined) - refused.total(), dict(refused), {})
    last = {(row["query_id"], row["positive_id"], row["slot"]): row["state"] for row in generations}
    assert funnel["generate"][:2] == (len(last), Counter(last.values())["ok"]) == (12, 12)
    judged = [row for row in candidates if row["stage"] != "mine"]
    verdicts = Counter(row["verdict"] for row in judged)
    kept = verdicts.pop("keep")
    assert funnel["validate"] == (len(judged), kept, dict(verdicts), {})
    assert verdicts["too_easy"] > 0
    selected = sum(row["selected"] for row in candidates)
    assert funnel["mix"] == (kept, selected, {"not_selected": kept - selected}, {})
    assert funnel["mix, pairs"][:2] == (6, len(rows(folder, "n-tuple"))) == (6, 6)


def test_the_origins_recounted_from_the_ids(folder):
    found = {}
    for row in rows(folder, "ids"):
        for source, score in zip(row["sources"], row["scores"], strict=True):
            found.setdefault(tuple(source.split(":")), []).append(score)
    total = sum(map(len, found.values()))
    assert table(folder, "Where the negatives come from") == [
        [*source, str(len(scores)), f"{100 * len(scores) / total:.1f} %", f"{sum(scores) / len(scores):.3f}"]
        for source, scores in sorted(found.items())
    ]
    assert set(found) == {("mined", "bm25"), ("synthetic", "syneg")}


def test_the_rows_of_every_config(folder):
    for name, said, _ in table(folder, "Load it"):
        config = name.strip("`")
        splits = {path.name.split("-")[0] for path in (folder / config).glob("*.parquet")}
        found = {split: len(rows(folder, config, split)) for split in splits}
        shown = dict(part.split() if " " in part else ("train", part) for part in said.split(", "))
        assert {split: int(n) for split, n in shown.items()} == found, config
    assert len(table(folder, "Load it")) == len([path for path in folder.iterdir() if path.is_dir()]) - 1  # exports


def test_datasets_opens_every_config_and_the_card_agrees_with_the_files(folder, tmp_path):
    data = DatasetCard.load(folder / "README.md").data
    assert (data.pretty_name, data.language, data.size_categories) == ("Stones | and --- more", ["no"], ["n<1K"])
    infos = {info["config_name"]: info for info in data.dataset_info}
    configs = [config["config_name"] for config in data.configs]
    assert set(infos) == set(configs) == set(datasets.get_dataset_config_names(str(folder)))
    assert datasets.get_dataset_default_config_name(str(folder)) == "triplet"
    for config in configs:
        opened = datasets.load_dataset(str(folder), config, cache_dir=str(tmp_path))
        assert {name: len(part) for name, part in opened.items()} == {
            split["name"]: split["num_examples"] for split in infos[config]["splits"]
        }
        first = next(iter(opened.values()))
        assert first.column_names == [feature["name"] for feature in infos[config]["features"]]


def test_every_block_of_python_on_the_card_runs(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    blocks = re.findall(r"```python\n(.*?)\n```", (folder / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 4 + len(FORMATS)
    names = {}
    for block in blocks[:4]:  # of the exports tests/end_to_end has the rest
        exec(block.replace("FOLDER", str(folder)), names)
    assert names["triplets"].num_rows == 18
    assert names["examples"].column_names[2:] == ["negative_1", "negative_2", "negative_3"]
    assert (names["queries"].num_rows, names["qrels"].num_rows) == (2, 2)
    assert names["corpus"].num_rows == 132
    assert set(names["refused"]["verdict"]) <= {"false_negative"}


PROGRAM = """
import json, pathlib, sys
names = {}
for block in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    exec(block, names)
    if "train" in names:
        names.setdefault("exported", []).append(names.pop("train").num_rows)
print(json.dumps({
    "exported": names["exported"], "refused": names["refused"].num_rows, "corpus": names["corpus"].num_rows,
    "first": names["triplets"][0], "columns": names["examples"].column_names,
    "files": [str(path.relative_to(names["folder"])) for path in pathlib.Path(names["folder"]).glob("exports/*/*")],
}))
"""


def test_every_line_of_a_released_card_loads_that_version(folder, tmp_path):
    """From the Hub, where main is another version by now."""
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    files = {name: (folder / name).read_bytes() for name in (*listed, "manifest.json")}
    card = release_card(files["README.md"].decode(), "alice/stones", "v1.0.0", "dataset")
    triplets = "triplet/train-00000-of-00001.parquet"
    with LoopbackHub() as hub:
        token = hub.token()
        hub.put("datasets/alice/stones", "dataset", {**files, "README.md": card.encode()})
        hub.tag("datasets/alice/stones", "v1.0.0")
        hub.put("datasets/alice/stones", "dataset", {triplets: b"another version", "recipe.lock.yaml": b"another"})
        blocks = re.findall(r"```python\n(.*?)\n```", card, re.DOTALL)
        assert len(blocks) == 4 + len(FORMATS)
        # A reader that is not installed is left out, and all that comes before it is not.
        parts = [
            re.sub(rf"(?m)^(from ({'|'.join(NOT_INSTALLED)})\b.*\n|(?!folder = ).*({'Loader|Abs'}).*$)", "", block)
            for block in blocks
        ]
        (tmp_path / "blocks.json").write_text(json.dumps(parts))
        environment = hub.environment(tmp_path, token)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, tmp_path / "blocks.json"],
            capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found = json.loads(done.stdout)
        lines = re.search(r"```sh\npip install .*\n(hf .*)\n(python .*)\nsyneg-data", card)
        programs = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        subprocess.run(
            lines[1], shell=True, check=True, cwd=tmp_path, env={**environment, "PATH": programs}, capture_output=True
        )
    assert (tmp_path / "recipe.lock.yaml").read_bytes() == files["recipe.lock.yaml"]
    assert found["first"] == {name: rows(folder, "triplet")[0][name] for name in ("query", "positive", "negative")}
    assert found["columns"][2:] == ["negative_1", "negative_2", "negative_3"]
    assert found["corpus"] == 132
    assert found["exported"] == [6, 6, 6, 18, 6]
    assert {name.split("/")[1] for name in found["files"]} == set(FORMATS)


def test_the_recipe_can_be_had_from_the_lock_as_the_card_says(folder, tmp_path):
    block = re.search(
        r"```sh\npip install .*\ncp FOLDER/recipe.lock.yaml .\n(python .*)\nsyneg-data build (.*)\n```",
        (folder / "README.md").read_text(),
    )
    (tmp_path / "recipe.lock.yaml").write_text((folder / "recipe.lock.yaml").read_text())
    command = block[1].replace("python", sys.executable, 1)
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    again = load_recipe(tmp_path / block[2])
    assert again.written == yaml.safe_load((folder / "recipe.lock.yaml").read_text())["recipe"]


def test_a_model_behind_a_server_is_credited_by_name_alone(folder):
    assert table(folder, "Models") == [
        ["wrote the synthetic texts", "scripted, as served: one", "not stated"],
        ["judged candidates (reader)", "scripted, as served: one", "not stated"],
    ]
    assert (
        "Behind a server, so which weights answered is the word of whoever runs it: scripted, as served: one."
        in (folder / "README.md").read_text()
    )
    assert "Publish what you derive from the texts under cc-by-sa-4.0 too." in (folder / "README.md").read_text()
