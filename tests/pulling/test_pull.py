"""Pull: a release comes whole or not at all, each byte as its commit says, and nothing else is touched."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.errors import InputError, LockedError, UnavailableError
from syneg_data.hub.pull import pull
from syneg_data.publishing.manifest import refuse_unsafe
from syneg_data.publishing.release import open_release
from syneg_data.workspace import Workspace
from tests.loopback import commit_release, reach, with_manifest
from tests.publishing.test_release import write_release


@pytest.fixture
def here(hub, monkeypatch, tmp_path):
    """This process as alice, in an empty folder."""
    reach(hub, monkeypatch, tmp_path, hub.token())
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return hub


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The files of a build, without its manifest, and the folder."""
    folder = write_release(tmp_path_factory.mktemp("build") / "small")
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    found.pop("manifest.json")
    return found | {"README.md": CARD, "triplet/train-00000-of-00001.parquet": found[FIRST]}


CARD = b"""---
license: mit
configs:
- config_name: n-tuple
  data_files: [{split: train, path: n-tuple/train-*}]
---
# small
"""
FIRST = "n-tuple/train-00000-of-00001.parquet"
MODEL = {
    "training.json": b"{}",
    "modules.json": b"[]",
    "model.safetensors": b"weights",
    "1_Pooling/config.json": b"{}",
}


def released(hub, files, type="dataset", repo="alice/ds", tag="v1.0.0", said=None):
    oid = commit_release(hub, repo, type, files, said)
    hub.tag(f"{type}s/{repo}", tag, oid)
    return oid


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def refused(name="alice/ds@v1.0.0", error=InputError, out="out"):
    with pytest.raises(error) as caught:
        pull(name, Path(out))
    assert not Path(out).exists() or list(Path(out).iterdir()) == []
    return str(caught.value)


# What comes


