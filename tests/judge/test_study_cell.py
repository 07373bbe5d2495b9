"""A cell of the study from end to end, with a scripted model: its row, and what becomes of a condition that fails."""

import pytest

from benchmarks.study.examples import LENGTH, PAIRS, of_recipe
from benchmarks.study.rows import cells, differences, read_groups, read_scores
from benchmarks.study.running import Plan, run_cell
from syneg_data.errors import InputError

pytestmark = pytest.mark.slow
COMPARISON = {"learning_rates": [1e-3], "held_out": 0.0}


@pytest.fixture
def plan(write):
    """A plan of the stage for a recipe with some sections replaced."""

    def made(stage="ablations", arms=("gated", "hybrid"), seeds=1, **changes):
        text = write(**{"comparison": COMPARISON} | changes).written
        return Plan(stage, "scifact", "smollm2", "base", "L3", text, arms, seeds)

    return made


def the_cell(folder, stage="ablations"):
    (cell,) = cells(folder, stage)
    return cell


def test_a_cell_is_a_row_once(plan, fresh_cache, tmp_path):
    folder, planned = tmp_path / "rows", plan()
    assert not planned.is_there(folder)
    run_cell(planned, tmp_path / "work", folder)
    assert planned.is_there(folder)
    assert not plan(seeds=2).is_there(folder)
    assert not plan(comparison={**COMPARISON, "held_out": 0.1}).is_there(folder)
    cell = the_cell(folder)
    assert cell.pairs >= 10 and set(cell.served) == {"gated", "hybrid"} and min(cell.served.values()) >= cell.pairs
    assert cell.failure == "" and cell.split == "dev" and cell.rates == {"gated": 1e-3, "hybrid": 1e-3}
    assert set(cell.ledger) == {"mine", "generate", "validate", "mix"}
    assert set(cell.audit) >= {"query_blind_auc", "source_auc", "hardness_synthetic"}
    assert cell.tokens["out"] > 0 and cell.seconds["train"] > 0
    assert len(cell.made_by["commit"].rstrip("+")) == 12 and cell.made_by["device"] in ("cpu", "cuda")
    assert len(cell.made_by["base_sha256"]) == 64 and "torch" in cell.made_by["versions"]
    queries, table = differences(read_scores(folder, cell), "hybrid", "gated")
    assert table.shape == (1, len(queries)) and len(queries) >= 5
    assert set(read_groups(folder, cell)) == set(queries)


def test_an_ablation_that_leaves_no_pairs_is_a_row_and_a_test_is_not(plan, fresh_cache, tmp_path):
    folder, gate = tmp_path / "rows", {**plan().text["validation"], "rule": {"kind": "absolute", "maximum": -1.0}}
    run_cell(plan(validation=gate), tmp_path / "work", folder)
    cell = the_cell(folder)
    assert cell.failure.startswith("only 0 pairs can be served by all arms (gated 0, hybrid 0)")
    assert (cell.pairs, cell.rates, cell.seen) == (0, {}, [])
    assert cell.ledger["validate"]["kept"] == 0 and cell.ledger["validate"]["rejected"]["false_negative"] > 100
    for stage in ("rates", "test"):
        with pytest.raises(InputError, match="only 0 pairs can be served by all arms"):
            run_cell(plan(stage, validation=gate), tmp_path / "work", folder)
        assert not list(cells(folder, stage))


def test_a_critic_that_fails_its_exam_is_a_row_without_training(plan, fresh_cache, tmp_path):
    folder, base = tmp_path / "rows", plan().text["generation"]
    generation = {**base, "reflection": {"kind": "critique", "on_fail": "ignore"}}
    run_cell(plan(generation=generation), tmp_path / "work", folder)
    cell = the_cell(folder)
    assert cell.failure.startswith("the critic failed its exam (balanced accuracy 0.")
    assert cell.critic["passed"] is False and cell.critic["cases"] > 0
    assert cell.pairs == 0 and cell.ledger["generate"]["kept"] > 0


def test_examples_are_the_first_pairs_with_their_negatives(plan, fresh_cache, tmp_path):
    found = of_recipe(plan().text, tmp_path)
    assert len(found) == PAIRS
    for pair in found:
        assert pair["query"] and 0 < len(pair["positive"]) <= LENGTH
        assert {one["source"] for one in pair["negatives"]} - {"bm25"}, "a strategy wrote one"
        assert all(0 < len(one["text"]) <= LENGTH and one["text"] != pair["positive"] for one in pair["negatives"])
