"""Gates: what a recipe may ask of figures, what holds, and what a build does about what does not."""

import json

import pytest
import yaml

from syneg_data.audit.evaluation import digests, read_evaluation
from syneg_data.audit.gates import hold, mend, violations
from syneg_data.audit.measures import Measure
from syneg_data.audit.registry import MEASURES
from syneg_data.audit.section import Bound
from syneg_data.errors import GateError, InputError
from syneg_data.pipeline import build
from syneg_data.plan import plan_build
from syneg_data.recipe import load_recipe
from tests.conftest import run_cli
from tests.validation.world import files_of, json_of, save_words, write_data, write_recipe, write_run

QUERIES = 24
BLIND = Measure("query_blind_auc", "query-blind shortcut", 0.8, 0.75, 0.85, 100, "Told.")
UNKNOWN = Measure("source_auc", "source shortcut", None, None, None, 0, "Not measured: there are none.")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    save_words(folder / "words")
    write_data(folder / "data", queries=QUERIES)
    write_run(folder / "run.txt", queries=QUERIES)
    (folder / "cache").mkdir()
    return folder


def recipe_at(home, folder, **audit):
    changes = {"audit": audit} if audit else {}
    return write_recipe(folder, home / "data", home / "run.txt", home / "words", **changes)


@pytest.mark.parametrize(
    ("bound", "holds"),
    [
        ({"max": 0.79}, False),
        ({"max": 0.8}, True),
        ({"min": 0.8}, True),
        ({"min": 0.81}, False),
        ({"min": 0.5, "max": 0.9}, True),
    ],
)
def test_a_gate_compares_the_figure_itself(bound, holds):
    (gate,) = hold([BLIND], {"query_blind_auc": Bound(**bound)})
    assert gate == {
        "measure": "query_blind_auc",
        "min": bound.get("min"),
        "max": bound.get("max"),
        "value": 0.8,
        "holds": holds,
    }


def test_what_could_not_be_measured_holds_no_gate():
    bounds = {"source_auc": Bound(max=0.9)}
    held = hold([UNKNOWN], bounds)
    assert held[0]["holds"] is False
    (line,) = violations([UNKNOWN], held)
    assert "source_auc: not measured: there are none, and at most 0.9 is asked for" in line


def test_a_violation_says_figure_interval_bound_and_what_to_do():
    held = hold([BLIND], {"query_blind_auc": Bound(max=0.75)})
    (line,) = violations([BLIND], held)
    assert line.startswith(
        "audit.gates.query_blind_auc: is 0.8 (95 % interval 0.75 to 0.85), at most 0.75 is asked for;"
    )
    assert "restyle positives" in line


def test_every_figure_has_a_name_of_its_own_and_shortcuts_have_their_remedies():
    assert len(set(MEASURES)) == len(MEASURES)
    assert "match_lengths" in mend("source_auc_length") and "match_lengths" in mend("query_blind_auc_length")


@pytest.mark.parametrize(
    ("audit", "message"),
    [
        (
            {"gates": {"query_blind_acu": {"max": 0.7}}},
            "audit.gates.query_blind_acu: unknown key; did you mean 'query_blind_auc'?",
        ),
        ({"gates": {"source_auc": {}}}, "audit.gates.source_auc: bounds nothing; give it `max`, `min` or both"),
        (
            {"gates": {"source_auc": {"max": 0.1, "min": 0.2}}},
            "audit.gates.source_auc: nothing is within it; `min` must not be above `max`",
        ),
        ({"gates": {"source_auc": 0.7}}, "audit.gates.source_auc: must be a mapping, not 0.7; write its keys below it"),
        ({"gates": {"source_auc": {"maxx": 0.7}}}, "audit.gates.source_auc.maxx: unknown key; did you mean 'max'?"),
        ({"on_fail": "explode"}, "audit.on_fail: must be 'warn' or 'fail', not 'explode'; change the value"),
        ({"evaluation": ["nowhere.txt"]}, "audit.evaluation[0]: no such file or folder: 'nowhere.txt'"),
    ],
)
def test_a_section_that_asks_for_nonsense_is_refused_at_once(home, tmp_path, audit, message):
    with pytest.raises(InputError) as error:
        load_recipe(recipe_at(home, tmp_path, **audit))
    assert message in str(error.value)


def test_a_build_is_audited_without_a_section_and_what_is_measured_is_what_is_registered(home, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(home / "cache"))
    file = load_recipe(recipe_at(home, tmp_path / "recipe"))
    first = build(file, tmp_path / "out")
    audit = first.report["audit"]
    assert [row["name"] for row in audit["measures"]] == list(MEASURES)
    assert audit["gates"] == [] and audit["on_fail"] == "fail"
    assert set(audit["details"]) == {"lengths", "hardness", "probes"}
    assert json_of(tmp_path / "out")["audit"] == audit
    by_name = {row["name"]: row for row in audit["measures"]}
    assert by_name["query_blind_auc"]["n"] == 3 * QUERIES
    assert by_name["query_blind_auc_embeddings"]["value"] is not None  # the reranker is a bi-encoder
    assert by_name["source_auc"]["value"] is None
    assert first.run["seconds"]["audit"] > 0
    # a change of the gates measures nothing anew, and the folder says so
    gated = recipe_at(home, tmp_path / "recipe", gates={"query_blind_auc": {"max": 1.0, "min": 0.0}}, on_fail="warn")
    second = build(load_recipe(gated), tmp_path / "out")
    assert second.run["chunks_computed"] == 0
    assert second.report["audit"]["measures"] == audit["measures"]
    assert [gate["holds"] for gate in json_of(tmp_path / "out")["audit"]["gates"]] == [True]
    # from nothing again, the same bytes
    before = files_of(tmp_path / "out")
    third = build(load_recipe(gated), tmp_path / "out", fresh=True)
    assert third.run["chunks_computed"] > 0 and files_of(tmp_path / "out") == before


