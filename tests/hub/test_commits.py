"""Commits by the plain client: whole or not at all, on the parent that was named, never twice for the same content."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub.conftest import api_of

CARD = b"---\nlicense: mit\n---\n# Hello\n"
TABLE = b"PAR1" * 40


def commit(api, files, repo="alice/ds", message="one", operations=(), **options):
    """Everything in one commit; options are create_commit's."""
    added = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(repo, [*added, *operations], commit_message=message, **{"repo_type": "dataset", **options})


@pytest.fixture
def api(api):
    """The plain client, and an empty repository of its own."""
    api.create_repo("alice/ds", repo_type="dataset", private=True)
    return api


def calls(hub, since=0):
    """What was asked for, in order: the method and the verb of the path."""
    verbs = ["validate-yaml", "preupload", "objects/batch", "/lfs/datasets", "lfs/verify", "/commit/", "/revision/"]
    return [f"{logged.method} {verb.strip('/')}" for logged in hub.log[since:] for verb in verbs if verb in logged.path]


def test_one_commit(hub, api):
    since = len(hub.log)
    done = commit(api, {"README.md": CARD, "a/x.parquet": TABLE}, commit_description="why\nand how")
    head, first = hub.commits("datasets/alice/ds")
    assert done.oid == head.oid
    assert done.commit_url == f"{hub.url}/datasets/alice/ds/commit/{head.oid}"
    assert (head.title, head.message, head.author) == ("one", "why\nand how", "alice")
    assert head.parent is first
    assert head.files == {
        ".gitattributes": first.files[".gitattributes"],
        "README.md": hashlib.sha256(CARD).hexdigest(),
        "a/x.parquet": hashlib.sha256(TABLE).hexdigest(),
    }
    assert hub.file("datasets/alice/ds", "main", "a/x.parquet") == TABLE
    assert calls(hub, since) == [
        "POST validate-yaml", "POST preupload", "POST objects/batch", "PUT lfs/datasets", "POST lfs/verify",
        "POST commit",
    ]  # fmt: skip


def test_a_model_repository(hub, api):
    api.create_repo("alice/m", private=True)
    done = commit(api, {"README.md": CARD, "model.safetensors": TABLE}, repo="alice/m", repo_type="model")
    assert done.commit_url == f"{hub.url}/alice/m/commit/{hub.refs('models/alice/m').branches['main']}"
    assert hub.file("models/alice/m", "main", "model.safetensors") == TABLE


def test_the_same_again_is_no_commit(hub, api):
    files = {"README.md": CARD, "a/x.parquet": TABLE}
    first, since = commit(api, files), len(hub.log)
    again = commit(api, files)
    assert again.oid == first.oid
    assert len(hub.commits("datasets/alice/ds")) == 2
    assert calls(hub, since) == ["POST validate-yaml", "POST preupload", "POST objects/batch", "GET revision"]
    stale = hub.commits("datasets/alice/ds")[1].oid
    assert commit(api, files, parent_commit=stale).oid == first.oid, "the client never asks about the parent then"


def test_a_stale_parent_is_refused(hub, api):
    stale = hub.refs("datasets/alice/ds").branches["main"]
    head = hub.put("alice/ds", "dataset", {"b.txt": b"somebody else's"})
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as caught:
        commit(api, {"a.txt": b"mine"}, parent_commit=stale)
    assert caught.value.response.status_code == 412
    assert hub.refs("datasets/alice/ds").branches["main"] == head
    done = commit(api, {"a.txt": b"mine"}, parent_commit=head)
    assert sorted(hub.commits("datasets/alice/ds")[0].files) == [".gitattributes", "a.txt", "b.txt"]
    assert hub.commits("datasets/alice/ds")[0].oid == done.oid


