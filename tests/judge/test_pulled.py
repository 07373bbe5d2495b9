"""A release that was pulled is trained on like the build that it was made from, and so is one named by id and tag."""

import json

import pytest
from sentence_transformers import SentenceTransformer

from syneg_data.execution import Silence
from syneg_data.hub.pull import pull
from syneg_data.judge.train import settings, train
from syneg_data.publishing.release import open_release
from tests.loopback import commit_release, reach

pytestmark = pytest.mark.slow


def released(folder, repo):
    """The files of a folder as a release; `push` would refuse the paths of this test's models in the recipe."""
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {name: (folder / name).read_bytes() for name in manifest["files"]}
    manifest["release"] = {"repo": repo, "version": "1.0.0", "built": "ab" * 32}
    return files | {"manifest.json": json.dumps(manifest, indent=2, sort_keys=True).encode()}


def test_training_on_a_release_gives_what_training_on_the_build_gives(release, hub, monkeypatch, tmp_path):
    reach(hub, monkeypatch, tmp_path, hub.token())
    hub.tag("datasets/alice/slice", "v1.0.0", commit_release(
        hub, "alice/slice", "dataset", released(release.folder, "alice/slice")
    ))  # fmt: skip
    pulled = open_release(str(pull("alice/slice@v1.0.0", tmp_path / "pulled").folder))
    named = open_release("alice/slice@v1.0.0")
    facts = {
        part.label: train(part, settings(part, {}), tmp_path / f"from-{i}", 13, Silence())
        for i, part in enumerate((release, pulled, named))
    }
    assert len(facts) == 3
    first, *others = facts.values()
    for found in others:
        assert (found["before"], found["after"]) == (first["before"], first["after"])
        assert found["dataset_sha256"] == pulled.digest == named.digest

    retriever = tmp_path / "from-1"
    hub.tag("models/alice/m", "v1.0.0", commit_release(hub, "alice/m", "model", released(retriever, "alice/m")))
    back = pull("alice/m@v1.0.0", tmp_path / "retriever")
    folder = back.load.partition('"')[2].partition('"')[0]
    text = ["does it work"]
    ours = SentenceTransformer(str(retriever), device="cpu").encode(text)
    assert (SentenceTransformer(folder, device="cpu").encode(text) == ours).all()