def test_a_gate_that_does_not_hold_ends_the_build_and_leaves_the_earlier_folder(home, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(home / "cache"))
    out = tmp_path / "out"
    build(load_recipe(recipe_at(home, tmp_path / "recipe")), out)
    before = files_of(out)
    # documents of two different words apiece: every mined negative is told from every positive by its length
    strict = recipe_at(
        home, tmp_path / "recipe", gates={"query_blind_auc": {"max": 0.5}, "hardness_mined": {"min": 2.0}}
    )
    done = run_cli("build", strict, "--out", out, cache=home / "cache", check=3)
    lines = done.stderr.strip().splitlines()
    assert any("audit.gates.query_blind_auc: is 0." in line and "at most 0.5 is asked for" in line for line in lines)
    assert any("audit.gates.hardness_mined: is 0." in line and "at least 2 is asked for" in line for line in lines)
    assert "nothing was published" in lines[-1] and "Traceback" not in done.stderr
    assert files_of(out) == before
    with pytest.raises(GateError):
        build(load_recipe(strict), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    text = yaml.safe_load(strict.read_text())
    text["audit"]["on_fail"] = "warn"
    strict.write_text(yaml.safe_dump(text, sort_keys=False))
    done = run_cli("build", strict, "--out", out, "--json", cache=home / "cache")
    gates = json.loads(done.stdout)["report"]["audit"]["gates"]
    assert [gate["holds"] for gate in gates] == [False, False]
    done = run_cli("build", strict, "--out", out, cache=home / "cache")
    assert "DOES NOT HOLD" in done.stdout and "query_blind_auc: Without the query" in done.stdout


def test_until_audit_stops_after_it(home, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(home / "cache"))
    done = build(load_recipe(recipe_at(home, tmp_path / "recipe")), tmp_path / "out", until="audit")
    assert done.folder is None and "audit" in done.report and not (tmp_path / "out").exists()
    done = build(load_recipe(recipe_at(home, tmp_path / "recipe")), tmp_path / "out", until="mix")
    assert "audit" not in done.report


def test_evaluation_files_are_lines_or_json_lines(tmp_path):
    (tmp_path / "plain.txt").write_text("one text\n\nanother\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "asked"}\n{"query": "also asked"}\n')
    (tmp_path / "corpus.jsonl").write_text('{"_id": "1", "title": "Head", "text": "body"}\n')
    found = read_evaluation(str(tmp_path / name) for name in ("plain.txt", "queries.jsonl", "corpus.jsonl"))
    assert found == {
        "plain.txt": ["one text", "another"],
        "queries.jsonl": ["asked", "also asked"],
        "corpus.jsonl": ["Head body"],
    }


def test_evaluation_files_of_one_name_are_told_apart_wherever_they_lie(tmp_path, monkeypatch):
    """The names are published, and the key of the stage holds them: no folder of the machine, none of the moment."""
    paths = []
    for folder in ("dev", "test"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        paths.append(str(tmp_path / "data" / folder / "queries.jsonl"))
        (tmp_path / "data" / folder / "queries.jsonl").write_text(json.dumps({"text": folder}) + "\n")
    for here in (tmp_path, tmp_path / "data"):
        monkeypatch.chdir(here)
        assert read_evaluation([*paths, paths[0]]) == {"dev/queries.jsonl": ["dev"], "test/queries.jsonl": ["test"]}
        assert [name for name, _ in digests(paths)] == ["dev/queries.jsonl", "test/queries.jsonl"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '[{"text": "x"}]', "a.json: cannot read .json; make it JSON lines"),
        ("a.csv.gz", "id,text\n", "a.csv.gz: cannot read .csv; make it JSON lines"),
        ("A.JSONL", "[1]\n", "A.JSONL:1: the line is no object"),
        ("a.jsonl", '{"text": "x"}\nnot json\n', "a.jsonl:2: broken JSON"),
        ("a.jsonl", "[1]\n", "a.jsonl:1: the line is no object"),
        ("a.jsonl", '{"id": "x"}\n', "a.jsonl:1: no 'text' and no 'query'"),
        ("a.txt", "\n\n", "a.txt: holds no text"),
        ("a.txt", None, "a.txt: not a file"),
    ],
)
def test_an_evaluation_file_that_cannot_be_read_is_refused_with_its_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.mkdir() if text is None else path.write_text(text)
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        read_evaluation([str(path)])


def test_a_broken_evaluation_file_is_found_before_anything_is_done(home, tmp_path):
    lines = tmp_path / "queries.jsonl"
    lines.write_text('{"text": "asked"}\n')
    file = load_recipe(recipe_at(home, tmp_path / "recipe", evaluation=[str(lines)]))
    assert plan_build(file)["queries"] == QUERIES
    lines.write_text('{"text": "asked"}\n[1]\n')
    for run in (plan_build, lambda file: build(file, tmp_path / "out")):
        with pytest.raises(InputError, match=r"queries.jsonl:2: the line is no object"):
            run(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["queries.jsonl", "recipe"]
