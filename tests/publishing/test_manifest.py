"""The manifest: what a build folder holds, and what it must not be mistaken for."""

import hashlib
import json

import pytest

from syneg_data import __version__
from syneg_data.errors import InputError
from syneg_data.publishing.manifest import BUILD, RETRIEVER, intact, read_manifest, refuse_foreign, write_manifest

FINGERPRINT = "ab" * 32
CONTENT = {
    "README.md": b"# card\n",
    "report.json": b"{}\n",
    "triplet/train-00000-of-00001.parquet": b"PAR1\x00\x01PAR1",
}


@pytest.fixture
def folder(tmp_path):
    """A build folder as `build` leaves it."""
    out = tmp_path / "out"
    for name, data in CONTENT.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    write_manifest(out, FINGERPRINT, {"source": {"sha256": "cd"}}, {"triplet/train-00000-of-00001.parquet": 7})
    (out / "run.json").write_text("{}")
    return out


def test_every_file_but_itself_and_run_json_is_listed(folder):
    assert json.loads((folder / "manifest.json").read_text()) == {
        "schema": 1,
        "tool": f"syneg-data {__version__}",
        "fingerprint": FINGERPRINT,
        "inputs": {"source": {"sha256": "cd"}},
        "files": {
            name: {
                "sha256": hashlib.sha256(data).hexdigest(),
                "bytes": len(data),
                "rows": 7 if name.startswith("triplet") else None,
            }
            for name, data in CONTENT.items()
        },
    }


def test_writing_it_again_changes_no_byte(folder):
    before = (folder / "manifest.json").read_bytes()
    write_manifest(folder, FINGERPRINT, {"source": {"sha256": "cd"}}, {"triplet/train-00000-of-00001.parquet": 7})
    assert (folder / "manifest.json").read_bytes() == before


def test_a_whole_build_is_intact_and_only_as_itself(folder):
    assert intact(folder, FINGERPRINT)
    assert not intact(folder, "00" * 32)


@pytest.mark.parametrize("name", CONTENT)
def test_a_flipped_bit_is_noticed(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert not intact(folder, FINGERPRINT)
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert intact(folder, FINGERPRINT)


@pytest.mark.parametrize("name", ["extra.txt", "triplet/train-00001-of-00002.parquet", ".hidden", "deep/er/file"])
def test_an_extra_file_is_noticed(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"")
    assert not intact(folder, FINGERPRINT)


@pytest.mark.parametrize("name", [*CONTENT, "manifest.json"])
def test_a_missing_file_is_noticed(folder, name):
    (folder / name).unlink()
    assert not intact(folder, FINGERPRINT)


@pytest.mark.parametrize("run", [None, "other times"])
def test_run_json_may_differ(folder, run):
    (folder / "run.json").unlink()
    if run:
        (folder / "run.json").write_text(run)
    assert intact(folder, FINGERPRINT)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}', '{"files": {}}', "\x00"])
def test_a_broken_manifest_is_no_manifest(folder, text):
    (folder / "manifest.json").write_text(text)
    assert not intact(folder, FINGERPRINT)


def test_a_manifest_that_is_no_mapping_is_none(folder):
    for data in (b"[]", b"{", b"\xff\xfe"):
        (folder / "manifest.json").write_bytes(data)
        assert read_manifest(folder) is None


def test_an_earlier_build_may_be_replaced(folder, tmp_path):
    refuse_foreign(folder, BUILD)
    (folder / "README.md").write_text("a damaged file of the build")
    (folder / "report.json").unlink()
    refuse_foreign(folder, BUILD)
    refuse_foreign(tmp_path / "nothing", BUILD)
    (tmp_path / "empty").mkdir()
    refuse_foreign(tmp_path / "empty", BUILD)


@pytest.mark.parametrize("name", ["thesis.tex", "triplet/notes.md"])
def test_what_no_build_wrote_is_not_destroyed(folder, name):
    (folder / name).write_text("years of work")
    with pytest.raises(InputError, match=rf"out: holds files that no build wrote \({name}\)"):
        refuse_foreign(folder, BUILD)


@pytest.mark.parametrize("target", ["thesis", "nothing"])
def test_a_link_that_no_build_made_is_not_destroyed(folder, tmp_path, target):
    (tmp_path / "thesis").mkdir()
    (folder / "link").symlink_to(tmp_path / target)
    with pytest.raises(InputError, match=r"out: holds files that no build wrote \(link\)"):
        refuse_foreign(folder, BUILD)


def test_files_without_a_manifest_are_foreign(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match="holds files that no build wrote"):
        refuse_foreign(folder, BUILD)


def test_a_trained_retriever_is_no_earlier_build_nor_a_build_an_earlier_retriever(folder, tmp_path):
    (folder / "recipe.lock.yaml").write_text("recipe: {}")
    write_manifest(folder, FINGERPRINT, {}, {})
    refuse_foreign(folder, BUILD)
    with pytest.raises(InputError, match="out: holds a build, which would be lost; choose another --out"):
        refuse_foreign(folder, RETRIEVER)
    (folder / "recipe.lock.yaml").rename(folder / "training.json")
    write_manifest(folder, FINGERPRINT, {}, {})
    refuse_foreign(folder, RETRIEVER)
    with pytest.raises(InputError, match="out: holds a trained retriever, which would be lost"):
        refuse_foreign(folder, BUILD)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="is a file; choose another --out"):
        refuse_foreign(tmp_path / "out", BUILD)


OTHERS = pytest.mark.parametrize(
    "manifest", ['{"name": "app", "manifest_version": 3}', '{"files": ["app.js"]}', '{"files": null}', "[]", "not JSON"]
)


@OTHERS
def test_a_manifest_of_something_else_claims_no_file(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    (tmp_path / "app.js").write_text("years of work")
    with pytest.raises(InputError, match="holds files that no build wrote"):
        refuse_foreign(tmp_path, BUILD)


@OTHERS
def test_a_manifest_of_something_else_is_itself_foreign(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match=r"holds files that no build wrote \(manifest\.json\)"):
        refuse_foreign(tmp_path, BUILD)