def test_a_build_comes_whole_and_works_as_one(here, build, tmp_path):
    files = with_manifest(build)
    oid = released(here, files)
    done = pull("alice/ds@v1.0.0")
    assert done.folder == Path.cwd() / "builds" / "ds-v1.0.0"
    assert contents(done.folder) == files
    assert (done.type, done.commit, done.fetched, done.files) == ("dataset", oid, True, len(build))
    assert done.manifest_sha256 == hashlib.sha256(files["manifest.json"]).hexdigest()
    assert done.bytes == sum(map(len, build.values()))
    assert done.load == 'load_dataset("builds/ds-v1.0.0", "triplet", split="train")'
    release = open_release(str(done.folder))
    assert release.table("n-tuple").num_rows == 1
    assert set(release.held_out()) == {"test"}
    assert open_release("alice/ds@v1.0.0").digest == release.digest == done.manifest_sha256
    rows = load_dataset(str(done.folder), "n-tuple", split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["query", "positive", "negative_1"]


def test_a_retriever_comes_whole(here):
    files = with_manifest(MODEL)
    released(here, files, type="model", repo="alice/m")
    done = pull("alice/m@v1.0.0", Path("mine"))
    assert contents("mine") == files
    assert (done.type, done.load) == ("model", 'SentenceTransformer("mine")')


def test_only_what_the_manifest_lists_is_fetched(here, build):
    released(here, with_manifest(build) | {"extra.txt": b"x", "run.json": b"{}", "triplet/extra.parquet": b"x"})
    pull("alice/ds@v1.0.0", Path("out"))
    asked = {log.path.partition("/resolve/")[2].partition("/")[2] for log in here.log if "/resolve/" in log.path}
    assert asked == {"manifest.json", *build}
    assert set(contents("out")) == asked


def test_the_same_again_fetches_nothing(here, build):
    released(here, with_manifest(build))
    first = pull("alice/ds@v1.0.0", Path("out"))
    before = len(here.log)
    again = pull("alice/ds@v1.0.0", Path("out"))
    assert (again.fetched, again.manifest_sha256) == (False, first.manifest_sha256)
    assert not any("/resolve/" in log.path or "/tree/" in log.path for log in here.log[before:])


def test_another_version_takes_the_place_of_the_one_before(here, build):
    released(here, with_manifest(build))
    pull("alice/ds@v1.0.0", Path("out"))
    kept = {name: data for name, data in build.items() if name != "README.md"}
    later = with_manifest(kept | {"NOTES.md": b"new"}, release={"version": "1.1.0"})
    released(here, later, tag="v1.1.0")
    assert pull("alice/ds@v1.1.0", Path("out")).fetched
    assert contents("out") == later


def test_what_was_damaged_here_is_mended(here, build):
    files = with_manifest(build)
    released(here, files)
    pull("alice/ds@v1.0.0", Path("out"))
    (Path("out") / "README.md").write_bytes(b"damaged")
    assert pull("alice/ds@v1.0.0", Path("out")).fetched
    assert contents("out") == files


def test_a_damaged_cache_is_not_believed(here, build, tmp_path):
    files = with_manifest(build)
    released(here, files)
    pull("alice/ds@v1.0.0", Path("one"))
    for blob in (tmp_path / "hub-cache" / "datasets--alice--ds" / "blobs").iterdir():
        blob.write_bytes(blob.read_bytes()[::-1])
    pull("alice/ds@v1.0.0", Path("two"))
    assert contents("two") == files


def test_a_commit_names_the_same_release(here, build):
    oid = released(here, with_manifest(build))
    assert pull(f"alice/ds@{oid}", Path("out")).commit == oid


def test_an_id_that_is_both(here, build):
    released(here, with_manifest(build))
    released(here, with_manifest(MODEL), type="model")
    assert refused() == (
        "alice/ds@v1.0.0: there is a data set and a model of this name; say datasets/alice/ds or models/alice/ds"
    )
    assert pull("models/alice/ds@v1.0.0", Path("m")).type == "model"
    assert pull("datasets/alice/ds@v1.0.0", Path("d")).type == "dataset"


# What is no release


@pytest.mark.parametrize("name", ["alice/ds", "alice/ds@", "ds@v1", "@v1", "a/b/c@v1", "../a/b@v1", "alice/ds\n@v1"])
def test_a_name_that_is_none(here, name):
    assert "not a release; name one as OWNER/NAME@v1.0.0" in refused(name)
    assert here.log == []


def test_what_is_not_there(here, build):
    released(here, with_manifest(build))
    assert "no such revision; check it against the tags" in refused("alice/ds@v9.9.9")
    assert "no such repository, or a private one" in refused("alice/other@v1.0.0")


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("", "names no manifest"),
        ("Syneg-Manifest: sha256:short", "names no manifest"),
        ("not at the start Syneg-Manifest: sha256:" + "a" * 64, "names no manifest"),
        ("Syneg-Manifest: sha256:" + "a" * 64 + "\nSyneg-Manifest: sha256:" + "b" * 64, "names several manifests"),
    ],
)
def test_a_commit_that_does_not_say_what_it_holds(here, build, said, what):
    oid = released(here, with_manifest(build), said=said)
    assert refused() == (
        f"alice/ds@v1.0.0: its commit {oid} {what} (a line `Syneg-Manifest: sha256:...`), so nobody can say whether it "
        "is whole; name the tag of a release that `syneg-data push` made"
    )


def test_a_manifest_that_was_changed(here, build):
    oid = released(here, with_manifest(build), said="Syneg-Manifest: sha256:" + "a" * 64)
    assert f"manifest.json is not the one that the commit {oid} names" in refused()


def test_a_commit_on_top_of_a_release_is_none(here, build):
    released(here, with_manifest(build))
    here.put("datasets/alice/ds", "dataset", {"README.md": b"edited on the web"})
    assert "names no manifest" in refused("alice/ds@main")


@pytest.mark.parametrize("name", ["README.md", FIRST])
def test_a_file_that_is_not_as_listed(here, build, name):
    files = with_manifest(build)
    released(here, files | {name: b"other bytes"})
    assert refused() == (
        f"alice/ds@v1.0.0: 1 files are not as its manifest says ({name}), so the release is broken; ask its owner"
    )


def test_a_file_that_is_missing(here, build):
    files = with_manifest(build)
    del files[FIRST]
    released(here, files)
    assert f"1 files are not as its manifest says ({FIRST})" in refused()


