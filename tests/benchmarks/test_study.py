"""The study: its protocol as recipes, its rows, what is chosen from them, and the page that is made of them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.measuring import Skipped
from benchmarks.study.__main__ import Only, arms_of, cells_to_test
from benchmarks.study.analysis import ablations, beyond_base, correlations, difference, foretells
from benchmarks.study.choosing import (
    asked,
    freeze,
    inner_rate,
    keep_frozen,
    outcome,
    promoted,
    ranking,
    rate_of,
    rates_beside,
    read_frozen,
)
from benchmarks.study.page import BEGIN, END, PAGE, README, answer, update, verdict
from benchmarks.study.protocol import ALONE, CONDITIONS, GENERATORS, GROUNDS, NOBODY, RATES, SCREEN, TEST_ARMS
from benchmarks.study.recipes import changed, recipe
from benchmarks.study.rows import STUDY, Cell, cells, differences, mean, read_groups, read_scores, write_groups
from benchmarks.study.rows import write as write_rows
from benchmarks.study.running import READ_TEST, plan, refuse_uncommitted
from benchmarks.study.tables import rates
from syneg_data.judge.arms import ARMS
from syneg_data.recipe import load_recipe
from syneg_data.training.statistics import Interval

MARKS = f"# Page\n\nbefore\n\n{BEGIN}\n\nan earlier table\n\n{END}\n\nafter\n"
QUERIES = [f"q{n}" for n in range(40)]


def cell(**fields):
    made = Cell(
        stage="ablations", ground="scifact", generator="smollm2", condition="base", student="L3", digest="d",
        date="2026-11-22 10:00", machine="Linux, 2 processors", split="dev", pairs=300,
        made_by={"commit": "0123456789ab"}, served={"gated": 320, "hybrid": 300}, critic={},
        rates={"gated": 1e-4, "hybrid": 1e-4},
        tried={"gated": {str(r): 0.5 for r in RATES}, "hybrid": {str(r): 0.5 for r in RATES}},
        dev={"gated": 0.5, "hybrid": 0.5}, seen=[],
        ledger={"generate": {"in": 1200, "kept": 1080}}, tokens={"in": 1000, "out": 500},
        audit={"query_blind_auc": [0.8, 0.7, 0.9], "source_auc": [0.9, 0.8, 1.0]},
        seconds={"build": 60.0, "train": 120.0, "all": 200.0},
    )  # fmt: skip
    return replace(made, **fields)


def scores(gain, arm="hybrid", seeds=3, queries=QUERIES):
    """Every query has 0.5 with `gated`, and that plus the gain, a little more or less by query and seed."""
    found = {}
    for seed in range(13, 13 + seeds):
        found["gated", seed] = dict.fromkeys(queries, 0.5)
        found[arm, seed] = {q: 0.5 + gain + 0.01 * ((n + seed) % 3 - 1) for n, q in enumerate(queries)}
    return found


def write(folder, made, given):
    """A cell, with queries of which no two have a positive in common."""
    write_groups(folder, made.ground, made.split, {query_id: n for n, query_id in enumerate(QUERIES)})
    write_rows(folder, made, given)


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Collections and a student that are only named: a recipe is read without looking into them."""
    for ground in GROUNDS.values():
        folder = tmp_path / ground.name
        (folder / "qrels").mkdir(parents=True)
        monkeypatch.setenv(ground.of.variable, str(folder))
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "modules.json").touch()
    monkeypatch.setenv("SYNEG_STUDENT", str(tmp_path / "student"))
    return tmp_path


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=lambda c: c.name)
@pytest.mark.parametrize("generator", GENERATORS.values(), ids=lambda g: g.name)
@pytest.mark.parametrize("ground", GROUNDS.values(), ids=lambda g: g.name)
def test_every_condition_is_a_recipe(here, ground, generator, condition):
    path = here / "condition.yaml"
    path.write_text(yaml.safe_dump(recipe(ground, generator, condition, RATES)))
    file = load_recipe(path)
    assert file.recipe.source.evaluation == ("dev",)
    assert file.recipe.limit == {"scifact": None, "medquad-small": 600, "squad-nqg-small": 600}[ground.name]


@pytest.mark.parametrize("condition", [c for c in CONDITIONS.values() if c.factor], ids=lambda c: c.name)
def test_a_condition_differs_from_base_and_from_every_other(here, condition):
    def text(one):
        return {**recipe(GROUNDS["scifact"], GENERATORS["smollm2"], one, RATES), "name": ""}

    assert all(text(condition) != text(other) for other in CONDITIONS.values() if other is not condition)


