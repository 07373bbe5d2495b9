"""What a build says that has no example: where the rows went, and what to do about most of them."""

from pathlib import Path

import pytest

import syneg_data
from syneg_data.errors import GateError
from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from syneg_data.report.shortage import _ADVICE, told
from tests.validation.world import save_words, write_data, write_recipe, write_run


def entry(kept, rejected=(), failed=(), **more):
    rejected, failed = dict(rejected), dict(failed)
    total = kept + sum(rejected.values()) + sum(failed.values())
    return {"unit": "candidate", "in": total, "kept": kept, "rejected": rejected, "failed": failed, **more}


def test_every_stage_has_a_line_with_its_counts_the_largest_first():
    stages = {
        "load": entry(4),
        "mine": entry(30, {"near_duplicate_of_positive": 1, "positive": 6}),
        "generate": entry(2, {"copied": 1}, {"truncated": 5}),
        "validate": entry(3, {"ambiguous": 2, "too_easy": 25}, {"score_not_finite": 2}),
        "mix": entry(0, {"not_selected": 3}, pairs=entry(0, {"too_few_mined": 4})),
    }
    assert told(stages) == [
        "  mine: 30 of 37 kept; rejected: positive 6, near_duplicate_of_positive 1",
        "  generate: 2 of 8 kept; rejected: copied 1; failed: truncated 5",
        "  validate: 3 of 32 kept; rejected: too_easy 25, ambiguous 2; failed: score_not_finite 2",
        "  mix: 0 of 3 kept; rejected: not_selected 3",
        "  mix, pairs: 0 of 4 kept; rejected: too_few_mined 4",
        "many candidates are no nearer to their query than random documents: mine less deep, with another miner, or "
        "choose a reranker that knows such texts",
    ]


PAIRS = {"pairs": entry(0, {"too_few_mined": 9})}


@pytest.mark.parametrize(
    ("stages", "advice"),
    [
        ({"mine": entry(0), "validate": entry(0), "mix": entry(0, **PAIRS)}, "no candidate was found: "),
        ({"mine": entry(9), "validate": entry(9), "mix": entry(0, {"not_selected": 9}, **PAIRS)}, "what was kept is "),
        ({"mine": entry(0, {"positive": 9}), "mix": entry(0, **PAIRS)}, "many mined documents are judged positives: "),
        ({"mine": entry(0, {"no_text": 9}), "mix": entry(0, **PAIRS)}, "much of what was mined has no text: "),
        ({"mine": entry(0, {"same_text": 9}), "mix": entry(0, **PAIRS)}, "there are too few candidates: "),
        ({"mine": entry(9), "validate": entry(0, {"false_negative": 9})}, "many candidates count as relevant: "),
        ({"mine": entry(9), "validate": entry(0, {"ambiguous": 9})}, "many candidates are in the band of doubt: "),
        ({"mine": entry(9), "validate": entry(0, (), {"score_not_finite": 9})}, "many candidates got no score: "),
        ({"mine": entry(0), "generate": entry(0, {"copied": 9})}, "many drafts were refused: "),
        ({"mine": entry(0), "generate": entry(0, {"copied": 3}, {"invalid": 6})}, "many drafts failed: "),
        ({"mine": entry(0), "generate": entry(9), "validate": entry(0, {"duplicate": 9})}, "many drafts repeat "),
        ({"mine": entry(2, {"positive": 5}), "validate": entry(0, {"too_easy": 2})}, "many mined documents are "),
        ({"mine": entry(5, {"positive": 5}), "validate": entry(0, {"too_easy": 5})}, "many mined documents are "),
        ({"mine": entry(2), "validate": entry(2), "mix": entry(0, **PAIRS)}, "there are too few candidates: "),
    ],
)
def test_the_advice_fits_the_largest_reason(stages, advice):
    assert told(stages)[-1].startswith(advice)


def test_reasons_that_have_advice_are_reasons_that_there_are():
    package = Path(syneg_data.__file__).parent
    files = [path for room in ("mining", "validation", "report") for path in package.glob(f"{room}/*.py")]
    said = "".join(path.read_text() for path in files if path.name != "shortage.py")
    assert [reason for reasons in _ADVICE.values() for reason in reasons if f'"{reason}"' not in said] == []


def test_a_build_without_an_example_says_where_the_rows_went(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))
    run = write_run(tmp_path / "run.txt", queries=3, shapes=("p", "same", "high", "low"))
    data, words = write_data(tmp_path / "data", queries=3, fillers=170), save_words(tmp_path / "words")
    path = write_recipe(tmp_path / "recipe", data, run, words)
    with pytest.raises(GateError) as caught:
        build(load_recipe(path), tmp_path / "out")
    assert caught.value.exit_code == 3
    assert str(caught.value).splitlines() == [
        f"{path}: no pair has enough negatives; nothing is published",
        "  mine: 9 of 12 kept; rejected: positive 3",
        "  validate: 3 of 9 kept; rejected: false_negative 6",
        "  mix: 0 of 3 kept; rejected: not_selected 3",
        "  mix, pairs: 0 of 3 kept; rejected: too_few_mined 3",
        "many candidates count as relevant: mine deeper (mining[].depth or skip), or let validation.rule allow more",
    ]
    assert not (tmp_path / "out").exists()
