"""check: what a build of a recipe would do, found without running a model."""

from typing import Any

from syneg_data.generation.drafts import plan_drafts, request_for
from syneg_data.pipeline import resolve_models
from syneg_data.recipe import RecipeFile


def plan_build(file: RecipeFile, *, preview: bool = False) -> dict[str, Any]:
    """Load the data, resolve the models, and count what would be asked of them.

    Args:
        file: from load_recipe.
        preview: also give the first prompt, word for word.

    Raises:
        SynegError: whatever would stop a build before its first stage.
    """
    recipe = file.recipe
    collection = recipe.source.load(recipe.seed, recipe.limit)
    models = resolve_models(file)
    pairs = collection.pairs()
    plan: dict[str, Any] = {
        "recipe": recipe.name,
        "documents": len(collection.documents),
        "queries": len(collection.queries),
        "pairs": len(pairs),
        "models": {role: f"{model.label} (sha256 {model.digest})" for role, model in models.items()},
    }
    if recipe.generation is not None:
        drafts = plan_drafts(recipe.generation, pairs, recipe.seed)
        plan["drafts"] = sum(len(pair) for pair in drafts)
        plan["most tokens written"] = (
            plan["drafts"] * recipe.generation.sampling.max_tokens * recipe.generation.sampling.attempts
        )
        if preview:
            request = request_for(recipe.generation, drafts[0][0], collection, recipe.seed, 0)
            plan["prompt"] = [{"role": m.role, "content": m.content} for m in request.messages]
    plan["most candidates judged"] = len(collection.queries) * sum(miner.depth for miner in recipe.mining) + plan.get(
        "drafts", 0
    )
    return plan
