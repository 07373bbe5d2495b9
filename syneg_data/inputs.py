"""The models that a recipe names, found on this machine or fetched, and checked against each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syneg_data.engines import Engine
from syneg_data.errors import InputError
from syneg_data.mining import Miner
from syneg_data.recipe import RecipeFile
from syneg_data.references import Model, Resolved
from syneg_data.spec import canonical, fingerprint
from syneg_data.validation import Reranker, Validation

Named = dict[str, Model]


def models_of_mining(miners: Sequence[Miner]) -> Named:
    """The models of miners, by role."""
    named = {f"mining[{i}]": miner.model_reference() for i, miner in enumerate(miners)}
    return {role: reference for role, reference in named.items() if reference is not None}


def model_of_engine(engine: Engine) -> Named:
    """The model of an engine; none for one that is elsewhere."""
    reference = engine.model_reference()
    return {} if reference is None else {"generation.engine": reference}


def models_of_validation(spec: Validation) -> Named:
    """The models of rerankers, the second opinion's among them, by role."""
    named = {f"validation.rerankers[{i}]": reranker.model_reference() for i, reranker in enumerate(spec.rerankers)}
    if spec.review is not None:
        named["validation.review.reranker"] = spec.review.reranker.model_reference()
    return {role: reference for role, reference in named.items() if reference is not None}


def resolve(named: Named) -> dict[str, Resolved]:
    """Every model on this machine.

    Raises:
        InputError: a model is broken.
        UnavailableError: a model cannot be fetched.
    """
    return {role: reference.resolve() for role, reference in named.items()}


def resolve_models(file: RecipeFile, steps: Sequence[str]) -> dict[str, Resolved]:
    """Every model that `steps` need on this machine, by where the recipe names it.

    Raises:
        InputError: a model is broken, or a reranker is the very model that mined the candidates, or another reranker.
        UnavailableError: a model cannot be fetched.
    """
    recipe = file.recipe
    named: Named = {}
    if "mine" in steps:
        named |= models_of_mining(recipe.mining)
    if "generate" in steps and recipe.generation is not None:
        named |= model_of_engine(recipe.generation.engine)
    if "validate" in steps:
        named |= models_of_validation(recipe.validation)
    models = resolve(named)
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
        refuse_doubles(recipe.validation, models, lambda section: f"{file.path}: {section}")
    return models


def refuse_doubles(spec: Validation, models: Mapping[str, Resolved], at: Callable[[str], str]) -> None:
    """Refuse two rerankers of the gate that are bound to say the same, or a second opinion that is one of theirs.

    Args:
        spec: the validation section.
        models: of its rerankers, by role.
        at: how an error names a section.

    Raises:
        InputError: naming both; one of two would have two votes.
    """
    seen: dict[str, int] = {}
    for i, reranker in enumerate(spec.rerankers):
        model = models.get(f"validation.rerankers[{i}]")
        first = seen.setdefault(_says(reranker, model.digest if model else None), i)
        if first != i:
            raise InputError(
                f"{at(f'validation.rerankers[{i}]')}: says what validation.rerankers[{first}] says, being the same "
                "model with the same settings under another name, so its word would count twice: remove one, or choose "
                "another model"
            )
    gate = {model.digest: role for role, model in models.items() if role.startswith("validation.rerankers")}
    second = models.get("validation.review.reranker")
    if second is not None and second.digest in gate:
        raise InputError(
            f"{at('validation.review.reranker.model')}: the same model as {gate[second.digest]}; a second opinion "
            "has to be somebody else's: choose another"
        )


def _says(reranker: Reranker, digest: str | None) -> str:
    """A fingerprint of what decides a reranker's scores: not its name, nor where its model comes from."""
    settings: dict[str, Any] = canonical(reranker)
    for name in ("name", "model", "allow_same_model", "engine"):
        settings.pop(name, None)
    return fingerprint(settings, reranker.engine.identity(digest) if reranker.kind == "llm" else digest)
