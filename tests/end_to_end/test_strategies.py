"""Every strategy and the critic in one real build, and every ledger equation recounted from its rows."""

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest
import yaml

from syneg_data.collection import normalise
from tests.conftest import make_cache, run_cli, small_recipe

pytestmark = pytest.mark.slow

DRAFT = ("query_id", "positive_id", "strategy", "slot")


@pytest.fixture(scope="module")
def built(tmp_path_factory, model_folder):
    """A finished build of all strategies under critique: (folder, cache, recipe)."""
    base = tmp_path_factory.mktemp("strategies")
    cache = make_cache(base / "cache", model_folder)
    recipe = small_recipe(base, limit=3)
    text = yaml.safe_load(recipe.read_text())
    short = {"positive_words": 40}
    text["generation"]["strategies"] = [
        {"kind": "syneg", **short, "attributes": {"domain": "auto"}},
        {"kind": "rewrite", "base_words": 30},
        {"kind": "graded", **short},
        {"kind": "restyle", **short},
    ]
    text["generation"]["reflection"] = {
        "kind": "critique",
        "rounds": 1,
        "inline": False,
        "exam": 8,
        "on_fail": "ignore",
    }
    text["generation"]["sampling"] = {"temperature": 0.7, "max_tokens": 128, "attempts": 2}
    text["validation"]["rule"] = {"kind": "absolute", "maximum": 0.3}
    text["mixing"] = {"kind": "mined_only", "mined": 1, "restyled": 1.0}
    recipe.write_text(yaml.safe_dump(text, sort_keys=False))
    run_cli("build", recipe, "--out", base / "out", cache=cache)
    return base / "out", cache, recipe


