"""A build looked at again: another gate from its stored scores, and a sample of it judged by a person."""

import csv
import json
from pathlib import Path

import pytest

from syneg_data.errors import InputError
from syneg_data.lines import cell
from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from syneg_data.rethreshold import changed_recipe, changes_of, rethreshold
from syneg_data.review import export_sample, import_judgements
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
    assert done.run["chunks_computed"] == 0, "no score is computed again"
    rule = {"kind": "relative", "margin": 0.3, "positive": "min", "doubt": 0.0}
    build(recipe_of(home, "written so", rule=rule), tmp_path / "other")
    mine, other = files_of(tmp_path / "mine"), files_of(tmp_path / "other")
    assert mine.keys() == other.keys()
    assert {path for path in mine if path.endswith((".parquet", "report.json")) and mine[path] != other[path]} == set()


def test_another_recipe_is_not_applied(home, built):
    with pytest.raises(InputError, match="not the recipe that built was built from; name that one"):
        changed_recipe(recipe_of(home, "another", agree="all"), built, {"ambiguous": "keep"})


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
    with pytest.raises(InputError, match="--agree joint: needs a rule of kind calibrated, not relative"):
        rethreshold(built, {"agree": "joint"})


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
    assert {tuple(row) for row in rows} == {("query_id", "doc_id", "query", "positive", "document", "relevant")}
    assert {(row["query_id"], row["doc_id"]) for row in rows} == set(verdicts)
    assert all(row["relevant"] == "" for row in rows)
    texts = {row["_id"]: row["text"] for row in rows_of(built, "corpus")}
    assert all(row["document"] == texts[row["doc_id"]] for row in rows)
    # The judge finds relevant what the gate refused, and one kept document more; one row is left empty.
    kept = sorted(pair for pair, fate in verdicts.items() if fate == "keep")
    wrong, empty = kept[0], kept[1]
    for row in rows:
        pair = (row["query_id"], row["doc_id"])
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
        ({"doc_id": "stranger"}, "'stranger' is no candidate for query"),
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
    path.write_text("{broken\n")
    with pytest.raises(InputError, match=r"sample\.jsonl:1: broken JSON"):
        import_judgements(built, path)


def test_a_cell_is_never_a_formula():
    formulas = ["=1+1", "+1", "-1", "@x"]
    assert [cell(text) for text in formulas] == ["'=1+1", "'+1", "'-1", "'@x"]
    assert [cell(text) for text in ("plain", "")] == ["plain", ""]
