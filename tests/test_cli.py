"""The command line as a person meets it: messages, exit codes, signals, the lock."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from tests.conftest import ROOT, make_cache, run_cli, small_recipe


@pytest.fixture(scope="module")
def cache(tmp_path_factory, model_folder):
    return make_cache(tmp_path_factory.mktemp("cli") / "cache", model_folder)


def start(recipe, out, cache):
    """A build in the background, with the moment when it is at work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "syneg_data", "build", str(recipe), "--out", str(out)],
        env={**os.environ, "SYNEG_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lock = out.parent / f".{out.name}.work" / "lock"
    for _ in range(600):
        if lock.exists() and lock.read_text().strip() == str(process.pid):
            break
        time.sleep(0.05)
    return process


def test_all_errors_of_a_recipe_at_once_with_the_path_as_the_user_wrote_it(tmp_path, cache):
    (tmp_path / "bad.yaml").write_text(
        "name: Bad Name\n"
        "seed: 13\n"
        f"source: {{kind: beir, path: {ROOT}/recipes/data/scifact, split: train, license: cc-by-4.0}}\n"
        "mining:\n"
        "  - {kind: bm25, depht: 50}\n"
        "validation: {rerankers: [{kind: bi_encodr}], rule: {kind: relative, margin: low}}\n"
        "mixing: {kind: mined_only}\n"
        "publishing: {license: cc-by-4}\n"
    )
    done = run_cli("build", "bad.yaml", cache=cache, check=2, cwd=tmp_path)
    lines = done.stderr.splitlines()
    assert "bad.yaml:5: mining[0].depht: unknown key; did you mean 'depth'?" in lines
    assert any(line.startswith("bad.yaml:1: name: ") for line in lines)
    assert any("bad.yaml:6: validation.rerankers[0]" in x and "did you mean 'bi_encoder'?" in x for x in lines)
    assert any(line.startswith("bad.yaml:6: validation.rule.margin: must be ") for line in lines)
    assert any("publishing.license: unknown licence 'cc-by-4'; did you mean 'cc-by-4.0'?" in line for line in lines)
    assert len(lines) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.yaml"], "nothing half-written"


def test_a_broken_line_of_data_is_named_and_nothing_is_written(tmp_path, cache):
    folder = tmp_path / "data"
    (folder / "qrels").mkdir(parents=True)
    good = "".join(json.dumps({"_id": str(i), "text": f"text {i}"}) + "\n" for i in range(16))
    (folder / "corpus.jsonl").write_text(good + '{"_id": "17", "text": \n')
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "a query"}\n')
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n")
    recipe = small_recipe(tmp_path)
    text = yaml.safe_load(recipe.read_text())
    text["source"] = {"kind": "beir", "path": "data", "split": "train", "license": "cc-by-4.0"}
    recipe.write_text(yaml.safe_dump(text))
    done = run_cli("build", recipe.name, cache=cache, check=2, cwd=tmp_path)
    assert done.stderr.startswith("data/corpus.jsonl:17: broken JSON (")
    assert not (tmp_path / "builds").exists(), "nothing half-written, not even a lock"


def test_a_missing_recipe_and_an_unknown_stage_are_the_users_errors(tmp_path, cache):
    done = run_cli("build", "nowhere.yaml", cache=cache, check=2, cwd=tmp_path)
    assert done.stderr == "nowhere.yaml: No such file or directory; name a recipe in YAML\n"
    done = run_cli("build", small_recipe(tmp_path), "--until", "mix!", cache=cache, check=2)
    assert done.stderr.startswith("--until mix!: no such stage; one of load, mine, generate")
    done = run_cli("biuld", cache=cache, check=2)
    assert "biuld" in done.stderr and "Traceback" not in done.stderr


def test_check_counts_what_a_build_would_do_and_previews_the_prompt(tmp_path, cache):
    plan = json.loads(run_cli("check", small_recipe(tmp_path), "--preview", "--json", cache=cache).stdout)
    assert (plan["documents"], plan["queries"]) == (5183, 6)
    assert plan["drafts"] == plan["pairs"]
    assert plan["prompt"][0]["content"] == "You are an expert who writes texts."
    assert json.loads(plan["prompt"][1]["content"].splitlines()[0]).keys() == {"user_query", "positive_document"}


