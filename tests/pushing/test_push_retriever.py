"""A retriever's release: the model where its client looks for it, and a link to the data set that is true."""

import hashlib
import json

import pytest

from syneg_data.durable import write_text
from syneg_data.errors import InputError
from syneg_data.hub.contents import read_folder
from syneg_data.hub.plan import make_plan
from syneg_data.hub.push import carry_out
from syneg_data.hub.remote import Remote
from tests.faults.family13 import World
from tests.hub.folders import listed, write_build, write_retriever

KEY = "models/alice/retriever"


def push(hub, token, folder, version="1.0.0", repo="alice/retriever"):
    remote = Remote(hub.url, token, repo, "model")
    return carry_out(make_plan(read_folder(folder), repo, version, remote), remote)


def test_a_retriever_is_released_as_a_model(hub, tmp_path):
    receipt = push(hub, hub.token(), write_retriever(tmp_path / "r"))
    files = hub.commits(KEY)[0].files
    assert set(files) == {
        ".gitattributes", "README.md", "CHANGELOG.md", "manifest.json", "training.json", "modules.json",
        "model.safetensors", "runs/after.test.trec",
    }  # fmt: skip
    assert (receipt["type"], receipt["tag"], hub.private(KEY)) == ("model", "v1.0.0", True)
    card = hub.file(KEY, "v1.0.0", "README.md").decode()
    assert 'SentenceTransformer("alice/retriever", revision="v1.0.0")' in card
    assert json.loads(hub.file(KEY, "v1.0.0", "manifest.json"))["release"]["repo"] == "alice/retriever"


def test_the_next_training_says_what_is_other(hub, tmp_path):
    token = hub.token()
    push(hub, token, write_retriever(tmp_path / "r"))
    push(hub, token, write_retriever(tmp_path / "s", seed=14), "1.0.1")
    log = hub.file(KEY, "v1.0.1", "CHANGELOG.md").decode()
    assert "## 1.0.1\n\nCompared with 1.0.0:\n\n- seed: 14, and was 13\n\n## 1.0.0\n" in log


@pytest.mark.parametrize("license", [None, "apache-2.0"])
def test_a_retriever_without_a_licence_or_with_two_is_refused(hub, tmp_path, license):
    folder = write_retriever(tmp_path / "r", license="mit")
    facts = json.loads((folder / "training.json").read_text())
    facts["license"] = license and {**facts["license"], "id": license}
    write_text(folder / "training.json", json.dumps(facts))
    with pytest.raises(InputError, match="licence"):
        push(hub, hub.token(), listed(folder))
    assert not hub.exists(KEY)


def test_the_link_to_the_data_set_is_verified(hub, tmp_path):
    data = World(hub, write_build(tmp_path / "stones"), hub.token())
    digest = hashlib.sha256((tmp_path / "stones" / "manifest.json").read_bytes()).hexdigest()
    where = {"id": "alice/stones", "tag": "v1.0.0", "commit": "d" * 40}
    folder = write_retriever(tmp_path / "r", {**where, "commit": None}, digest)
    with pytest.raises(InputError, match=r"alice/stones@v1\.0\.0: the data set that the card links to is not there"):
        push(hub, data.token, folder)
    receipt = data.push()
    with pytest.raises(InputError, match="the tag is not at the commit that the retriever was trained on"):
        push(hub, data.token, write_retriever(tmp_path / "other", where, digest))
    where["commit"] = receipt["commit"]
    with pytest.raises(InputError, match="is not the data set that this retriever was trained on"):
        push(hub, data.token, write_retriever(tmp_path / "another", where, "ad" * 32))
    assert not hub.exists(KEY)
    push(hub, data.token, write_retriever(tmp_path / "right", where, digest))
    assert hub.refs(KEY).tags == {"v1.0.0": hub.commits(KEY)[0].oid}


def test_a_card_without_its_data_set_is_told(hub, tmp_path):
    remote = Remote(hub.url, hub.token(), "alice/retriever", "model")
    (said,) = make_plan(read_folder(write_retriever(tmp_path / "r")), "alice/retriever", "1.0.0", remote).warnings
    assert said.startswith(
        "the card links to no data set, for the one that was trained on was not on the Hub; push that"
    )


def test_a_public_retriever_of_private_data_is_told_before_anybody_says_yes(hub, tmp_path):
    data = World(hub, write_build(tmp_path / "stones"), hub.token())
    receipt = data.push()
    where = {"id": "alice/stones", "tag": "v1.0.0", "commit": receipt["commit"]}
    folder = write_retriever(tmp_path / "r", where, receipt["built"])

    def warnings(*, public):
        remote = Remote(hub.url, data.token, "alice/retriever", "model")
        return make_plan(read_folder(folder), "alice/retriever", "1.0.0", remote, public=public).warnings

    assert warnings(public=False) == ()
    (said,) = warnings(public=True)
    assert said.startswith("alice/stones, the data set that the card links to, is private: all would see its name")
    hub.storage.get("datasets/alice/stones").private = False
    assert warnings(public=True) == ()


def test_a_retriever_does_not_go_into_a_data_sets_repository(hub, tmp_path):
    data = World(hub, write_build(tmp_path / "stones"), hub.token())
    data.push()
    with pytest.raises(InputError, match="is a data set's repository, and this folder is a model"):
        push(hub, data.token, write_retriever(tmp_path / "r"), repo="alice/stones")
