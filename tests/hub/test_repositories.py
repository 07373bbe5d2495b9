"""Accounts, repositories, branches, tags and histories, as the plain client sees them."""

import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub.conftest import api_of


def status(caught):
    return caught.value.response.status_code


def test_who_am_i(hub, api):
    me = api.whoami()
    assert (me["name"], me["orgs"][0]["name"]) == ("alice", "acme")
    assert me["auth"]["accessToken"]["role"] == "write"
    fine = api_of(hub, role="fine", scopes={"datasets/alice/ds": ("repo.write",), "acme": ("repo.content.read",)})
    assert fine.whoami()["auth"]["accessToken"] == {
        "displayName": "test",
        "role": "fineGrained",
        "fineGrained": {
            "canReadGatedRepos": False,
            "global": [],
            "scoped": [
                {
                    "entity": {"_id": "datasets/alice/ds", "type": "dataset", "name": "alice/ds"},
                    "permissions": ["repo.write"],
                },
                {"entity": {"_id": "acme", "type": "org", "name": "acme"}, "permissions": ["repo.content.read"]},
            ],
        },
    }


@pytest.mark.parametrize(("kind", "folder"), [("dataset", "datasets/"), ("model", "")])
def test_a_new_repository(hub, api, kind, folder):
    url = api.create_repo("alice/new", repo_type=kind, private=True)
    assert url == f"{hub.url}/{folder}alice/new"
    assert (url.repo_id, url.repo_type) == ("alice/new", kind)
    info = api.repo_info("alice/new", repo_type=kind)
    assert (info.id, info.author, info.private, info.gated) == ("alice/new", "alice", True, False)
    assert [file.rfilename for file in info.siblings] == [".gitattributes"]
    (first,) = api.list_repo_commits("alice/new", repo_type=kind)
    assert (first.title, first.commit_id, first.authors) == ("initial commit", info.sha, ["alice"])
    assert hub.private(f"{kind}s/alice/new")
    other = {"dataset": "model", "model": "dataset"}[kind]
    assert not api.repo_exists("alice/new", repo_type=other)


def test_a_repository_that_exists_already(hub, api):
    api.create_repo("acme/ds", repo_type="dataset", private=False)
    with pytest.raises(HfHubHTTPError, match="You already created this dataset repo") as caught:
        api.create_repo("acme/ds", repo_type="dataset")
    assert status(caught) == 409
    assert api.create_repo("acme/ds", repo_type="dataset", private=True, exist_ok=True).endswith("/datasets/acme/ds")
    assert not hub.private("datasets/acme/ds"), "what was asked for is ignored, and the repository stays public"


def test_visibility_is_changed_by_a_request_of_its_own(hub, api):
    api.create_repo("alice/ds", repo_type="dataset", private=True)
    api.update_repo_settings("alice/ds", repo_type="dataset", private=False)
    assert not hub.private("datasets/alice/ds")
    api.update_repo_settings("alice/ds", repo_type="dataset", private=True)
    assert hub.private("datasets/alice/ds")


def test_deleting_a_repository(hub, api):
    api.create_repo("alice/ds", repo_type="dataset")
    api.delete_repo("alice/ds", repo_type="dataset")
    assert not hub.exists("datasets/alice/ds")
    with pytest.raises(RepositoryNotFoundError) as caught:
        api.delete_repo("alice/ds", repo_type="dataset")
    assert status(caught) == 404


def test_what_repository_info_tells(hub, api):
    card = b"---\nlicense: mit\nlanguage: [en]\n---\n# Hello\n"
    hub.put("alice/ds", "dataset", {"README.md": card, "a/train.parquet": b"PAR1" * 40})
    info = api.dataset_info("alice/ds", files_metadata=True)
    assert info.card_data.to_dict() == {"license": "mit", "language": ["en"]}
    files = {file.rfilename: file for file in info.siblings}
    assert (files["README.md"].size, files["README.md"].lfs) == (44, None)
    assert files["a/train.parquet"].lfs.size == 160
    assert files["a/train.parquet"].lfs.pointer_size == 128
    assert files["a/train.parquet"].lfs.sha256 == "bd025cbbdcc6553b39a7cd636a113dcdd485725dce9bbc2c77bb3b39ed2414a3"
    assert api.repo_info("alice/ds", repo_type="dataset", revision="main").sha == info.sha