@pytest.mark.parametrize(
    ("files", "changes", "said"),
    [
        ({"a.txt": b"x"}, {}, "its manifest lists no recipe.lock.yaml"),
        (dict(MODEL), {}, "its manifest lists no recipe.lock.yaml"),
        ({"recipe.lock.yaml": b"x"}, {"schema": 2}, "manifest.json has the schema 2, this version reads 1"),
        ({"recipe.lock.yaml": b"x"}, {"release": None}, "its manifest is not one that `syneg-data push` writes"),
        ({"recipe.lock.yaml": b"x"}, {"tool": "another 1"}, "its manifest is not one that `syneg-data push` writes"),
        ({"recipe.lock.yaml": b"x"}, {"files": ["a"]}, "its manifest lists no recipe.lock.yaml"),
        ({"recipe.lock.yaml": b"x"}, {"files": {"recipe.lock.yaml": 3}}, "1 files are not as its manifest says"),
    ],
)
def test_a_manifest_that_is_none_of_ours(here, files, changes, said):
    released(here, with_manifest(files, **changes))
    assert said in refused()


def test_a_tag_that_was_moved_to_another_version_is_found_out(here, build):
    oid = released(here, with_manifest(build, release={"repo": "alice/ds", "version": "2.0.0\x1b[2J", "built": "cd"}))
    assert refused() == (
        "alice/ds@v1.0.0: the tag leads to version '2.0.0\\x1b[2J', so it was moved or set by hand; ask its owner, or "
        f"name the commit if that is what you want: {oid}"
    )
    assert pull(f"alice/ds@{oid}", Path("meant")).commit == oid
    with pytest.raises(InputError, match="so it was moved or set by hand"):
        pull("alice/ds@v1.0.0", Path("meant"))


# Names


UNSAFE = [
    "../out.txt", "a/../../b", "/etc/x", "a//b", "a/", "", ".", "..", "a\\b", "C:/x", "a\0b", "a\nb", ".git/config",
    "a/.env", "x" * 300, "/".join(["x" * 200] * 6), "\ud800", "manifest.json", "run.json", "recipe.lock.yaml/x",
]  # fmt: skip


@pytest.mark.parametrize("name", UNSAFE)
def test_a_name_that_is_not_safe_is_refused(here, build, name):
    manifest = json.loads(with_manifest(build)["manifest.json"])
    manifest["files"][name] = {"sha256": "ab" * 32, "bytes": 1, "rows": None}
    released(here, build | {"manifest.json": json.dumps(manifest).encode()})
    assert f"manifest.json lists {name!r}" in refused()
    assert not any(log.path.endswith("README.md") for log in here.log if "/resolve/" in log.path)


@given(st.lists(st.text(alphabet="ab./\\\0 -", max_size=8), max_size=4))
def test_a_name_that_passes_stays_inside(names):
    try:
        refuse_unsafe("here", set(names))
    except InputError:
        return
    for name in names:
        assert (Path("/folder/of/it") / name).resolve().is_relative_to("/folder/of/it")
        assert Path("/folder/of/it", name).as_posix() == f"/folder/of/it/{name}"


def test_a_name_is_no_pattern(here, build):
    odd = {"a[1].txt": b"one", "a1.txt": b"not listed", "b*.txt": b"two"}
    files = with_manifest(build | {name: data for name, data in odd.items() if name != "a1.txt"})
    released(here, files | odd)
    pull("alice/ds@v1.0.0", Path("out"))
    assert contents("out") == files


def test_a_link_in_the_cache_that_leads_away_is_not_followed(here, build, tmp_path):
    released(here, with_manifest(build))
    pull("alice/ds@v1.0.0", Path("one"))
    secret = tmp_path / "secret"
    secret.write_bytes(build["README.md"])
    (linked,) = (tmp_path / "hub-cache").glob("*/snapshots/*/README.md")
    linked.unlink()
    linked.symlink_to(secret)
    assert "a link that leaves the Hub's cache; remove it and pull again" in refused()


# Faults


