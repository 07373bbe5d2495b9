"""Which arms a recipe can have, and what of its training cannot be compared; what was asked for in vain is refused."""

from collections.abc import Sequence

from syneg_data.errors import InputError
from syneg_data.judge.arms import ARMS, Arm, Ground
from syneg_data.recipe import RecipeFile
from syneg_data.training import Training


def refuse_unfit(file: RecipeFile, names: Sequence[str], spec: Training) -> None:
    """Refuse what shows before any stage has run.

    Args:
        file: the recipe.
        names: arms that were asked for.
        spec: its training section.

    Raises:
        InputError: an arm is unknown, or arms could not be trained alike, or one of them not at all.
    """
    for name in names:
        if name not in ARMS:
            raise InputError(f"--arms {name}: no such arm; one of {', '.join(ARMS)}")
    if spec.checks == 0:
        raise InputError(f"{file.path}: training.checks is 0, but checks on dev choose the learning rates; set it to 1")
    if spec.patience is not None:
        raise InputError(
            f"{file.path}: training.patience would give arms different numbers of steps; leave it out to compare"
        )
    for name in names:
        if why := _untrainable(ARMS[name], spec):
            raise InputError(f"{file.path}: --arms {name}: {why}")


def allowed(file: RecipeFile, names: Sequence[str], ground: Ground, spec: Training) -> list[Arm]:
    """The arms that were named, or all that the recipe allows.

    Args:
        file: the recipe.
        names: arms; empty: all.
        ground: what they choose from.
        spec: how they are trained.

    Raises:
        InputError: one that was named is not possible.
    """
    arms = []
    for arm in [ARMS[name] for name in dict.fromkeys(names)] or list(ARMS.values()):
        why = _untrainable(arm, spec) or _lacking(arm, ground)
        if why and names:
            raise InputError(f"{file.path}: --arms {arm.name}: {why}")
        if not why:
            arms.append(arm)
    return arms


def _untrainable(arm: Arm, spec: Training) -> str:
    """What of an arm the objective cannot use, and what to do; empty if nothing."""
    objective = spec.objective
    if arm.name == "in_batch" and objective.least_negatives() > 0:
        return f"objective {objective.kind} needs hard negatives"
    if arm.trains and objective.needs_scores and not arm.scored:
        scored = ", ".join(other.name for other in ARMS.values() if other.scored)
        return (
            f"objective {objective.kind} needs the gate's score of every negative, which this arm does not have; name "
            f"arms among {scored}, or set training.objective to kind: ranking"
        )
    return ""


def _lacking(arm: Arm, ground: Ground) -> str:
    """What an arm needs and the recipe does not have, and what to do; empty if nothing."""
    if arm.needs_synthetic and not ground.synthetic:
        return "the recipe has no synthetic negatives; add generation and mixing: {kind: hybrid}"
    if arm.name == "count_matched" and not ground.synthetic:
        return "it is a control of the hybrid arm, which the recipe does not have"
    if arm.name in ("nearest", "dense") and ground.encoder is None:
        return "the recipe names no bi-encoder; add one to validation.rerankers or mining"
    if not arm.restyles:
        return ""
    if ground.restyled is None:
        return "the recipe restyles no positives; add {kind: restyle} to generation.strategies"
    if not ground.restyled:
        return "mixing.restyled is 0, so no example takes a restyled positive; set it above 0"
    if not ground.versions():
        return (
            "no example takes a restyled positive: the gate kept too few, or the share is too small; see what the gate "
            "says of them, or raise mixing.restyled"
        )
    return ""
