"""kill -9 at random points of a real build, each resumed: nothing is lost, nothing is paid twice."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import yaml

from syneg_data.publishing.manifest import intact
from tests.conftest import make_cache, run_cli, small_recipe

pytestmark = pytest.mark.slow

KILLS = 10
PAIRS_PER_CHUNK = 16


def submitted(cache):
    path = cache / "replies.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as db:
        row = db.execute("SELECT n FROM counters WHERE name = 'submitted'").fetchone()
    return row[0] if row else 0


def test_ten_kills_lose_nothing_and_cost_at_most_a_chunk_each(tmp_path, model_folder):
    cache = make_cache(tmp_path / "cache", model_folder)
    recipe = small_recipe(tmp_path, limit=56)
    text = yaml.safe_load(recipe.read_text())
    text["generation"]["reflection"] = {"kind": "none"}
    text["generation"]["sampling"] = {"temperature": 0.7, "max_tokens": 48, "attempts": 1}
    text["mixing"] = {"kind": "mined_only", "mined": 1}
    recipe.write_text(yaml.safe_dump(text, sort_keys=False))
    out = tmp_path / "out"
    environment = {**os.environ, "SYNEG_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "syneg_data", "build", str(recipe), "--out", str(out)]
    chance = random.Random(20261121)
    killed = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # Half of the points fall into start-up and mining, half into generation and what follows.
        time.sleep(chance.choice([chance.uniform(0.2, 6), chance.uniform(6, 22)]))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        if out.exists():
            manifest = json.loads((out / "manifest.json").read_text())
            assert intact(out, manifest["fingerprint"]), "the folder is whole or absent"
    run_cli("build", recipe, "--out", out, cache=cache)
    assert killed >= KILLS // 2

    asked = submitted(cache)
    report = json.loads((out / "report.json").read_text())
    drafts = report["stages"]["generate"]["in"]
    assert report["stages"]["generate"]["kept"] > 0, (
        "some drafts came through, so candidates of both kinds are compared"
    )
    assert drafts <= asked <= drafts + killed * PAIRS_PER_CHUNK

    uninterrupted = tmp_path / "uninterrupted"
    run_cli("build", recipe, "--out", uninterrupted, cache=cache)
    assert submitted(cache) == asked, "an uninterrupted run from the same stores asks for nothing"
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (out, uninterrupted)]
    assert manifests[0] == manifests[1]
