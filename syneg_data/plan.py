"""check: what a build of a recipe would do, found without running a model."""

from typing import Any

from syneg_data.audit.evaluation import read_evaluation
from syneg_data.generation import Critique, Generation
from syneg_data.generation.attributes import AUTO, PROPOSAL_ATTEMPTS, PROPOSAL_SAMPLE, PROPOSAL_TOKENS
from syneg_data.generation.critic import EXAM_KINDS, OPINION_TOKENS
from syneg_data.generation.drafts import attempt_tokens, first_messages, pairs_of, plan_assignments, texts_of
from syneg_data.inputs import resolve_models
from syneg_data.mining import RunFile
from syneg_data.pipeline import UNTIL
from syneg_data.recipe import RecipeFile
from syneg_data.validation import Validation
from syneg_data.validation.scoring import SCARCE_PAIRS


def plan_build(file: RecipeFile, *, preview: bool = False) -> dict[str, Any]:
    """Load the data, resolve the models, read runs and evaluation files, and count what would be asked of the models.

    Args:
        file: from load_recipe.
        preview: also give the first prompt, word for word.

    Raises:
        SynegError: whatever would stop a build before its first stage.
    """
    recipe = file.recipe
    collection = recipe.source.load(recipe.seed, recipe.limit)
    models = resolve_models(file, UNTIL)
    for miner in recipe.mining:
        if isinstance(miner, RunFile):  # other miners read nothing that the user wrote
            miner.open(collection, None)
    if recipe.audit is not None:
        read_evaluation(recipe.audit.evaluation)
    pairs = collection.pairs()
    plan: dict[str, Any] = {
        "recipe": recipe.name,
        "documents": len(collection.documents),
        "queries": len(collection.queries),
        "pairs": len(pairs),
        "models": {role: f"{model.label} (sha256 {model.digest})" for role, model in models.items()},
    }
    if recipe.generation is not None:
        spec = recipe.generation
        jobs = plan_assignments(spec, pairs_of(collection), recipe.seed)
        plan["drafts"] = sum(len(job.passages) for pair in jobs for job in pair)
        requests = sum(len(pair) for pair in jobs)
        plan["most tokens written"] = most_tokens(spec, requests, plan["drafts"])
        proposed = [f"{s.name}.{axis}" for s in spec.strategies for axis, v in s.attributes.items() if v == AUTO]
        if proposed:
            plan["axes that the model will propose"] = ", ".join(proposed)
        if preview:
            shown = {job.strategy.name: job for job in reversed(jobs[0])}
            prompts = {
                name: [
                    {"role": m.role, "content": m.content} for m in first_messages(spec, job, texts_of(collection, job))
                ]
                for name, job in shown.items()
            }
            plan["prompt"] = prompts.pop(jobs[0][0].strategy.name)
            if prompts:
                plan["prompts of the other strategies"] = prompts
    mined = len(collection.queries) * sum(miner.depth for miner in recipe.mining)
    plan["most candidates judged"] = mined + plan.get("drafts", 0)
    asked = most_verdicts(recipe.validation, len(collection.queries), len(pairs), plan["most candidates judged"])
    if asked:
        plan["most pairs put to a language model"] = asked
    return plan


def most_verdicts(spec: Validation, queries: int, positives: int, candidates: int) -> int:
    """Pairs that rerankers of kind llm judge if no guard refuses a candidate and every one of them is ambiguous."""
    known = positives + SCARCE_PAIRS  # what their figures in the report rest on
    panel = [spec.rerankers[i].kind == "llm" for i in spec.panel()]
    most = sum(panel) * (candidates + known)
    if all(panel):  # nobody cheaper is there to judge what is too easy
        most += queries * spec.floor.sample
    if spec.second() is not None:
        most += candidates
    if spec.review is not None and spec.review.reranker.kind == "llm":
        most += min(spec.review.sample, candidates) + known
    return most


def most_tokens(spec: Generation, requests: int, drafts: int) -> int:
    """Tokens written if every reply is cut off at its bound, every attempt is needed and every draft is criticised."""
    each = sum(attempt_tokens(spec, attempt) for attempt in range(spec.sampling.attempts))
    proposed = sum(values == AUTO for strategy in spec.strategies for values in strategy.attributes.values())
    most = requests * each + proposed * PROPOSAL_TOKENS * PROPOSAL_SAMPLE * PROPOSAL_ATTEMPTS
    if isinstance(spec.reflection, Critique):
        rounds = spec.reflection.rounds + 1
        most += requests * each * spec.reflection.rounds + drafts * OPINION_TOKENS * rounds
        most += spec.reflection.exam * EXAM_KINDS * OPINION_TOKENS
    return most
