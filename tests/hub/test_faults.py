"""Planted faults hit exactly what they were meant for, before or after the effect; the log has every byte sent."""

import hashlib
import subprocess
import sys

import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from tests.hub.conftest import ROOT, api_of
from tests.hub.server import LoopbackHub

TABLE = b"PAR1" * 40


@pytest.fixture
def api(api):
    """The plain client, and an empty repository of its own."""
    api.create_repo("alice/ds", repo_type="dataset", private=True)
    return api


def commit(api, path="a.txt", content=b"1", message="one"):
    return api.create_commit(
        "alice/ds", [CommitOperationAdd(path, content)], commit_message=message, repo_type="dataset"
    )


def count(hub):
    return len(hub.commits("datasets/alice/ds")) - 1


@pytest.mark.parametrize("status", [409, 412, 413, 429, 500, 502, 503, 504])
def test_a_fault_before_the_effect_happens_once(hub, api, status):
    hub.fail("POST", "/commit/main", status, headers={"Retry-After": "7"}, body=b'{"error": "planted"}')
    with pytest.raises(HfHubHTTPError) as caught:
        commit(api)
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["Retry-After"] == "7"
    assert (count(hub), hub.faults.left()) == (0, 0)
    commit(api)
    assert count(hub) == 1


def test_a_fault_after_the_effect(hub, api):
    hub.fail("POST", "/commit/main", 500, after=True)
    with pytest.raises(HfHubHTTPError) as caught:
        commit(api)
    assert caught.value.response.status_code == 500
    assert count(hub) == 1
    assert commit(api).oid == hub.commits("datasets/alice/ds")[0].oid, "the same content again is no second commit"
    assert count(hub) == 1


@pytest.mark.parametrize(("after", "landed"), [(False, 0), (True, 1)])
def test_a_reset_connection(hub, api, after, landed):
    hub.fail("POST", "/commit/main", after=after, reset=True)
    with pytest.raises(Exception, match=r"(?i)disconnected|reset|closed") as caught:
        commit(api)
    assert not isinstance(caught.value, HfHubHTTPError)
    assert count(hub) == landed
    assert [logged.status for logged in hub.log if "/commit/" in logged.path] == [0]


def test_a_reset_in_the_middle_of_an_upload(hub, api):
    hub.fail("PUT", "/lfs/", reset=True)
    commit(api, "x.parquet", TABLE)
    cut, whole = [logged.body for logged in hub.log if logged.method == "PUT"]
    assert (cut, whole) == (TABLE[:80], TABLE), "the client itself tries an upload again"
    assert hub.file("datasets/alice/ds", "main", "x.parquet") == TABLE


def test_a_fault_that_stays(hub, api):
    hub.fail("POST", "/commit/main", 412, times=None)
    for _ in range(3):
        with pytest.raises(HfHubHTTPError):
            commit(api)
    api.create_tag("alice/ds", repo_type="dataset", tag="v1")
    assert count(hub) == 0
    assert hub.refs("datasets/alice/ds").tags


def test_faults_are_used_up_in_their_order(hub, api):
    hub.fail("POST", "/commit/", 503, times=2)
    hub.fail("POST", "/commit/", 412)
    hub.fail("DELETE", "/commit/", 500)
    found = []
    for _ in range(4):
        try:
            commit(api)
        except HfHubHTTPError as error:
            found.append(error.response.status_code)
    assert found == [503, 503, 412]
    assert (count(hub), hub.faults.left()) == (1, 1)


def test_somebody_else_acts_in_between(hub, api):
    head = hub.refs("datasets/alice/ds").branches["main"]
    hub.meanwhile("POST", "/commit/", lambda: hub.put("alice/ds", "dataset", {"b.txt": b"theirs"}, owner="bob"))
    with pytest.raises(HfHubHTTPError, match="A commit has happened since"):
        api.create_commit(
            "alice/ds", [CommitOperationAdd("a.txt", b"1")], commit_message="x", repo_type="dataset", parent_commit=head
        )
    assert [commit.author for commit in hub.commits("datasets/alice/ds")] == ["bob", "alice"]


KILLED = """
from huggingface_hub import HfApi, CommitOperationAdd
add = CommitOperationAdd("x.parquet", b"PAR1" * 40)
HfApi().create_commit("alice/ds", [add], commit_message="x", repo_type="dataset")
"""


def test_a_client_that_is_killed_while_it_waits(hub, api, tmp_path):
    environment = hub.environment(tmp_path, api.token) | {"PYTHONPATH": str(ROOT)}
    hub.meanwhile("PUT", "/lfs/", lambda: client.kill())
    client = subprocess.Popen([sys.executable, "-c", KILLED], env=environment)
    assert client.wait(60) == -9
    assert count(hub) == 0
    commit(api, "x.parquet", TABLE)
    assert count(hub) == 1


def test_every_byte_that_was_sent_can_be_searched(hub, api):
    secret, large = b"hf_" + b"abcDEF0123456789" * 2, b"PAR1 hf_" + b"XYZ" * 12
    api.create_commit(
        "alice/ds",
        [CommitOperationAdd("a b.txt", b"token: " + secret), CommitOperationAdd("x.parquet", large)],
        commit_message="a \u201cquoted\u201d title",
        repo_type="dataset",
    )
    api.get_paths_info("alice/ds", ["a b.txt", "caf\u00e9/\u00fc"], repo_type="dataset")
    api.revision_exists("alice/ds", "refs/pr/7", repo_type="dataset")

    verbs = ("preupload", "commit", "lfs/datasets", "paths-info", "revision")

    def hits(needle):
        found = [logged for logged in hub.log if any(needle in text for text in logged.contents())]
        return {next(verb for verb in verbs if f"/{verb}" in logged.path) for logged in found}

    assert hits(secret) == {"preupload", "commit"}, "though only base64 of it went over the wire"
    assert not any(secret in logged.sent() for logged in hub.log)
    assert hits(large) == {"preupload", "lfs/datasets"}
    assert hits("a \u201cquoted\u201d title".encode()) == {"commit"}
    assert hits("caf\u00e9/\u00fc".encode()) == {"paths-info"}
    assert hits(b"revision/refs/pr/7") == {"revision"}
    assert any(api.token.encode() in text for text in hub.sent()), "in the headers, where it belongs"
    uploads = [logged for logged in hub.log if logged.method == "PUT"]
    assert [hashlib.sha256(logged.body).hexdigest() for logged in uploads] == [hashlib.sha256(large).hexdigest()]
    assert all(logged.status for logged in hub.log)


def test_a_mistake_of_the_hub_itself_is_loud():
    with pytest.raises(RuntimeError, match=r"(?s)the loopback Hub has a bug:.*KeyError"), LoopbackHub() as hub:
        hub.put("alice/ds", "dataset", {"README.md": b"hello"})
        hub.storage.get("datasets/alice/ds").contents.clear()
        with pytest.raises(HfHubHTTPError) as caught:
            api_of(hub).repo_info("alice/ds", repo_type="dataset")
        assert caught.value.response.status_code == 500