def test_a_change_leaves_the_base_condition_alone():
    base = {"mixing": {"kind": "hybrid", "synthetic": 1}}
    assert changed(base, {"mixing.synthetic": 2, "training.objective": {"kind": "distillation"}}) == {
        "mixing": {"kind": "hybrid", "synthetic": 2},
        "training": {"objective": {"kind": "distillation"}},
    }
    assert base == {"mixing": {"kind": "hybrid", "synthetic": 1}}


def test_only_the_test_stage_reads_the_test_split(here):
    made = recipe(GROUNDS["medquad-small"], GENERATORS["qwen"], CONDITIONS["base"], RATES, test=True)
    assert made["source"]["evaluation"] == ["dev", "test"]


def test_a_collection_that_is_not_here_is_named(monkeypatch):
    monkeypatch.delenv("SYNEG_SCIFACT", raising=False)
    with pytest.raises(Skipped, match="set SYNEG_SCIFACT to the folder of a collection"):
        recipe(GROUNDS["scifact"], GENERATORS["smollm2"], CONDITIONS["base"], RATES)


def test_mining_alone_is_a_recipe_without_generation(here):
    path = here / "alone.yaml"
    path.write_text(yaml.safe_dump(recipe(GROUNDS["scifact"], NOBODY, ALONE, RATES, test=True)))
    made = load_recipe(path).recipe
    assert made.name == "scifact-none-alone"
    assert made.generation is None
    assert made.mixing.budget(1.0) == (0, 3)
    asked_for = {"rates": RATES, "arms": ("none", "gated"), "seeds": 5}
    assert plan("alone", "scifact", "none", "alone", **asked_for).text["source"]["evaluation"] == ["dev", "test"]


def test_every_row_is_of_the_protocol_as_it_stands(here):
    """What was measured under another protocol would have to be measured again."""
    measured = list(cells(STUDY, "ablations"))
    assert measured
    for one in measured:
        asked_for = {"rates": [inner_rate(STUDY, one.ground)], "arms": arms_of(one.condition), "seeds": 3}
        assert plan("ablations", one.ground, one.generator, one.condition, **asked_for).digest == one.digest


def test_a_test_split_is_not_read_a_second_time(here, tmp_path):
    planned = plan("test", "scifact", "smollm2", "base", rates=RATES[:3], arms=TEST_ARMS, seeds=5)
    planned.refuse_another(tmp_path)
    write(tmp_path, a_tested_cell(digest=planned.digest), scores(0.0))
    planned.refuse_another(tmp_path)
    assert planned.is_there(tmp_path)
    write(tmp_path, a_tested_cell(digest="of another recipe"), scores(0.0))
    with pytest.raises(ValueError, match="test/scifact-smollm2-base: was measured as another recipe says; the test"):
        planned.refuse_another(tmp_path)


def test_a_program_with_uncommitted_changes_does_not_test(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "benchmarks").mkdir()
    program = tmp_path / "benchmarks" / "study.py"
    program.write_text("1")
    git(tmp_path, "add", "benchmarks")
    git(tmp_path, "commit", "-q", "-m", "program")
    refuse_uncommitted(tmp_path)
    program.write_text("2")
    with pytest.raises(ValueError, match="files of the program differ from the commit; commit them before the test"):
        refuse_uncommitted(tmp_path)


def git(folder, *command):
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *command], cwd=folder, check=True)


def test_a_digest_knows_settings_and_not_where_files_lie(here, monkeypatch, tmp_path_factory):
    def digest(**changes):
        asked_for = {"rates": RATES, "arms": ("gated",), "seeds": 3} | changes
        return plan("ablations", "scifact", "smollm2", "base", **asked_for).digest

    found = digest()
    assert digest(seeds=2) != found
    assert digest(rates=RATES[:2]) != found
    assert digest(arms=("gated", "hybrid")) != found
    assert digest(student=("L6", {"kind": "path", "path": "/elsewhere/l6"})) != found
    folder = tmp_path_factory.mktemp("elsewhere") / "scifact"
    (folder / "qrels").mkdir(parents=True)
    monkeypatch.setenv("SYNEG_SCIFACT", str(folder))
    assert digest() == found


def test_rows_come_back_as_they_were_written(tmp_path):
    given = {("gated", 13): {"q1": 0.5, "q2": 0.25}, ("hybrid", 13): {"q1": 1.0, "q2": 0.0}}
    write(tmp_path, cell(), given)
    (found,) = cells(tmp_path, "ablations")
    assert found == cell()
    assert read_scores(tmp_path, found) == given
    (tmp_path / "ablations" / "scifact-smollm2-base.parquet").unlink()
    assert list(cells(tmp_path, "ablations")) == []


