"""`compare`: equal budgets, committed runs, and the same rows however often it is stopped."""

import json
import math
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from syneg_data.errors import InputError
from syneg_data.execution import Silence
from syneg_data.judge.arms import ARMS as ALL_ARMS
from syneg_data.judge.compare import compare
from syneg_data.judge.experiment import prepare
from syneg_data.judge.power import plan_seeds
from syneg_data.judge.runs import run_arms
from syneg_data.judge.train import read_examples
from syneg_data.pipeline import build
from syneg_data.publishing.release import open_release
from syneg_data.recipe import Comparison
from syneg_data.training.metrics import METRICS

ARMS = ("none", "in_batch", "random", "bm25", "gated")


class Stop(Exception):
    pass


class StopAfter(Silence):
    """Ends the comparison in the middle of its n-th training run."""

    def __init__(self, runs):
        self.runs, self.started, self.steps = runs, 0, 0

    def start(self, stage, total, unit):
        if unit == "steps":
            self.started += 1
            self.steps = 0
            self.lengths = [*getattr(self, "lengths", []), total]

    def advance(self, items, *, reused=False):
        self.steps += items
        if self.started == self.runs and self.steps == 3:
            raise Stop


def rows(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def test_arms_have_equal_budgets_and_a_stopped_comparison_goes_on(recipe, fresh_cache, tmp_path):
    file = recipe()
    watch = StopAfter(10**6)
    whole = compare(file, tmp_path / "whole", ARMS, 2, watch)
    # Four arms train: two learning rates for the first seed, the better one for the second.
    assert len(watch.lengths) == 4 * 3
    assert set(watch.lengths) == {2 * math.ceil(whole["pairs"] / 8)}
    with pytest.raises(Stop):
        compare(file, tmp_path / "stopped", ARMS, 2, StopAfter(5))
    committed = len(list((tmp_path / "stopped" / "runs").glob("*.json")))
    assert committed == 3  # none, in_batch twice; the arm in work is not there
    assert {row["arm"] for row in rows(tmp_path / "stopped", "results")} == {"none", "in_batch"}
    again = StopAfter(10**6)
    resumed = compare(file, tmp_path / "stopped", ARMS, 2, again)
    assert len(again.lengths) == 3 * 3
    assert resumed["headline"] == whole["headline"]
    for name in ("results", "scores"):
        assert rows(tmp_path / "stopped", name) == rows(tmp_path / "whole", name)
    third = StopAfter(10**6)
    more = compare(file, tmp_path / "whole", ARMS, 3, third)
    assert len(third.lengths) == 4  # the third seed alone
    assert more["headline"]["seeds"] == 3


def test_the_rows_are_as_the_contract_says_and_the_tables_are_their_means(recipe, fresh_cache, tmp_path):
    report = compare(recipe(), tmp_path / "out", ("none", "in_batch", "gated"), 2, Silence())
    results, scores = rows(tmp_path / "out", "results"), rows(tmp_path / "out", "scores")
    assert list(results[0]) == ["arm", "seed", "dataset", "split", "metric", "value"]
    assert list(scores[0]) == ["arm", "seed", "dataset", "split", "metric", "query_id", "value"]
    for row in results:
        key = {name: row[name] for name in ("arm", "seed", "dataset", "split", "metric")}
        values = [s["value"] for s in scores if all(s[name] == value for name, value in key.items())]
        assert row["value"] == pytest.approx(sum(values) / len(values))
    gated = [r["value"] for r in results if r["arm"] == "gated" and r["split"] == "test" and r["metric"] == "nDCG@10"]
    table = {row["arm"]: row for row in report["tables"]["slice"]["test"]}
    assert table["gated"]["nDCG@10"] == pytest.approx(sum(gated) / 2, abs=5e-5)
    assert set(METRICS) <= set(table["none"])
    page = (tmp_path / "out" / "README.md").read_text()
    (line,) = [
        line for line in page.splitlines() if line.startswith("| gated") and f"{table['gated']['nDCG@10']:.4f}" in line
    ]
    assert f"{table['gated']['to_none']['mean']:+.4f} (" in line
    assert page.splitlines()[2] == f"- {report['verdict'][0]}"
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report


def test_other_collections_are_measured_too(recipe, slice_of_scifact, fresh_cache, tmp_path):
    source = {"kind": "beir", "path": str(slice_of_scifact), "split": "test", "license": "cc-by-4.0"}
    comparison = {"learning_rates": [1e-3], "elsewhere": [{"name": "other", "source": source}]}
    report = compare(recipe(comparison=comparison), tmp_path / "out", ("none", "in_batch"), 1, Silence())
    assert set(report["tables"]) == {"slice", "other"}
    here, there = report["tables"]["slice"]["test"], report["tables"]["other"]["test"]
    assert [row["nDCG@10"] for row in here] == [row["nDCG@10"] for row in there]  # the same queries and corpus


def test_a_plan_says_what_more_seeds_detect(recipe, fresh_cache, tmp_path):
    with pytest.raises(InputError, match="holds no finished comparison to take the variance from; first run a pilot"):
        plan_seeds(tmp_path / "out", "slice")
    compare(recipe(), tmp_path / "out", ("in_batch", "gated"), 2, Silence())
    plan = plan_seeds(tmp_path / "out", "slice")
    assert [row["seeds"] for row in plan["rows"]] == [1, 2, 3, 5, 10]
    assert plan["pilot"]["seeds"] == 2
    later = [row["detectable"] for row in plan["rows"][1:]]
    assert later == sorted(later, reverse=True) and later[-1] > 0
    assert plan["rows"][2]["runs"] == 2 * (2 + 2)
    path = tmp_path / "out" / "report.json"
    report = json.loads(path.read_text())
    assert plan["design_effect"] == report["headline"]["design_effect"]
    assert plan["design_effect"] != 1.0, "queries of the slice have positives in common"
    report["headline"]["design_effect"] = 100.0
    path.write_text(json.dumps(report))
    assert all(
        row["detectable"] > smaller * 2
        for row, smaller in zip(plan_seeds(tmp_path / "out", "slice")["rows"][1:], later, strict=True)
    )
    with pytest.raises(InputError, match="holds runs of slice, not of 'other'; name the recipe they come from"):
        plan_seeds(tmp_path / "out", "other")
    other = {"learning_rates": [2e-3]}
    compare(recipe(comparison=other), tmp_path / "out", ("in_batch", "gated"), 1, Silence())
    plan = plan_seeds(tmp_path / "out", "slice")
    assert plan["pilot"]["seeds"] == 1, "the runs of the other learning rates are left aside"
    assert plan["rows"][0]["runs"] == 2


def test_a_run_is_named_by_all_that_decides_it(recipe, fresh_cache, tmp_path):
    one = prepare(recipe(), tmp_path / "out", ("none", "in_batch"), Silence())
    fewer = replace(one, pairs=one.pairs[:-1])  # other queries are then free of leakage
    rates = replace(one, comparison=Comparison(learning_rates=(1e-3,)))
    none, in_batch = ALL_ARMS["none"], ALL_ARMS["in_batch"]
    assert one.key(none, 13) != fewer.key(none, 13)
    assert one.key(none, 13) == rates.key(none, 13)
    names = {experiment.key(in_batch, seed) for experiment in (one, fewer, rates) for seed in (13, 14)}
    assert len(names) == 6


def test_what_is_taught_of_an_arm_and_its_restyled_positives_name_its_runs(recipe, fresh_cache, tmp_path):
    one = prepare(recipe(), tmp_path / "out", ("none", "gated"), Silence())
    pair, scores = one.pairs[0], {pair: [0.9, 0.5, 0.4] for pair in one.pairs}
    other = next(doc_id for doc_id in one.collection.documents if doc_id != pair[1])
    made = [
        one,
        replace(one, versions={"gated": {pair: other}}),
        replace(one, relevance={"gated": scores}),
        replace(one, relevance={"gated": {**scores, pair: [0.9, 0.5, 0.3]}}),
    ]
    assert len({experiment.key(ALL_ARMS["gated"], 13) for experiment in made}) == 4
    assert len({experiment.key(ALL_ARMS["none"], 13) for experiment in made}) == 1
    of_another = replace(one, versions={"hybrid": {pair: other}}, relevance={"hybrid": scores})
    assert of_another.key(ALL_ARMS["gated"], 13) == one.key(ALL_ARMS["gated"], 13)
    assert made[1].examples("gated").positives[:2] == [one.collection.text(d) for d in (other, one.pairs[1][1])]
    assert made[2].examples("gated").scores == [[0.9, 0.5, 0.4]] * len(one.pairs)


def distilling(recipe):
    return recipe(training={**recipe().written["training"], "objective": {"kind": "distillation"}})


def test_distillation_is_taught_what_train_reads_of_a_release(recipe, fresh_cache, tmp_path):
    file = distilling(recipe)
    experiment = prepare(file, tmp_path / "out", (), Silence())
    assert list(experiment.negatives) == ["none", "gated"], "of the other arms the gate scored nothing"
    build(file, tmp_path / "release")
    released = read_examples(open_release(str(tmp_path / "release")), file.recipe.training)
    ours = experiment.examples("gated")
    known, found = (
        {row[:-1]: row[-1] for row in zip(e.queries, e.positives, *e.negatives, map(tuple, e.scores), strict=True)}
        for e in (released, ours)
    )
    assert len(found) == len(ours) >= 20 and found == known
    assert len({scores[0] for scores in found.values()}) > 15, "a score of its own for each positive"
    report = compare(file, tmp_path / "out", ("none", "gated"), 1, Silence())
    assert [(row["arm"], row["negatives"]) for row in report["arms"]] == [("none", 0), ("gated", 2)]
    assert report["settings"]["objective"]["kind"] == "distillation" and report["restyled_positives"] == {}


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (
            "random",
            "--arms random: objective distillation needs the gate's score of every negative, which this arm does not "
            "have; name arms among gated, synthetic, pooled, hybrid, restyled, count_matched, or set",
        ),
        ("placebo", "--arms placebo: objective distillation needs the gate's score"),
        ("in_batch", "--arms in_batch: objective distillation needs hard negatives"),
    ],
)
def test_what_distillation_cannot_use_is_refused_before_any_stage(recipe, fresh_cache, tmp_path, arm, message):
    with pytest.raises(InputError, match=message):
        compare(distilling(recipe), tmp_path / "out", ("gated", arm), 1, Silence())
    assert not (tmp_path / ".out.work").exists()


