"""The models of a recipe, checked against each other before anything runs."""

import shutil

import pytest

from syneg_data.errors import InputError
from syneg_data.inputs import resolve_models
from syneg_data.pipeline import UNTIL
from syneg_data.recipe import load_recipe
from tests.validation.world import save_pairs, save_words, write_data, write_recipe, write_run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    save_words(folder / "words")
    save_pairs(folder / "pairs")
    shutil.copytree(folder / "pairs", folder / "copy of pairs")
    write_data(folder / "data", fillers=2)
    write_run(folder / "run.txt")
    return folder


def models_of(home, tmp_path, *rerankers, **validation):
    gate = {"rerankers": list(rerankers)} | validation
    file = load_recipe(write_recipe(tmp_path, home / "data", home / "run.txt", home / "words", gate))
    return file, resolve_models(file, UNTIL)


def cross(home, name, folder="pairs", **changes):
    return {"kind": "cross_encoder", "name": name, "model": str(home / folder), "max_length": 64} | changes


def cosine(home, name, **changes):
    return {"kind": "bi_encoder", "name": name, "model": str(home / "words"), "max_length": 64} | changes


def llm(name, **changes):
    engine = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m", "revision": "1"}
    return {"kind": "llm", "name": name, "engine": engine | changes}


@pytest.mark.parametrize(
    "double",
    [
        lambda home: [cross(home, "one"), cross(home, "two")],
        lambda home: [cross(home, "one"), cross(home, "two", "copy of pairs")],
        lambda home: [cross(home, "one"), cross(home, "two", batch_tokens=64, allow_same_model=True)],
        lambda home: [cosine(home, "one"), cosine(home, "two", batch_size=1)],
        lambda home: [llm("one"), llm("two", base_url="http://127.0.0.1:2/v1", retries=0)],
    ],
    ids=["two names", "another folder", "other batches", "cosines", "another server of the same model"],
)
def test_one_reranker_under_two_names_would_have_two_votes(home, tmp_path, double):
    first, second = double(home)
    file = write_recipe(tmp_path, home / "data", home / "run.txt", home / "words", {"rerankers": [first, second]})
    with pytest.raises(InputError) as caught:
        models_of(home, tmp_path, first, second)
    assert str(caught.value) == (
        f"{file}: validation.rerankers[1]: says what validation.rerankers[0] says, being the same model with the same "
        "settings under another name, so its word would count twice: remove one, or choose another model"
    )
    between = [first, cosine(home, "between", max_length=32), second]
    with pytest.raises(InputError, match=r"rerankers\[2\]: says what validation\.rerankers\[0\] says"):
        models_of(home, tmp_path, *between)


@pytest.mark.parametrize(
    "others",
    [
        lambda home: [cross(home, "one"), cross(home, "two", max_length=32)],
        lambda home: [cross(home, "one"), cross(home, "two", dtype="bfloat16")],
        lambda home: [cosine(home, "one"), cosine(home, "two", prompts={"query": "alpha "})],
        lambda home: [cross(home, "one"), cosine(home, "two")],
        lambda home: [llm("one"), llm("two", revision="2")],
    ],
    ids=["length", "number format", "prompts", "kind", "revision"],
)
def test_other_settings_are_another_word(home, tmp_path, others):
    file, models = models_of(home, tmp_path, *others(home))
    assert len(file.recipe.validation.rerankers) == 2
    assert set(models) <= {"validation.rerankers[0]", "validation.rerankers[1]"}
