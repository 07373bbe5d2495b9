"""Gates: figures of the audit held against the bounds that the recipe sets; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from syneg_data.audit.measures import Measure
from syneg_data.audit.section import Bound

# What of a recipe mends a figure, by how its name begins; the first that fits.
_MENDS = (
    (
        "source_auc_length",
        "match lengths in mixing (match_lengths: synthetic), or ask for drafts of another length (attributes.length)",
    ),
    (
        "source_auc",
        "choose another strategy, attributes or engine; restyle positives (a strategy of kind: restyle), so that both "
        "sides have the model's style; or take fewer synthetic negatives (mixing)",
    ),
    (
        "query_blind_auc_length",
        "match lengths in mixing (match_lengths: positive), or ask for drafts of another length (attributes.length)",
    ),
    (
        "query_blind_auc",
        "restyle positives (a strategy of kind: restyle), take fewer synthetic negatives (mixing) or other mined ones "
        "(mining); details.probes in report.json says which probe sees it in which source",
    ),
    ("near_positive", "set a stricter validation.rule (rethreshold shows what it would change)"),
    ("hardness", "mine deeper or elsewhere, or choose which negatives are taken (mixing)"),
    ("evaluation_positives_mined", "leave these documents out of the corpus that is mined, or evaluate on others"),
    ("contaminated", "leave these queries or documents out of the source, or evaluate on others"),
    ("shared_positives", "split the source by document, or evaluate on another split"),
    ("evaluation_ngrams", "leave these documents out of the source, or evaluate on others"),
    ("secrets_copied", "remove them from the corpus"),
    ("personal_data_copied", "remove them from the corpus"),
    ("length_obeyed", "change attributes.length, or use a stronger engine"),
    ("level_obeyed", "change attributes.difficulty, or use a stronger engine"),
)


def hold(measures: Sequence[Measure], bounds: Mapping[str, Bound]) -> list[dict[str, Any]]:
    """Each gate with its figure and whether it holds; a figure that could not be measured holds no gate.

    The figure itself is compared, not its interval: what is published is what was measured.
    """
    values = {measure.name: measure.value for measure in measures}
    found = []
    for name, bound in bounds.items():
        value = values.get(name)
        holds = (
            value is not None
            and (bound.max is None or value <= bound.max)
            and (bound.min is None or value >= bound.min)
        )
        found.append({"measure": name, "min": bound.min, "max": bound.max, "value": value, "holds": holds})
    return found


def violations(measures: Sequence[Measure], held: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each gate that does not hold: figure, interval, bound, and what to do."""
    by_name = {measure.name: measure for measure in measures}
    return [_told(by_name.get(gate["measure"]), gate) for gate in held if not gate["holds"]]


def _told(measure: Measure | None, gate: Mapping[str, Any]) -> str:
    wanted = " and ".join(
        f"{word} {gate[key]:g}" for key, word in (("min", "at least"), ("max", "at most")) if gate[key] is not None
    )
    name = gate["measure"]
    if measure is None or measure.value is None:
        why = measure.sentence if measure is not None else "Not measured."
        told = why[0].lower() + why[1:].rstrip(".")
        return f"audit.gates.{name}: {told}, and {wanted} is asked for; build a set that has it, or remove the gate"
    interval = "" if measure.low is None else f" (95 % interval {measure.low:.4g} to {measure.high:.4g})"
    return f"audit.gates.{name}: is {measure.value:.4g}{interval}, {wanted} is asked for; {mend(name)}"


def mend(name: str) -> str:
    """What of a recipe mends a figure."""
    return next((what for start, what in _MENDS if name.startswith(start)), "see docs/audit.md")
