"""What the cases of training work on: SciFact, MiniLM-L6, and examples with hard negatives by BM25."""

import functools
from pathlib import Path
from typing import Any

from benchmarks.measuring import Skipped
from syneg_data.collection import Collection
from syneg_data.errors import SynegError
from syneg_data.judge.arms import ARMS, Ground
from syneg_data.mixing.selection import Material
from syneg_data.recipe import RecipeFile, load_recipe
from syneg_data.references import Resolved
from syneg_data.training import Training
from syneg_data.training.examples import Examples

_RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "quickstart.yaml"
LABEL = "SciFact, all-MiniLM-L6-v2"


@functools.cache
def recipe() -> RecipeFile:
    """The quickstart, which names collection and model."""
    return load_recipe(_RECIPE)


def settings(batch_size: int, max_length: int) -> Training:
    """Its training section, without checks on dev: steps alone are timed."""
    training = recipe().recipe.training
    assert training is not None
    return training.model_copy(update={"batch_size": batch_size, "max_length": max_length, "checks": 0, "epochs": 1})


def reference() -> dict[str, Any]:
    """The model, as a recipe names it."""
    training = recipe().recipe.training
    assert training is not None
    return training.base.model_dump(mode="json")


def base() -> Resolved:
    """The model.

    Raises:
        Skipped: it cannot be had.
    """
    try:
        return settings(8, 64).base.resolve()
    except SynegError as error:
        raise Skipped(str(error)) from error


@functools.cache
def collection() -> Collection:
    """SciFact's train queries."""
    return recipe().recipe.source.load(13)


def examples(count: int) -> Examples:
    """The first pairs with two negatives each by BM25."""
    whole = collection()
    chosen = ARMS["bm25"].choose(Ground(Material(whole, []), list(whole.documents), 0, 2, None))
    pairs = [pair for pair in whole.pairs() if pair in chosen][:count]
    return Examples(
        [whole.queries[query_id] for query_id, _ in pairs],
        [whole.text(positive_id) for _, positive_id in pairs],
        [[whole.text(chosen[pair][n]) for pair in pairs] for n in range(2)],
    )


def warm(model: Resolved) -> None:
    """Import the libraries and load the model once, so that neither is part of what is timed."""
    import sentence_transformers.sentence_transformer.trainer  # noqa: F401
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(str(model.path), device="cpu", local_files_only=True).encode(["warm"])
