"""Ids, versions, endpoints and tokens: what is refused before anything is written, and what is told."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.errors import InputError
from syneg_data.hub.faults import clean, fault_of
from syneg_data.hub.preflight import name_problems, parse, token_problems, versions
from syneg_data.hub.remote import Remote
from syneg_data.snapshots import endpoint


@pytest.mark.parametrize("repo", ["alice/stones", "a/b", "acme/Llama-3_x.y", "0x/1.0"])
@pytest.mark.parametrize("version", ["1.0.0", "0.0.1", "10.20.30"])
def test_good_names(repo, version):
    assert name_problems(repo, version) == []


@pytest.mark.parametrize(
    "repo",
    ["", "a", "/", "a/", "/b", "a/b/c", "a b/c", "a/b c", "a/..", "../b", "a/b--c", "a/b..c", "a/-b", "a/b-", "a/b.git",
     "a/b.ipynb", "datasets/a/b", "ä/b", "a/b\n", "https://x/a/b", "a/" + "b" * 96],
)  # fmt: skip
def test_bad_repositories(repo):
    (line,) = name_problems(repo, "1.0.0")
    assert line.startswith("--repo ") and "write owner/name" in line


@pytest.mark.parametrize(
    "version", ["", "1", "1.0", "v1.0.0", "1.0.0-rc1", "01.0.0", "1.0.0.0", "1.0.x", "1.0.0\n", "1\u0661.0.0"]
)
def test_bad_versions(version):
    (line,) = name_problems("a/b", version)
    assert line.startswith("--version ") and "write three numbers" in line


def test_both_are_named():
    assert len(name_problems("a", "b")) == 2


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), unique=True))
def test_versions_are_ordered_by_their_numbers(numbers):
    tags = {f"v{a}.{b}.{c}": f"{a}-{b}-{c}" for a, b, c in numbers}
    found = versions(tags | {"latest": "x", "v1.0": "x", "1.2.3": "x", "v1.2.3-rc1": "x"})
    assert list(found) == sorted(numbers)
    assert all(parse(f"{a}.{b}.{c}") == (a, b, c) for a, b, c in numbers)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hub.example.org", "only over https"),
        ("ftp://127.0.0.1", "only over https"),
        ("https://user:secret@example.org", "credentials stand in the URL"),
        ("https://example.org", "SYNEG_TEST=1 allows only a Hub on this machine"),
    ],
)
def test_endpoints_that_must_not_have_a_token(monkeypatch, url, said):
    monkeypatch.setenv("HF_TOKEN", "hf_some")
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setenv("SYNEG_TEST", "1")
    with pytest.raises(InputError, match=said) as caught:
        endpoint()
    assert "secret" not in str(caught.value)


def test_endpoints_that_may(monkeypatch):
    monkeypatch.delenv("SYNEG_TEST", raising=False)
    for url, found in (
        ("", "https://huggingface.co"), ("https://hub.example.org/", "https://hub.example.org"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"), ("http://localhost:1", "http://localhost:1"),
    ):  # fmt: skip
        monkeypatch.setenv("HF_ENDPOINT", url)
        assert endpoint() == found


WRITE, READ, DISCUSS = "repo.write", "repo.content.read", "discussion.write"


@pytest.mark.parametrize(
    ("scopes", "repo", "fine"),
    [
        ({"alice": (WRITE,)}, "alice/stones", True),
        ({"datasets/alice/stones": (WRITE,)}, "alice/stones", True),
        ({"acme": (WRITE,)}, "acme/stones", True),
        ({"models/alice/stones": (WRITE,)}, "alice/stones", False),
        ({"datasets/alice/other": (WRITE,)}, "alice/stones", False),
        ({"acme": (WRITE,)}, "alice/stones", False),
        ({"alice": (READ, DISCUSS)}, "alice/stones", False),
        ({}, "alice/stones", False),
    ],
)
def test_a_fine_grained_token_is_asked_what_it_may_do(hub, scopes, repo, fine):
    token = hub.token(role="fine", scopes=scopes)
    found = token_problems(Remote(hub.url, token, repo, "dataset"))
    assert (found == []) is fine
    assert fine or "without write access to the contents of" in found[0]


def test_an_organisation_of_which_one_is_a_member(hub):
    token = hub.token(orgs=("acme",))
    assert token_problems(Remote(hub.url, token, "acme/stones", "dataset")) == []
    (line,) = token_problems(Remote(hub.url, token, "other/stones", "dataset"))
    assert "HF_TOKEN is alice's, who is not in other; push to a repository of alice, or of acme" in line


@given(st.text(), st.text(min_size=8))
def test_messages_are_a_line_without_the_token(said, token):
    line = clean(f"{said}{token}{said}", token)
    assert len(line) <= 200 and not re.search(r"[\r\n]", line)
    assert token not in line or token in "[token]"


def test_an_error_that_is_not_the_hubs_is_nobodys_fault():
    assert fault_of(ZeroDivisionError("x"), None) is None
    assert fault_of(OSError(28, "No space left on device"), None) is None
