"""A retriever's folder: what it holds, what it does not, and what may be said anew of it without training."""

import json
import math
import re
import subprocess
import sys

import pytest
from sentence_transformers import SentenceTransformer

from syneg_data.collection import Collection, Document
from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.execution import Silence
from syneg_data.judge.baselines import against_bm25, measure_bm25
from syneg_data.judge.measuring import Measured
from syneg_data.judge.retriever import without_places
from syneg_data.judge.train import settings, train
from syneg_data.mining import Bm25
from syneg_data.publishing.manifest import as_listed
from syneg_data.publishing.released import release_card
from syneg_data.references import PathModel
from syneg_data.training.metrics import METRICS, means, score_run
from syneg_data.training.runs import read_run
from tests.hub.server import LoopbackHub
from tests.publishing.model_golden import PLAIN, model_card


class NoStep(Silence):
    """Fails a test in which anything is trained."""

    def start(self, stage, total, unit):
        assert stage != "train"


def licensed(release, **given):
    """Settings with a base whose licence is known."""
    base = {"kind": "path", "path": release.recipe["training"]["base"], "license": "apache-2.0"}
    return settings(release, {"base": base, "epochs": 1, "checks": 1, **given})


def test_what_is_said_of_a_retriever_changes_without_training(release, tmp_path):
    """Its folder is the model; licence and link follow the data set's receipt and the command line."""
    out = tmp_path / "trained"
    facts = train(release, licensed(release), out, 13, Silence())
    manifest = json.loads((out / "manifest.json").read_text())["files"]
    assert {"README.md", "training.json", "modules.json", "model.safetensors", "config.json", "1_Pooling/config.json",
            "tokenizer.json", "runs/bm25.test.trec", "curves.svg"} <= set(manifest)  # fmt: skip
    assert not [
        name for name in manifest if name.endswith((".bin", ".pt", ".pkl", ".npz")) or name.startswith("model/")
    ]
    assert SentenceTransformer(str(out), device="cpu").max_seq_length == 64
    assert PathModel(kind="path", path=str(out)).resolve().digest == facts["model_sha256"]
    assert "is_local" not in (out / "tokenizer_config.json").read_text()
    # BM25 as the recipe mines with it, on the same queries and documents.
    test, run = release.held_out()["test"], read_run(out / "runs" / "bm25.test.trec")
    found = means(score_run(run, test.qrels))
    assert {m: round(found[m], 4) for m in METRICS} == facts["baselines"]["bm25"]["metrics"]["test"]
    assert facts["baselines"]["bm25"]["metrics"]["test"]["nDCG@10"] > facts["before"]["test"]["nDCG@10"]

    assert facts["license"] == {"id": "apache-2.0", "name": None, "link": None, "chosen": False}
    assert facts["data"]["repo"] is None and "huggingface.co" not in (out / "README.md").read_text()
    weights, before = sha256_file(out / "model.safetensors"), sha256_file(out / "training.json")
    train(release, licensed(release), out, 13, NoStep())
    assert sha256_file(out / "training.json") == before

    receipt = {"repo": "alice/small", "type": "dataset", "commit": "d" * 40, "tag": "v1.0.0", "built": release.digest}
    (tmp_path / "release.release.json").write_text(json.dumps(receipt))
    said = train(release, licensed(release, license="mit"), out, 13, NoStep())
    assert said["license"] == {"id": "mit", "name": None, "link": None, "chosen": True}
    assert said["data"]["repo"] == {"id": "alice/small", "tag": "v1.0.0", "commit": "d" * 40}
    assert {**said, "license": facts["license"], "data": facts["data"]} == facts
    card = (out / "README.md").read_text()
    assert "\nlicense: mit\n" in card and "[slice](https://huggingface.co/datasets/alice/small)" in card
    assert sha256_file(out / "model.safetensors") == weights
    listed = json.loads((out / "manifest.json").read_text())["files"]
    assert set(listed) == set(manifest)
    assert all(as_listed(out / name, entry) for name, entry in listed.items())

    (tmp_path / "release.release.json").write_text(json.dumps({**receipt, "built": "ab" * 32}))
    assert train(release, licensed(release), out, 13, NoStep()) == facts