def test_of_six_commits_on_one_parent_exactly_one_wins(hub, api):
    parent = hub.refs("datasets/alice/ds").branches["main"]

    def push(number):
        try:
            # Long enough that its hash is computed while other threads run: without the lock all six would pass.
            commit(api_of(hub), {"a.txt": b"%d" % number * 500_000, "x.parquet": TABLE}, parent_commit=parent)
        except HfHubHTTPError as error:
            return error.response.status_code
        return number

    hub.meanwhile("POST", "/commit/", threading.Barrier(6, timeout=60).wait, times=6)  # they arrive together
    with ThreadPoolExecutor(6) as pool:
        ends = list(pool.map(push, range(6)))
    (winner,) = [end for end in ends if end != 412]
    assert [*ends[:winner], *ends[winner + 1 :]] == [412] * 5
    assert len(hub.commits("datasets/alice/ds")) == 2
    assert hub.file("datasets/alice/ds", "main", "a.txt")[:1] == b"%d" % winner


def test_six_commits_without_a_parent_all_land(hub, api):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: commit(api_of(hub), {f"{n}.txt": b"%d" % n}), range(6)))
    head = hub.commits("datasets/alice/ds")[0]
    assert sorted(head.files) == [".gitattributes", *(f"{n}.txt" for n in range(6))]
    assert len(head.history()) == 7


def test_while_another_commit_takes_its_time(hub, api):
    hub.patience = 0.01
    with hub.storage.get("datasets/alice/ds").committing, pytest.raises(HfHubHTTPError, match="in progress") as caught:
        commit(api, {"a.txt": b"1"})
    assert caught.value.response.status_code == 409


def test_deletions_and_copies_are_part_of_a_commit(hub, api):
    commit(api, {"README.md": CARD, "old/x.parquet": TABLE, "old/y.parquet": TABLE + b"2", "gone.txt": b"1"})
    operations = [
        CommitOperationCopy("old/x.parquet", "new/x.parquet"),
        CommitOperationDelete("old/", is_folder=True),
        CommitOperationDelete("gone.txt"),
    ]
    commit(api, {"new/z.txt": b"2"}, operations=operations)
    assert sorted(hub.commits("datasets/alice/ds")[0].files) == [
        ".gitattributes", "README.md", "new/x.parquet", "new/z.txt",
    ]  # fmt: skip
    assert hub.file("datasets/alice/ds", "main", "new/x.parquet") == TABLE


@pytest.mark.parametrize("path", ["missing.txt", "missing/"])
def test_deleting_what_is_not_there_fails_the_whole_commit(hub, api, path):
    with pytest.raises(EntryNotFoundError):
        commit(api, {"a.txt": b"1"}, operations=[CommitOperationDelete(path)])
    assert len(hub.commits("datasets/alice/ds")) == 1


def test_a_commit_to_nowhere(api):
    with pytest.raises(RevisionNotFoundError):
        commit(api, {"a.txt": b"1"}, revision="nowhere")
    with pytest.raises(RepositoryNotFoundError):
        commit(api, {"a.txt": b"1"}, repo="alice/other")
    api.create_tag("alice/ds", repo_type="dataset", tag="v1")
    with pytest.raises(RevisionNotFoundError):
        commit(api, {"a.txt": b"1"}, revision="v1")


def test_a_broken_card_is_found_before_anything_is_sent(hub, api):
    with pytest.raises(ValueError, match="invalid yaml metadata"):
        commit(api, {"README.md": b"---\nlicense: [mit\n---\n"})
    assert len(hub.commits("datasets/alice/ds")) == 1
    assert hub.log[-1].path == "/api/validate-yaml"


def test_a_pull_request_leaves_the_branch_alone(hub, api):
    head = hub.refs("datasets/alice/ds").branches["main"]
    done = commit(api, {"a.txt": b"1", "x.parquet": TABLE}, create_pr=True)
    assert (done.pr_num, done.pr_revision) == (1, "refs/pr/1")
    assert done.pr_url == f"{hub.url}/datasets/alice/ds/discussions/1"
    assert hub.refs("datasets/alice/ds").branches == {"main": head}
    more = commit(api, {"b.txt": b"2"}, revision="refs/pr/1")
    refs = api.list_repo_refs("alice/ds", repo_type="dataset", include_pull_requests=True)
    assert [(pull.ref, pull.target_commit) for pull in refs.pull_requests] == [("refs/pr/1", more.oid)]
    assert api.file_exists("alice/ds", "x.parquet", repo_type="dataset", revision="refs/pr/1")
    assert commit(api, {"a.txt": b"1"}, create_pr=True).pr_num == 2