def test_a_cell_that_was_cut_off_is_none(tmp_path):
    """Killed while scores are written: neither the new cell nor the one before, whose scores may be gone."""
    write(tmp_path, cell(), scores(0.0))
    with pytest.raises(KeyError):
        write(tmp_path, cell(pairs=200), NotWhole())
    assert list(cells(tmp_path, "ablations")) == []


class NotWhole(dict):
    def items(self):
        raise KeyError("killed")


def test_differences_are_paired_by_seed_and_query():
    given = {
        ("none", 13): {"q1": 0.1, "q2": 0.2},
        ("gated", 13): {"q1": 0.5, "q2": 0.25},
        ("gated", 14): {"q1": 0.4, "q2": 0.25},
        ("hybrid", 13): {"q1": 1.0, "q2": 0.0},
        ("hybrid", 14): {"q1": 0.5, "q2": 0.5},
    }
    queries, table = differences(given, "hybrid", "gated")
    assert queries == ["q1", "q2"]
    assert table == pytest.approx(np.array([[0.5, -0.25], [0.1, 0.25]]))
    assert differences(given, "hybrid", "none")[1] == pytest.approx(np.array([[0.9, -0.2], [0.4, 0.3]]))
    queries, table = differences(given, "hybrid", "gated", ["q1"])
    assert queries == ["q2"]
    assert table == pytest.approx(np.array([[-0.25], [0.25]]))
    with pytest.raises(ValueError, match=r"hybrid has seeds \[13, 14\], gated has \[13\]"):
        differences({key: values for key, values in given.items() if key != ("gated", 14)}, "hybrid", "gated")
    assert mean(given, "gated") == pytest.approx(0.35)
    assert mean(given, "gated", ["q2"]) == pytest.approx(0.45)


def test_the_rate_is_that_of_both_arms_together_and_the_lowest_of_equals(tmp_path):
    gated, hybrid = (0.50, 0.60, 0.58, 0.4, 0.3), (0.50, 0.55, 0.57, None, 0.2)
    tried = {
        arm: dict(zip(map(str, RATES), given, strict=True)) for arm, given in (("gated", gated), ("hybrid", hybrid))
    }
    assert rate_of(tmp_path, "scifact") is None
    write(tmp_path, cell(stage="rates", tried=tried), scores(0.0))
    assert rate_of(tmp_path, "scifact") == 1e-4  # 0.575 twice
    other = cell(stage="rates", ground="medquad-small", tried={"gated": {"5e-05": 0.5}, "hybrid": {"5e-05": 0.5}})
    write(tmp_path, other, scores(0.0))  # of another grid
    assert rate_of(tmp_path, "medquad-small") is None
    assert "medquad" not in rates(tmp_path)
    assert "| scifact | hybrid | 300 | 50.00 | 55.00 | 57.00 | ran away | 20.00 | 0.0001 |" in rates(tmp_path)
    lower = {str(rate): 0.6 for rate in GROUNDS["squad-nqg-small"].rates}
    write(tmp_path, cell(stage="rates", ground="squad-nqg-small", tried={"gated": lower}), scores(0.0))
    line = "| squad-nqg-small | gated | 300 | 60.00 | 60.00 | 60.00 | 60.00 | 60.00 | - | - | 1.25e-05 |"
    assert line in rates(tmp_path)


def every_condition(folder, generator, gains):
    for condition, ground in asked(folder, generator):  # what comes next depends on what has been written
        gain = gains.get((condition, ground), 0.0)
        made = cell(condition=condition, ground=ground, generator=generator)
        write(folder, made, scores(gain, CONDITIONS[condition].arm))


def test_every_condition_is_measured_on_one_collection_and_what_is_better_than_base_on_the_others(tmp_path):
    order = asked(tmp_path, "smollm2")
    first = [next(order) for _ in range(len(GROUNDS) + len(CONDITIONS) - 1)]
    assert first[:4] == [
        ("base", "medquad-small"), ("base", "squad-nqg-small"), ("base", "scifact"), ("rewrite", "squad-nqg-small"),
    ]  # fmt: skip
    assert {condition for condition, ground in first if ground == SCREEN} == set(CONDITIONS)
    with pytest.raises(
        ValueError, match="smollm2: not yet measured: base on squad-nqg-small, rewrite on squad-nqg-small, "
    ):
        next(order)
    gains = {"distillation": 0.2, "base": 0.01, "two": 0.08, "hot": 0.07, "six": 0.06, "cold": 0.02, "graded": 0.3}
    for condition in CONDITIONS:
        made = cell(condition=condition, ground=SCREEN, pairs={"graded": 149, "base": 300}.get(condition, 150))
        write(tmp_path, made, scores(gains.get(condition, 0.0), CONDITIONS[condition].arm))
    assert promoted(tmp_path, "smollm2") == ["two", "hot"]  # six is the third
    order = asked(tmp_path, "qwen")
    assert next(order) == ("base", SCREEN)
    with pytest.raises(ValueError, match="smollm2: not yet measured: base on medquad-small"):
        next(order)  # the best of a generator is not known before all of it is measured
    assert list(asked(tmp_path, "smollm2"))[len(first) :] == [
        (condition, ground) for condition in ("two", "hot") for ground in ("medquad-small", "scifact")
    ]
    write(tmp_path, cell(ground=SCREEN), scores(0.07))
    assert promoted(tmp_path, "smollm2") == ["two"]  # hot is no better than base


