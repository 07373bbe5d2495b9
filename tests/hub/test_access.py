"""Who may see and change what, and which of the client's exceptions says so."""

import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from tests.hub.accounts import READ, WRITE
from tests.hub.conftest import api_of

FILES = {"README.md": b"hello\n", "x.parquet": b"PAR1" * 40}


@pytest.fixture(autouse=True)
def repositories(hub):
    """Each of two kinds of visibility, of alice, of her organisation and of somebody else."""
    for owner in ("alice", "acme", "bob"):
        hub.put(f"{owner}/open", "dataset", FILES, private=False)
        hub.put(f"{owner}/hidden", "dataset", FILES)


def read(api, repo, tmp_path):
    api.repo_info(repo, repo_type="dataset")
    list(api.list_repo_tree(repo, repo_type="dataset"))
    api.get_paths_info(repo, ["README.md"], repo_type="dataset")
    api.list_repo_refs(repo, repo_type="dataset")
    api.list_repo_commits(repo, repo_type="dataset")
    api.hf_hub_download(repo, "README.md", repo_type="dataset", cache_dir=tmp_path)


def write(api, repo, path="new.txt", **options):
    return api.create_commit(
        repo, [CommitOperationAdd(path, b"1")], commit_message="one", repo_type="dataset", **options
    )


def refused(status, error, what, *arguments, **options):
    with pytest.raises(error) as caught:
        what(*arguments, **options)
    assert type(caught.value) is error
    assert caught.value.response.status_code == status
    return str(caught.value)


def test_what_is_public_is_anybodys_to_read(hub, tmp_path):
    for token in (False, hub.token("carol", "read")):
        read(api_of(hub, token), "alice/open", tmp_path)


def test_what_is_private_does_not_exist_for_others(hub, tmp_path):
    nobody, carol = api_of(hub, token=False), api_of(hub, name="carol", orgs=())
    for repo in ("alice/hidden", "alice/missing"):
        for call in ("repo_info", "list_repo_refs", "list_repo_commits"):
            refused(401, RepositoryNotFoundError, getattr(nobody, call), repo, repo_type="dataset")
            refused(404, RepositoryNotFoundError, getattr(carol, call), repo, repo_type="dataset")
        refused(401, RepositoryNotFoundError, nobody.snapshot_download, repo, repo_type="dataset", cache_dir=tmp_path)
        refused(404, RepositoryNotFoundError, write, carol, repo)


def test_one_sees_ones_own_and_ones_organisations(hub, api, tmp_path):
    for repo in ("alice/hidden", "acme/hidden"):
        read(api, repo, tmp_path)
        write(api, repo)
    refused(404, RepositoryNotFoundError, read, api, "bob/hidden", tmp_path)


def test_a_wrong_token_is_refused_even_for_what_is_public(hub, api, tmp_path):
    hub.revoke(api.token)
    for token in (api.token, "hf_" + "x" * 34):
        wrong = api_of(hub, token)
        for repo in ("alice/open", "alice/hidden", "alice/missing"):
            message = refused(401, HfHubHTTPError, wrong.repo_info, repo, repo_type="dataset")
            assert "Invalid credentials in Authorization header" in message
            refused(401, HfHubHTTPError, write, wrong, repo)


def test_without_a_token_nothing_is_written(hub):
    nobody = api_of(hub, token=False)
    refused(401, HfHubHTTPError, write, nobody, "alice/open")
    refused(401, HfHubHTTPError, nobody.create_repo, "alice/new", repo_type="dataset")
    assert len(hub.commits("datasets/alice/open")) == 2


def test_a_read_only_token_reads(hub, tmp_path):
    reader = api_of(hub, role="read")
    read(reader, "alice/hidden", tmp_path)
    kind = {"repo_type": "dataset"}
    for call, *arguments in (
        (write, reader, "alice/hidden"),
        (write, reader, "alice/hidden", "y.parquet"),
    ):
        assert "required permissions" in refused(403, HfHubHTTPError, call, *arguments)
    refused(403, HfHubHTTPError, reader.create_repo, "alice/new", **kind)
    refused(403, HfHubHTTPError, reader.delete_repo, "alice/hidden", **kind)
    refused(403, HfHubHTTPError, reader.create_tag, "alice/hidden", tag="v1", **kind)
    refused(403, HfHubHTTPError, reader.create_branch, "alice/hidden", branch="b", **kind)
    refused(403, HfHubHTTPError, reader.update_repo_settings, "alice/hidden", private=False, **kind)
    refused(403, HfHubHTTPError, write, reader, "alice/hidden", create_pr=True)
    assert hub.private("datasets/alice/hidden")
    assert hub.refs("datasets/alice/hidden").tags == {}


def test_nobody_creates_repositories_in_a_strangers_namespace(hub, api):
    message = refused(403, HfHubHTTPError, api.create_repo, "bob/new", repo_type="dataset")
    assert 'under the namespace "bob"' in message
    assert not hub.exists("datasets/bob/new")


def test_a_token_that_may_only_propose(hub):
    proposer = api_of(hub, role="pr")
    assert "create_pr=1" in refused(403, HfHubHTTPError, write, proposer, "alice/hidden")
    done = write(proposer, "alice/hidden", "y.parquet", create_pr=True)
    assert hub.refs("datasets/alice/hidden").pulls == {"refs/pr/1": done.oid}
    assert len(hub.commits("datasets/alice/hidden")) == 2
    refused(403, HfHubHTTPError, proposer.create_tag, "alice/hidden", repo_type="dataset", tag="v1")


def test_a_stranger_may_propose_to_what_is_public(hub):
    carol = api_of(hub, name="carol", orgs=())
    assert "required permissions" in refused(403, HfHubHTTPError, write, carol, "alice/open")
    assert write(carol, "alice/open", "y.parquet", create_pr=True).pr_num == 1


def test_a_fine_grained_token_reaches_as_far_as_its_scopes(hub, tmp_path):
    scopes = {"datasets/alice/hidden": (READ, WRITE), "datasets/alice/later": (READ, WRITE), "acme": (READ,)}
    fine = api_of(hub, role="fine", scopes=scopes)
    write(fine, "alice/hidden")
    read(fine, "acme/hidden", tmp_path)
    refused(403, HfHubHTTPError, write, fine, "acme/hidden")
    refused(403, HfHubHTTPError, write, fine, "alice/open")
    for name in ("alice/new", "alice/later"):
        refused(403, HfHubHTTPError, fine.create_repo, name, repo_type="dataset")
    assert fine.create_repo("alice/hidden", repo_type="dataset", exist_ok=True)
    hub.put("alice/other", "dataset", {})
    refused(404, RepositoryNotFoundError, write, fine, "alice/other")
    whole = api_of(hub, role="fine")
    whole.create_repo("alice/new", repo_type="dataset", private=True)
    write(whole, "alice/new")


def test_a_token_that_expires_in_the_middle(hub, api):
    hub.meanwhile("POST", "/commit/", lambda: hub.revoke(api.token))
    refused(401, HfHubHTTPError, write, api, "alice/hidden")
    assert len(hub.commits("datasets/alice/hidden")) == 2
