"""What a build would cost at most, worked out by hand."""

import json

import pytest

from syneg_data.errors import InputError
from syneg_data.generation import Critique
from syneg_data.generation.strategies import Graded
from syneg_data.plan import most_tokens, most_verdicts, plan_build
from syneg_data.recipe import load_recipe
from syneg_data.validation import Validation
from tests.generation.world import section
from tests.validation.world import save_words, write_data, write_recipe, write_run


@pytest.mark.parametrize(
    ("options", "reflection", "expected"),
    [
        ({"max_tokens": 100, "attempts": 1}, None, 10 * 100),
        ({"max_tokens": 100, "attempts": 3}, None, 10 * (100 + 150 + 200)),
        ({"max_tokens": 100, "attempts": 2}, Critique(kind="critique", rounds=0), 10 * 250 + 40 * 48 + 24 * 5 * 48),
        (
            {"max_tokens": 100, "attempts": 2},
            Critique(kind="critique", rounds=2),
            3 * (10 * 250 + 40 * 48) + 24 * 5 * 48,
        ),
    ],
)
def test_the_most_that_can_be_written(options, reflection, expected):
    """Ten requests for four passages each."""
    assert most_tokens(section(Graded(kind="graded"), reflection=reflection, **options), 10, 40) == expected


LLM = {
    "kind": "llm",
    "engine": {
        "kind": "openai",
        "base_url": "http://127.0.0.1:1/v1",
        "model": "m",
        "revision": "1",
    },
}
COSINE = {"kind": "bi_encoder", "model": {"kind": "hub", "id": "some/encoder", "revision": "v1"}}
DOUBT = {"kind": "calibrated", "doubt": 0.2}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"rerankers": [COSINE]}, 0),
        ({"rerankers": [COSINE, LLM]}, 1000 + 15 + 150),
        ({"rerankers": [LLM], "floor": {"sample": 30}}, 1000 + 15 + 150 + 10 * 30),
        ({"rerankers": [COSINE, LLM], "rule": DOUBT, "ambiguous": "llm"}, 1000),
        ({"rerankers": [COSINE], "review": {"reranker": LLM, "sample": 200}}, 200 + 15 + 150),
        ({"rerankers": [COSINE], "review": {"reranker": COSINE | {"name": "other"}}}, 0),
    ],
)
def test_the_most_that_a_language_model_judges(section, expected):
    """Of 1,000 candidates of ten queries with fifteen positives; random documents beside them."""
    spec = Validation.model_validate_json(json.dumps(section))
    assert most_verdicts(spec, 10, 15, 1000) == expected


def test_a_broken_run_is_found_before_a_build(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, data = write_run(tmp_path / "run.txt", queries=2), write_data(tmp_path / "data", queries=2, fillers=2)
    recipe = write_recipe(tmp_path / "recipe", data, run, save_words(tmp_path / "words"))
    assert plan_build(load_recipe(recipe))["most candidates judged"] == 2 * 50
    for content, what in (
        ("", "run.txt: the run is empty; name one that has lines"),
        (
            "q00 Q0 elsewhere 1 9 t\n",
            "run.txt:1: document 'elsewhere' is not in the corpus; name a run over this corpus",
        ),
    ):
        run.write_text(content)
        with pytest.raises(InputError) as caught:
            plan_build(load_recipe(recipe))
        assert str(caught.value) == what
