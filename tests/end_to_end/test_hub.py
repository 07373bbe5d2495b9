"""From a recipe to a retriever that anybody can load, by way of the Hub: the commands as a person types them."""

import dataclasses
import json
import subprocess
import sys

import pyarrow.parquet
import pytest
import yaml

from syneg_data.durable import sha256_file
from tests.conftest import ROOT, make_cache
from tests.hub.server import LoopbackHub
from tests.judge.conftest import save_encoder, scifact, write_beir

pytestmark = pytest.mark.slow

DATA, MODEL = "alice/slice", "alice/slice-retriever"

LOAD = """
import json, sys
import datasets, numpy
from sentence_transformers import SentenceTransformer

data, model, folder = sys.argv[1:]
rows = {tag: datasets.load_dataset(data, "n-tuple", revision=tag)["train"].to_list() for tag in ("v1.0.0", "v2.0.0")}
texts = [row["query"] for row in rows["v1.0.0"][:5]]
theirs = SentenceTransformer(model, revision="v1.0.0", device="cpu").encode_query(texts)
ours = SentenceTransformer(folder, device="cpu").encode_query(texts)
print(json.dumps({"rows": rows, "same": bool(numpy.array_equal(theirs, ours)), "shape": theirs.shape}))
"""


class Person:
    """Somebody at a terminal, with a token, whose Hub is the one on this machine."""

    def __init__(self, hub, home, cache, token):
        self.home, self.environment = home, hub.environment(home, token) | {"SYNEG_CACHE": str(cache)}
        self.environment |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}

    def start(self, *arguments):
        command = [sys.executable, *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.home, env=self.environment, text=True, **pipes)

    def run(self, *arguments):
        process = self.start(*arguments)
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out

    def types(self, *arguments):
        """`syneg-data ...`"""
        return self.run("-m", "syneg_data", *arguments)


@pytest.fixture(scope="module")
def hub():
    with LoopbackHub() as running:
        yield running


@pytest.fixture(scope="module")
def alice(hub, tmp_path_factory, model_folder):
    home = tmp_path_factory.mktemp("home")
    person = Person(hub, home, make_cache(home / "cache", model_folder), hub.token("alice"))
    corpus, queries, qrels = scifact(ROOT)
    few = {"train": qrels["train"][:66], "test": qrels["test"][:24]}
    ids = dict.fromkeys([*(line[1] for lines in few.values() for line in lines), *sorted(corpus)[:100]])
    asked = {line[0]: queries[line[0]] for lines in few.values() for line in lines}
    data = write_beir(home / "scifact", {doc_id: corpus[doc_id] for doc_id in ids}, asked, few)
    for name, seed in (("tiny", 1), ("judge", 2)):
        save_encoder(home / name, data, seed=seed)
    recipe = {
        "name": "slice",
        "seed": 13,
        "source": {"kind": "beir", "path": "scifact", "split": "train", "dev": 0.2, "license": "cc-by-4.0"},
        "mining": [{"kind": "bm25", "depth": 60}],
        "validation": {
            "rerankers": [{"kind": "bi_encoder", "model": "judge"}],
            "rule": {"kind": "absolute", "maximum": 0.999},
            "floor": {"sample": 20},
        },
        "mixing": {"kind": "mined_only", "mined": 2},
        "publishing": {"license": "cc-by-4.0", "retriever": MODEL},
        "training": {
            "base": "tiny", "license": "apache-2.0",
            "epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "max_length": 64, "checks": 2,
        },
    }  # fmt: skip
    (home / "slice.yaml").write_text(yaml.safe_dump(recipe))
    recipe["mixing"]["mined"] = 1
    (home / "second.yaml").write_text(yaml.safe_dump(recipe | {"seed": 14}))
    return person


@pytest.fixture(scope="module")
def published(hub, alice):
    """Two releases of the data, and the retriever that was trained on the first; what the commands printed."""
    said = {"build": alice.types("build", "slice.yaml", "--out", "first")}
    said["push"] = alice.types("push", "first", "--repo", DATA, "--version", "1.0.0", "--yes")
    said["again"] = alice.types("push", "first", "--repo", DATA, "--version", "1.0.0", "--yes")
    said["train"] = alice.types("train", f"{DATA}@v1.0.0", "--base", "tiny", "--out", "retriever")
    said["model"] = alice.types("push", "retriever", "--repo", MODEL, "--version", "1.0.0", "--yes")
    alice.types("build", "second.yaml", "--out", "second")
    said["second"] = alice.types("push", "second", "--repo", DATA, "--version", "2.0.0", "--yes")
    return said


def receipt(alice, name):
    return json.loads((alice.home / f"{name}.release.json").read_text())


def test_each_release_is_one_commit_with_its_tag_and_the_receipt_says_which(hub, alice, published):
    first, second = receipt(alice, "first"), receipt(alice, "second")
    assert (first["repo"], first["type"], first["tag"]) == (DATA, "dataset", "v1.0.0")
    commits = hub.commits(f"datasets/{DATA}")
    assert [commit.oid for commit in commits[:2]] == [second["commit"], first["commit"]]
    assert len(commits) == 3  # the Hub makes the first one itself
    assert hub.refs(f"datasets/{DATA}").tags == {"v1.0.0": first["commit"], "v2.0.0": second["commit"]}
    assert hub.private(f"datasets/{DATA}") and hub.private(f"models/{MODEL}")
    assert f"Syneg-Manifest: sha256:{second['manifest_sha256']}" in commits[0].message
    assert "already" in published["again"]


