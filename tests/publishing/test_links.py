"""Where a data set lies on the Hub: read off and verified, never guessed."""

import hashlib
import json
import subprocess
import sys

import pytest

from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.publishing.links import published, verify_link
from syneg_data.publishing.manifest import write_manifest
from syneg_data.publishing.release import OnHub, Release
from tests.hub.server import LoopbackHub

COMMIT = "d" * 40


@pytest.fixture
def release(tmp_path):
    """Writes a build's manifest and its receipt; both may hold anything."""

    def write(manifest=None, receipt=None, hub=None):
        folder = tmp_path / "small"
        folder.mkdir(exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": {}, **(manifest or {})}))
        digest = sha256_file(folder / "manifest.json")
        if receipt is not None:
            said = {**receipt, "built": digest} if receipt.get("built") == "this" else receipt
            (tmp_path / "small.release.json").write_text(json.dumps(said))
        return Release(folder, "small", digest, "train", {"seed": 13}, (), hub)

    return write


RECEIPT = {
    "repo": "alice/small", "type": "dataset", "commit": COMMIT, "tag": "v1.0.0", "manifest_sha256": "ab" * 32,
    "built": "this",
}  # fmt: skip
WHERE = {"id": "alice/small", "tag": "v1.0.0", "commit": COMMIT}


def test_a_folder_that_was_never_pushed_is_nowhere(release):
    assert published(release()) is None


@pytest.mark.parametrize(("revision", "tag"), [("v1.0.0", "v1.0.0"), ("main", None), (COMMIT, None), ("v1", None)])
def test_what_came_from_the_hub_is_there(release, revision, tag):
    found = published(release(hub=OnHub("alice/small", revision, COMMIT)))
    assert found == {"id": "alice/small", "tag": tag, "commit": COMMIT}


PROGRAM = """
import json, sys
from syneg_data.publishing.links import published
from syneg_data.publishing.release import open_release
print(json.dumps([published(open_release(name)) for name in sys.argv[1:]]))
"""


def test_a_release_that_is_opened_by_id_knows_its_tag_and_commit(tmp_path):
    (tmp_path / "n-tuple").mkdir()
    (tmp_path / "n-tuple" / "train-00000-of-00001.parquet").write_bytes(b"rows")
    (tmp_path / "recipe.lock.yaml").write_text("recipe: {seed: 13}\n")
    write_manifest(tmp_path, "ab" * 32, {}, {})
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with LoopbackHub() as hub:
        commit = hub.put("datasets/alice/small", "dataset", files)
        hub.tag("datasets/alice/small", "v1.0.0")
        names = [f"alice/small@{revision}" for revision in ("v1.0.0", "main", commit)]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *names],
            capture_output=True, text=True, check=False, env=hub.environment(tmp_path / "home", hub.token()),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == [{**WHERE, "commit": commit, "tag": tag} for tag in ("v1.0.0", None, None)]


def test_the_receipt_of_this_very_build(release):
    assert published(release(receipt=RECEIPT)) == WHERE


@pytest.mark.parametrize(
    "change",
    [
        {"built": "ab" * 32},  # built anew since
        {"built": None},
        {"type": "model"},
        {"repo": "not an id"},
        {"repo": "a/b)[x](y"},
        {"repo": 7},
        {"tag": "latest", "commit": "short"},
    ],
)
def test_a_receipt_that_says_nothing_of_this_build(release, change):
    assert published(release(receipt={**RECEIPT, **change})) is None


def test_a_receipt_that_is_broken(release, tmp_path):
    made = release()
    for text in ("", "[]", "{", "null", "[" * 100_000):
        (tmp_path / "small.release.json").write_text(text)
        assert published(made) is None


def test_a_copy_that_was_pulled_knows_repository_and_version(release):
    said = {"release": {"repo": "alice/small", "version": "1.0.0", "built": "ab" * 32}}
    assert published(release(manifest=said)) == {"id": "alice/small", "tag": "v1.0.0", "commit": None}
    assert published(release(manifest={"release": {"repo": "alice/small", "version": "one"}})) is None
    assert published(release(manifest={"release": "alice/small"})) is None


def facts(digest, **where):
    return {"dataset_sha256": digest, "data": {"repo": {**WHERE, **where}}}


def test_the_manifest_that_was_trained_on_is_the_link():
    manifest = b'{"files": {}}'
    verify_link(facts(hashlib.sha256(manifest).hexdigest()), manifest)


def test_a_released_manifest_of_the_folder_that_was_trained_on_is_the_link():
    verify_link(facts("ab" * 32), json.dumps({"release": {"built": "ab" * 32}}).encode())


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"null", b"\xff", b"{}", b'{"release": 1}', b'{"release": {"built": "cd"}}', b"[" * 100_000],
)
def test_another_data_set_is_no_link(manifest):
    with pytest.raises(
        InputError, match=r"alice/small@v1\.0\.0: is not the data set that this retriever was trained on"
    ):
        verify_link(facts("ab" * 32), manifest)
    with pytest.raises(InputError, match=f"alice/small@{COMMIT}: is not"):
        verify_link(facts("ab" * 32, tag=None), manifest)
