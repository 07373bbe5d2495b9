"""The gate with real parts: SciFact, two miners, MiniLM-L6, a fitted rule, relabelling, and a second opinion."""

import json
import math
from collections import Counter

import pytest
import yaml

from tests.conftest import ROOT, make_cache, run_cli
from tests.validation.recount import recount
from tests.validation.test_stage import newton
from tests.validation.world import files_of, json_of, rows_of, save_pairs

pytestmark = pytest.mark.slow

QUERIES = 30
RULE = {"kind": "calibrated", "least": 20, "maximum": 0.6, "lean": 0.0, "doubt": 0.1}


def recipe_of(base, judge):
    """Mined candidates only, of two windows of ranks that overlap; the model is the one that quickstart trains."""
    quickstart = yaml.safe_load((ROOT / "recipes" / "quickstart.yaml").read_text())
    recipe = {
        "name": "gated",
        "seed": 13,
        "limit": QUERIES,
        "source": {**quickstart["source"], "path": str(ROOT / "recipes" / "data" / "scifact")},
        "mining": [
            {"kind": "bm25", "depth": 8},
            {"kind": "bm25", "name": "other", "depth": 6, "skip": 3, "k1": 0.9, "b": 0.4},
        ],
        "validation": {
            "rerankers": [{"kind": "bi_encoder", "name": "minilm", "model": quickstart["training"]["base"]}],
            "rule": RULE,
            "false_negative": "relabel",
            "floor": {"sample": 40},
            "review": {
                "reranker": {"kind": "cross_encoder", "name": "second", "model": str(judge), "max_length": 96},
                "sample": 40,
            },
        },
        "mixing": {"kind": "mined_only", "mined": 2},
        "publishing": quickstart["publishing"],
    }
    path = base / "gated.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def changed(recipe, folder, **validation):
    text = yaml.safe_load(recipe.read_text())
    text["validation"] |= validation
    path = folder / recipe.name
    path.write_text(yaml.safe_dump(text, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory, model_folder):
    """A finished build: (folder, cache, recipe)."""
    base = tmp_path_factory.mktemp("gate")
    cache = make_cache(base / "cache", model_folder)
    recipe = recipe_of(base, save_pairs(base / "judge", seed=2))
    run_cli("build", recipe, "--out", base / "out", cache=cache)
    return base / "out", cache, recipe


def test_every_figure_is_that_of_the_rows(built):
    folder, _, _ = built
    recount(folder, relabelled=True)
    report = json_of(folder)
    assert report["stages"]["load"]["kept"] >= QUERIES
    assert set(report["mining"]["sources"]) == {"bm25", "other"}
    assert any(len(row["sources"]) == 2 for row in rows_of(folder, "candidates"))
    assert report["validation"]["rerankers"][0]["auc_random"] > 0.9, "MiniLM tells an abstract from a random one"


def test_the_rule_is_the_one_that_the_scores_give(built):
    folder, _, _ = built
    (entry,) = json_of(folder)["validation"]["rerankers"]
    said = [row for row in rows_of(folder, "scores") if row["reranker"] == entry["name"]]
    known = [[[row["score"]] for row in said if row["role"] == role] for role in ("positive", "candidate", "random")]
    slope, intercept = newton(known)
    lowest: dict[str, float] = {}
    for row in said:
        if row["role"] == "positive":
            lowest[row["query_id"]] = min(row["score"], lowest.get(row["query_id"], 1.0))
    middle = sum(slope * score + intercept for score in lowest.values()) / len(lowest)
    assert entry["bar"] == {
        "rule": "calibrated",
        "maximum": 0.6,
        "lean": 0.0,
        "slope": pytest.approx(slope, rel=2e-2),
        "intercept": pytest.approx(intercept, rel=2e-2),
        "middle": pytest.approx(middle, abs=5e-2),
    }
    assert slope > 0
    for row in rows_of(folder, "candidates"):
        threshold = math.inf if row["stage"] == "mine" else min(0.6, row["positive_relevance"])
        over = (row["relevance"] or 0.0) - threshold
        if over > 1e-9:
            assert row["verdict"] == "false_negative"
        elif over > 1e-9 - 0.1:
            assert row["verdict"] in ("ambiguous", "too_easy")
        else:
            assert row["verdict"] in ("keep", "too_easy", "duplicate")


def test_the_second_opinion_is_that_of_the_rows(built):
    folder, _, _ = built
    review = json_of(folder)["review"]
    reviewed = {(r["query_id"], r["doc_id"]) for r in rows_of(folder, "scores") if r["role"] == "reviewed"}
    judged = [row for row in rows_of(folder, "candidates") if (row["query_id"], row["doc_id"]) in reviewed]
    assert len(judged) == len(reviewed) == review["kept"]["judged"] + review["refused"]["judged"] == 40
    kept = [row for row in judged if row["verdict"] == "keep"]
    assert {row["verdict"] for row in judged} == {"keep", "false_negative"}
    assert len(kept) == review["kept"]["judged"]
    by_source = Counter("mined:" + "+".join(hit["source"] for hit in row["sources"]) for row in kept)
    assert {name: entry["judged"] for name, entry in review["sources"].items()} == by_source
    assert sum(entry["relevant"] for entry in review["sources"].values()) == review["kept"]["relevant"]
    assert review["without_score"] == 0


def test_another_rule_needs_no_score_and_going_back_gives_the_same_bytes(built, tmp_path):
    folder, cache, recipe = built
    before = files_of(folder)
    other = changed(recipe, tmp_path, rule={"kind": "relative"}, false_negative="drop", review=None)
    done = json.loads(run_cli("build", other, "--out", folder, "--json", cache=cache).stdout)
    assert done["run"]["chunks_computed"] == 1, "the audit alone"
    assert "review" not in done["report"]
    recount(folder)
    assert files_of(folder) != before
    run_cli("build", recipe, "--out", folder, cache=cache)
    assert files_of(folder) == before


def test_the_same_recipe_in_another_place_gives_the_same_bytes(built, tmp_path):
    folder, cache, recipe = built
    run_cli("build", recipe, "--out", tmp_path / "again", cache=cache)
    assert files_of(tmp_path / "again") == files_of(folder)