def test_the_changelog_tells_what_changed(hub, alice, published):
    log = hub.file(f"datasets/{DATA}", "v2.0.0", "CHANGELOG.md").decode()
    assert log.index("## 2.0.0") < log.index("## 1.0.0")
    assert "- MAJOR: n-tuple has lost column negative\\_2\n" in log
    assert "## 2.0.0" not in hub.file(f"datasets/{DATA}", "v1.0.0", "CHANGELOG.md").decode()


def test_data_and_retriever_load_at_their_revisions(alice, published):
    found = json.loads(alice.run("-c", LOAD, DATA, MODEL, alice.home / "retriever").splitlines()[-1])
    first, second = found["rows"]["v1.0.0"], found["rows"]["v2.0.0"]
    assert list(first[0]) == ["query", "positive", "negative_1", "negative_2"]
    assert list(second[0]) == ["query", "positive", "negative_1"]
    report = json.loads((alice.home / "first" / "report.json").read_text())
    assert len(first) == report["examples"] > 0
    assert found["same"] and found["shape"] == [5, 32]


def test_the_retriever_names_its_data_and_the_data_its_retriever(hub, alice, published):
    facts = json.loads((alice.home / "retriever" / "training.json").read_text())
    assert facts["dataset"] == f"{DATA}@{receipt(alice, 'first')['commit']}"
    card = hub.file(f"models/{MODEL}", "v1.0.0", "README.md").decode()
    front = yaml.safe_load(card.split("---\n")[1])
    assert (front["datasets"], front["license"]) == ([DATA], "apache-2.0")
    revisions = {result["dataset"]["revision"] for entry in front["model-index"] for result in entry["results"]}
    assert revisions == {receipt(alice, "first")["commit"]}
    assert f'SentenceTransformer("{MODEL}", revision="v1.0.0")' in card and f"syneg-data train {DATA}@v1.0.0" in card
    assert f"[{MODEL}](https://huggingface.co/{MODEL})" in hub.file(f"datasets/{DATA}", "v1.0.0", "README.md").decode()


def test_nothing_released_says_where_it_was_made_and_no_retriever_holds_a_text(hub, alice, published):
    """The home folder in any spelling; the texts that were trained on, by their beginnings."""
    released = {
        (repo, path): hub.file(repo, "v1.0.0", path)
        for repo in (f"datasets/{DATA}", f"models/{MODEL}")
        for path in hub.commits(repo)[-2].files
    }
    home = str(alice.home).encode()
    assert len(released) > 30 and not [name for name, content in released.items() if home in content]
    rows = pyarrow.parquet.read_table(alice.home / "first" / "n-tuple" / "train-00000-of-00001.parquet").to_pylist()
    texts = {text[:40].encode() for row in rows for text in row.values()}
    ours = {path: content for (repo, path), content in released.items() if repo == f"models/{MODEL}"}
    assert len(texts) > 50 and not [path for path, content in ours.items() if any(text in content for text in texts)]
    front = yaml.safe_load(ours["README.md"].decode().split("---\n")[1])
    assert "widget" not in front


def test_what_is_pulled_is_the_release_and_a_build_again(hub, alice, published):
    alice.types("pull", f"{DATA}@v1.0.0", "--out", "pulled")
    assert sha256_file(alice.home / "pulled" / "manifest.json") == receipt(alice, "first")["manifest_sha256"]
    rows = [json.loads(alice.types("diff", name, "second", "--json"))["rows"] for name in ("first", "pulled")]
    assert rows[0] == rows[1]
    query_id = next(iter(json.loads(alice.types("diff", "first", "pulled", "--json"))["rows"]))
    assert query_id["changed"] == query_id["added"] == query_id["removed"] == 0


def test_six_at_once_make_one_release(hub, alice, published):
    repo = "alice/six"
    arguments = ("-m", "syneg_data", "push", "first", "--repo", repo, "--version", "1.0.0", "--yes", "--json")
    pushers = [alice.start(*arguments) for _ in range(6)]
    ended = [(*process.communicate(), process.returncode) for process in pushers]
    assert [code for *_, code in ended] == [0] * 6, [err for _, err, _ in ended]
    commits = hub.commits(f"datasets/{repo}")
    assert len(commits) == 2 and hub.refs(f"datasets/{repo}").tags == {"v1.0.0": commits[0].oid}
    assert {json.loads(out)["release"]["commit"] for out, *_ in ended} == {commits[0].oid}


def elsewhere(headers):
    """All but the one where the token belongs."""
    return {name: value for name, value in headers.items() if name != "authorization"}


def test_the_token_is_nowhere_else(hub, alice, published):
    token = alice.environment["HF_TOKEN"].encode()
    files = [path for path in alice.home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 50 and not [path for path in files if token in path.read_bytes()]
    bare = [dataclasses.replace(request, headers=elsewhere(request.headers)) for request in hub.log]
    assert len(bare) > 100 and not [request.path for request in bare for text in request.contents() if token in text]
    assert not any(token.decode() in text for text in published.values())