def test_lists_show_what_the_caller_may_see(hub, api):
    hub.put("alice/open", "dataset", {}, private=False)
    hub.put("alice/hidden", "dataset", {})
    hub.put("bob/other", "dataset", {}, private=False)
    hub.put("alice/model", "model", {}, private=False)
    assert [info.id for info in api.list_datasets(author="alice")] == ["alice/open", "alice/hidden"]
    assert [info.id for info in api.list_models(author="alice")] == ["alice/model"]
    assert [info.id for info in api_of(hub, token=False).list_datasets()] == ["alice/open", "bob/other"]


def test_tags(hub, api):
    first = hub.put("alice/ds", "dataset", {"a.txt": b"1"})
    second = hub.put("alice/ds", "dataset", {"a.txt": b"2"})
    api.create_tag("alice/ds", repo_type="dataset", tag="v1.0.0", tag_message="first", revision=first)
    with pytest.raises(HfHubHTTPError, match=r"Reference refs/tags/v1\.0\.0 already exists") as caught:
        api.create_tag("alice/ds", repo_type="dataset", tag="v1.0.0", revision=second)
    assert status(caught) == 409
    api.create_tag("alice/ds", repo_type="dataset", tag="v1.0.0", revision=second, exist_ok=True)
    assert hub.refs("datasets/alice/ds").tags == {"v1.0.0": first}, (
        "the client is content, and the tag stays where it is"
    )
    (tag,) = api.list_repo_refs("alice/ds", repo_type="dataset").tags
    assert (tag.name, tag.ref, tag.target_commit) == ("v1.0.0", "refs/tags/v1.0.0", first)
    for revision in ("v1.0.0", "refs/tags/v1.0.0", first, first[:9]):
        assert api.repo_info("alice/ds", repo_type="dataset", revision=revision).sha == first
    api.delete_tag("alice/ds", repo_type="dataset", tag="v1.0.0")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag("alice/ds", repo_type="dataset", tag="v1.0.0")
    with pytest.raises(RevisionNotFoundError):
        api.create_tag("alice/ds", repo_type="dataset", tag="v2", revision="nowhere")
    with pytest.raises(BadRequestError, match="Invalid reference name"):
        api.create_tag("alice/ds", repo_type="dataset", tag="two words")


def test_branches(hub, api):
    first = hub.put("alice/ds", "dataset", {"a.txt": b"1"})
    second = hub.put("alice/ds", "dataset", {"a.txt": b"2"})
    api.create_branch("alice/ds", repo_type="dataset", branch="old/try", revision=first)
    api.create_branch("alice/ds", repo_type="dataset", branch="new")
    assert hub.refs("datasets/alice/ds").branches == {"main": second, "old/try": first, "new": second}
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_branch("alice/ds", repo_type="dataset", branch="new")
    assert status(caught) == 409
    done = api.create_commit(
        "alice/ds", [CommitOperationAdd("b.txt", b"3")], commit_message="x", repo_type="dataset", revision="old/try"
    )
    assert hub.refs("datasets/alice/ds").branches == {"main": second, "old/try": done.oid, "new": second}
    api.delete_branch("alice/ds", repo_type="dataset", branch="new")
    with pytest.raises(RevisionNotFoundError):
        api.delete_branch("alice/ds", repo_type="dataset", branch="new")
    with pytest.raises(HfHubHTTPError) as caught:
        api.delete_branch("alice/ds", repo_type="dataset", branch="main")
    assert status(caught) == 403


def test_a_history_of_several_pages(hub, api):
    for number in range(7):
        hub.put("alice/ds", "dataset", {"n.txt": b"%d" % number}, message=f"number {number}", owner="bob")
    hub.page = 3
    found = api.list_repo_commits("alice/ds", repo_type="dataset")
    assert [commit.title for commit in found] == [*[f"number {n}" for n in range(6, -1, -1)], "initial commit"]
    assert found[0].authors == ["bob"]
    pages = [logged.path for logged in hub.log if "/commits/" in logged.path]
    assert [path.partition("?")[2] for path in pages] == ["", "p=1", "p=2"]


def test_squashing_leaves_one_commit_and_the_old_ones_under_their_oids(hub, api):
    first = hub.put("alice/ds", "dataset", {"a.txt": b"1"})
    hub.put("alice/ds", "dataset", {"b.txt": b"2"})
    api.super_squash_history("alice/ds", repo_type="dataset", commit_message="one")
    (commit,) = hub.commits("datasets/alice/ds")
    assert (commit.title, sorted(commit.files)) == ("one", [".gitattributes", "a.txt", "b.txt"])
    assert api.repo_info("alice/ds", repo_type="dataset", revision=first).sha == first
