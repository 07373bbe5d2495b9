"""Reading by the plain client: listings, hashes as git has them, downloads at a revision, errors for what is not."""

from pathlib import Path

import pytest
from huggingface_hub import get_hf_file_metadata, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub.conftest import run_script
from tests.hub.storage import Blob, directories

TABLE = b"PAR1" * 40
FILES = {"README.md": b"hello\n", "a/x.parquet": TABLE, "a/b/y.txt": b"1\n", "a.txt": b""}


@pytest.fixture
def first(hub):
    """A repository of two commits, of which the first is tagged: its oid."""
    oid = hub.put("alice/ds", "dataset", FILES, message="first")
    hub.tag("datasets/alice/ds", "v1", oid)
    hub.put("alice/ds", "dataset", {"a/x.parquet": TABLE * 2, "new.txt": b"2"}, message="second", deleted=("a.txt",))
    return oid


def paths(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_a_tree_names_files_and_folders_as_git_does(api, first):
    found = {
        entry.path: entry
        for entry in api.list_repo_tree("alice/ds", repo_type="dataset", revision="v1", recursive=True, expand=True)
    }
    assert list(found) == [".gitattributes", "README.md", "a", "a.txt", "a/b", "a/b/y.txt", "a/x.parquet"]
    # What `git hash-object` and `git write-tree` say about the same bytes.
    assert found["README.md"].blob_id == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert found["a.txt"].blob_id == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert found["a/b/y.txt"].blob_id == "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d"
    assert found["a/b"].tree_id == "dc150ba1b9287b7ec4f59986dc488c59705c0402"
    assert found["a"].tree_id == "d2b5e2453e65d4802c5cdcc1e13c6c9c68d1c1ae"
    assert found["a/x.parquet"].blob_id == "260f6094a2fbd9b550e33ad08175feecfb3175ab"
    assert found["a/x.parquet"].size == found["a/x.parquet"].lfs.size == 160
    assert found["a/x.parquet"].lfs.pointer_size == 128
    assert {entry.last_commit.title for path, entry in found.items() if path != ".gitattributes"} == {"first"}


def test_trees_sort_folders_as_git_does():
    """A folder as if its name ended in a slash: after `a.txt`, before `a0`. The oids are those of `git write-tree`."""
    oids = {"d/a/y.txt": "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d", "d/a0": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"}
    oids["d/a.txt"] = "ce013625030ba8dba906f756967f9e9ca394464a"
    assert directories({path: Blob(oid, 0) for path, oid in oids.items()}) == {
        "": "d5bb3063876d55c3ece58978cf7fa5fca520c581",
        "d": "c6169ec2c2d9d4ff6090c9e6ba2a316e20b775ca",
        "d/a": "dc150ba1b9287b7ec4f59986dc488c59705c0402",
    }


def test_what_the_last_commit_of_a_path_is(api, first):
    tree = api.list_repo_tree("alice/ds", repo_type="dataset", recursive=True, expand=True)
    assert {entry.path: entry.last_commit.title for entry in tree} == {
        ".gitattributes": "initial commit", "README.md": "first", "a": "second", "a/b": "first", "a/b/y.txt": "first",
        "a/x.parquet": "second", "new.txt": "second",
    }  # fmt: skip


def test_one_folder_of_a_tree(api, first):
    def names(**options):
        return [entry.path for entry in api.list_repo_tree("alice/ds", repo_type="dataset", **options)]

    assert names() == [".gitattributes", "README.md", "a", "new.txt"]
    assert names(path_in_repo="a") == ["a/b", "a/x.parquet"]
    assert names(path_in_repo="a/b") == ["a/b/y.txt"]
    assert names(path_in_repo="a", recursive=True) == ["a/b", "a/b/y.txt", "a/x.parquet"]
    for missing in ("nowhere", "README.md"):
        with pytest.raises(EntryNotFoundError):
            names(path_in_repo=missing)


def test_facts_about_paths(api, first):
    asked = ["a/x.parquet", "missing.txt", "a/b"]
    file, folder = api.get_paths_info("alice/ds", asked, repo_type="dataset", revision="v1")
    assert (file.path, file.size, file.lfs.size) == ("a/x.parquet", 160, 160)
    assert folder.path == "a/b"
    assert file.last_commit is None
    (file,) = api.get_paths_info("alice/ds", "a/x.parquet", repo_type="dataset", expand=True)
    assert (file.size, file.last_commit.title) == (320, "second")


def test_a_snapshot_is_what_was_there_at_the_tag(api, first, tmp_path):
    folder = api.snapshot_download("alice/ds", repo_type="dataset", revision="v1", cache_dir=tmp_path)
    assert Path(folder).name == first
    assert {path: content for path, content in paths(folder).items() if path != ".gitattributes"} == FILES
    head = paths(api.snapshot_download("alice/ds", repo_type="dataset", cache_dir=tmp_path))
    assert (sorted(head), len(head["a/x.parquet"])) == (
        [".gitattributes", "README.md", "a/b/y.txt", "a/x.parquet", "new.txt"],
        320,
    )


def test_a_tag_that_moves_is_followed(hub, api, first, tmp_path):
    hub.tag("datasets/alice/ds", "v1", "main")
    folder = api.snapshot_download("alice/ds", repo_type="dataset", revision="v1", cache_dir=tmp_path)
    assert Path(folder).name == hub.refs("datasets/alice/ds").branches["main"] != first


def test_what_a_head_request_tells(hub, api, first):
    def facts(path, revision="v1"):
        url = hf_hub_url("alice/ds", path, repo_type="dataset", revision=revision, endpoint=hub.url)
        return get_hf_file_metadata(url, token=api.token)

    assert facts("README.md").commit_hash == facts("a/x.parquet", "refs/tags/v1").commit_hash == first
    assert facts("README.md").etag == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert facts("a/x.parquet").etag == "bd025cbbdcc6553b39a7cd636a113dcdd485725dce9bbc2c77bb3b39ed2414a3"
    assert (facts("README.md").size, facts("a/x.parquet").size) == (6, 160)


def test_what_exists(api, first):
    def file(path, revision=None, repo="alice/ds"):
        return api.file_exists(repo, path, repo_type="dataset", revision=revision)

    assert file("a/x.parquet") and file("a.txt", "v1")
    assert not file("a.txt") and not file("a") and not file("a.txt", "v2") and not file("a.txt", repo="alice/no")
    assert api.revision_exists("alice/ds", "v1", repo_type="dataset")
    assert not api.revision_exists("alice/ds", "v2", repo_type="dataset")


def test_errors_for_what_is_not_there(api, first, tmp_path):
    def fetch(repo="alice/ds", path="README.md", **options):
        return api.hf_hub_download(repo, path, repo_type="dataset", cache_dir=tmp_path, **options)

    with pytest.raises(EntryNotFoundError):
        fetch(path="missing.txt")
    with pytest.raises(RevisionNotFoundError):
        fetch(revision="v2")
    with pytest.raises(RevisionNotFoundError):
        fetch(revision=first[:6])
    with pytest.raises(RepositoryNotFoundError):
        fetch(repo="alice/other")
    with pytest.raises(RevisionNotFoundError):
        api.snapshot_download("alice/ds", repo_type="dataset", revision="v2", cache_dir=tmp_path)
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info("alice/ds", repo_type="model")


SCRIPT = """
import os, sys
from huggingface_hub import HfApi
folder = HfApi().snapshot_download("alice/ds", repo_type="dataset", revision="v1")
print(os.path.basename(folder), len(open(folder + "/a/x.parquet", "rb").read()))
"""


@pytest.mark.parametrize("hub", [{"cdn": True}], indirect=True)
def test_large_files_from_another_host_get_no_token(hub, first, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    token = hub.token()
    assert run_script(tmp_path / "script.py", hub, tmp_path, token) == [f"{first} 160"]
    (fetched,) = [logged for logged in hub.log if logged.path.startswith("/cdn/")]
    assert fetched.headers["host"].startswith("localhost:")
    assert token.encode() not in fetched.sent()
    asked = [logged for logged in hub.log if "/resolve/" in logged.path]
    assert all(logged.headers["authorization"] == f"Bearer {token}" for logged in asked)


def test_a_part_of_a_snapshot_is_not_taken_for_all_of_it_where_the_hub_is_gone(hub, first, tmp_path):
    """What the oldest client that is allowed has to know; its version is chosen by this."""
    options = {"repo_id": "alice/ds", "repo_type": "dataset", "revision": first, "cache_dir": tmp_path}
    options |= {"endpoint": hub.url, "token": hub.token()}
    part = snapshot_download(allow_patterns=["a.txt"], **options)
    assert set(paths(part)) == {"a.txt"}
    hub.fail("GET", "/api/", 403, times=None)
    hub.fail("HEAD", "/resolve/", 404, times=None)
    with pytest.raises(LocalEntryNotFoundError):
        snapshot_download(**options)
    assert snapshot_download(allow_patterns=["a.txt"], **options) == part
