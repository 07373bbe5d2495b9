"""What may go up: nothing but what a manifest lists, and of that no link, hidden file, pickle or training state."""

import gzip
import json
import os
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from syneg_data.durable import write_bytes, write_json, write_text
from syneg_data.errors import InputError
from syneg_data.hub.contents import Item, read_folder, release
from tests.hub.folders import listed, write_build


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return write_build(tmp_path_factory.mktemp("contents") / "stones")


@pytest.fixture
def folder(build, tmp_path):
    return shutil.copytree(build, tmp_path / "stones")


def also_listed(folder, name):
    """The manifest lists a name as if it were fine."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": "0" * 64, "bytes": 1, "rows": None}
    write_json(folder / "manifest.json", manifest)
    return folder


def refused(folder):
    with pytest.raises(InputError) as caught:
        read_folder(folder)
    return str(caught.value)


def test_what_no_manifest_lists_stays(folder):
    write_text(folder / ".env", "KEY=1\n")
    write_text(folder / "__pycache__" / "x.pyc", "x")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "gone").symlink_to("nowhere")
    found = read_folder(folder)
    assert found.left_out == (".env", "__pycache__/x.pyc", "gone", "link")
    items = release(found, "alice/stones", "1.0.0", "").items
    assert set(items) == {*found.files, "CHANGELOG.md", "manifest.json"} and "run.json" not in items


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a\\b",
        "a//b",
        "./a",
        "a/",
        "",
        "a\0b",
        "figures/..",
        "a\nb",
        "\x1b[2Jx",
        "C:/x",
    ],
)
def test_a_name_that_leads_out_is_refused(folder, name):
    assert "no plain path inside the folder" in refused(also_listed(folder, name))


@pytest.mark.parametrize("name", [".env", ".git/config", "a/.cache/x", ".gitattributes"])
def test_hidden_files_are_refused(folder, name):
    write_text(folder / name, "x")
    assert f"{name}: hidden files are never published" in refused(also_listed(folder, name))


def test_links_are_refused_whatever_they_lead_to(folder, tmp_path):
    write_text(tmp_path / "outside" / "x.txt", "x")
    (folder / "direct.txt").symlink_to(folder / "report.json")
    (folder / "inside").symlink_to(tmp_path / "outside")
    also_listed(also_listed(folder, "direct.txt"), "inside/x.txt")
    assert [line.split(":")[0] for line in refused(folder).splitlines()] == ["stones/direct.txt", "stones/inside/x.txt"]
    assert "a symbolic link" in refused(folder)


@pytest.mark.parametrize(
    "name", ["model.pt", "pytorch_model.bin", "a/b.PKL", "x.npy", "x.ckpt", "w.pth", "m.joblib", "model.h5"]
)
def test_forms_that_can_hold_pickles_are_refused_by_their_name(folder, name):
    write_text(folder / name, "harmless")
    assert "a form that can hold pickles" in refused(listed(folder))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], os.path.join], ids=["dict", "list", "call"])
def test_pickles_are_refused_by_their_content(folder, protocol, value):
    write_bytes(folder / "notes", pickle.dumps(value, protocol))
    assert "stones/notes: a pickle, whatever its name says" in refused(listed(folder))


@pytest.mark.parametrize("name", ["notes.txt", "a.csv", "b.svg"])
def test_pickles_are_refused_under_the_names_of_texts(folder, name):
    write_bytes(folder / name, pickle.dumps([1]))
    assert f"stones/{name}: a pickle, whatever its name says" in refused(listed(folder))


@pytest.mark.parametrize("name", ["corpus.jsonl.gz", "notes.txt", "notes", "a.tar"])
def test_what_is_packed_is_refused_for_it_cannot_be_searched(folder, name):
    write_bytes(folder / name, gzip.compress(b"x"))
    assert f"stones/{name}: packed, so what is in it cannot be searched" in refused(listed(folder))


def test_archives_are_refused_whatever_they_are_called(folder):
    with tarfile.open(folder / "weights", "w") as archive:
        archive.add(folder / "report.json", "x")
    with zipfile.ZipFile(folder / "words.txt", "w") as archive:
        archive.writestr("a.txt", b"x")
    lines = refused(listed(folder)).splitlines()
    assert [line.partition(", so")[0] for line in lines] == ["stones/weights: packed", "stones/words.txt: packed"]


@pytest.mark.parametrize("name", ["run.json", "manifest.json", "CHANGELOG.md"])
def test_files_of_which_a_release_has_its_own_are_refused(folder, name):
    write_text(folder / name, (folder / name).read_text() if (folder / name).exists() else "x")
    assert f"stones/{name}: a release has a file of its own" in refused(also_listed(folder, name))


def test_a_folder_is_named_in_messages_wherever_one_stands(folder, monkeypatch):
    monkeypatch.chdir(folder)
    write_text(folder / "report.json", "{}")
    assert refused(Path()) == "stones/report.json: not as manifest.json says; make it again"


def test_an_archive_with_pickles_in_it_is_one(folder):
    with zipfile.ZipFile(folder / "weights", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    assert "stones/weights: a pickle" in refused(listed(folder))


@pytest.mark.parametrize("name", ["optimizer.json", "trainer_state.json", "checkpoint-20/a.json", "rng_state_0.txt"])
def test_the_state_of_a_training_is_refused(folder, name):
    write_text(folder / name, "{}")
    assert "the state of a training" in refused(listed(folder))


def test_every_bad_file_is_named_at_once(folder):
    write_text(folder / "a.pkl", "x")
    write_text(folder / "b.pt", "x")
    listed(folder)
    write_text(folder / "report.json", "{}")
    assert [line.split(":")[0] for line in refused(folder).splitlines()] == [
        "stones/a.pkl", "stones/b.pt", "stones/report.json"
    ]  # fmt: skip


def test_tables_have_no_place_beside_a_model(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["training.json"] = manifest["files"].pop("recipe.lock.yaml")
    write_json(folder / "manifest.json", manifest)
    assert "triplet/train-00000-of-00001.parquet: a table; data belongs into a data set's repository" in refused(folder)


def test_a_folder_that_is_neither(tmp_path):
    assert "neither a build nor a trained retriever" in refused(tmp_path)
    assert "neither a build nor a trained retriever" in refused(tmp_path / "nowhere")


def test_a_release_that_was_pulled_is_not_released_again(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    write_json(folder / "manifest.json", manifest | {"release": {"repo": "a/b"}})
    assert "is a release that was pulled" in refused(folder)


def test_the_same_arguments_give_the_same_bytes(folder):
    one, two = (release(read_folder(folder), "alice/stones", "1.0.0", "log\n") for _ in range(2))
    assert one.digest == two.digest
    assert {p: i.sha256 for p, i in one.items.items()} == {p: i.sha256 for p, i in two.items.items()}
    others = [release(read_folder(folder), *arguments).digest for arguments in (
        ("alice/stones", "1.0.1", "log\n"), ("bob/stones", "1.0.0", "log\n"), ("alice/stones", "1.0.0", "\n"),
    )]  # fmt: skip
    assert len({one.digest, *others}) == 4


def test_the_name_that_git_gives_a_file():
    assert Item("a", b"hello\n", 6, "").git_oid == "ce013625030ba8dba906f756967f9e9ca394464a"
