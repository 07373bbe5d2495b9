"""int8: taken where a sample shows that its verdicts are those of float32, and float32 in its place where not."""

import shutil

import pytest

from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from tests.validation.recount import recount
from tests.validation.world import (
    json_of,
    rows_of,
    save_pairs,
    save_words,
    write_data,
    write_recipe,
    write_run,
)

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

QUERIES = 6


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    save_words(folder / "words")
    save_pairs(folder / "pairs", seed=2)
    write_data(folder / "data", fillers=40)
    write_run(folder / "run.txt")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all tests here: a model is translated once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(store, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(store))
    return store


@pytest.fixture
def recipe(home, tmp_path):
    def write(maximum, dtype="int8"):
        pairs = {"kind": "cross_encoder", "name": "pairs", "model": str(home / "pairs"), "backend": "onnx"}
        words = {"kind": "bi_encoder", "name": "words", "model": str(home / "words"), "max_length": 64}
        gate = {
            "rerankers": [words, {**pairs, "dtype": dtype, "max_length": 64}],
            "agree": "all",
            "rule": {"kind": "absolute", "maximum": maximum},
        }
        return load_recipe(write_recipe(tmp_path / "recipe", home / "data", home / "run.txt", home / "words", gate))

    return write


def said(folder):
    return {
        (row["query_id"], row["doc_id"]): row["score"]
        for row in rows_of(folder, "scores")
        if (row["reranker"], row["role"]) == ("pairs", "candidate")
    }


def verdicts(folder):
    return {(row["query_id"], row["doc_id"]): row["verdict"] for row in rows_of(folder, "candidates")}


def test_where_verdicts_agree_int8_is_used(recipe, tmp_path):
    """No score comes near 0.9999, so that a difference in the third digit changes no verdict."""
    done = build(recipe(0.9999), tmp_path / "out")
    facts = done.report["validation"]
    assert facts["int8"] == {"pairs": {"candidates": 48, "agreement": 1.0, "used": True}}
    assert json_of(tmp_path / "out")["validation"] == facts
    recount(tmp_path / "out")
    build(recipe(0.9999, "float32"), tmp_path / "exact")
    exact, rounded = said(tmp_path / "exact"), said(tmp_path / "out")
    assert rounded != exact
    assert all(abs(rounded[pair] - exact[pair]) < 0.05 for pair in exact)


def test_where_verdicts_differ_float32_takes_its_place(recipe, tmp_path, caplog):
    """The threshold stands between a score and its rounded self."""
    for dtype in ("float32", "int8"):
        build(recipe(0.9999, dtype), tmp_path / dtype)
    exact, rounded = said(tmp_path / "float32"), said(tmp_path / "int8")
    pair = max(exact, key=lambda pair: abs(exact[pair] - rounded[pair]))
    between = round((exact[pair] + rounded[pair]) / 2, 6)
    done = build(recipe(between), tmp_path / "out")
    differ = sum((exact[pair] > between) != (rounded[pair] > between) for pair in exact)
    agreement = round(1 - differ / 48, 4)
    assert differ >= 1
    assert done.report["validation"]["int8"] == {"pairs": {"candidates": 48, "agreement": agreement, "used": False}}
    assert f"pairs: int8 agrees on {100 * agreement:.1f} % of verdicts only; float32 it is" in caplog.text
    assert said(tmp_path / "out") == exact, "what is published are the scores that were used"
    recount(tmp_path / "out")
    build(recipe(between, "float32"), tmp_path / "plain")
    assert verdicts(tmp_path / "out") == verdicts(tmp_path / "plain")
    again = build(recipe(between), tmp_path / "out")
    assert (again.run["chunks_computed"], again.run["build_reused"]) == (0, True)


def test_the_model_is_translated_once(recipe, tmp_path, cache):
    build(recipe(0.9999), tmp_path / "out")
    there = {path.name: path.stat().st_mtime_ns for path in (cache / "onnx").rglob("*.onnx")}
    assert len(there) == 2, "int8 and float32"
    shutil.rmtree(tmp_path / ".out.work")
    (cache / "scores.sqlite").unlink()
    build(recipe(0.9999), tmp_path / "out")
    assert {path.name: path.stat().st_mtime_ns for path in (cache / "onnx").rglob("*.onnx")} == there