def test_limits_nest_and_until_stops_without_a_folder(tmp_path, cache):
    recipe = small_recipe(tmp_path)
    done = run_cli("build", recipe, "--limit", 3, "--until", "mine", "--json", cache=cache, cwd=tmp_path)
    result = json.loads(done.stdout)
    assert result["folder"] is None
    assert list(result["report"]["stages"]) == ["load", "mine"]
    assert not (tmp_path / "builds" / "small").exists()
    assert "mine (queries): 3/3" in done.stderr, "progress goes to stderr"


def test_a_reranker_that_mined_the_candidates_is_refused_unless_allowed(tmp_path, cache):
    recipe = small_recipe(tmp_path)
    text = yaml.safe_load(recipe.read_text())
    text["mining"].append({"kind": "dense", "model": text["validation"]["rerankers"][0]["model"]})
    recipe.write_text(yaml.safe_dump(text))
    done = run_cli("check", recipe, cache=cache, check=2)
    assert "validation.rerankers[0].model: the same model as mining[1]; a model cannot check its own" in done.stderr
    text["validation"]["rerankers"][0]["allow_same_model"] = True
    recipe.write_text(yaml.safe_dump(text))
    run_cli("check", recipe, cache=cache)


@pytest.mark.slow
def test_a_second_run_is_refused_and_signals_have_their_exit_codes(tmp_path, cache):
    recipe, out = small_recipe(tmp_path), tmp_path / "out"
    process = start(recipe, out, cache)
    second = run_cli("build", recipe, "--out", out, cache=cache, check=75)
    assert f"process {process.pid} is building here" in second.stderr
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    process = start(recipe, out, cache)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; the same command resumes"
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_exit_5(tmp_path, cache):
    if os.geteuid() == 0:
        target = "/proc/syneg-build"  # even root may not write there
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        target = tmp_path / "closed" / "out"
    done = run_cli("build", small_recipe(tmp_path), "--out", target, cache=cache, check=5)
    assert "check free space and permissions" in done.stderr and "Traceback" not in done.stderr


def test_kinds_lists_every_section():
    done = subprocess.run(
        [sys.executable, "-m", "syneg_data", "kinds", "--json"], capture_output=True, text=True, check=True
    )
    kinds = {section: [entry["kind"] for entry in entries] for section, entries in json.loads(done.stdout).items()}
    assert kinds == {
        **{
            key: [""]
            for key in [
                "recipe",
                "source.corpus",
                "source.pairs",
                "prompts",
                "guards",
                "generation",
                "generation.sampling",
                "validation",
                "validation.floor",
                "validation.review",
                "audit",
                "audit.gates",
                "audit.gates.*",
                "export",
                "publishing",
                "training",
                "comparison",
                "comparison.elsewhere[]",
            ]
        },
        "source": ["beir", "pairs", "hub"],
        "mining[]": ["bm25", "dense", "run_file"],
        "generation.engine": ["vllm", "openai", "transformers"],
        "generation.strategies[]": ["syneg", "rewrite", "graded", "restyle"],
        "generation.reflection": ["inline", "critique", "none"],
        "validation.rerankers[]": ["bi_encoder", "cross_encoder", "llm"],
        "validation.rule": ["calibrated", "relative", "absolute", "percentile"],
        "mixing": ["hybrid", "pooled", "synthetic_only", "mined_only", "quota", "ambiguous", "graded"],
        "export.formats[]": [
            "sentence_transformers_triplet",
            "sentence_transformers_n_tuple",
            "sentence_transformers_labeled_list",
            "sentence_transformers_ids",
            "flag_embedding",
            "tevatron",
            "beir",
            "mteb",
        ],
        "training.objective": ["ranking", "cached_ranking", "guided", "distillation"],
        "model": ["hub", "path", "package"],
    }
