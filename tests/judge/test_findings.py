"""Findings: the headline, the controls and the warnings, from runs whose outcome is planted."""

import numpy as np
import pytest

from syneg_data.judge.findings import findings
from syneg_data.judge.runs import Run
from syneg_data.training.metrics import METRICS


def runs(effects, seeds=3, queries=120, noise=0.05):
    """Runs of arms whose true mean on test is 0.5 + effect; per-query difficulty is shared by all arms."""
    chance = np.random.default_rng(5)
    difficulty = chance.uniform(0.2, 0.8, queries)
    made = []
    for arm, effect in effects.items():
        for seed in range(1 if arm == "none" else seeds):
            values = np.clip(difficulty + effect + chance.normal(0, noise, queries), 0, 1)
            by_query = {f"q{i}": dict.fromkeys(METRICS, float(v)) for i, v in enumerate(values)}
            rate = None if arm == "none" else 5e-5
            made.append(
                Run(arm, seed, rate, {"5e-05": 0.5}, {"set": {"dev": by_query, "test": by_query}}, {}, 3, 10, 1.0)
            )
    return made


def test_a_planted_gain_is_found_against_the_best_rival_and_the_controls():
    found = findings(
        runs({"none": 0, "in_batch": 0.02, "bm25": 0.04, "hybrid": 0.1, "count_matched": 0.03, "placebo": 0.03}), "set"
    )
    headline = found["headline"]
    assert (headline["arm"], headline["against"], headline["reading"]) == ("hybrid", "bm25", "better")
    assert headline["mean"] == pytest.approx(0.06, abs=0.015)
    assert headline["low"] > 0 and headline["seeds"] == 3 and headline["queries"] == 120
    assert {name: c["reading"] for name, c in found["controls"].items()} == {
        "count_matched": "better",
        "placebo": "better",
    }
    assert found["verdict"][0].startswith("On set/test, hybrid is better than bm25: nDCG@10 +0.0")
    assert not [sentence for sentence in found["verdict"] if "WARNING" in sentence]


def test_no_effect_is_called_no_effect_and_the_placebo_is_named():
    found = findings(runs({"none": 0, "bm25": 0.04, "hybrid": 0.04, "placebo": 0.04}), "set")
    assert found["headline"]["reading"] == "no effect found"
    assert "no effect was found of hybrid over bm25: nDCG@10" in found["verdict"][0]
    assert any("nothing shows that it matters what the synthetic negatives say" in s for s in found["verdict"])


def test_harm_is_called_harm_and_an_arm_below_no_fine_tuning_is_flagged():
    found = findings(runs({"none": 0.05, "bm25": 0.1, "hybrid": -0.1}), "set")
    assert found["headline"]["reading"] == "worse"
    assert "hybrid is WORSE than bm25" in found["verdict"][0]
    warning = found["verdict"][-1]
    assert warning == (
        "WARNING: training leaves these arms below no fine-tuning on set/test: hybrid; it does harm with hybrid."
    )
    row = next(row for row in found["tables"]["set"]["test"] if row["arm"] == "hybrid")
    assert row["below_none"] and row["to_none"]["high"] < 0


def test_a_loss_within_noise_is_flagged_and_not_called_harm():
    found = findings(runs({"none": 0.0501, "bm25": 0.1, "random": 0.05}, noise=0.2), "set")
    row = next(row for row in found["tables"]["set"]["test"] if row["arm"] == "random")
    assert row["to_none"]["low"] < row["to_none"]["mean"] < 0 < row["to_none"]["high"]
    assert found["verdict"][-1].endswith("on set/test: random; no interval lies wholly below 0.")


def test_the_headline_is_never_against_no_fine_tuning():
    found = findings(runs({"none": 0, "hybrid": 0.2}), "set")
    assert found["headline"] is None
    assert "nothing to compare" in found["verdict"][0]


def test_the_rival_is_chosen_on_dev_and_not_on_test():
    made = runs({"none": 0, "bm25": 0.05, "random": 0.05, "hybrid": 0.1})
    for run in made:
        if run.arm == "random":  # better on dev, worse on test
            run.scores["set"]["dev"] = {q: dict.fromkeys(METRICS, 0.95) for q in run.scores["set"]["dev"]}
            run.scores["set"]["test"] = {q: dict.fromkeys(METRICS, 0.1) for q in run.scores["set"]["test"]}
    assert findings(made, "set")["headline"]["against"] == "random"


def test_one_seed_is_said_to_be_one():
    found = findings(runs({"bm25": 0.04, "gated": 0.1}, seeds=1), "set")
    assert found["headline"]["arm"] == "gated" and found["headline"]["covers"] == "queries"
    assert any("One seed only" in sentence for sentence in found["verdict"])


def test_queries_with_a_common_positive_are_drawn_together():
    made = runs({"bm25": 0.04, "hybrid": 0.1})
    (apart, together) = (
        findings(made, "set", groups)["headline"]
        for groups in (None, {"set": {"test": {f"q{i}": i // 4 for i in range(120)}}})
    )
    assert apart["design_effect"] == 1.0
    assert together["mean"] == apart["mean"]
    assert together["design_effect"] == pytest.approx(1.0, abs=0.5)  # noise does not know of groups
    assert together["design_effect"] != 1.0
    one = {"set": {"dev": {f"q{i}": 7 for i in range(120)}, "test": {f"q{i}": i // 60 for i in range(120)}}}
    found = findings(runs({"none": 0, "bm25": 0.04, "hybrid": 0.1}), "set", one)
    assert found["tables"]["set"]["dev"][1]["to_none"] is None  # a single group has no interval
    assert found["tables"]["set"]["test"][1]["to_none"]["queries"] == 120
    # Two groups that go apart: everything between queries is between the groups.
    for run in made:
        for i, values in enumerate(run.scores["set"]["test"].values()):
            values["nDCG@10"] = 0.5 + 0.01 * (run.arm == "hybrid") * (1 if i < 60 else 3)
    # 2 * (2 * 0.6^2) / (120 * variance 0.01^2 * 120 / 119)
    effect = findings(made, "set", one)["headline"]["design_effect"]
    assert effect == pytest.approx(2 * 2 * 0.6**2 / (120 * 0.01**2 * 120 / 119), abs=1e-3)