def test_files_that_a_gitignore_covers_are_left_out_by_the_client(hub, api):
    rules = b"# notes\n*.log\n/build\ncache/\n!keep.log\n"
    names = ["a.log", "keep.log", "sub/b.log", "build/x.txt", "sub/build/x.txt", "cache/y.txt", "z.txt"]
    commit(api, {".gitignore": rules, **dict.fromkeys(names, b"1")})
    assert sorted(hub.commits("datasets/alice/ds")[0].files) == [
        ".gitattributes", ".gitignore", "keep.log", "sub/build/x.txt", "z.txt",
    ]  # fmt: skip


def test_what_goes_to_lfs(hub, api, tmp_path):
    large = tmp_path / "large.txt"
    large.write_bytes(b"x" * 10_000_001)
    added = {"a.parquet": TABLE, "b/c.npy": b"\x93NUMPY", "d.txt": b"text", "large.txt": str(large), "empty.bin": b""}
    commit(api, added)
    info = api.dataset_info("alice/ds", files_metadata=True)
    assert {file.rfilename for file in info.siblings if file.lfs} == {"a.parquet", "b/c.npy", "large.txt"}
    assert len(info.siblings) == 6


def test_an_own_gitattributes_decides(hub, api):
    commit(api, {".gitattributes": b"*.txt filter=lfs diff=lfs merge=lfs -text\n"})
    commit(api, {"a.txt": b"1", "b.parquet": TABLE})
    info = api.dataset_info("alice/ds", files_metadata=True)
    assert {file.rfilename for file in info.siblings if file.lfs} == {"a.txt"}


def test_large_files_in_parts(hub, api):
    hub.multipart = 100
    commit(api, {"x.parquet": TABLE, "small.parquet": TABLE[:100]})
    assert hub.file("datasets/alice/ds", "main", "x.parquet") == TABLE
    puts = sorted(len(logged.body) for logged in hub.log if logged.method == "PUT")
    assert puts == [60, 100, 100]


def test_uploading_files_and_folders(hub, api, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "sub" / "b.parquet").write_bytes(TABLE)
    api.upload_folder(repo_id="alice/ds", repo_type="dataset", folder_path=tmp_path)
    api.upload_file(path_or_fileobj=b"2", path_in_repo="c.txt", repo_id="alice/ds", repo_type="dataset")
    assert sorted(hub.commits("datasets/alice/ds")[0].files) == [".gitattributes", "a.txt", "c.txt", "sub/b.parquet"]
    assert len(hub.commits("datasets/alice/ds")) == 3


def test_uploads_before_the_commit_are_not_sent_again(hub, api):
    add = CommitOperationAdd("x.parquet", TABLE)
    api.preupload_lfs_files("alice/ds", [add], repo_type="dataset")
    assert len(hub.commits("datasets/alice/ds")) == 1
    since = len(hub.log)
    commit(api, {"x.parquet": TABLE})
    assert "PUT lfs/datasets" not in calls(hub, since)
    assert hub.file("datasets/alice/ds", "main", "x.parquet") == TABLE


def test_bytes_that_are_not_what_was_promised_are_refused(hub, api):
    add = CommitOperationAdd("x.parquet", TABLE)
    add.path_or_fileobj = b"PAR2" * 40  # it changed after its checksum was taken
    with pytest.raises(RuntimeError, match=r"Error while uploading 'x\.parquet'") as caught:
        api.create_commit("alice/ds", [add], commit_message="one", repo_type="dataset")
    assert len(hub.commits("datasets/alice/ds")) == 1
    assert isinstance(caught.value.__cause__, BadRequestError)
    assert "BadDigest" in str(caught.value.__cause__)
    assert hub.storage.get("datasets/alice/ds").objects == {}
