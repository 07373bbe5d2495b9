"""The models that a recipe names, found on this machine or fetched, and checked against each other."""

from collections.abc import Sequence
from typing import Any

from syneg_data.errors import InputError
from syneg_data.recipe import RecipeFile
from syneg_data.references import Model, Resolved
from syneg_data.spec import canonical, fingerprint
from syneg_data.validation import Reranker


def resolve_models(file: RecipeFile, steps: Sequence[str]) -> dict[str, Resolved]:
    """Every model that `steps` need on this machine, by where the recipe names it.

    Raises:
        InputError: a model is broken, or a reranker is the very model that mined the candidates, or another reranker.
        UnavailableError: a model cannot be fetched.
    """
    recipe = file.recipe
    named: dict[str, Model] = {}
    if "mine" in steps:
        for i, miner in enumerate(recipe.mining):
            if (reference := miner.model_reference()) is not None:
                named[f"mining[{i}]"] = reference
    engine = recipe.generation.engine if recipe.generation is not None and "generate" in steps else None
    if engine is not None and (reference := engine.model_reference()) is not None:
        named["generation.engine"] = reference
    if "validate" in steps:
        for i, reranker in enumerate(recipe.validation.rerankers):
            if (reference := reranker.model_reference()) is not None:
                named[f"validation.rerankers[{i}]"] = reference
        review = recipe.validation.review
        if review is not None and (reference := review.reranker.model_reference()) is not None:
            named["validation.review.reranker"] = reference
    models = {role: reference.resolve() for role, reference in named.items()}
    miners = {model.digest: role for role, model in models.items() if role.startswith("mining")}
    for i, reranker in enumerate(recipe.validation.rerankers):
        role = f"validation.rerankers[{i}]"
        if reranker.kind == "llm":  # a language model mines nothing
            continue
        if role in models and models[role].digest in miners and not reranker.allow_same_model:
            raise InputError(
                f"{file.path}: {role}.model: the same model as {miners[models[role].digest]}; a model cannot check "
                "its own candidates: choose another, or set allow_same_model: true"
            )
    if "validate" in steps:
        _refuse_doubles(file, models)
    gate = {model.digest: role for role, model in models.items() if role.startswith("validation.rerankers")}
    second = models.get("validation.review.reranker")
    if second is not None and second.digest in gate:
        raise InputError(
            f"{file.path}: validation.review.reranker.model: the same model as {gate[second.digest]}; a second opinion "
            "has to be somebody else's: choose another"
        )
    return models


def _refuse_doubles(file: RecipeFile, models: dict[str, Resolved]) -> None:
    """Refuse two rerankers of the gate that are bound to say the same: one would have two votes.

    Raises:
        InputError: naming both.
    """
    seen: dict[str, int] = {}
    for i, reranker in enumerate(file.recipe.validation.rerankers):
        model = models.get(f"validation.rerankers[{i}]")
        first = seen.setdefault(_says(reranker, model.digest if model else None), i)
        if first != i:
            raise InputError(
                f"{file.path}: validation.rerankers[{i}]: says what validation.rerankers[{first}] says, being the same "
                "model with the same settings under another name, so its word would count twice: remove one, or choose "
                "another model"
            )


def _says(reranker: Reranker, digest: str | None) -> str:
    """A fingerprint of what decides a reranker's scores: not its name, nor where its model comes from."""
    settings: dict[str, Any] = canonical(reranker)
    for name in ("name", "model", "allow_same_model", "engine"):
        settings.pop(name, None)
    return fingerprint(settings, reranker.engine.identity(digest) if reranker.kind == "llm" else digest)