def test_with_another_generator_the_best_of_the_first_is_measured_too(tmp_path):
    every_condition(tmp_path, "smollm2", {("hot", ground): 0.03 for ground in GROUNDS})
    order = asked(tmp_path, "qwen")
    assert [next(order) for _ in range(2)] == [("base", SCREEN), ("hot", SCREEN)]
    for condition, gain in (("base", 0.0), ("hot", -0.01)):
        write(tmp_path, cell(generator="qwen", condition=condition, ground=SCREEN, pairs=100), scores(gain))
    assert list(asked(tmp_path, "qwen"))[2:] == [("base", "medquad-small"), ("base", "scifact")]
    write(tmp_path, cell(generator="qwen", condition="hot", ground=SCREEN, pairs=100), scores(0.01))
    assert list(asked(tmp_path, "qwen"))[2:] == [("hot", "medquad-small"), ("hot", "scifact")]


def test_rates_beside_one_are_its_neighbours():
    assert rates_beside("scifact", 1e-4) == (5e-5, 1e-4, 2e-4)
    assert rates_beside("squad-nqg-small", 5e-5) == (2.5e-5, 5e-5, 1e-4)


@pytest.mark.parametrize("place", [0, 4])
def test_a_rate_at_an_end_of_its_grid_is_not_taken(tmp_path, place):
    with pytest.raises(ValueError, match="scifact: no rate yet; first run"):
        inner_rate(tmp_path, "scifact")
    write(tmp_path, best_rate("scifact", place), scores(0.0))
    with pytest.raises(ValueError, match=f"scifact: the best rate, {RATES[place]:g}, is an end of the grid; move its"):
        inner_rate(tmp_path, "scifact")


def best_rate(ground, place):
    grid = GROUNDS[ground].rates
    tried = {arm: {str(rate): 0.5 + 0.1 * (rate == grid[place]) for rate in grid} for arm in ("gated", "hybrid")}
    return cell(stage="rates", ground=ground, tried=tried)


def test_every_arm_is_tested_where_the_question_is_decided_and_some_beside_it(tmp_path):
    for ground in GROUNDS:
        write(tmp_path, best_rate(ground, 1), scores(0.0))
    chosen = {"smollm2": {"condition": "base"}, "qwen": {"condition": "hot"}}
    every = Only(None, None, None)
    found = list(cells_to_test(tmp_path, every, {"decides": "qwen", "chosen": chosen}))
    last = [found.pop() for _ in GROUNDS]
    assert [(c["stage"], c["ground"], c["generator"], c["arms"]) for c in reversed(last)] == [
        ("alone", ground, "none", ("none", "gated")) for ground in GROUNDS
    ]
    assert {c["stage"] for c in found} == {"test"}
    beside = ("none", "in_batch", "dense", "gated", "synthetic", "hybrid")
    assert [(c["generator"], c["ground"], (c["student"] or ("L3",))[0], c["arms"]) for c in found] == [
        *(("qwen", ground, "L3", TEST_ARMS) for ground in GROUNDS),
        ("qwen", "scifact", "L6", beside),
        *(("smollm2", ground, "L3", beside) for ground in GROUNDS),
    ]
    tuned = {c["ground"]: c["rates"] for c in found if c["arms"] == TEST_ARMS}
    assert tuned == {ground: GROUNDS[ground].rates[:3] for ground in GROUNDS}
    assert all(c["rates"] == (GROUNDS[c["ground"]].rates[1],) for c in found if c["arms"] == beside)
    assert {c["seeds"] for c in found} == {5}
    del chosen["smollm2"]
    found = cells_to_test(tmp_path, every, {"decides": "qwen", "chosen": chosen})
    assert {c["generator"] for c in found} == {"qwen", "none"}
    one = Only("scifact", "qwen", None)
    found = cells_to_test(tmp_path, one, {"decides": "qwen", "chosen": chosen})
    assert {(c["stage"], c["ground"]) for c in found} == {("test", "scifact")}


