"""What the arms of a comparison have in common: pairs, negatives, budget, and the sets that are measured on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from syneg_data import __version__
from syneg_data.collection import Collection, sample_order
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.errors import InputError
from syneg_data.execution import Progress
from syneg_data.gating import validate
from syneg_data.inputs import resolve_models
from syneg_data.judge.arms import Arm, Chosen, Ground, Pair, Versions
from syneg_data.judge.eligible import allowed, refuse_unfit
from syneg_data.judge.shortcuts import Probe, probe_pairs
from syneg_data.judge.teacher import taught
from syneg_data.line import Judged, Line, Written
from syneg_data.recipe import Comparison, RecipeFile, offer_of
from syneg_data.references import Resolved
from syneg_data.spec import fingerprint
from syneg_data.stages import generate, load, mine
from syneg_data.training import Training
from syneg_data.training.examples import Examples
from syneg_data.training.student import load_model
from syneg_data.workspace import Workspace

# Another release of these may train otherwise, so its runs are others.
VERSIONS = {package: metadata.version(package) for package in ("torch", "sentence-transformers", "transformers")}
_MANNER = ("cap", "match_lengths", "balance")  # what arms take over from the recipe's mixing


@dataclass(frozen=True)
class Experiment:
    """Everything that the arms have in common.

    Attributes:
        spec: how to train.
        comparison: what to try and measure on.
        base: the model to start from.
        name: of the training set.
        pairs: what every arm trains on, in working order.
        negatives: arm -> pair -> hard negatives.
        collection: texts, the synthetic documents too.
        sets: set -> split -> collection to measure on.
        probes: held-out pairs with candidates of both kinds.
        seed: of the recipe.
        guide: the loaded guide of the objective `guided`, else None.
        guide_digest: of its weights.
        own_gate: whether the base model is one of those that mined or judged the negatives.
        workspace: where stages and checkpoints are.
        versions: arm -> pair -> what stands in the place of its positive; the pairs stay those of the originals.
        relevance: arm -> pair -> the gate's word on its positive and its negatives, where the objective needs it.
    """

    spec: Training
    comparison: Comparison
    base: Resolved
    name: str
    pairs: list[Pair]
    negatives: dict[str, Chosen]
    collection: Collection
    sets: dict[str, dict[str, Collection]]
    probes: list[Probe]
    seed: int
    guide: Any
    guide_digest: str
    own_gate: bool
    workspace: Workspace
    versions: Mapping[str, Versions] = field(default_factory=dict)
    relevance: Mapping[str, Mapping[Pair, Sequence[float]]] = field(default_factory=dict)

    def examples(self, arm: str) -> Examples:
        """The texts that an arm trains on, and what it is taught of them."""
        text, chosen, versions = self.collection.text, self.negatives[arm], self.versions.get(arm, {})
        relevance = self.relevance.get(arm)
        return Examples(
            [self.collection.queries[query_id] for query_id, _ in self.pairs],
            [text(versions.get(pair, pair[1])) for pair in self.pairs],
            [[text(chosen[pair][slot]) for pair in self.pairs] for slot in range(self.slots(arm))],
            None if relevance is None else [relevance[pair] for pair in self.pairs],
        )

    def slots(self, arm: str) -> int:
        """Hard negatives of each example of an arm."""
        return len(next(iter(self.negatives[arm].values())))

    def key(self, arm: Arm, seed: int) -> str:
        """Names a run by everything that decides it; two arms that choose alike share their runs."""
        sets = {name: [part.digest for part in splits.values()] for name, splits in self.sets.items()}
        chosen = [[*pair, *(self.negatives[arm.name][pair] if arm.trains else ())] for pair in self.pairs]
        grid = list(self.comparison.learning_rates) if arm.trains else []
        probes = [[p.query_id, p.positive_id, *p.mined, *p.synthetic] for p in self.probes]
        texts = None
        if arm.trains:
            examples = self.examples(arm.name)
            taught = [] if examples.scores is None else [examples.scores]
            texts = fingerprint([examples.columns(), *taught])
        return fingerprint(
            "run", __version__, VERSIONS, self.base.digest, self.guide_digest, self.spec, grid, sets, chosen, texts,
            probes, seed,
        )  # fmt: skip


def prepare(file: RecipeFile, out: Path, names: Sequence[str], progress: Progress) -> Experiment:
    """Everything up to the first training run: stages, arms, and the pairs that all of them can serve.

    Args:
        file: the recipe; it needs a training section.
        out: the folder of the comparison.
        names: arms; empty: all that the recipe allows.
        progress: hears how far it is.

    Raises:
        InputError: the recipe does not allow an arm, or no pair can be served by all of them.
    """
    recipe = file.recipe
    if recipe.training is None:
        raise InputError(
            f"{file.path}: has no training section; add `training: {{base: ...}}`, which every arm starts from"
        )
    refuse_unfit(file, names, recipe.training)
    line = Line(file=file, workspace=Workspace(out.parent / f".{out.name}.work"), progress=progress)
    collection = load(line)
    spec, comparison = recipe.training, recipe.comparison or Comparison()
    sets = {recipe.name: recipe.source.held_out(collection, recipe.seed)}
    if "dev" not in sets[recipe.name]:
        raise InputError(
            f"{file.path}: source has no dev split, on which learning rates are chosen; set source.dev: 0.1, and name "
            "dev in source.evaluation where that is set"
        )
    for other in comparison.elsewhere:
        sets[other.name] = {other.source.split: other.source.load(recipe.seed)}
    line.models = resolve_models(file, ("load", "mine", "generate", "validate"))
    base, reference = spec.base.resolve(), spec.objective.guide_reference()
    guide = reference.resolve() if reference is not None else None
    written, judged = _judged(line, collection)
    whole, ground, probes = _ground(line, collection, written, judged)
    arms = allowed(file, names, ground, spec)
    negatives = {arm.name: arm.choose(ground) for arm in arms}
    trained = [pair for pair in whole.pairs() if all(pair in chosen for chosen in negatives.values())]
    if len(trained) < 2:
        counts = ", ".join(f"{name} {len(chosen)}" for name, chosen in negatives.items())
        raise InputError(
            f"{file.path}: only {len(trained)} pairs can be served by all arms ({counts}); mine deeper, generate more, "
            "or name fewer arms"
        )
    versions = {arm.name: ground.versions() for arm in arms if arm.restyles}
    relevance = {
        arm.name: found
        for arm in arms
        if arm.trains and spec.objective.needs_scores
        if (found := taught(judged, trained, negatives[arm.name], versions.get(arm.name, {})))
    }
    return Experiment(
        spec, comparison, base, recipe.name, trained, negatives, whole, sets, probes, recipe.seed,
        load_model(spec, guide) if guide else None, guide.digest if guide else "",
        any(model.digest == base.digest for model in line.models.values()), line.workspace, versions, relevance,
    )  # fmt: skip


def _judged(line: Line, collection: Collection) -> tuple[Written, Judged]:
    """The stages up to the gate."""
    recipe = line.file.recipe
    with line.workspace.locked():
        found = mine(line, recipe.mining, recipe.guards, collection)
        written = generate(line, recipe.generation, collection, found, recipe.seed)
        return written, validate(line, recipe.validation, collection, found, written, recipe.seed)


def _ground(
    line: Line, collection: Collection, written: Written, judged: Judged
) -> tuple[Collection, Ground, list[Probe]]:
    """What the arms choose from.

    Returns:
        The collection with the synthetic documents, the ground, and the pairs kept back, of which no arm sees anything.
    """
    recipe = line.file.recipe
    strategies = recipe.generation.strategies if recipe.generation else ()
    # A written positive takes an original's place in the arm `restyled` alone, and there under the original's pair.
    material = judged.material(collection.with_documents(written.documents()), strategies, recipe.seed)
    whole, kept = material.collection, material.kept
    synthetic, mined = recipe.mixing.budget(offer_of(recipe))
    manner = {name: value for name in _MANNER if (value := getattr(recipe.mixing, name, None)) is not None}
    restyled = recipe.mixing.restyled if any(strategy.kind == "restyle" for strategy in strategies) else None
    ground = Ground(material, list(collection.documents), synthetic, mined, _encoder(line), manner, restyled)
    if not synthetic:  # nothing to tell from mined ones, so nothing is kept back
        return whole, ground, []
    order = sorted(collection.queries, key=lambda query_id: sample_order(query_id, recipe.seed + 1))
    share = (recipe.comparison or Comparison()).held_out
    held_out = set(order[: int(share * len(order))])
    probes = probe_pairs(whole, kept, held_out)
    seen = [verdict for verdict in kept if verdict.query_id not in held_out]
    material = replace(material, collection=whole.without_queries(held_out), kept=seen)
    return whole, replace(ground, material=material), probes


def _encoder(line: Line) -> BiEncoder | None:
    """The recipe's first bi-encoder: of a reranker, or else of a miner."""
    recipe = line.file.recipe
    roles: list[tuple[str, Any]] = [
        *((f"validation.rerankers[{i}]", spec) for i, spec in enumerate(recipe.validation.rerankers)),
        *((f"mining[{i}]", spec) for i, spec in enumerate(recipe.mining)),
    ]
    for role, spec in roles:
        if spec.kind in ("bi_encoder", "dense"):
            model = line.models[role]
            return BiEncoder(model, spec.max_length, spec.batch_size, spec.prompts.given(), spec.dtype)
    return None
