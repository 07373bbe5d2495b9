"""What push released, pull brings back: the same rows as the folder, under every command that takes a build."""

from pathlib import Path

import pytest
from datasets import load_dataset

from syneg_data.difference.builds import difference
from syneg_data.errors import InputError
from syneg_data.hub.contents import read_folder
from syneg_data.hub.plan import make_plan
from syneg_data.hub.pull import pull
from syneg_data.hub.push import carry_out
from syneg_data.hub.remote import Remote
from syneg_data.publishing.release import open_release
from syneg_data.report.story import query_story
from tests.hub.folders import write_build
from tests.loopback import reach

REPO = "alice/stones"


@pytest.fixture
def here(hub, monkeypatch, tmp_path):
    """This process as alice, in an empty folder."""
    token = hub.token()
    reach(hub, monkeypatch, tmp_path, token)
    monkeypatch.chdir(tmp_path)
    return Remote(hub.url, token, REPO, "dataset", wait=lambda _: None)


def push(remote, folder, version="1.0.0", most=100):
    return carry_out(make_plan(read_folder(folder), REPO, version, remote, most=most), remote, most=most)


@pytest.mark.parametrize("most", [100, 5])
def test_a_release_comes_back_as_the_build_that_it_was(here, tmp_path, most):
    """Small, in one commit; and large, in several on a branch of its own."""
    built = write_build(tmp_path / "stones")
    receipt = push(here, built, most=most)
    done = pull(f"{REPO}@v1.0.0", tmp_path / "pulled")
    assert (done.commit, done.manifest_sha256) == (receipt["commit"], receipt["manifest_sha256"])
    before, after = open_release(str(built)), open_release(str(done.folder))
    found = difference(before, after)
    assert found["level"] == "patch", "the card names the release, and there is a changelog"
    assert found["files"]["changed"] == ["README.md"] and found["files"]["added"] == ["CHANGELOG.md"]
    assert query_story(after, "q-amber") == query_story(before, "q-amber")
    rows = load_dataset(str(done.folder), "triplet", split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.num_rows == 8
    assert after.digest == open_release(f"{REPO}@v1.0.0").digest


def test_a_large_release_that_is_not_finished_is_none(here, hub, tmp_path):
    built = write_build(tmp_path / "stones")
    hub.meanwhile("POST", "/commit/", lambda: None)
    hub.fail("POST", "/commit/", 403)
    with pytest.raises(InputError):
        push(here, built, most=5)
    (part, *_) = hub.commits(f"datasets/{REPO}", "release-v1.0.0")
    with pytest.raises(InputError, match="files are not as its manifest says"):
        pull(f"{REPO}@{part.oid}", tmp_path / "pulled")
    assert not Path("pulled").exists()


def test_a_pulled_release_is_not_released_again(here, tmp_path):
    push(here, write_build(tmp_path / "stones"))
    done = pull(f"{REPO}@v1.0.0", tmp_path / "pulled")
    with pytest.raises(InputError, match="is a release that was pulled; publish the folder that it was made from"):
        read_folder(done.folder)