def test_without_the_hub_nothing_stale_is_served(here, build, monkeypatch):
    released(here, with_manifest(build))
    pull("alice/ds@v1.0.0", Path("one"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "the Hub does not answer as it should" in refused(error=UnavailableError)


def test_a_pull_that_was_cut_off_leaves_nothing_and_the_next_one_completes_it(here, build):
    files = with_manifest(build)
    released(here, files)
    here.fail("GET", f"/resolve/.*/{FIRST}", 403, times=None)
    assert "set HF_TOKEN to a token that may read it" in refused()
    assert not Path("out").exists()
    here.faults.clear()
    pull("alice/ds@v1.0.0", Path("out"))
    assert contents("out") == files


def test_a_hub_that_is_gone_in_the_middle_is_no_broken_release(here, build):
    files = with_manifest(build)
    released(here, files)

    def gone():
        here.fail("GET", "/(tree|revision|commits)/", 403, times=None)  # not a 5xx, which the client would ask again
        here.fail("HEAD", "/resolve/.*/README.md", 404, times=None)

    here.meanwhile("GET", "/resolve/.*/manifest.json", gone)
    assert "the Hub does not answer as it should" in refused(error=UnavailableError)


def test_a_release_that_moved_meanwhile_is_still_one_release(here, build):
    """The tag is deleted and set anew between two requests: what was begun at a commit is ended at that commit."""
    files = with_manifest(build)
    first = released(here, files)
    other = commit_release(here, "alice/ds", "dataset", with_manifest(build | {"README.md": b"other"}))

    def move():
        here.tag("datasets/alice/ds", "v1.0.0", other)

    here.meanwhile("GET", f"/tree/{first}", move)
    assert pull("alice/ds@v1.0.0", Path("out")).commit == first
    assert contents("out") == files


# What stands there already


def test_a_build_of_ones_own_is_not_replaced(here, build):
    released(here, with_manifest(build))
    own = write_release(Path("own"))
    before = contents(own)
    with pytest.raises(InputError, match="own: holds a build of your own, which would be lost; choose another --out"):
        pull("alice/ds@v1.0.0", own)
    assert contents(own) == before


@pytest.mark.parametrize("what", ["file", "foreign", "retriever"])
def test_what_else_stands_there_is_not_replaced(here, build, what):
    released(here, with_manifest(build))
    out = Path("there")
    if what == "file":
        out.write_text("mine")
        said = "is a file"
    elif what == "foreign":
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
        said = "holds files that no build wrote"
    else:
        released(here, with_manifest(MODEL), type="model", repo="alice/m")
        pull("alice/m@v1.0.0", out)
        said = "holds a trained retriever"
    with pytest.raises(InputError, match=said):
        pull("alice/ds@v1.0.0", out)


def test_where_a_link_leads_is_replaced_and_the_link_stays(here, build):
    released(here, with_manifest(build))
    released(here, with_manifest(build | {"README.md": b"later"}, release={"version": "1.1.0"}), tag="v1.1.0")
    Path("large").mkdir()
    for link in ("there", "new"):
        Path(link).symlink_to(Path("large") / link)
    Path("large/there").mkdir()
    for link in ("there", "new"):
        for tag in ("v1.0.0", "v1.1.0"):
            assert pull(f"alice/ds@{tag}", Path(link)).folder == Path.cwd() / "large" / link
        assert Path(link).is_symlink()
        assert (Path("large") / link / "README.md").read_bytes() == b"later"


def test_one_at_a_time(here, build):
    released(here, with_manifest(build))
    with Workspace(Path.cwd() / ".out.work").locked():
        refused(error=LockedError)


# The command


def test_the_command_says_where_it_is_and_how_to_load_it(hub, build, tmp_path):
    released(hub, with_manifest(build))
    environment = hub.environment(tmp_path, hub.token())

    def command(*options):
        line = [sys.executable, "-m", "syneg_data", "pull", *options]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = command("alice/ds@v1.0.0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("alice/ds@v1.0.0, a data set, is in builds/ds-v1.0.0\n")
    assert 'load it: load_dataset("builds/ds-v1.0.0", "triplet", split="train")\n' in done.stdout
    again = command("alice/ds@v1.0.0", "--json")
    found = json.loads(again.stdout)
    assert (found["folder"], found["fetched"], found["type"]) == ("builds/ds-v1.0.0", False, "dataset")
    wrong = command("alice/ds@v2.0.0")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("alice/ds@v2.0.0: no such revision;")


def test_a_pull_that_is_killed_leaves_nothing_and_the_next_one_completes_it(hub, build, tmp_path):
    files = with_manifest(build)
    released(hub, files)
    line = [sys.executable, "-m", "syneg_data", "pull", "alice/ds@v1.0.0"]
    options = {"cwd": tmp_path, "env": hub.environment(tmp_path, hub.token()), "stderr": subprocess.DEVNULL}
    started = []
    hub.meanwhile("GET", f"/resolve/.*/{FIRST}", lambda: started[0].kill())
    started.append(subprocess.Popen(line, stdout=subprocess.DEVNULL, **options))
    assert started[0].wait() == -9
    assert not (tmp_path / "builds" / "ds-v1.0.0").exists()
    assert subprocess.run(line, check=True, stdout=subprocess.PIPE, **options).stdout
    assert contents(tmp_path / "builds" / "ds-v1.0.0") == files
