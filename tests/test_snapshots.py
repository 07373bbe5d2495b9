"""Snapshots: a name is resolved at the Hub or not at all, a commit may come from the cache; every failure is ours."""

import huggingface_hub.constants
import pytest

from syneg_data.errors import InputError, UnavailableError
from syneg_data.publishing.release import open_release
from syneg_data.references import HubModel
from syneg_data.snapshots import endpoint, fetch, message_of, resolve
from tests.loopback import reach
from tests.publishing.test_release import write_release

NOBODY = "http://127.0.0.1:9"
REPO = "datasets/alice/ds"


@pytest.fixture
def here(hub, monkeypatch, tmp_path):
    """This process as alice, with a data set of one file under the tag v1.0.0."""
    reach(hub, monkeypatch, tmp_path, hub.token())
    hub.put(REPO, "dataset", {"a.txt": b"one"})
    hub.tag(REPO, "v1.0.0")
    return hub


def at(revision, **options):
    return fetch("alice/ds", revision, repo_type="dataset", **options)


def head(hub):
    return hub.refs(REPO).branches["main"]


def failing(error, revision="v1.0.0", **options):
    with pytest.raises(error) as caught:
        at(revision, **options)
    return str(caught.value)


# The trap: the client itself would serve what it has.


def test_without_the_hub_a_tag_is_refused_and_its_commit_is_not(here, monkeypatch):
    found = at("v1.0.0")
    assert (found.path / "a.txt").read_bytes() == b"one"
    monkeypatch.setenv("HF_ENDPOINT", NOBODY)
    said = failing(UnavailableError)
    assert said.startswith("alice/ds@v1.0.0: the Hub does not answer as it should (")
    assert said.endswith(
        f"check network and HF_ENDPOINT, then run the same command again, or write {found.commit} in place of v1.0.0: "
        "what the cache holds, which may be older than v1.0.0 is now"
    )
    assert at(found.commit) == found


def test_a_hub_with_a_fault_does_not_bring_back_what_the_cache_holds_either(here):
    found = at("main")
    here.fail("GET", "/api/datasets/alice/ds/revision/main", 503, times=None)
    assert f"or write {found.commit} in place of main" in failing(UnavailableError, "main")
    assert at(found.commit) == found


def test_offline_by_choice_is_no_other_case(here, monkeypatch):
    found = at("v1.0.0")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert found.commit in failing(UnavailableError)
    assert at(found.commit) == found


def test_a_name_that_was_never_cached_has_no_commit_to_offer(here, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", NOBODY)
    assert failing(UnavailableError).endswith("check network and HF_ENDPOINT, then run the same command again")


def test_a_commit_that_the_cache_does_not_hold_is_unavailable(here, monkeypatch):
    at("v1.0.0")
    monkeypatch.setattr(
        huggingface_hub.constants, "HF_HUB_OFFLINE", True
    )  # as NOBODY, which the client asks five times
    assert "the Hub does not answer" in failing(UnavailableError, "c" * 40)


def test_a_branch_is_where_the_hub_has_it_now(here):
    before = at("main")
    here.put(REPO, "dataset", {"a.txt": b"two"})
    after = at("main")
    assert after.commit == head(here) != before.commit
    assert (after.path / "a.txt").read_bytes() == b"two"
    assert at("v1.0.0") == before


def test_a_name_is_asked_for_once(here):
    """Asked again, the client might get no answer, and fall back on what it has."""
    at("v1.0.0")
    assert len([log.path for log in here.log if "/revision/v1.0.0" in log.path]) == 1


def test_a_commit_is_not_asked_for(here):
    assert resolve("alice/ds", "d" * 40, repo_type="dataset") == "d" * 40
    assert here.log == []


def test_releases_and_models_come_through_the_same_door(here, monkeypatch):
    here.put("models/alice/m", "model", {"model.safetensors": b"weights", "config.json": b"{}", "run.py": b"x"})
    model = HubModel(id="alice/m", revision="main").resolve()
    assert model.label == f"alice/m@{here.refs('models/alice/m').branches['main']}"
    assert sorted(path.name for path in model.path.iterdir()) == ["config.json", "model.safetensors"]
    with pytest.raises(InputError, match=r"^alice/ds@[0-9a-f]{40}: has no manifest.json of a build"):
        open_release("alice/ds@v1.0.0")
    at("v1.0.0")
    monkeypatch.setenv("HF_ENDPOINT", NOBODY)
    for found in (lambda: HubModel(id="alice/m", revision="main").resolve(), lambda: open_release("alice/ds@v1.0.0")):
        with pytest.raises(UnavailableError, match=r"or write [0-9a-f]{40} in place of"):
            found()


def test_of_a_release_only_what_its_manifest_lists_is_fetched(here, tmp_path):
    folder = write_release(tmp_path / "small")
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    here.put("datasets/alice/made", "dataset", files | {"large.bin": b"x", "a/more.parquet": b"x"})
    assert open_release("alice/made@main").table("n-tuple").num_rows == 1
    here.put("datasets/alice/other", "dataset", {"large.bin": b"x"})
    with pytest.raises(InputError, match=r"has no manifest.json of a build"):
        open_release("alice/other@main")
    asked = {log.path.partition("/resolve/")[2].partition("/")[2] for log in here.log if "/resolve/" in log.path}
    assert asked == set(files)


# What else goes wrong, each with what to do.


def test_what_is_not_there(here):
    assert failing(InputError, "v9.9.9") == (
        "alice/ds@v9.9.9: no such revision; check it against the tags and branches of the repository"
    )
    with pytest.raises(InputError) as caught:
        fetch("alice/other", "main", repo_type="dataset")
    assert str(caught.value) == (
        "alice/other@main: no such repository, or a private one; check the id, or set HF_TOKEN to a token that may "
        "read it"
    )


@pytest.mark.parametrize("repo", ["a b", "a/b/c", "../x", "-x/y"])
def test_an_id_that_cannot_be_one(here, repo):
    with pytest.raises(InputError, match="correct the id"):
        fetch(repo, "main", repo_type="dataset")
    assert here.log == []


@pytest.mark.parametrize("revision", ["../x", "a b", "v1\n", "", "a\\b", "x" * 300])
def test_a_revision_that_cannot_be_one(here, revision):
    assert "not the name of a revision; write a tag, a branch or a commit" in failing(InputError, revision)
    assert here.log == []


def test_only_the_token_of_the_environment_is_used(here, monkeypatch, tmp_path):
    (tmp_path / "stored").write_text(here.token())
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "stored"))
    monkeypatch.delenv("HF_TOKEN")
    for revision in ("v1.0.0", head(here)):
        assert "or a private one" in failing(InputError, revision)
    assert not any("authorization" in {name.lower() for name in logged.headers} for logged in here.log)