def test_a_generator_that_leaves_too_few_pairs_is_not_tested(tmp_path):
    every_condition(tmp_path, "smollm2", {})
    every_condition(tmp_path, "qwen", {})
    for condition, ground in asked(tmp_path, "qwen"):
        write(tmp_path, cell(generator="qwen", condition=condition, ground=ground, pairs=29), scores(0.5))
    found = freeze(tmp_path)
    assert list(found["chosen"]) == ["smollm2"] and found["decides"] == "smollm2"
    keep_frozen(tmp_path, found)
    for name in ("study.md", "README.md"):
        (tmp_path / name).write_text(MARKS)
    update(tmp_path, tmp_path / "study.md", tmp_path / "README.md")
    said = "With Qwen2.5-Coder-1.5B-Instruct nothing is tested: no condition leaves 30 pairs on every collection."
    assert said in (tmp_path / "study.md").read_text()
    for condition, ground in asked(tmp_path, "smollm2"):
        write(tmp_path, cell(condition=condition, ground=ground, pairs=29), scores(0.0))
    with pytest.raises(ValueError, match="no condition of any generator leaves 30 pairs on every collection"):
        freeze(tmp_path)


def test_the_best_mean_on_dev_is_frozen_and_distillation_never(tmp_path):
    gains = {("rewrite", "scifact"): 0.09, ("rewrite", "medquad-small"): -0.04, ("hot", "squad-nqg-small"): 0.009}
    gains |= {("rewrite", "squad-nqg-small"): 0.01, ("cold", "squad-nqg-small"): 0.02}
    # hot is not among the best two there, so its gain elsewhere is never seen
    gains |= {("hot", "scifact"): 0.5, ("hot", "medquad-small"): 0.5}
    gains |= {("distillation", ground): 0.2 for ground in GROUNDS}
    every_condition(tmp_path, "smollm2", gains)
    write(tmp_path, cell(condition="cold", pairs=29), scores(0.9))  # too few pairs to be chosen
    assert [row["condition"] for row in ranking(tmp_path, "smollm2")] == ["rewrite", "base"]
    with pytest.raises(ValueError, match="qwen: not yet measured: base on squad-nqg-small, rewrite on"):
        freeze(tmp_path)
    for ground in GROUNDS:  # not asked for, so not chosen
        write(tmp_path, cell(generator="qwen", condition="six", ground=ground), scores(0.3))
    every_condition(tmp_path, "qwen", {("base", "scifact"): 0.12})
    found = freeze(tmp_path)
    assert {name: row["condition"] for name, row in found["chosen"].items()} == {"smollm2": "rewrite", "qwen": "base"}
    assert found["chosen"]["smollm2"]["mean"] == pytest.approx(0.02, abs=1e-6)
    assert found["decides"] == "qwen"
    keep_frozen(tmp_path, found)
    other = {**found, "decides": "smollm2"}
    keep_frozen(tmp_path, other)  # nothing was tested yet
    write(tmp_path, a_tested_cell(), scores(0.0))
    with pytest.raises(ValueError, match="test splits have been read with what stands there"):
        keep_frozen(tmp_path, found)
    keep_frozen(tmp_path, other)


def test_who_serves_few_pairs_does_not_decide(tmp_path):
    """Trained for few steps, hardly anything differs, which would be the best of two that do harm."""
    every_condition(tmp_path, "smollm2", {("base", ground): -0.01 for ground in GROUNDS})
    every_condition(tmp_path, "qwen", {(name, ground): -0.001 for name in CONDITIONS for ground in GROUNDS})
    assert freeze(tmp_path)["decides"] == "smollm2"  # equals: rewrite with 0 there
    for ground, pairs in (("medquad-small", 150), ("squad-nqg-small", 149), ("scifact", 400)):
        for condition in ("base", "rewrite"):
            write(tmp_path, cell(generator="qwen", condition=condition, ground=ground, pairs=pairs), scores(0.04))
    assert freeze(tmp_path)["decides"] == "smollm2"
    for condition in ("base", "rewrite"):
        made = cell(generator="qwen", condition=condition, ground=SCREEN, pairs=150)
        write(tmp_path, made, scores(0.04))
    found = freeze(tmp_path)
    assert found["decides"] == "qwen"
    assert found["chosen"]["qwen"]["pairs"] == {"medquad-small": 150, "squad-nqg-small": 150, "scifact": 400}


