"""A comparison with written negatives from end to end: what each arm may see, and what the report says of it."""

import pytest

from syneg_data.errors import InputError
from syneg_data.execution import Silence
from syneg_data.judge.compare import compare
from syneg_data.judge.experiment import prepare
from syneg_data.judge.train import read_examples
from syneg_data.pipeline import build
from syneg_data.publishing.release import open_release

HYBRID = {"kind": "hybrid", "synthetic": 1, "mined": 1, "shortage": "drop"}
ARMS = ("none", "in_batch", "random", "bm25", "gated", "synthetic", "pooled", "hybrid", "count_matched", "placebo")


@pytest.fixture
def written(write):
    return write()


def is_synthetic(doc_id):
    return doc_id.startswith("synthetic-")


def test_the_arms_see_what_they_may(written, fresh_cache, tmp_path):
    experiment = prepare(written, tmp_path / "out", ARMS, Silence())
    assert len(experiment.pairs) >= 10 and len(experiment.probes) >= 5
    taken = {
        name: {doc_id for negatives in chosen.values() for doc_id in negatives}
        for name, chosen in experiment.negatives.items()
    }
    for name in ("random", "bm25", "gated", "count_matched"):
        assert not any(map(is_synthetic, taken[name])), f"{name} mines among documents, drafts that were refused too"
    for name in ("synthetic", "pooled", "hybrid", "placebo"):
        assert any(map(is_synthetic, taken[name])), name
    # What the shortcut table asks about, no arm has seen: neither the queries nor what was written for them.
    asked = {probe.query_id for probe in experiment.probes}
    assert not asked & {query_id for chosen in experiment.negatives.values() for query_id, _ in chosen}
    shown = {doc_id for probe in experiment.probes for doc_id in probe.synthetic}
    assert shown and not shown & set().union(*taken.values())


def test_restyled_and_what_is_taught_of_it_are_what_a_build_has(write, fresh_cache, tmp_path):
    training = {**write().written["training"], "objective": {"kind": "distillation"}}
    file = write({"kind": "restyle"}, training=training)
    experiment = prepare(file, tmp_path / "out", (), Silence())
    assert list(experiment.negatives) == [
        "none", "gated", "synthetic", "pooled", "hybrid", "restyled", "count_matched",
    ]  # fmt: skip
    hybrid, restyled = experiment.examples("hybrid"), experiment.examples("restyled")
    assert restyled.negatives == hybrid.negatives and restyled.queries == hybrid.queries
    originals = [experiment.collection.text(positive_id) for _, positive_id in experiment.pairs]
    assert hybrid.positives == originals
    build(file, tmp_path / "built")
    released = read_examples(open_release(str(tmp_path / "built")), file.recipe.training)
    # The negatives of a pair are nobody else's: one of them was written for it.
    known, found = (
        {
            row[:-2]: row[-2:]
            for row in zip(e.queries, *e.negatives, e.positives, map(tuple, e.scores), strict=True)
        }
        for e in (released, restyled)
    )  # fmt: skip
    assert len(found) == len(experiment.pairs) >= 10
    assert all(known[key] == row for key, row in found.items())
    taken = [text != original for text, original in zip(restyled.positives, originals, strict=True)]
    assert 3 <= sum(taken) <= len(taken) - 3
    for at, (other, score, was) in enumerate(zip(taken, restyled.scores, hybrid.scores, strict=True)):
        assert (score[0] != was[0]) == other and score[1:] == was[1:], experiment.pairs[at]
        assert restyled.positives[at].startswith("It was found that ") == other


def test_restyled_needs_restyled_positives(write, fresh_cache, tmp_path):
    restyle = {"kind": "restyle"}
    for file, message in (
        (write(mixing={"kind": "mined_only", "mined": 2}), "the recipe has no synthetic negatives"),
        (write(), "the recipe restyles no positives; add {kind: restyle} to generation.strategies"),
        (
            write(restyle, mixing={**HYBRID, "restyled": 0.0}),
            "mixing.restyled is 0, so no example takes a restyled positive",
        ),
        (
            write(restyle, mixing={**HYBRID, "restyled": 1e-9}),
            "no example takes a restyled positive: the gate kept too few",
        ),
    ):
        with pytest.raises(InputError, match=f"--arms restyled: {message}"):
            prepare(file, tmp_path / "out", ("restyled",), Silence())
    every = prepare(write(), tmp_path / "out", (), Silence()).negatives
    assert "restyled" not in every and len(every) == 12


@pytest.mark.slow
def test_the_report_of_a_hybrid(write, fresh_cache, tmp_path):
    arms = ("none", "in_batch", "hybrid", "restyled", "count_matched", "placebo")
    report = compare(write({"kind": "restyle"}), tmp_path / "out", arms, 2, Silence())
    assert report["headline"]["arm"] == "hybrid"
    assert {"count_matched", "placebo"} - {report["headline"]["against"]} == set(report["controls"])
    rows = {row["arm"]: row for row in report["arms"]}
    assert {name: row["negatives"] for name, row in rows.items()} == {
        "none": 0, "in_batch": 0, "hybrid": 2, "restyled": 2, "count_matched": 2, "placebo": 2,
    }  # fmt: skip
    assert len({row["steps"] for name, row in rows.items() if name != "none"}) == 1
    for row in rows.values():
        assert row["shortcuts"]["synthetic"]["comparisons"] >= report["held_out_pairs"] > 0
    page = (tmp_path / "out" / "README.md").read_text()
    assert "## Shortcuts" in page and "The base model itself" not in page
    count = report["restyled_positives"]["restyled"]
    assert 3 <= count <= report["pairs"] - 3
    assert f"Of the {report['pairs']} positives of restyled, {count} stand in the model's words" in page
    assert rows["restyled"]["learning_rate"] == rows["hybrid"]["learning_rate"] == 1e-3
    means = {row["arm"]: row["nDCG@10"] for row in report["tables"]["slice"]["dev"]}
    assert means["restyled"] != means["hybrid"], "a run of its own"
    assert set(report["versions"]) == {"torch", "sentence-transformers", "transformers"}
