"""Real builds held against each other: what one change of the recipe makes of level, rows, gate, ledger and recipe."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from syneg_data.cli import app
from syneg_data.difference.builds import difference
from syneg_data.durable import write_json
from syneg_data.errors import InputError
from syneg_data.publishing.manifest import read_manifest, write_manifest
from syneg_data.publishing.release import open_release
from tests.conftest import run_cli
from tests.difference.conftest import BUILDS


def between(builds, before, after, version=None):
    return difference(open_release(str(builds / before)), open_release(str(builds / after)), version)


def rows_of(found, config, split="train"):
    (row,) = [row for row in found["rows"] if (row["config"], row["split"]) == (config, split)]
    return {name: row[name] for name in ("before", "after", "added", "removed", "changed", "unchanged")}


def counts(before, after, added, removed, changed, unchanged):
    return {
        "before": before, "after": after, "added": added, "removed": removed, "changed": changed, "unchanged": unchanged
    }  # fmt: skip


def copied(builds, name, folder):
    """A copy of a build to be changed; `listed` has to follow."""
    return shutil.copytree(builds / name, folder)


def listed(folder, **changes):
    """Have the manifest list the files as they are now."""
    manifest = read_manifest(folder)
    rows = {name: entry["rows"] for name, entry in manifest["files"].items()}
    write_manifest(folder, manifest["fingerprint"], manifest["inputs"], rows)
    if changes:
        write_json(folder / "manifest.json", read_manifest(folder) | changes)
    return folder


def rewritten(folder, config, change, split="train"):
    """Another table in place of one of a build."""
    path = folder / config / f"{split}-00000-of-00001.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    return folder


def report_with(folder, change):
    path = folder / "report.json"
    report = json.loads(path.read_text())
    change(report)
    path.write_text(json.dumps(report))
    return folder


@pytest.mark.parametrize("name", sorted(BUILDS))
def test_a_build_does_not_differ_from_itself(builds, name):
    found = between(builds, name, name, "1.2.3")
    assert (found["level"], found["reasons"]) == ("none", [])
    assert found["version"] == {"before": "1.2.3", "after": "1.2.3"}
    assert found["files"] == {"added": [], "removed": [], "changed": []}
    assert all(row["unchanged"] == row["before"] == row["after"] for row in found["rows"])
    assert {row["config"] for row in found["rows"]} >= {"triplet", "ids", "corpus", "candidates", "scores"}
    assert found["columns"] == found["ledger"] == found["audit"] == found["licenses"] == []
    assert found["gate"]["bars"] == found["gate"]["flips"] == []
    assert found["recipe"] == {"keys": [], "inputs": [], "tool": None}
    pairs = found["negatives"]["pairs"]
    assert pairs["with_other_negatives"] == 0 and pairs["in_both"] > 0


def test_the_same_recipe_built_twice_is_no_change(builds):
    assert between(builds, "first", "again")["level"] == "none"


@pytest.mark.parametrize("name", sorted(BUILDS))
def test_the_way_back_is_the_mirror(builds, name):
    there, back = between(builds, "first", name), between(builds, name, "first")
    mirror = {(row["config"], row["split"]): row for row in back["rows"]}
    for row in there["rows"]:
        other = mirror[row["config"], row["split"]]
        assert (row["added"], row["removed"]) == (other["removed"], other["added"])
        assert (row["before"], row["after"]) == (other["after"], other["before"])
        assert (row["changed"], row["unchanged"]) == (other["changed"], other["unchanged"])
        assert row["unchanged"] + row["changed"] + row["removed"] == (row["before"] or 0)
        assert row["unchanged"] + row["changed"] + row["added"] == (row["after"] or 0)
    assert {(flip["from"], flip["to"]): flip["count"] for flip in there["gate"]["flips"]} == {
        (flip["to"], flip["from"]): flip["count"] for flip in back["gate"]["flips"]
    }
    assert [(e["path"], e["before"], e["after"]) for e in there["recipe"]["keys"]] == [
        (e["path"], e["after"], e["before"]) for e in back["recipe"]["keys"]
    ]


def test_a_stricter_gate_is_minor_and_every_flip_is_counted(builds):
    found = between(builds, "first", "stricter", "1.2.0")
    assert (found["level"], found["version"]["after"]) == ("minor", "1.3.0")
    assert [reason["what"] for reason in found["reasons"]] == [
        "rows differ in triplet, n-tuple, ids, candidates",
        "files beside the rows differ: README.md, recipe.lock.yaml, report.html, report.json",
    ]
    assert rows_of(found, "triplet") == counts(12, 12, 6, 6, 0, 6)
    assert rows_of(found, "ids") == counts(6, 6, 0, 0, 6, 0)
    assert rows_of(found, "candidates") == counts(48, 48, 0, 0, 18, 30)
    assert rows_of(found, "corpus")["unchanged"] == 204
    assert found["negatives"] == {
        "sources": [{"source": "mined:first", "before": 12, "after": 12}],
        "pairs": {"in_both": 6, "with_other_negatives": 6},
        "queries": {"before": 6, "after": 6, "gained": 0, "lost": 0, "examples": {"gained": [], "lost": []}},
    }
    gate = found["gate"]
    assert gate["bars"] == [{"path": "words.margin", "before": 0.05, "after": 0.3}]
    assert gate["judged_by_both"] == 48
    assert [(flip["from"], flip["to"], flip["count"]) for flip in gate["flips"]] == [
        ("ambiguous", "false_negative", 6),
        ("keep", "false_negative", 6),
    ]
    shapes = [{row["doc_id"].partition("-")[2] for row in flip["examples"]} for flip in gate["flips"]]
    assert shapes == [{"near"}, {"half"}]
    assert all(len(flip["examples"]) == 3 for flip in gate["flips"])
    assert [(entry["stage"], entry["before"]["kept"], entry["after"]["kept"]) for entry in found["ledger"]] == [
        ("validate", 18, 12),
        ("mix", 12, 12),
    ]
    assert found["recipe"]["keys"] == [{"path": "validation.rule.margin", "before": 0.05, "after": 0.3}]


def test_fewer_negatives_take_a_column_away_which_is_major(builds):
    found = between(builds, "first", "one")
    assert (found["level"], found["reasons"][0]["what"]) == ("major", "n-tuple has lost column negative_2")
    assert found["columns"] == [
        {"config": "n-tuple", "added": (), "removed": ("negative_2",), "retyped": {}, "moved": False}
    ]
    assert rows_of(found, "n-tuple") == counts(6, 6, 0, 0, 0, 6), "by the columns that both have"
    assert found["negatives"]["sources"] == [{"source": "mined:first", "before": 12, "after": 6}]
    assert between(builds, "one", "first")["level"] == "minor", "and on the way back one is new"


def test_fewer_queries_are_minor_and_fewer_than_half_are_major(builds):
    found = between(builds, "first", "four")
    assert (found["level"], found["recipe"]["keys"]) == ("minor", [{"path": "limit", "before": None, "after": 4}])
    assert rows_of(found, "triplet") == counts(12, 8, 0, 4, 0, 8)
    queries = found["negatives"]["queries"]
    assert (queries["before"], queries["after"], queries["gained"], queries["lost"]) == (6, 4, 0, 2)
    lost = queries["examples"]["lost"]
    assert len(lost) == 2 and all(query_id in {f"q{n:02}" for n in range(6)} for query_id in lost)
    assert [entry["role"] for entry in found["recipe"]["inputs"]] == ["source"]


def test_a_title_is_a_patch(builds):
    found = between(builds, "first", "titled", "v0.4.2")
    assert (found["level"], found["version"]["after"]) == ("patch", "v0.4.3")
    assert found["files"]["changed"] == ["README.md", "recipe.lock.yaml", "report.html"]
    assert found["recipe"]["keys"] == [{"path": "publishing.pretty_name", "before": None, "after": "Another title"}]


def test_a_stricter_licence_is_major_and_a_looser_one_minor(builds):
    found = between(builds, "first", "bound")
    assert found["level"] == "major"
    assert found["licenses"] == [{"of": "license", "before": "cc-by-4.0", "after": "cc-by-nc-4.0"}]
    assert between(builds, "bound", "first")["level"] == "minor"


def test_a_licence_of_its_own_is_told_by_name_and_link(builds, tmp_path):
    def named(name):
        folder = copied(builds, "first", tmp_path / name)
        lock = yaml.safe_load((folder / "recipe.lock.yaml").read_text())
        lock["recipe"]["publishing"] = {
            "license": "other", "license_name": name, "license_link": "https://example.org/terms",
        }  # fmt: skip
        (folder / "recipe.lock.yaml").write_text(yaml.safe_dump(lock))
        return listed(folder)

    found = between(builds, named("mild"), named("harsh"))
    mild, harsh = (f"other ({name}, https://example.org/terms)" for name in ("mild", "harsh"))
    assert found["licenses"] == [{"of": "license", "before": mild, "after": harsh}]
    assert (found["level"], found["reasons"][0]["what"]) == (
        "major",
        f"the licence {mild} became {harsh}; which of the two asks for more, nobody can tell",
    )


def test_a_split_to_evaluate_on_comes_and_goes(builds):
    there, back = between(builds, "first", "cut"), between(builds, "cut", "first")
    assert "split dev of qrels is new" in [reason["what"] for reason in there["reasons"]]
    assert "split dev of qrels is gone" in [reason["what"] for reason in back["reasons"]]
    assert back["level"] == "major"
    dev = rows_of(there, "qrels", "dev")
    assert dev == counts(None, dev["added"], dev["added"], 0, 0, 0) and dev["added"] > 0


def test_rows_in_another_order_are_a_patch(builds, tmp_path):
    folder = rewritten(copied(builds, "first", tmp_path / "b"), "triplet", lambda table: table[::-1])
    found = between(builds, "first", listed(folder))
    assert [(r["level"], r["what"]) for r in found["reasons"]] == [
        ("patch", "the same rows, in another order or written in another way")
    ]
    assert rows_of(found, "triplet") == counts(12, 12, 0, 0, 0, 12)


def test_another_grade_where_one_measures_is_major(builds, tmp_path):
    def change(table):
        return table.set_column(2, "score", pa.array([2, *table["score"].to_pylist()[1:]]))

    folder = listed(rewritten(copied(builds, "cut", tmp_path / "b"), "qrels", change, "dev"))
    found = between(builds, "cut", folder)
    assert found["level"] == "major"
    assert found["reasons"][0]["what"].endswith("rows of qrels/dev: figures measured there do not compare")
    assert rows_of(found, "qrels", "dev")["changed"] == 1


@pytest.mark.parametrize(("synthetic", "level"), [(False, "major"), (True, "minor")])
def test_another_document_to_search_is_major_and_another_negative_is_not(builds, tmp_path, synthetic, level):
    def change(table):
        new = {"_id": "one-more", "title": "", "text": "Something else.", "synthetic": synthetic}
        return pa.concat_tables([table, pa.Table.from_pylist([new], schema=table.schema)])

    folder = listed(rewritten(copied(builds, "cut", tmp_path / "b"), "corpus", change))
    found = between(builds, "cut", folder)
    assert found["level"] == level
    assert found["reasons"][0]["what"].startswith("rows differ" if synthetic else "1 new beside ")


def test_a_config_and_a_column_that_are_new_and_a_type_that_is_other(builds, tmp_path):
    folder = copied(builds, "first", tmp_path / "b")
    (folder / "pairs").mkdir()
    pq.write_table(pa.table({"query": ["q"]}), folder / "pairs" / "train-00000-of-00001.parquet")
    rewritten(folder, "corpus", lambda table: table.append_column("language", pa.array(["en"] * len(table))))
    found = between(builds, "first", listed(folder))
    assert [reason["what"] for reason in found["reasons"]] == [
        "config pairs is new",
        "corpus has the new column language",
    ]
    rewritten(folder, "qrels", lambda table: table.set_column(2, "score", table["score"].cast(pa.float64())))
    found = between(builds, "first", listed(folder))
    assert found["reasons"][0] == {"level": "major", "what": "column score of qrels is double, and was int64"}


def test_exports_are_compared_by_kind_and_are_no_configs(builds, tmp_path):
    old, new = (copied(builds, "first", tmp_path / name) for name in ("a", "b"))
    for folder, kind in ((old, "beir"), (new, "tevatron"), (old, "flag"), (new, "flag")):
        (folder / "exports" / kind).mkdir(parents=True)
        table = pa.table({"x": [1 if folder == old else 2]})
        pq.write_table(table, folder / "exports" / kind / "train-00000-of-00001.parquet")
    found = difference(open_release(str(listed(old))), open_release(str(listed(new))))
    assert [(reason["level"], reason["what"]) for reason in found["reasons"]] == [
        ("major", "export beir is gone"),
        ("minor", "export tevatron is new"),
        ("minor", "export flag is other, though its rows are the same"),
    ]
    assert not [row for row in found["rows"] if row["config"].startswith("exports")]


def test_a_relabelled_candidate_is_a_flip_and_negatives_in_another_order_are_the_same(builds, tmp_path):
    def relabel(table):
        told = [
            "relabelled" if row["verdict"] == "false_negative" and row["query_id"] == "q01" else row["reason"]
            for row in table.to_pylist()
        ]
        return table.set_column(table.column_names.index("reason"), "reason", pa.array(told))

    def turn(table):
        turned = pa.array([row[::-1] for row in table["negative_ids"].to_pylist()])
        return table.set_column(table.column_names.index("negative_ids"), "negative_ids", turned)

    folder = rewritten(copied(builds, "first", tmp_path / "b"), "candidates", relabel)
    found = between(builds, "first", listed(rewritten(folder, "ids", turn)))
    (flip,) = found["gate"]["flips"]
    assert (flip["from"], flip["to"], flip["count"]) == ("false_negative", "relabelled", 3)
    assert {row["query_id"] for row in flip["examples"]} == {"q01"}
    assert rows_of(found, "ids")["changed"] == 6, "rows of ids are compared as they are"
    assert found["negatives"]["pairs"] == {"in_both": 6, "with_other_negatives": 0}


def measure(name, value, low=None, high=None):
    return {"name": name, "group": "hardness", "value": value, "low": low, "high": high, "n": 9, "sentence": "So."}


def test_audit_figures_stand_with_their_intervals(builds, tmp_path):
    old, new = (copied(builds, "first", tmp_path / name) for name in ("a", "b"))
    before = [measure("same", 0.5, 0.4, 0.6), measure("near", 0.5, 0.4, 0.6), measure("far", 0.5, 0.4, 0.6)]
    before += [measure("count", 3), measure("gone", 1.0)]
    after = [measure("same", 0.5, 0.4, 0.6), measure("near", 0.7, 0.6, 0.8), measure("far", 0.8, 0.7, 0.9)]
    after += [measure("count", 4), measure("new", None)]
    for folder, measures in ((old, before), (new, after)):
        listed(report_with(folder, lambda report, m=measures: report.update(audit={"measures": m, "gates": []})))
    found = difference(open_release(str(old)), open_release(str(new)))
    assert found["level"] == "patch"
    assert [(entry["name"], entry["overlap"]) for entry in found["audit"]] == [
        ("near", True),
        ("far", False),
        ("count", None),
        ("gone", None),
        ("new", None),
    ]
    assert found["audit"][1]["before"] == {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    assert (found["audit"][3]["after"], found["audit"][4]["before"]) == (None, None)
    bare = listed(report_with(copied(builds, "first", tmp_path / "c"), lambda report: report.pop("audit")))
    alone = difference(open_release(str(bare)), open_release(str(new)))
    assert [entry["before"] for entry in alone["audit"]] == [None] * 5, "a build without an audit"


def test_another_version_of_the_tool_is_told(builds, tmp_path):
    folder = listed(copied(builds, "first", tmp_path / "b"), tool="syneg-data 9.9.9")
    found = between(builds, "first", folder)
    assert found["recipe"]["tool"]["after"] == "syneg-data 9.9.9"
    assert found["level"] == "none", "every file is the same"


def broken(folder, name):
    if name == "damaged":
        (folder / "README.md").write_text("other")
    elif name == "newer":
        listed(folder, schema=2)
    elif name == "retriever":
        (folder / "recipe.lock.yaml").unlink()
        (folder / "training.json").write_text("{}")
        listed(folder)
    elif name == "no build":
        (folder / "manifest.json").unlink()
    elif name == "no candidates":
        shutil.rmtree(folder / "candidates")
        listed(folder)
    elif name == "other columns":
        listed(rewritten(folder, "candidates", lambda table: table.drop_columns(["verdict"])))
    elif name == "report":
        listed(report_with(folder, lambda report: report.pop("stages")))
    elif name == "audit":
        listed(report_with(folder, lambda report: report.update(audit={"measures": [3]})))
    return folder


BROKEN = {
    "damaged": r"b: 1 files are not as manifest\.json says \(README\.md\)",
    "newer": r"b: manifest\.json has the schema 2, this version reads 1",
    "retriever": r"b: is a trained retriever, not a build; name the build folder",
    "no build": r"b: has no manifest\.json of a build",
    "no candidates": r"b: has no split 'train' of 'candidates'; build it again",
    "other columns": r"b: candidates is not as a build writes it \(.*verdict",
    "report": r"b: report\.json is not as a build writes it \(no 'stages'\)",
    "audit": r"b: report\.json is not as a build writes it",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("first", [True, False])
def test_the_build_that_is_none_is_named(builds, tmp_path, name, first):
    folder = broken(copied(builds, "first", tmp_path / "b"), name)
    with pytest.raises(InputError, match=BROKEN[name]):
        between(builds, folder, "first") if first else between(builds, "first", folder)


def test_a_version_that_is_none_is_refused(builds):
    with pytest.raises(InputError, match=r"--version 1\.2: no version"):
        between(builds, "first", "again", "1.2")


def test_the_command_prints_one_object_or_what_matters_first(builds):
    def run(*words):
        done = CliRunner().invoke(app, ["diff", *map(str, words)], catch_exceptions=False, env={"COLUMNS": "160"})
        assert done.exit_code == 0, "also where they differ"
        return done.stdout

    first, other = builds / "first", builds / "one"
    found = json.loads(run(first, other, "--version", "1.2.0", "--json"))
    assert (found["level"], found["version"]) == ("major", {"before": "1.2.0", "after": "2.0.0"})
    assert found["before"]["name"] == "first"
    lines = run(first, other, "--version", "1.2.0").splitlines()
    assert lines[0] == f"MAJOR, from {first} to {other}; 1.2.0 is followed by 2.0.0"
    assert lines[1] == "  MAJOR: n-tuple has lost column negative_2"
    assert run(first, builds / "again").splitlines() == [f"no change, from {first} to {builds / 'again'}"]


def test_bad_input_is_the_users_error(builds, tmp_path):
    done = run_cli("diff", builds / "first", tmp_path / "nowhere", cache=tmp_path, check=2)
    assert done.stderr.endswith(
        "nowhere: neither a build folder nor ID@REVISION; name one, or run `syneg-data build` first\n"
    )
    assert done.stdout == ""
