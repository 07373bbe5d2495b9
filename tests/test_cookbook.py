"""The recipes of a folder, told from their header comments."""

import json

import pytest
from typer.testing import CliRunner

from syneg_data.cli import app
from syneg_data.cookbook import cookbook, header
from syneg_data.errors import InputError
from tests.conftest import ROOT, run_cli


def test_every_recipe_that_ships_is_told_in_full():
    found = cookbook(ROOT / "recipes")
    assert [entry["name"] for entry in found] == sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
    assert all(all(entry.values()) for entry in found)
    for entry in found:
        assert entry["command"] == f"syneg-data build recipes/{entry['name']}.yaml"
    (quickstart,) = [entry for entry in found if entry["name"] == "quickstart"]
    assert quickstart["hardware"].startswith("two CPU cores, ")
    assert quickstart["what"].endswith("; shows the whole line at work.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("name: x\n# What: too late\n", {}),
        ("# What: one\n# Time: two\nname: x\n", {"what": "one", "time": "two"}),
        ("#What:one\n# COMMAND:  a: b\n", {"what": "one", "command": "a: b"}),
        ("# What: one\n#       and two\n#\n# a remark\n", {"what": "one and two"}),
        ("# a remark\n# Hardware:\n#   one core\n", {"hardware": "one core"}),
        ("# What:\nname: x\n", {}),
    ],
)
def test_the_comment_at_the_top(text, expected):
    assert header(text) == expected


def test_a_recipe_without_a_header_is_listed_by_its_name(tmp_path):
    (tmp_path / "b.yaml").write_text("name: b\n")
    (tmp_path / "a.yaml").write_text("# Time: long\nname: a\n")
    (tmp_path / "c.yaml").mkdir()
    (tmp_path / "notes.txt").write_text("# What: no recipe\n")
    nothing = {"what": None, "time": None, "hardware": None, "command": None}
    assert cookbook(tmp_path) == [
        {"name": "a", "file": str(tmp_path / "a.yaml"), **nothing, "time": "long"},
        {"name": "b", "file": str(tmp_path / "b.yaml"), **nothing},
    ]


def test_folders_that_hold_none(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; name one that holds recipes"):
        cookbook(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no recipe \(\*\.yaml\); name another folder"):
        cookbook(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"# What: \xff\n")
    with pytest.raises(InputError, match=r"x\.yaml: not UTF-8 text"):
        cookbook(tmp_path)


def test_the_command_lists_the_folder_here_or_another(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "a.yaml").write_text("# What: a set\n# Command: syneg-data build recipes/a.yaml\nname: a\n")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["recipes"], catch_exceptions=False)
    assert done.stdout.splitlines() == [
        "a",
        "  file:     recipes/a.yaml",
        "  what:     a set",
        "  command:  syneg-data build recipes/a.yaml",
    ]
    done = CliRunner().invoke(app, ["recipes", str(tmp_path / "recipes"), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["folder"] == str(tmp_path / "recipes")
    assert [entry["name"] for entry in found["recipes"]] == ["a"]
    assert "no such folder" in run_cli("recipes", "elsewhere", cache=tmp_path, check=2).stderr
