"""Mixing in a whole build: what the tables, the ledger and the report say of it, and what rethreshold makes of it."""

import json
from collections import Counter

import pytest

from syneg_data.engines.scripted import Reply, ScriptedServer, honest
from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from syneg_data.remixing import read_build
from syneg_data.rethreshold import rethreshold
from tests.generation.world import text
from tests.validation.world import engine_at, rows_of, save_words, write_data, write_recipe, write_run


def levels(serial, body):
    """Passages of three levels; the lower, the oftener they say `apple` beside the query's word."""
    user = body["messages"][-1]["content"]
    if "user_query" not in user:
        return honest(body)
    query = json.loads(user.split("\n")[0])["user_query"]
    own = int(body["seed"]) % 10**6
    passages = {
        f"grade_{grade}": f"{text(own + grade)} They spoke of {' and '.join([query, *['apple'] * (2 - grade)])} there."
        for grade in (2, 1, 0)
    }
    return Reply(json.dumps(passages))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    save_words(folder / "words")
    write_data(folder / "data")
    write_run(folder / "run.txt", shapes=("half", "low", "off"))
    return folder


@pytest.fixture(scope="module")
def server():
    with ScriptedServer(levels) as running:
        yield running


@pytest.fixture
def built(home, server, tmp_path, monkeypatch):
    """Builds with a mixing section; without `written` no model is asked for anything."""
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(mixing, written=True):
        generation = {
            "engine": engine_at(server),
            "strategies": [
                {"kind": "graded", "levels": {"2": "answers", "1": "does not", "0": "is elsewhere"}, "positive_from": 2}
            ],
            "reflection": {"kind": "none"},
            "terms": "apache-2.0",
        }
        where = (home / "data", home / "run.txt", home / "words", {"rule": {"kind": "relative"}})
        more = {"generation": generation} if written else {}
        done = build(load_recipe(write_recipe(tmp_path / "r", *where, mixing=mixing, **more)), tmp_path / "out")
        return done.report, tmp_path / "out"

    return run


def recounted(report, folder):
    """The ledger's entry of mix against the rows."""
    entry, rows = report["stages"]["mix"], rows_of(folder, "candidates")
    idle = Counter(row["reason"] for row in rows if row["stage"] == "mix" and not row["selected"])
    assert entry["rejected"] == idle
    assert entry["kept"] == sum(row["selected"] for row in rows if row["stage"] == "mix")
    assert entry["pairs"]["kept"] == report["examples"] == len(rows_of(folder, "ids"))
    assert report["mixing"]["sources"] == Counter(s for row in rows_of(folder, "ids") for s in row["sources"])
    return report["mixing"]


def test_graded_lists(built):
    report, folder = built({"kind": "graded", "grades": [0, 1], "shortage": "ragged"})
    facts = recounted(report, folder)
    assert facts["kind"] == "graded" and set(facts["sources"]) == {
        "synthetic:graded:grade_1", "synthetic:graded:grade_0",
    }  # fmt: skip
    for row, lists in zip(rows_of(folder, "ids"), rows_of(folder, "ragged"), strict=True):
        assert row["sources"] == sorted(row["sources"], reverse=True)
        apples = [passage.count("apple") for passage in lists["negatives"]]
        assert apples == [{"1": 1, "0": 2}[source[-1]] for source in row["sources"]], "the grade is that of the slot"
    found = rethreshold(folder, {"rule": {"kind": "relative", "margin": 0.05}})
    assert found["examples"] == {"before": report["examples"], "after": report["examples"]}
    assert report["examples"] > 2


def test_a_cap_and_a_quota_that_is_filled_up(built):
    quota = {"kind": "quota", "sources": {"graded": 2, "first": 1}, "shortage": "backfill", "backfill": ["first"]}
    report, folder = built({**quota, "cap": 1})
    facts = recounted(report, folder)
    assert facts["most_often"] == 1
    assert {len(row["negative_ids"]) for row in rows_of(folder, "ids")} == {3}
    assert facts["negatives_per_example"] == {"3": report["examples"]}
    assert "n-tuple" in {path.name for path in folder.iterdir()}


def test_rethreshold_where_lengths_are_matched(built):
    """The texts are those of the corpus and of the replies, chosen or not."""
    mixing = {"kind": "hybrid", "synthetic": 1, "mined": 1, "match_lengths": "positive"}
    report, folder = built(mixing)
    found = rethreshold(folder, {"rule": {"kind": "relative", "margin": 0.05}})
    assert found["examples"] == {"before": report["examples"], "after": report["examples"]}
    past = read_build(folder)
    assert past.mix().examples == past.examples