def test_arms_that_choose_alike_share_their_runs_under_their_own_names(recipe, fresh_cache, tmp_path):
    experiment = prepare(recipe(), tmp_path / "work", ("bm25", "gated"), Silence())
    alike = replace(experiment, negatives=dict.fromkeys(("bm25", "gated"), experiment.negatives["bm25"]))
    watch = StopAfter(10**6)
    runs = list(run_arms(alike, tmp_path / "runs", 1, watch))
    assert [run.arm for run in runs] == ["bm25", "gated"]
    assert len(watch.lengths) == 2  # the learning rates, once
    assert runs[0].scores == runs[1].scores
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "runs").iterdir()) == ["bm25", "gated"]


def test_what_a_killed_writer_left_is_no_foreign_file(recipe, fresh_cache, tmp_path):
    (tmp_path / "out" / "runs").mkdir(parents=True)
    (tmp_path / "out" / ".results.parquet.1.tmp").write_text("half")
    compare(recipe(), tmp_path / "out", ("none", "in_batch"), 1, Silence())


def test_a_folder_with_a_page_of_somebodys_own_is_left_alone(recipe, fresh_cache, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"holds what no comparison wrote \(README\.md\)"):
        compare(recipe(), tmp_path / "out", (), 1, Silence())


def test_an_arm_that_runs_away_at_every_rate_is_named(recipe, fresh_cache, tmp_path):
    file = recipe()
    broken = {**file.written["training"], "objective": {"kind": "ranking", "temperature": 1e-39}}
    with pytest.raises(
        InputError, match=r"arm in_batch, seed 13, learning rates 0\.001, 0\.003: .*not a finite number"
    ):
        compare(recipe(training=broken), tmp_path / "out", ("in_batch",), 1, Silence())


@pytest.mark.parametrize(
    ("changes", "arms", "message"),
    [
        ({"training": None}, (), "has no training section"),
        ({}, ("hybird",), "--arms hybird: no such arm; one of none, in_batch"),
        ({}, ("hybrid",), "--arms hybrid: the recipe has no synthetic negatives"),
        ({}, ("count_matched",), "it is a control of the hybrid arm"),
        ({"patience": 1}, (), "patience would give arms different numbers of steps"),
    ],
)
def test_bad_input(recipe, fresh_cache, tmp_path, changes, arms, message):
    if "patience" in changes:
        changes = {"training": {**recipe().written["training"], **changes}}
    with pytest.raises(InputError, match=message):
        compare(recipe(**changes), tmp_path / "out", arms, 1, Silence())
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_left_alone(recipe, fresh_cache, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds what no comparison wrote \(notes\.txt\)"):
        compare(recipe(), tmp_path / "out", (), 1, Silence())
