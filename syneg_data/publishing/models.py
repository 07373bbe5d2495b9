"""The models that had a part in a build, as its card lists them: what each did, which it was, and its licence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from syneg_data.engines import Engine
from syneg_data.recipe import Recipe
from syneg_data.references import Resolved
from syneg_data.validation import Reranker


@dataclass(frozen=True)
class Credit:
    """A model on the card.

    Attributes:
        did: what it did, in words.
        label: its name and revision.
        sha256: of its weights; None of one behind a server, of which only the name is known.
        license: of its weights, None where nobody states it.
        writes: whether texts to train on are its; the others gave ranks and scores.
    """

    did: str
    label: str
    sha256: str | None
    license: str | None
    writes: bool


def credits_of(recipe: Recipe, models: Mapping[str, Resolved]) -> list[Credit]:
    """Every model of a recipe, in the order of the line.

    Args:
        recipe: the whole.
        models: where the recipe names it -> what it is; models behind a server are not among them.
    """
    return list(_credits(recipe, models))


def inputs_of(models: Mapping[str, Resolved]) -> dict[str, dict[str, Any]]:
    """What lock and manifest record of the models, by where the recipe names them."""
    return {
        role: {"model": model.label, "sha256": model.digest, "license": model.license}
        for role, model in sorted(models.items())
    }


def _credits(recipe: Recipe, models: Mapping[str, Resolved]) -> Iterator[Credit]:
    if recipe.generation is not None:
        engine = recipe.generation.engine
        yield _credit("wrote the synthetic texts", models.get("generation.engine"), engine, writes=True)
    for i, miner in enumerate(recipe.mining):
        if (model := models.get(f"mining[{i}]")) is not None:
            yield _credit(f"mined candidates ({miner.name})", model)
    for i, reranker in enumerate(recipe.validation.rerankers):
        model = models.get(f"validation.rerankers[{i}]")
        yield _credit(f"judged candidates ({reranker.name})", model, _engine(reranker))
    if (review := recipe.validation.review) is not None:
        model = models.get("validation.review.reranker")
        yield _credit(f"second opinion ({review.reranker.name})", model, _engine(review.reranker))


def _engine(reranker: Reranker) -> Engine | None:
    return reranker.engine if reranker.kind == "llm" else None


def _credit(did: str, model: Resolved | None, engine: Engine | None = None, *, writes: bool = False) -> Credit:
    if model is not None:
        return Credit(did, model.label, model.digest, model.license, writes)
    assert engine is not None and engine.kind == "openai", "every model but those behind a server is resolved"
    return Credit(did, f"{engine.model}, as served: {engine.revision}", None, None, writes)
