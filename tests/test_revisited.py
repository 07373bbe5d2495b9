"""A build looked at again: another gate from its stored scores, and a sample of it judged by a person."""

import csv
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from syneg_data.cli import app
from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.lines import cell
from syneg_data.pipeline import build
from syneg_data.publishing.release import open_release
from syneg_data.recipe import load_recipe
from syneg_data.report.story import query_story
from syneg_data.rethreshold import changed_recipe, changes_of, gate_to_write, rethreshold
from syneg_data.review import export_sample, import_judgements, row_key
from tests.validation.world import files_of, json_of, rows_of, save_words, write_data, write_recipe, write_run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("revisited")
    save_words(folder / "words")
    write_data(folder / "data")
    write_run(folder / "run.txt")
    return folder


@pytest.fixture(autouse=True)
def cache(home, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(home / "cache"))


def recipe_of(home, name, **validation):
    where = (home / "data", home / "run.txt", home / "words")
    return load_recipe(write_recipe(home / name, *where, validation, mixing={"kind": "mined_only", "mined": 1}))


@pytest.fixture(scope="module")
def built(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNEG_CACHE", str(home / "cache"))
        build(recipe_of(home, "first"), home / "built")
    return home / "built"


def fates(folder):
    return {
        (row["query_id"], row["doc_id"]): "relabelled" if row["reason"] == "relabelled" else row["verdict"]
        for row in rows_of(folder, "candidates")
    }


CHANGES = {
    "relative": {"rule": {"kind": "relative", "margin": 0.3}},
    "absolute": {"rule": {"kind": "absolute", "maximum": 0.9}},
    "percentile": {"rule": {"kind": "percentile", "percentile": 50.0}},
    "too few for calibrated": {"rule": {"kind": "calibrated"}},
    "ambiguous kept": {"ambiguous": "keep"},
    "relabelled": {"false_negative": "relabel"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_it_says_what_a_build_with_that_gate_would_be(home, built, tmp_path, name):
    before = files_of(built)
    found = rethreshold(built, CHANGES[name])
    assert files_of(built) == before, "nothing is rewritten"
    file = recipe_of(home, f"other {name}", **CHANGES[name])
    done = build(file, tmp_path / "other")
    old, new = fates(built), fates(tmp_path / "other")
    for side, known in (("before", old), ("after", new)):
        counted = {fate: list(known.values()).count(fate) for fate in set(known.values())}
        assert found[side] == counted
    assert found["examples"] == {"before": json_of(built)["examples"], "after": done.report["examples"]}
    moved = sum(row["count"] for row in found["moved"])
    assert moved == sum(old[pair] != new[pair] for pair in old)
    assert name == "too few for calibrated" or moved > 0


def test_applied_it_is_the_build_of_that_recipe(home, tmp_path):
    file = recipe_of(home, "first")
    build(file, tmp_path / "mine")
    changes = changes_of(rule="{kind: relative, margin: 0.3}", agree=None, ambiguous=None, false_negative=None)
    done = build(changed_recipe(file, tmp_path / "mine", changes), tmp_path / "mine")
    assert done.run["chunks_computed"] == 1, "the audit alone: no score is computed again"
    rule = {"kind": "relative", "margin": 0.3, "positive": "min", "doubt": 0.0}
    build(recipe_of(home, "written so", rule=rule), tmp_path / "other")
    mine, other = files_of(tmp_path / "mine"), files_of(tmp_path / "other")
    assert mine.keys() == other.keys()
    assert {path for path in mine if path.endswith((".parquet", "report.json")) and mine[path] != other[path]} == set()


def test_another_recipe_is_not_applied(home, built):
    other = recipe_of(home, "another", floor={"sample": 900})
    with pytest.raises(InputError, match=r"not the recipe that built was built from .*; name that one"):
        changed_recipe(other, built, {"ambiguous": "keep"})


def test_it_is_applied_again_and_again_with_one_recipe_file(home, tmp_path):
    file = recipe_of(home, "first")
    build(file, tmp_path / "mine")
    for margin in (0.2, 0.3):
        changed = changed_recipe(file, tmp_path / "mine", {"rule": {"kind": "relative", "margin": margin}})
        build(changed, tmp_path / "mine")
    again = changed_recipe(file, tmp_path / "mine", {"false_negative": "relabel"})
    assert again.recipe.validation.rule.margin == 0.3, "the build's gate is changed, not that of the file"
    assert gate_to_write(file, again) == {
        "rule": {"kind": "relative", "margin": 0.3, "positive": "min", "doubt": 0.0},
        "false_negative": "relabel",
    }
    assert gate_to_write(again, again) == {}


def said(capsys, *words):
    """What a command prints, its lines joined."""
    assert app([str(word) for word in words], standalone_mode=False) in (None, 0)
    return " ".join(capsys.readouterr().out.split())


def test_the_command_says_how_the_recipe_file_keeps_the_gate(home, tmp_path, capsys):
    file = recipe_of(home, "kept")
    text = file.path.read_text()
    build(file, tmp_path / "mine")
    command = ("rethreshold", tmp_path / "mine", "--ambiguous", "keep", "--apply", file.path)
    page = said(capsys, *command)
    assert "is unchanged, and building it again would undo this. To keep the gate, let it say:" in page
    assert page.endswith("validation: ambiguous: keep")
    assert file.path.read_text() == text
    found = json.loads(said(capsys, *command, "--json"))
    assert found["recipe"]["to_write"] == {"validation": {"ambiguous": "keep"}}
    written = yaml.safe_load(text)
    written["validation"] |= found["recipe"]["to_write"]["validation"]
    file.path.write_text(yaml.safe_dump(written))
    before = files_of(tmp_path / "mine")
    assert build(load_recipe(file.path), tmp_path / "mine").run["build_reused"]
    assert files_of(tmp_path / "mine") == before
    assert said(capsys, *command).endswith("says the same")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to change; say --rule, --agree, --ambiguous or --false-negative"),
        ({"rule": "relativ"}, "--rule: unknown kind 'relativ'; did you mean 'relative'?"),
        ({"rule": "{kind: relative, margn: 1}"}, "--rule:1: margn: unknown key; did you mean 'margin'?"),
        ({"agree": "some"}, "--agree: must be 'joint', 'any', 'all' or 'mean', not 'some'; change the value"),
    ],
)
def test_changes_that_are_none(options, message):
    with pytest.raises(InputError) as caught:
        changes_of(**{"rule": None} | options)
    assert str(caught.value) == message


def test_a_joint_curve_needs_a_calibrated_rule(built):
    with pytest.raises(InputError) as caught:
        rethreshold(built, {"agree": "joint"})
    assert str(caught.value) == "--agree: 'joint' needs rule.kind calibrated, not relative; use any, all or mean"


def test_the_gate_is_checked_as_a_recipe_is_and_all_problems_are_said(built):
    with pytest.raises(InputError) as caught:
        rethreshold(built, {"rule": {"kind": "relative"}, "ambiguous": "llm"})
    assert str(caught.value).splitlines() == [
        "--ambiguous: 'llm' needs exactly one reranker of kind llm, here are 0; add or remove one",
        "--ambiguous: the rule has no band of doubt, so nothing is ambiguous; set rule.doubt",
    ]


def test_what_a_change_makes_of_the_recipes_own_keys_is_said_of_the_build(built, tmp_path):
    folder = tampered(built, tmp_path, lock=lambda recipe: recipe["validation"].update(ambiguous="keep"))
    with pytest.raises(InputError) as caught:
        rethreshold(folder, {"rule": {"kind": "relative"}})
    assert str(caught.value) == (
        "bad: validation.ambiguous: the rule has no band of doubt, so nothing is ambiguous; set rule.doubt"
    )


@pytest.mark.parametrize(
    "model", ["models/none", "a/b@" + "0" * 40, {"kind": "path", "path": "models/none"}], ids=["path", "hub", "mapping"]
)
def test_no_model_of_the_recipe_need_be_here(built, tmp_path, model):
    def add(recipe):
        engine = {"kind": "transformers", "model": model}
        recipe["validation"]["rerankers"].append({"kind": "llm", "engine": engine})
        recipe["validation"]["ambiguous"] = "llm"

    folder = tampered(built, tmp_path, lock=add)
    found = rethreshold(folder, {"rule": {"kind": "relative", "margin": 0.2, "doubt": 0.1}})
    assert found["gate"]["ambiguous"] == "llm"
    with pytest.raises(InputError, match="llm judged only what was ambiguous in this build"):
        rethreshold(folder, {"ambiguous": "drop"})


def tampered(built, tmp_path, **changes):
    """A copy of a build, tampered with."""
    shutil.copytree(built, tmp_path / "bad")
    return tamper(tmp_path / "bad", **changes)


def tamper(folder, lock=None, tables=(), files=(), manifest=None):
    """Give a build other contents, and a manifest that fits them.

    `lock` changes the recipe in the lock, `tables` are (config, change of a table), `files` are (path, text) or, to
    delete it, (path, None).
    """
    if lock is not None:
        whole = yaml.safe_load((folder / "recipe.lock.yaml").read_text())
        lock(whole["recipe"])
        (folder / "recipe.lock.yaml").write_text(yaml.safe_dump(whole))
    for config, change in tables:
        (path,) = (folder / config).glob("train-*.parquet")
        pq.write_table(change(pq.read_table(path)), path)
    for name, text in files:
        path = folder / name
        path.unlink() if text is None else path.write_text(text)
    stored = json_of(folder, "manifest.json")
    stored["files"] = {name: entry for name, entry in stored["files"].items() if (folder / name).exists()}
    for name, entry in stored["files"].items():
        entry["sha256"] = sha256_file(folder / name)
    if manifest is not None:
        manifest(stored)
    (folder / "manifest.json").write_text(json.dumps(stored))
    return folder


def renamed(recipe):
    recipe["validation"]["rerankers"][0]["kind"] = "bi_encodr"


PART = "train-00000-of-00001.parquet"
TAMPERED = {
    "entry": ({"manifest": lambda m: m["files"].update({"report.json": "x"})}, "1 files are not as manifest.json says"),
    "schema": ({"manifest": lambda m: m.update(schema=99)}, "manifest.json has the schema 99, this version reads 1; "),
    "no schema": ({"manifest": lambda m: m.pop("schema")}, "manifest.json has the schema None, this version reads 1; "),
    "lock is a list": ({"files": [("recipe.lock.yaml", "- 1\n")]}, "recipe.lock.yaml is not as a build writes it ("),
    "lock is no YAML": ({"files": [("recipe.lock.yaml", "a: [")]}, "recipe.lock.yaml is not as a build writes it ("),
    "lock without recipe": (
        {"files": [("recipe.lock.yaml", "a: 1\n")]},
        "recipe.lock.yaml is not as a build writes it (no 'recipe')",
    ),
    "recipe is a number": ({"files": [("recipe.lock.yaml", "recipe: 3\n")]}, "(no recipe with a seed)"),
    "no gate": ({"lock": lambda r: r.pop("validation")}, "recipe.lock.yaml is not as a build writes it ("),
    "gate is a list": ({"lock": lambda r: r.update(validation=[1])}, "recipe.lock.yaml is not as a build writes it ("),
    "unknown kind": ({"lock": renamed}, "recipe.lock.yaml is not as a build writes it (validation.rerankers.0: Input "),
    "empty report": ({"files": [("report.json", "{}")]}, "report.json is not as a build writes it (no 'examples')"),
    "report is a list": ({"files": [("report.json", "[]")]}, "report.json is not as a build writes it (no JSON obj"),
    "report is no JSON": ({"files": [("report.json", "{")]}, "report.json is not as a build writes it ("),
    "no report": ({"files": [("report.json", None)]}, "has no report.json; build it again"),
    "no scores": ({"files": [(f"scores/{PART}", None)]}, "has no split 'train' of 'scores'; build it again"),
    "few scores": ({"tables": [("scores", lambda t: t.slice(0, 50))]}, "scores has none for "),
    "no score": ({"tables": [("scores", lambda t: t.slice(0, 0))]}, "scores has none for "),
    "scores are no Parquet": ({"files": [(f"scores/{PART}", "PAR1")]}, "scores is not as a build writes it ("),
    "scores lack a column": (
        {"tables": [("scores", lambda t: t.drop_columns(["words"]))]},
        "scores is not as a build writes it (",
    ),
    "candidates lack a column": (
        {"tables": [("candidates", lambda t: t.drop_columns(["sources"]))]},
        "candidates is not as a build writes it (",
    ),
    "scores are words": (
        {"tables": [("scores", lambda t: t.set_column(4, "score", pa.array(["x"] * t.num_rows)))]},
        "scores is not as a build writes it (",
    ),
    "no judgement": ({"tables": [("qrels", lambda t: t.slice(0, 0))]}, "qrels/train names no relevant document for"),
    "no query": ({"tables": [("queries", lambda t: t.slice(0, 0))]}, "which the release does not hold; build it again"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_a_folder_that_no_build_wrote_is_refused_and_the_file_is_named(built, tmp_path, name):
    change, message = TAMPERED[name]
    folder = tampered(built, tmp_path, **change)
    with pytest.raises(InputError) as caught:
        rethreshold(folder, {"rule": {"kind": "relative", "margin": 0.3}})
    assert str(caught.value).startswith("bad: ")
    assert message in str(caught.value)
    assert str(caught.value).endswith(("build it again", "build or download it again"))
    assert "\n" not in str(caught.value)


def test_a_tampered_folder_is_built_anew(home, tmp_path):
    file, folder = recipe_of(home, "first"), tmp_path / "mine"
    build(file, folder)
    files = files_of(folder)
    assert build(file, folder).run["build_reused"]
    for change in (
        {"manifest": lambda m: m["files"].update({"report.json": "x"})},
        {"files": [("recipe.lock.yaml", "[]")]},
    ):
        tamper(folder, **change)
        done = build(file, folder)
        assert (done.run["build_reused"], done.run["chunks_computed"]) == (False, 0)
        assert files_of(folder) == files


def test_explain_tells_the_story_of_a_query(built):
    story = query_story(open_release(str(built)), "q00")
    assert (story["query"], story["positives"][0]["doc_id"]) == ("alpha", "00-p")
    rows = [row for row in rows_of(built, "candidates") if row["query_id"] == "q00"]
    texts = {row["_id"]: row["text"] for row in rows_of(built, "corpus")}
    assert story["candidates"] == [row | {"text": texts[row["doc_id"]]} for row in rows]
    assert story["generations"] == []
    with pytest.raises(InputError) as caught:
        query_story(open_release(str(built)), "q99")
    assert str(caught.value) == "built: no query 'q99'; there are 6 with candidates, such as q00, q01, q02"


STORIES = {
    "corpus": ({"files": [(f"corpus/{PART}", None)]}, "has no split 'train' of 'corpus'; build it again"),
    "candidates": ({"files": [(f"candidates/{PART}", "xx")]}, "candidates is not as a build writes it ("),
    "texts": ({"tables": [("corpus", lambda t: t.slice(0, 0))]}, "corpus is not as a build writes it (no '00-p')"),
}


@pytest.mark.parametrize("name", STORIES)
def test_explain_names_the_file_that_no_build_wrote(built, tmp_path, name):
    change, message = STORIES[name]
    folder = tampered(built, tmp_path, **change)
    with pytest.raises(InputError) as caught:
        query_story(open_release(str(folder)), "q00")
    assert str(caught.value).startswith("bad: ")
    assert message in str(caught.value)


def test_explain_believes_no_file_that_the_manifest_does_not(built, tmp_path, monkeypatch):
    folder = tampered(built, tmp_path)
    shutil.rmtree(folder / "corpus")
    with pytest.raises(InputError, match=r"bad: 1 files are not as manifest\.json says \(corpus/"):
        app(["explain", str(folder), "q00"], standalone_mode=False)


def test_a_folder_that_is_no_build(tmp_path):
    with pytest.raises(InputError, match=r"has no manifest\.json of a build"):
        rethreshold(tmp_path, {"agree": "all"})


def read(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return list(csv.DictReader(path.open(newline="")))


def write(path: Path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    with path.open("w", newline="") as sink:
        writer = csv.DictWriter(sink, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_sample_goes_out_blind_and_comes_back_as_an_estimate(built, tmp_path, suffix):
    path = tmp_path / f"sample{suffix}"
    verdicts = {pair: fate for pair, fate in fates(built).items() if fate in ("keep", "false_negative")}
    assert export_sample(built, path, 1000, None) == {"written": len(verdicts), "candidates": len(verdicts)}
    rows = read(path)
    assert {tuple(row) for row in rows} == {("row", "query_id", "query", "positive", "document", "relevant")}
    digest = sha256_file(built / "manifest.json")
    pairs = {row_key(digest, *pair): pair for pair in verdicts}
    assert {row["row"] for row in rows} == set(pairs)
    assert {(row["row"], row["query_id"]) for row in rows} == {(key, pair[0]) for key, pair in pairs.items()}
    assert all(row["relevant"] == "" for row in rows)
    texts = {row["_id"]: row["text"] for row in rows_of(built, "corpus")}
    assert all(row["document"] == texts[pairs[row["row"]][1]] for row in rows)
    assert not any(doc_id in value for row in rows for value in row.values() for _, doc_id in verdicts), "blind"
    # The judge finds relevant what the gate refused, and one kept document more; one row is left empty.
    kept = sorted(pair for pair, fate in verdicts.items() if fate == "keep")
    wrong, empty = kept[0], kept[1]
    for row in rows:
        pair = pairs[row["row"]]
        row["relevant"] = "" if pair == empty else "YES" if pair == wrong or verdicts[pair] != "keep" else "no"
    write(path, rows)
    found = import_judgements(built, path)
    refused = len(verdicts) - len(kept)
    assert (found["kept"]["judged"], found["kept"]["relevant"]) == (len(kept) - 1, 1)
    assert (found["refused"]["judged"], found["refused"]["relevant"]) == (refused, refused)
    assert found["sources"]["mined:first"] == found["kept"]
    assert (found["not_judged"], found["by"]) == (1, "person")
    assert 0.5 < found["kappa"] < 1
    stored = built.with_name(f"{built.name}.review.json")
    assert (found.pop("file"), found.pop("replaced")) == (str(stored), suffix == ".jsonl"), "the second of the two"
    assert json.loads(stored.read_text()) == found
    with pytest.raises(InputError, match="exists, and may hold judgements"):
        export_sample(built, path, 10, None)


def test_a_sample_follows_from_its_seed(built, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        export_sample(built, tmp_path / f"{name}.csv", 8, seed)
    first, same, other = ((tmp_path / f"{name}.csv").read_text() for name in "abc")
    assert first == same != other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relevant": "perhaps"}, "relevant is 'perhaps'; write yes or no, or leave it empty"),
        ({"relevant": 1}, "`relevant` is no text; write it in quotes"),
        ({"row": None}, "`row` is no text; write it in quotes"),
        ({"row": "stranger"}, "row 'stranger' is no candidate of built as it is now; .*; export a new sample"),
        ({"relevant": ""}, "no row is judged"),
    ],
)
def test_a_judgement_that_is_none(built, tmp_path, change, message):
    path = tmp_path / "sample.jsonl"
    export_sample(built, path, 1, None)
    write(path, [row | {"relevant": "yes"} | change for row in read(path)])
    with pytest.raises(InputError, match=message):
        import_judgements(built, path)


def test_a_row_twice_and_a_broken_line(built, tmp_path):
    path = tmp_path / "sample.jsonl"
    export_sample(built, path, 1, None)
    (row,) = read(path)
    write(path, [row | {"relevant": "yes"}] * 2)
    with pytest.raises(InputError, match=r"sample\.jsonl:2: .* stands twice; keep one row"):
        import_judgements(built, path)
    lines = {
        "{broken": "broken JSON",
        "[" * 300_000: "nested too deeply",
        "[]": "no JSON object",
        '{"row": "a", "relevant": "yes", "relevant": "no"}': "the key 'relevant' stands twice; keep one",
        '{"row": "a"}': "has no `relevant`; keep the columns that `review export` wrote",
    }
    for line, message in lines.items():
        path.write_text(f"\n{line}\n")
        with pytest.raises(InputError, match=rf"sample\.jsonl:2: {message}"):
            import_judgements(built, path)


def test_json_may_say_it_in_its_own_words(built, tmp_path):
    path = tmp_path / "sample.jsonl"
    export_sample(built, path, 6, None)
    write(path, [row | {"relevant": word} for row, word in zip(read(path), [True, False, None] * 2, strict=True)])
    found = import_judgements(built, path)
    assert found["kept"]["judged"] + found["refused"]["judged"] == 4
    assert found["kept"]["relevant"] + found["refused"]["relevant"] == 2
    assert found["not_judged"] == 2


HEAD = "row,query_id,query,positive,document,relevant"
SPREADSHEETS = {
    "semicolons": (f"{HEAD}\na,b,c,d,e,yes\n".replace(",", ";"), "1: semicolons stand between its columns; save it as"),
    "tabs": (f"{HEAD}\na,b,c,d,e,yes\n".replace(",", "\t"), "1: tabs stand between its columns; save it as CSV with"),
    "no column": (f"{HEAD}\n".replace("relevant", "Relevant"), "1: has no column `relevant`; keep the columns"),
    "a column twice": (f"{HEAD},relevant\n", "1: the column `relevant` stands twice; keep one"),
    "few cells": (f"{HEAD}\na,b,c\n", "2: has 3 cells, the first line names 6 columns; put quotes around"),
    "many cells": (
        f'{HEAD}\na,b,"c\n",d,e,f,yes\n',
        "2: has 7 cells, the first line names 6 columns; put",
    ),
    "an open quote": (f'{HEAD}\na,"b,c,d,e,yes\n', "2: broken CSV \\("),
    "old line ends": (f"{HEAD}\ra,b,c,d,e,yes\r", "2: row 'a' is no candidate"),
    "nothing": ("\n", "1: has no column `row`"),
}


@pytest.mark.parametrize("name", SPREADSHEETS)
def test_a_table_that_a_spreadsheet_has_spoilt_is_named_for_what_it_is(built, tmp_path, name):
    text, message = SPREADSHEETS[name]
    path = tmp_path / "sample.csv"
    path.write_bytes(text.encode())
    with pytest.raises(InputError, match=rf"sample\.csv:{message}"):
        import_judgements(built, path)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_documents_of_any_length_and_ids_of_any_form_come_back(home, tmp_path, suffix):
    data = write_data(tmp_path / "data", changes=[("00-near", "alpha apple apple " * 10_000)])
    where = (data, write_run(tmp_path / "run.txt"), home / "words")
    strange = {
        "01-near": "'=x", "01-half": "'-y", "01-low": "=z", "01-faint": "-w", "01-high": "NULL", "01-above": "1e5",
        "q00": "'=1", "q01": "-1",
    }  # fmt: skip
    for path in (data / "corpus.jsonl", data / "queries.jsonl", data / "qrels" / "train.tsv", tmp_path / "run.txt"):
        text = path.read_text()
        for name, other in strange.items():
            text = text.replace(name, other)
        path.write_text(text)
    file = load_recipe(write_recipe(tmp_path, *where, mixing={"kind": "mined_only", "mined": 1}))
    build(file, tmp_path / "built")
    path = tmp_path / f"sample{suffix}"
    export_sample(tmp_path / "built", path, 1000, None)
    limit = csv.field_size_limit(1 << 20)
    rows = read(path)
    csv.field_size_limit(limit)
    assert max(len(row["document"]) for row in rows) > 131_072
    write(path, [row | {"relevant": "no"} for row in rows])
    found = import_judgements(tmp_path / "built", path)
    fate = list(fates(tmp_path / "built").values())
    assert (found["kept"]["judged"], found["refused"]["judged"]) == (fate.count("keep"), fate.count("false_negative"))
    assert csv.field_size_limit() == limit, "the limit is the process's, and left as it was"


def test_a_sample_of_the_build_before_another_gate_is_refused(home, tmp_path):
    file = recipe_of(home, "first")
    build(file, tmp_path / "mine")
    export_sample(tmp_path / "mine", tmp_path / "sample.jsonl", 6, None)
    write(tmp_path / "sample.jsonl", [row | {"relevant": "no"} for row in read(tmp_path / "sample.jsonl")])
    import_judgements(tmp_path / "mine", tmp_path / "sample.jsonl")
    build(changed_recipe(file, tmp_path / "mine", {"ambiguous": "keep"}), tmp_path / "mine")
    with pytest.raises(InputError, match="sample is of another build, or was drawn before another gate was applied"):
        import_judgements(tmp_path / "mine", tmp_path / "sample.jsonl")


def test_what_was_found_is_kept_beside_the_build_wherever_one_stands(built, tmp_path, monkeypatch, capsys):
    folder = tampered(built, tmp_path)
    path = tmp_path / "sample.jsonl"
    export_sample(folder, path, 4, None)
    write(path, [row | {"relevant": "no"} for row in read(path)])
    for place, name in ((folder / "scores", ".."), (folder, "."), (tmp_path, "bad")):
        monkeypatch.chdir(place)
        import_judgements(Path(name), path)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["bad", "bad.review.json", "sample.jsonl"]
    assert not list(folder.rglob("*.review.json"))
    assert said(capsys, "review", "import", "bad", path).endswith("kept as bad.review.json, in place of an earlier one")
    (tmp_path / "bad.review.json").unlink()
    assert said(capsys, "review", "import", "bad", path).endswith("kept as bad.review.json")
    with pytest.raises(InputError, match="someone/data@v1: no build folder"):
        import_judgements(Path("someone/data@v1"), path)


def test_a_cell_is_never_a_formula():
    formulas = ["=1+1", "+1", "-1", "@x"]
    assert [cell(text) for text in formulas] == ["'=1+1", "'+1", "'-1", "'@x"]
    assert [cell(text) for text in ("plain", "", "'tis")] == ["plain", "", "'tis"]