def test_a_token_that_is_none(here, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_no_such_token")
    assert failing(InputError).endswith("; set HF_TOKEN to a token that may read it")


def test_no_message_holds_the_token(here, monkeypatch):
    secret = here.token()
    monkeypatch.setenv("HF_TOKEN", secret)
    here.fail("GET", "revision/v1.0.0", 403, headers={"X-Error-Message": f"the token {secret} may not"})
    said = failing(InputError)
    assert said == "alice/ds@v1.0.0: the token [token] may not; set HF_TOKEN to a token that may read it"


def test_a_gated_repository(here):
    here.fail("GET", "revision/v1.0.0", 403, headers={"X-Error-Code": "GatedRepo", "X-Error-Message": "ask first"})
    assert failing(InputError) == (
        "alice/ds@v1.0.0: ask first; accept its terms on the Hub, and set HF_TOKEN to a token of that account"
    )


@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "77"}, "77 seconds"), ({}, "a while")])
def test_a_rate_limit(here, headers, wait):
    here.fail("GET", "revision/v1.0.0", 429, headers=headers, times=None)
    assert failing(UnavailableError) == (
        f"alice/ds@v1.0.0: the Hub asks to wait (its rate limit); run the same command again after {wait}"
    )


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_fault_of_the_hub(here, status):
    here.fail("GET", "revision/v1.0.0", status, times=None)
    assert f"'{status} " in failing(UnavailableError)


@pytest.mark.parametrize("body", [b"<html>Sign in to this network</html>", b'{"id": "alice/ds"}', b"[]", b""])
def test_an_answer_that_is_none_of_a_hub(here, body):
    here.fail("GET", "revision/v1.0.0", 200, body=body, times=None)
    assert "the Hub does not answer as it should" in failing(UnavailableError)


def test_a_connection_that_breaks(here):
    here.fail("GET", "revision/v1.0.0", reset=True, times=None)
    assert "the Hub does not answer as it should" in failing(UnavailableError)


def test_a_disk_that_is_not_ours_is_no_fault_of_the_hub(here, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError) as caught:
        at("v1.0.0")
    assert caught.value.errno is not None


def test_files_that_were_damaged_here_can_be_had_again(here):
    found = at("v1.0.0")
    (found.path / "a.txt").write_bytes(b"bad")
    assert (at("v1.0.0").path / "a.txt").read_bytes() == b"bad"
    assert (at("v1.0.0", fresh=True).path / "a.txt").read_bytes() == b"one"


def test_only_what_was_asked_for_is_fetched(here):
    here.put(REPO, "dataset", {"b.txt": b"two", "c/a.txt": b"three"})
    found = at("main", allow_patterns=["a.txt", "c/*"])
    assert sorted(path.relative_to(found.path).as_posix() for path in found.path.rglob("*.txt")) == ["a.txt", "c/a.txt"]
    assert not any("b.txt" in logged.path for logged in here.log)


def test_what_a_commit_says_of_itself(here):
    oid = here.put(REPO, "dataset", {"b.txt": b"two"}, message="a title")
    assert message_of("alice/ds", oid, repo_type="dataset").startswith("a title\n")
    with pytest.raises(InputError, match="no such revision"):
        message_of("alice/ds", "e" * 40, repo_type="dataset")


def test_a_token_goes_nowhere_in_the_clear(monkeypatch):
    monkeypatch.delenv("SYNEG_TEST", raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_mine")
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.org")
    with pytest.raises(InputError, match="a token is sent only over https"):
        endpoint()
    monkeypatch.delenv("HF_TOKEN")
    assert endpoint() == "http://hub.example.org"
    monkeypatch.setenv("HF_ENDPOINT", "https://me:secret@hub.example.org")
    with pytest.raises(InputError, match="credentials stand in the URL") as caught:
        endpoint()
    assert "secret" not in str(caught.value)


def test_a_test_cannot_reach_the_public_hub(monkeypatch):
    monkeypatch.setenv("SYNEG_TEST", "1")
    for url in ("https://hub.example.org", "http://10.0.0.1:80"):
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(InputError, match="SYNEG_TEST=1 allows only a Hub on this machine"):
            endpoint()
    monkeypatch.delenv("HF_ENDPOINT")
    with pytest.raises(InputError, match="SYNEG_TEST=1"):
        endpoint()
    for url in ("http://127.0.0.1:8000/", "http://localhost:1", "http://[::1]:2"):
        monkeypatch.setenv("HF_ENDPOINT", url)
        assert endpoint() == url.rstrip("/")