@pytest.mark.slow
def test_the_line_of_a_released_card_loads_that_version(encoder, tmp_path):
    """From a private repository on the Hub, where main is no model any more."""
    card = release_card(model_card(**PLAIN), "alice/small-retriever", "v1.0.0", "model")
    files = {path.relative_to(encoder).as_posix(): path.read_bytes() for path in encoder.rglob("*") if path.is_file()}
    (block,) = re.findall(r"```python\n(.*?)\n```", card, re.DOTALL)
    with LoopbackHub() as hub:
        hub.put("models/alice/small-retriever", "model", {**files, "README.md": card.encode()})
        hub.tag("models/alice/small-retriever", "v1.0.0")
        hub.put("models/alice/small-retriever", "model", {"modules.json": b"[]"})
        done = subprocess.run(
            [sys.executable, "-c", f"{block}\nprint(tuple(scores.shape), documents.shape)"],
            capture_output=True, text=True, check=False, env=hub.environment(tmp_path, hub.token()),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "(1, 2) (2, 32)\n"


REFUSED = (
    ({"license": "cc0-1.0"}, "training.license: cc0-1.0: the base model's licence apache-2.0 asks for attribution"),
    ({"license": "mitt"}, r"training\.license: unknown licence 'mitt'; did you mean 'mit'\?"),
    ({"license": "other"}, ": training: license_name and license_link belong to license: other, which needs both"),
    ({"license": "mit", "license_name": "mine"}, "license_name and license_link belong to license: other"),
)


def test_a_licence_that_cannot_be_is_refused_before_a_step(release, tmp_path):
    for given, what in REFUSED:
        with pytest.raises(InputError, match=what):
            train(release, licensed(release, **given), tmp_path / "out", 13, NoStep())
    # One of the command line takes the place of the recipe's, its name and link too.
    named = {"license": "other", "license_name": "mine", "license_link": "https://example.org/mine"}
    release.recipe["training"].update(named)
    assert settings(release, {}).license_link == "https://example.org/mine"
    assert settings(release, {"license": "mit"}).license_name is None
    assert settings(release, {**named, "license_name": "ours"}).license_name == "ours"


def test_settings_lose_what_says_where_they_were():
    config = {
        "_name_or_path": "../models/base",
        "name_or_path": "base",
        "special_tokens_map_file": "/srv/cache/special_tokens_map.json",
        "vocab_file": "C:\\models\\vocab.txt",
        "merges_path": "file:///data/merges.txt",
        "model_file": "model.safetensors",
        "prompts": {"query": "/query: ", "document": "~ "},
        "modules": [{"path": "1_Pooling", "cache_dir": "x"}, {"path": "/srv/1_Pooling"}],
        "hidden_size": 32,
    }
    assert without_places(config) == {
        "model_file": "model.safetensors",
        "prompts": {"query": "/query: ", "document": "~ "},
        "modules": [{"path": "1_Pooling"}, {}],
        "hidden_size": 32,
    }


TEXTS = {"a": "the cat sat on the mat", "b": "a dog barked", "c": "cat and dog", "d": "nothing of it", "q1": "cat cat"}
DOCUMENTS = {name: Document(name, text, "") for name, text in TEXTS.items()}
SPLITS = {
    "dev": Collection(DOCUMENTS, {"q1": "cat"}, {"q1": {"a": 1}}),
    "test": Collection(DOCUMENTS, {"q1": "dog barked", "q2": "mat", "q3": "unknown"}, {
        "q1": {"b": 1}, "q2": {"c": 1}, "q3": {"d": 1},
    }),
}  # fmt: skip


def test_bm25_ranks_every_split_for_itself():
    """Two splits may use an id for different queries; a document that is the query itself is not ranked."""
    measured = measure_bm25(Bm25(), SPLITS, Silence())
    ranked = {split: {q: [d for d, _ in hits] for q, hits in run.items()} for split, run in measured.runs.items()}
    assert ranked == {"dev": {"q1": ["c", "a"]}, "test": {"q1": ["b", "c"], "q2": ["a"], "q3": []}}
    assert measured.scores["dev"]["q1"]["MRR@10"] == 0.5
    assert measured.averages()["test"]["Recall@10"] == round(1 / 3, 4)


def test_bm25_without_a_split_is_nothing():
    assert measure_bm25(Bm25(), {}, Silence()) == Measured()


def test_both_readings_of_bm25():
    bm25 = measure_bm25(Bm25(), SPLITS, Silence())
    perfect = Measured(
        {}, {split: {q: dict.fromkeys(METRICS, 1.0) for q in part.queries} for split, part in SPLITS.items()}
    )
    found = against_bm25(Bm25(k1=0.9), SPLITS, bm25, perfect, {"a", "c"})
    assert found["settings"] == {"k1": 0.9, "b": 0.75, "stopwords": "english"}
    assert found["metrics"] == bm25.averages()
    assert found["gain"]["test"]["nDCG@10"]["mean"] == round(2 / 3, 4)
    assert found["gain"]["dev"] == dict.fromkeys(METRICS)  # one query has no interval
    assert set(found["unseen"]) == {"test"}  # dev's positive was trained on, and so was that of test's q2
    assert found["unseen"]["test"]["metrics"]["nDCG@10"] == 0.5
    assert math.isclose(found["unseen"]["test"]["gain"]["nDCG@10"]["mean"], 0.5)
