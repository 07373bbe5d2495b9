"""`syneg-data push` as a person, a script and a thief meet it: plan, confirmation, exit codes, no token anywhere."""

import json
import os
import pty
import shutil
import subprocess
import sys

import pytest

from syneg_data.errors import InputError
from syneg_data.hub.push import prepare
from tests.hub.folders import changed_report, write_build

COMMAND = [sys.executable, "-m", "syneg_data", "push"]
KEY = "datasets/alice/stones"


@pytest.fixture
def folder(tmp_path):
    return write_build(tmp_path / "work" / "stones")


def push(folder, environment, *options, check=0, **more):
    done = subprocess.run(
        [*COMMAND, str(folder), "--repo", "alice/stones", "--version", "1.0.0", *options],
        env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **more,
    )  # fmt: skip
    assert check is None or done.returncode == check, done.stderr
    return done


@pytest.mark.slow
def test_the_token_is_nowhere_but_in_its_header(hub, folder, tmp_path):
    """Everything that is written, printed and sent is searched for it: two releases, a fault and a refusal."""
    token = hub.token()
    environment = hub.environment(tmp_path / "home", token) | {"TMPDIR": str(tmp_path / "tmp"), "HF_DEBUG": "1"}
    (tmp_path / "tmp").mkdir()
    said = [push(folder, environment, "--yes", "--json")]
    receipt = json.loads(said[0].stdout)["release"]
    assert hub.refs(KEY).tags == {"v1.0.0": receipt["commit"]}
    hub.fail("POST", "/commit/", 403, body=json.dumps({"error": f"not with {token}"}).encode())
    changed_report(folder, note=1)
    said.append(push(folder, environment, "--yes", "--version", "1.0.1", check=2))
    said.append(push(folder, environment, "--yes", "--version", "1.0.1"))
    changed_report(folder, note=token)
    said.append(push(folder, environment, "--yes", "--version", "1.0.2", check=2))
    assert "report.json: line" in said[-1].stderr and "hugging face token" in said[-1].stderr
    assert all(token not in done.stdout + done.stderr for done in said)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path != folder / "report.json"]
    assert len(written) > 40, "the folder, receipts and caches"
    assert [path for path in written if token.encode() in path.read_bytes()] == []
    header = f"authorization: Bearer {token}".encode()
    assert any(header in part for part in hub.sent())
    assert [part for part in hub.sent() if token.encode() in part.replace(header, b"")] == []
    assert "[token]" in said[1].stderr and "the token may not do this" in said[1].stderr


def test_a_dry_run_needs_no_network_and_writes_nothing(folder, tmp_path):
    kept = ("PATH", "PYTHONPATH", "SYNEG_CACHE")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    before = sorted(tmp_path.rglob("*"))
    done = push(folder, environment, "--dry-run", "--json")
    found = json.loads(done.stdout)
    assert (found["outcome"], found["release"]) == ("dry run", None)
    assert found["plan"]["not_compared"] == "HF_TOKEN is not set" and found["plan"]["compared"] is False
    assert len(found["plan"]["files"]["added"]) == 17 and found["plan"]["scan"]["files"] == 17
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_dry_run_without_a_network_says_that_it_did_not_compare(hub, folder, tmp_path):
    environment = hub.environment(tmp_path / "home", hub.token()) | {"HF_HUB_OFFLINE": "1"}
    before = sorted(tmp_path.rglob("*"))
    done = push(folder, environment, "--dry-run")
    assert (
        "the Hub was not asked: alice/stones: who the token belongs to: no answer (HF_HUB_OFFLINE is set" in done.stdout
    )
    assert "dry run: nothing was written, here or there" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_dry_run_compares_where_it_can(hub, folder, tmp_path):
    environment = hub.environment(tmp_path / "home", hub.token())
    before = sorted((tmp_path / "home").rglob("*"))
    done = push(folder, environment, "--dry-run", "--json")
    plan = json.loads(done.stdout)["plan"]
    assert (plan["compared"], plan["since"], plan["visibility"]) == (True, None, "private")
    assert not hub.exists(KEY) and {request.method for request in hub.log if "validate-yaml" not in request.path} == {
        "GET"
    }
    assert sorted((tmp_path / "home").rglob("*")) == before


def test_without_a_terminal_somebody_has_to_say_yes(hub, folder, tmp_path):
    done = push(folder, hub.environment(tmp_path / "home", hub.token()), check=2)
    assert done.stderr == (
        "alice/stones 1.0.0: nobody is there to confirm the plan; look at it with --dry-run, then say --yes\n"
    )
    assert not hub.exists(KEY)


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2)])
def test_a_person_confirms(hub, folder, tmp_path, answer, code):
    master, slave = pty.openpty()
    os.write(master, answer.encode())
    done = subprocess.run(
        [*COMMAND, str(folder), "--repo", "alice/stones", "--version", "1.0.0"], stdin=slave,
        env=hub.environment(tmp_path / "home", hub.token()), capture_output=True, text=True, check=False,
    )  # fmt: skip
    os.close(master)
    os.close(slave)
    assert done.returncode == code, done.stderr
    assert "release alice/stones 1.0.0?" in done.stderr and "new: 17 files" in done.stdout
    assert hub.exists(KEY) is (code == 0)
    assert code == 0 or "not confirmed; nothing was written" in done.stderr


@pytest.mark.parametrize("token", ["hf_abcdefgh\nijklmnopqrs", "hf_abcd efgh", "hf_abcdefghä", "hf_abcdefgh\x01i"])
def test_a_token_that_no_header_can_hold_is_not_repeated(folder, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(InputError, match="HF_TOKEN: holds spaces, line ends or letters that no token has") as caught:
        prepare(folder, "alice/stones", "1.0.0")
    assert "abcd" not in str(caught.value)


@pytest.mark.slow
def test_exit_codes(hub, folder, tmp_path):
    environment = hub.environment(tmp_path / "home", hub.token())
    assert "HF_TOKEN is not set" in push(folder, hub.environment(tmp_path / "h", None), "--yes", check=2).stderr
    hub.fail("GET", "whoami", 429, headers=(("Retry-After", "3600"),))
    assert "wait 3600 seconds" in push(folder, environment, "--yes", check=4).stderr
    receipt = folder.parent / "stones.release.json"
    receipt.mkdir()
    done = push(folder, environment, "--yes", check=5)
    assert "stones.release.json: the receipt of the release cannot be written beside work/stones" in done.stderr
    assert not hub.exists(KEY)
    receipt.rmdir()
    proxy = {name: value for name, value in environment.items() if name.upper() != "NO_PROXY"}
    address = "socks5://user:hunter22@127.0.0.1:9"  # which takes a package that need not be there
    done = push(folder, proxy | {"HTTP_PROXY": address, "ALL_PROXY": address}, "--yes", check=None)
    assert done.returncode in (2, 4) and "Traceback" not in done.stderr and "hunter22" not in done.stderr
    shutil.rmtree(folder / "ids")
    done = push(folder, environment, "--yes", check=2)
    assert done.stderr == "stones/ids/train-00000-of-00001.parquet: not as manifest.json says; make it again\n"
    assert "Traceback" not in done.stderr