def rows(folder, config):
    return [row for path in sorted((folder / config).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def test_every_draft_is_counted_once_by_role_and_last_state(built):
    folder, _, _ = built
    stages = report_of(folder)["stages"]
    last = {tuple(row[key] for key in DRAFT): row for row in rows(folder, "generations") if row["role"] != "critique"}
    assert Counter((row["strategy"], row["role"]) for row in last.values()) == {
        ("syneg", "negative"): 3,
        ("rewrite", "negative"): 3,
        ("graded", "negative"): 9,
        ("graded", "positive"): 3,
        ("restyle", "positive"): 3,
    }
    for stage, role in (("generate", "negative"), ("restyle", "positive")):
        states = Counter(row["state"] for row in last.values() if row["role"] == role)
        entry = stages[stage]
        assert (entry["unit"], entry["in"], entry["kept"]) == ("draft", states.total(), states["ok"])
        assert entry["rejected"] | entry["failed"] == {state: n for state, n in states.items() if state != "ok"}
    judged = [row for row in rows(folder, "candidates") if row["stage"] != "restyle"]
    synthetic = [row for row in judged if row["origin"] == "synthetic"]
    assert len(synthetic) == stages["generate"]["kept"]
    assert stages["validate"]["in"] == stages["mine"]["kept"] + stages["generate"]["kept"]


def test_a_graded_request_gives_a_row_for_each_level(built):
    folder, _, _ = built
    replies = {}
    for row in rows(folder, "generations"):
        if row["strategy"] == "graded" and row["round"] == row["attempt"] == 0 and row["role"] != "critique":
            replies.setdefault(row["request_id"], []).append(row)
    assert [len(group) for group in replies.values()] == [4, 4, 4]
    for group in replies.values():
        assert [(row["slot"], row["grade"], row["role"]) for row in group] == [
            (0, 3, "positive"),
            (1, 2, "negative"),
            (2, 1, "negative"),
            (3, 0, "negative"),
        ]
        assert len({row["reply"] for row in group}) == 1


def test_tokens_are_those_of_the_rows(built):
    folder, _, _ = built
    found = rows(folder, "generations")
    tokens = report_of(folder)["tokens"]
    assert tokens["in"] == sum(row["tokens_in"] for row in found)
    assert tokens["out"] == sum(row["tokens_out"] for row in found) == sum(tokens["out_by_role"].values())
    assert tokens["cached"] == sum(row["tokens_cached"] for row in found)
    wasted = Counter()
    for row in found:
        if row["state"] != "ok":
            wasted[row["state"]] += row["tokens_out"]
    assert tokens["wasted"] == wasted


def test_the_critic_sat_its_exam_and_is_heeded_only_if_it_passed(built):
    folder, _, _ = built
    critic = report_of(folder)["critic"]
    assert critic["cases"] >= 12
    assert {"positive", "planted_copy", "near_miss", "random"} <= set(critic["by_kind"])
    assert critic["passed"] == (critic["balanced_accuracy"] > critic["minimum"] == 0.65)
    criticised = [row for row in rows(folder, "generations") if row["role"] == "critique"]
    assert bool(criticised) == critic["passed"]
    assert "What the critic's word is worth" in (folder / "README.md").read_text()


def test_proposed_attributes_are_in_the_lock_and_in_the_rows(built):
    folder, _, _ = built
    (proposal,) = yaml.safe_load((folder / "recipe.lock.yaml").read_text())["proposals"]
    assert (proposal["strategy"], proposal["axis"]) == ("syneg", "domain")
    assert len(proposal["values"]) >= 2
    drawn = {a["value"] for row in rows(folder, "generations") for a in row["attributes"] if a["axis"] == "domain"}
    assert drawn and drawn <= set(proposal["values"])


def test_a_rewrite_names_what_it_changed_and_is_no_copy(built):
    folder, _, _ = built
    corpus = {normalise(row["text"]) for row in rows(folder, "corpus") if not row["synthetic"]}
    replies = [
        json.loads(row["reply"])
        for row in rows(folder, "generations")
        if row["strategy"] == "rewrite" and row["state"] == "ok" and row["role"] == "negative"
    ]
    for reply in replies:
        assert list(reply) == ["requirement", "change", "passage"]
        assert normalise(reply["passage"]) not in corpus


def test_restyled_positives_that_are_used_are_judged_relevant(built):
    folder, _, _ = built
    report = report_of(folder)
    used = [row for row in rows(folder, "ids") if row["positive_id"].startswith("synthetic-")]
    assert len(used) == report["restyled_positives"]
    relevance = report["stages"]["restyle"]["relevance"]
    assert relevance["in"] == report["stages"]["restyle"]["kept"]
    assert relevance["kept"] >= len(used)
    judged = {(row["query-id"], row["corpus-id"]): row["score"] for row in rows(folder, "qrels")}
    assert all(judged[row["query_id"], row["positive_id"]] > 0 for row in used)


def test_a_second_build_asks_for_nothing(built, tmp_path):
    folder, cache, recipe = built
    done = run_cli("build", recipe, "--out", tmp_path / "again", "--json", cache=cache)
    assert json.loads(done.stdout)["run"]["engine_requests"] == 0
    ours, theirs = (json.loads((f / "manifest.json").read_text())["files"] for f in (folder, tmp_path / "again"))
    assert ours == theirs


def test_it_can_stop_after_generation(built, tmp_path):
    """Written positives have been counted by then, and not yet judged."""
    _, cache, recipe = built
    done = run_cli("build", recipe, "--out", tmp_path / "early", "--until", "generate", "--json", cache=cache)
    stages = json.loads(done.stdout)["report"]["stages"]
    assert list(stages) == ["load", "mine", "generate", "restyle"]
    assert stages["restyle"]["in"] == 6
    assert "relevance" not in stages["restyle"]


def test_every_written_positive_has_a_row_with_its_verdict(built):
    folder, _, _ = built
    relevance = report_of(folder)["stages"]["restyle"]["relevance"]
    judged = [row for row in rows(folder, "candidates") if row["stage"] == "restyle"]
    assert len(judged) == relevance["in"]
    assert sum(row["verdict"] == "keep" for row in judged) == relevance["kept"]
    assert Counter(row["verdict"] for row in judged if row["verdict"] != "keep") == relevance["rejected"]