def test_queries_with_a_common_positive_are_drawn_together(tmp_path):
    write(tmp_path, cell(), scores(0.02))
    apart = difference(tmp_path, cell(), "hybrid", "gated").interval
    given = scores(0.02)
    for seed in (13, 14, 15):  # queries of a group gain or lose alike
        given["hybrid", seed] = {q: 0.52 + 0.1 * (-1) ** (n // 4) for n, q in enumerate(QUERIES)}
    write_rows(tmp_path, cell(), given)
    alike = difference(tmp_path, cell(), "hybrid", "gated").interval
    write_groups(tmp_path, "scifact", "dev", {query_id: n // 4 for n, query_id in enumerate(QUERIES)})
    assert read_groups(tmp_path, cell())["q7"] == 1
    together = difference(tmp_path, cell(), "hybrid", "gated").interval
    assert together.mean == alike.mean == pytest.approx(0.02)
    assert apart.mean == pytest.approx(0.02)
    assert together.high - together.low > 1.8 * (alike.high - alike.low)  # 2 = sqrt(4), and t of fewer groups
    (tmp_path / "groups" / "scifact-dev.parquet").unlink()
    with pytest.raises(ValueError, match=r"groups/scifact-dev\.parquet is missing"):
        difference(tmp_path, cell(), "hybrid", "gated")


def test_what_a_condition_gains_beyond_base_is_paired(tmp_path):
    write(tmp_path, cell(), scores(0.01, queries=QUERIES[::-1]))
    write(tmp_path, cell(condition="hot"), scores(0.03))
    base, hot = found = ablations(tmp_path)
    assert beyond_base(tmp_path, found, base) is None
    beyond = beyond_base(tmp_path, found, hot)
    assert beyond.mean == pytest.approx(0.02)
    assert beyond.seeds == 3
    assert beyond_base(tmp_path, [hot], hot) is None


def test_a_figure_that_goes_against_the_outcome_has_a_negative_rank_correlation(tmp_path):
    for place, condition in enumerate(CONDITIONS):
        for ground in GROUNDS:
            audit = {"query_blind_auc": [0.6 + 0.02 * place, 0.5, 1.0], "source_auc": [0.9, 0.8, 1.0]}
            made = cell(condition=condition, ground=ground, audit=audit)
            write(tmp_path, made, scores(-0.01 * place, CONDITIONS[condition].arm))
    for condition in list(CONDITIONS)[:5]:  # another generator: better and with a worse figure, in the same order
        audit = {"query_blind_auc": [0.9 + 0.01 * list(CONDITIONS).index(condition), 0.5, 1.0]}
        made = cell(generator="qwen", condition=condition, audit=audit)
        write(tmp_path, made, scores(0.2 - 0.01 * list(CONDITIONS).index(condition), CONDITIONS[condition].arm))
    found = correlations(ablations(tmp_path))  # source_auc is the same everywhere, so nothing is said of it
    assert [(one.figure, one.strata, one.cells) for one in found] == [
        ("query_blind_auc", "where every condition was measured", 15),  # without distillation and restyled
        ("query_blind_auc", "all", 3 * 15 + 5),
    ]
    assert "`query_blind_auc`, over the 15 conditions on squad-nqg-small, predicts the outcome: " in foretells(found)
    # tanh(2.8016 * sqrt(1.06 / 12))
    assert foretells(found).endswith("With so many conditions a correlation of -0.68 is found four times out of five.")
    first, *others = found
    assert "does not predict the outcome: its" in foretells([replace(first, low=-0.49, high=0.1), *others])
    assert "may or may not predict the outcome: there" in foretells([replace(first, low=-0.5, high=0.1)])
    assert foretells(others) == ""
    for one in found:
        assert one.rho == pytest.approx(-1.0)
        assert one.high < -0.9


def a_tested_cell(**fields):
    dev = {arm: 0.5 for arm in TEST_ARMS} | {"bm25": 0.6, "nearest": 0.55, "hybrid": 0.7, "synthetic": 0.8}
    rates = {arm: 1e-4 if ARMS[arm].trains else None for arm in TEST_ARMS}
    tried = {arm: {} for arm in TEST_ARMS}
    served = {"bm25": 310, "dense": 320, "hybrid": 300}
    return cell(
        stage="test", split="test", dev=dev, rates=rates, tried=tried, seen=["q0", "q1"], served=served, **fields
    )


def test_the_rival_is_the_best_mined_only_arm_on_dev(tmp_path):
    assert a_tested_cell().rival == "bm25"
    assert cell().rival == "gated"
    better = {"in_batch": 0.51, "gated": 0.5, "hybrid": 0.6}
    assert cell(dev=better, rates=dict.fromkeys(better, 1e-4)).rival == "in_batch"


def test_an_ablation_counts_against_the_better_rival(tmp_path):
    better = {"in_batch": 0.51, "gated": 0.5, "hybrid": 0.6}
    made = cell(dev=better, rates=dict.fromkeys(better, 1e-4), ground=SCREEN)
    given = scores(0.03) | {("in_batch", seed): dict.fromkeys(QUERIES, 0.51) for seed in (13, 14, 15)}
    write(tmp_path, made, given)
    (one,) = ablations(tmp_path)
    assert (one.arm, one.other) == ("hybrid", "in_batch")
    assert one.interval.mean == pytest.approx(0.02)
    assert outcome(tmp_path, made) == pytest.approx(0.02)
    assert arms_of("base") == ("in_batch", "gated", "hybrid")
    assert arms_of("restyled") == ("in_batch", "gated", "restyled")
    assert arms_of("distillation") == ("gated", "hybrid")  # the gate has no word on the batch


@pytest.mark.parametrize(
    ("mean", "low", "high", "said"),
    [
        (0.012, 0.001, 0.02, "better; as hoped for"),
        (0.008, 0.001, 0.02, "better; a gain of a point is undecided"),
        (0.006, 0.003, 0.009, "better; a gain of a point is ruled out"),
        (0.002, -0.005, 0.009, "not told apart; a gain of a point is ruled out"),
        (0.012, -0.005, 0.029, "not told apart; a gain of a point is undecided"),
        (-0.02, -0.03, -0.001, "worse; a gain of a point is ruled out"),
    ],
)
def test_what_an_interval_says(mean, low, high, said):
    assert verdict(Interval(mean, low, high, 0.95, 5, 300, "queries and seeds")) == said


@pytest.mark.parametrize(
    ("deciding", "said"),
    [
        ("hoped hoped none", "**They help**: 2 of 3 as hoped for, 1 with a gain of a point ruled out, 0 worse."),
        (
            "hoped none worse",
            "**They do not help by a point**: 1 of 3 as hoped for, 2 with a gain of a point ruled out, 1",
        ),
        ("hoped none wide", "**The study was too small to say**: 1 of 3 as hoped for, 1 with"),
        ("hoped hoped", "Measured on 2 of 3 collections; the question is decided when all are."),
    ],
)
def test_the_answer_counts_collections(deciding, said):
    found = {"hoped": (0.02, 0.01, 0.03), "none": (0, -0.01, 0.009), "worse": (-2, -3, -1), "wide": (0, -0.02, 0.02)}
    intervals = [Interval(*found[one], 0.95, 5, 300, "queries and seeds") for one in deciding.split()]
    assert answer(intervals).startswith(said)


def test_the_page_says_all_that_the_rows_say_and_keeps_the_rest(tmp_path):
    folder, page, readme = tmp_path / "rows", tmp_path / "study.md", tmp_path / "README.md"
    page.write_text(MARKS)
    readme.write_text(MARKS)
    update(folder, page, readme)
    assert "No test split has been read under this protocol." in readme.read_text()
    write(folder, cell(stage="rates"), scores(0.0, seeds=1))
    every_condition(folder, "smollm2", {("hot", "scifact"): 0.06, ("hot", "squad-nqg-small"): 0.03})
    every_condition(folder, "qwen", {})
    assert "### Stage 3" in tables_of(folder, page, readme)
    by_itself = cell(stage="alone", generator="none", condition="alone", split="test", pairs=600)
    write(folder, by_itself, {**scores(0.0, seeds=2), ("none", 13): dict.fromkeys(QUERIES, 0.25)})
    (folder / "frozen.json").write_text('{"decides": "smollm2", "chosen": {"smollm2": {}, "qwen": {}}}')
    given = {
        (arm, seed): dict.fromkeys(QUERIES, 0.5 + 0.03 * (arm == "hybrid")) for arm in TEST_ARMS for seed in (13, 14)
    }
    write(folder, a_tested_cell(condition="hot"), given)
    negative = {"source": "bm25", "relevance": 0.25, "text": "<b>no</b>\nmore"}
    pair = {"query": "why?", "positive": "be_cause", "negatives": [negative]}
    content = {"generator": "smollm2", "condition": "hot", "pairs": {"scifact": [pair]}}
    (folder / "examples.json").write_text(json.dumps(content))
    update(folder, page, readme)
    said = page.read_text()
    assert said.startswith("# Page\n\nbefore\n")
    assert said.endswith(f"{END}\n\nafter\n")
    assert "an earlier table" not in said
    line = "| scifact | SmolLM2-135M-Instruct | L3 | hot | 53.00 | 50.00 (bm25) | +3.00 (+3.00 to +3.00) |"
    assert f"{line} +3.00 (+3.00 to +3.00) | better; as hoped for | yes |" in said
    assert "Measured on 1 of 3 collections" in said
    assert "| SmolLM2-135M-Instruct | scifact | 40 | 0." in said  # power
    assert "(bm25 310, dense 320, hybrid 300)" in said
    assert "Commits: 0123456789ab." in said
    assert line in readme.read_text()
    assert "| SmolLM2-135M-Instruct | temperature: 1.1 | scifact | 300 | 56.00 | - | 50.00 | +6.00 (" in said
    assert "| hot | +3.00 | +0.00 | +3.00 | +6.00 |" in said
    assert "| hot | 300 | 600 | 53.00 | 50.00 | +3.00 (+3.00 to +3.00) | 25.00 |" in said  # beside mining alone
    assert "**scifact**: why?\n\n- *positive*: be\\_cause\n- *bm25*, 0.250: \\<b\\>no\\</b\\> more\n" in said
    assert "| SmolLM2-135M-Instruct | base | scifact | 1,200 | 1,080 | 300 | 320 | 500 |" in said
    assert "2 test queries have a positive that was trained on" in said
    for name in ("study-conditions.png", "study-audit.png", "study-test.png"):
        assert (tmp_path / name).stat().st_size > 10_000
        assert f"({name})" in said
    before = page.read_bytes()
    update(folder, page, readme)
    assert page.read_bytes() == before


def tables_of(folder, page, readme):
    update(folder, page, readme)
    return page.read_text()


def test_the_committed_page_is_made_of_the_committed_rows(tmp_path):
    copies = [tmp_path / path.name for path in (PAGE, README)]
    for path, copy in zip((PAGE, README), copies, strict=True):
        copy.write_bytes(path.read_bytes())
    update(STUDY, *copies)
    assert [copy.read_text() for copy in copies] == [PAGE.read_text(), README.read_text()]


def test_test_rows_are_of_what_was_frozen():
    found = list(cells(STUDY, "test"))
    if not found:
        pytest.skip("no test split has been read")
    frozen = json.loads((STUDY / "frozen.json").read_text())
    assert frozen == freeze(STUDY)
    assert {(one.generator, one.condition) for one in found} <= {
        (generator, row["condition"]) for generator, row in frozen["chosen"].items()
    }


def test_protocol_and_choice_were_committed_before_the_test():
    """Each row names the commit of its program: there the choice stood as it does now, and no file had been changed."""
    tested = [cell for stage in READ_TEST for cell in cells(STUDY, stage)]
    if not tested:
        pytest.skip("no test split has been read")
    frozen = (STUDY / "frozen.json").read_bytes()
    for commit in {cell.made_by["commit"] for cell in tested}:
        assert not commit.endswith("+")
        shown = [
            subprocess.run(["git", "show", f"{commit}:./{name}"], cwd=folder, capture_output=True, check=False)
            for folder, name in ((STUDY, "frozen.json"), (PAGE.parent, PAGE.name))
        ]
        if not (PAGE.parents[1] / ".git").exists() or any(b"nvalid object name" in one.stderr for one in shown):
            pytest.skip("the history is not here")
        assert shown[0].stdout == frozen
        assert b"## Protocol" in shown[1].stdout


def test_only_what_is_committed_is_tested(tmp_path):
    git(tmp_path, "init", "-q")
    with pytest.raises(ValueError, match="nothing is frozen yet"):
        read_frozen(tmp_path)
    every_condition(tmp_path, "smollm2", {})
    every_condition(tmp_path, "qwen", {})
    keep_frozen(tmp_path, freeze(tmp_path))
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "empty")
    with pytest.raises(ValueError, match="is not committed as it is"):
        read_frozen(tmp_path)
    git(tmp_path, "add", "frozen.json")
    git(tmp_path, "commit", "-q", "-m", "frozen")
    assert read_frozen(tmp_path) == freeze(tmp_path)
    write(tmp_path, cell(generator="qwen"), scores(0.1))
    with pytest.raises(ValueError, match="is not what dev chooses"):
        read_frozen(tmp_path)


def test_the_command_says_what_it_needs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.study", "freeze", "--help"], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert "--collection" in done.stdout
    assert "--report" in done.stdout


def test_a_condition_is_refused_where_there_is_no_choice():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.study", "test", "--condition", "base"], capture_output=True, text=True,
        check=False, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 2
    assert "--condition base: only the stage `ablations` has a choice of conditions" in done.stderr


def test_difference_without_seen_queries(tmp_path):
    given = {
        ("gated", 13): dict.fromkeys(QUERIES, 0.5),
        ("hybrid", 13): {q: 1.0 if q in ("q0", "q1") else 0.5 for q in QUERIES},
    }
    made = cell(seen=["q0", "q1"])
    write(tmp_path, made, given)
    assert difference(tmp_path, made, "hybrid", "gated").interval.mean == pytest.approx(0.025)
    assert difference(tmp_path, made, "hybrid", "gated", unseen=True).interval.mean == 0.0
