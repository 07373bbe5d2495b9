"""The same recipe on all three engines: the same requests, the same vocabulary, a ledger that balances."""

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest
import yaml

from tests.conftest import make_cache, run_cli, small_recipe

pytest.importorskip("vllm", reason="vllm is not installed in this environment; .ci/vllm runs these in its own")

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

STATES = {"ok", "truncated", "invalid", "refused", "copied", "degenerate", "failed"}
ENGINES = ("transformers", "vllm", "openai")


@pytest.fixture(scope="module")
def built(tmp_path_factory, model_folder, vllm_server):
    """engine -> (rows of generations, report)."""
    base = tmp_path_factory.mktemp("engines")
    model = yaml.safe_load(small_recipe(base).read_text())["generation"]["engine"]["model"]
    engines = {
        "transformers": {"kind": "transformers", "model": model},
        "vllm": {"kind": "vllm", "model": model, "max_model_len": 1024, "max_num_seqs": 16},
        "openai": {"kind": "openai", "base_url": vllm_server, "model": "smollm2", "revision": "bfloat16 of Q4_1"},
    }
    found = {}
    for name, engine in engines.items():
        (base / name).mkdir()
        recipe = small_recipe(base / name, limit=4)
        text = yaml.safe_load(recipe.read_text())
        text["generation"]["engine"] = engine
        text["mixing"] = {"kind": "mined_only", "mined": 1}
        recipe.write_text(yaml.safe_dump(text, sort_keys=False))
        out = base / name / "out"
        done = run_cli("build", recipe, "--out", out, "--json", cache=make_cache(base / f"{name}-cache", model_folder))
        assert json.loads(done.stdout)["run"]["engine_requests"] > 0, "stdout holds one JSON object and nothing else"
        paths = sorted((out / "generations").glob("*.parquet"))
        rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
        found[name] = rows, json.loads((out / "report.json").read_text())
    return found


def test_the_same_requests_are_made(built):
    first = {
        name: [(r["request_id"], r["seed"], r["slot"]) for r in rows if r["attempt"] == 0]
        for name, (rows, _) in built.items()
    }
    assert len(first["transformers"]) >= 4
    assert first["transformers"] == first["vllm"] == first["openai"]


@pytest.mark.parametrize("name", ENGINES)
def test_replies_keep_to_the_schema_and_the_ledger_balances(built, name):
    rows, report = built[name]
    assert {row["state"] for row in rows} <= STATES
    for row in rows:
        if row["state"] not in ("truncated", "failed"):
            assert list(json.loads(row["reply"])) == ["reasoning", "passage"]
    last = {(row["query_id"], row["positive_id"], row["strategy"], row["slot"]): row["state"] for row in rows}
    states = Counter(last.values())
    entry = report["stages"]["generate"]
    assert (entry["in"], entry["kept"]) == (states.total(), states["ok"])
    assert entry["rejected"] | entry["failed"] == {state: n for state, n in states.items() if state != "ok"}
    assert all(row["tokens_in"] > 0 and row["tokens_out"] > 0 for row in rows)
    assert len({row["reply"] for row in rows}) == len(rows), "a seed for each request"
