"""rethreshold: what another rule would make of the candidates of a build, from its stored scores, without a model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from syneg_data.errors import InputError
from syneg_data.generation.strategies.graded import grades_of
from syneg_data.generation.strategies.restyle import first_versions
from syneg_data.mixing.options import Matching
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.publishing.judgements import judged_collection, scores_of, verdicts_of
from syneg_data.publishing.manifest import BUILD
from syneg_data.publishing.release import Release, open_release
from syneg_data.recipe import Recipe, RecipeFile, check_recipe, gate_problems, offer_of, recorded_recipe
from syneg_data.recipe_text import part
from syneg_data.records import Scored, Verdict
from syneg_data.validation import Reranker, Rule, Validation
from syneg_data.validation.fitting import evidence_of, fit_joint, fit_rule, refuse_useless
from syneg_data.validation.gate import Gate, Scores, Subject, as_positive, settle
from syneg_data.validation.review import source_of
from syneg_data.validation.rules import Bar

CHANGEABLE = ("rule", "agree", "ambiguous", "false_negative")  # keys of the validation section


def changes_of(*, rule: str | None, **choices: str | None) -> dict[str, Any]:
    """Keys of the validation section from the options of the command line.

    Args:
        rule: in YAML, `{kind: relative, margin: 0.1}`, or its kind alone.
        choices: agree, ambiguous, false_negative.

    Raises:
        InputError: none is given, or one is nothing that a recipe could say.
    """
    changes: dict[str, Any] = {}
    if rule is not None:
        parsed: Rule = part("--rule", rule if ":" in rule else f"{{kind: {rule}}}", Rule)
        changes["rule"] = parsed.model_dump(mode="json")
    for name, value in choices.items():
        if value is not None:
            changes[name] = part(_option(name), value, Validation.model_fields[name].annotation)
    if not changes:
        raise InputError("nothing to change; say --rule, --agree, --ambiguous or --false-negative")
    return changes


def rethreshold(folder: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a build would be with another gate.

    Args:
        folder: a build folder; it is only read.
        changes: keys of the validation section in place of the recipe's: rule, agree, ambiguous, false_negative.

    Returns:
        `gate` (the changed section's keys), `before` and `after` (verdict -> candidates), `moved` (from, to, source,
        count), `examples` and `pairs` before and after, `rerankers` (what was fitted).

    Raises:
        InputError: it is no build, has no scores, or a change does not fit.
    """
    release = open_release(str(folder))
    recipe = _changed(release, changes)
    spec = recipe.validation
    stored = scores_of(release)
    before = verdicts_of(release)
    asked = {row.reranker for row in stored if row.role == "positive"}
    for reranker in (spec.rerankers[i] for i in spec.panel()):
        if reranker.kind == "llm" and reranker.name not in asked:
            raise InputError(
                f"{release.label}: {reranker.name} judged only what was ambiguous in this build; change the recipe and "
                "build it to have it judge everything"
            )
    gate, fitted = _gate(release.label, spec, before, stored)
    scores = Scores(row for row in stored if row.role != "reviewed")
    second = _second_scores(spec, stored)
    try:
        after = [settle(_judged(verdict, gate, scores), spec, second, gate) for verdict in before]
        restyled = [as_positive(_judged(v, gate, scores), gate) for v in verdicts_of(release, ["restyle"])]
    except KeyError as error:
        raise InputError(f"{release.label}: scores has none for {error}, which was judged; build it again") from error
    moved = Counter(
        (_fate(old), _fate(new), source_of(old))
        for old, new in zip(before, after, strict=True)
        if _fate(old) != _fate(new)
    )
    mixed = _mix(release, recipe, after, restyled)
    report = release.json("report.json")
    with release.reading("report.json"):
        examples, without = report["examples"], report["stages"]["mix"]["pairs"]["rejected"]
    return {
        "gate": _gate_of(recipe),
        "before": _counts(before),
        "after": _counts(after),
        "moved": [
            {"from": old, "to": new, "source": source, "count": count}
            for (old, new, source), count in sorted(moved.items())
        ],
        "examples": {"before": examples, "after": len(mixed.examples)},
        "pairs_without": {"before": without, "after": mixed.rejected},
        "rerankers": fitted,
    }


def changed_recipe(file: RecipeFile, folder: Path, changes: Mapping[str, Any]) -> RecipeFile:
    """The recipe of a build with its gate changed, ready to be built: no score is computed again.

    Args:
        file: the recipe that the build was made from; its gate may be another by now, the build's is what is changed.
        folder: the build folder.
        changes: as for `rethreshold`.

    Raises:
        InputError: it is not the recipe that the build was made from, or a change does not fit.
    """
    release = open_release(str(folder))
    limit = release.recipe.get("limit")
    with release.reading(BUILD):
        ours = _but_the_gate({**release.recipe, "limit": limit})
    if _but_the_gate({**file.written, "limit": limit}) != ours:
        raise InputError(
            f"{file.path}: not the recipe that {release.label} was built from (what differs is not the gate alone); "
            "name that one"
        )
    return check_recipe(file.path, _with_gate(release.recipe, changes))


def gate_to_write(file: RecipeFile, applied: RecipeFile) -> dict[str, Any]:
    """The keys that a recipe file's validation section needs, and lacks, to say the gate that was applied."""
    before, after = _gate_of(file.recipe), _gate_of(applied.recipe)
    return {key: after[key] for key in CHANGEABLE if after[key] != before[key]}


def _gate_of(recipe: Recipe) -> dict[str, Any]:
    written = recipe.validation.model_dump(mode="json")
    return {key: written[key] for key in CHANGEABLE}


def _with_gate(written: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {**written, "validation": {**written["validation"], **changes}}


def _but_the_gate(written: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as written, without what `rethreshold` may change."""
    kept = {key: value for key, value in written["validation"].items() if key not in CHANGEABLE}
    return {**written, "validation": kept}


def _changed(release: Release, changes: Mapping[str, Any]) -> Recipe:
    """The recipe of a release with some keys of its validation section changed.

    Raises:
        InputError: the gate does not fit together any more; with a line for everything that does not.
    """
    with release.reading(BUILD):
        recipe = recorded_recipe(_with_gate(release.recipe, changes))
    problems = [
        f"{_option(loc[0]) if loc[0] in changes else f'{release.label}: validation.{loc[0]}'}: {what}"
        for loc, what in gate_problems(recipe.validation)
    ]
    problems += [f"{release.label}: mixing.{loc[0]}: {what}" for loc, what in recipe.mixing.problems(offer_of(recipe))]
    if problems:
        raise InputError("\n".join(problems))
    return recipe


def _option(name: str) -> str:
    """A key of the validation section as the command line has it."""
    return f"--{name.replace('_', '-')}"


def _gate(
    label: str, spec: Validation, verdicts: Sequence[Verdict], stored: Sequence[Scored]
) -> tuple[Gate, list[dict[str, Any]]]:
    """The gate, fitted to the stored scores as a build would, or refused as there; and what was fitted."""
    mined = {(verdict.query_id, verdict.doc_id) for verdict in verdicts if verdict.origin == "mined"}
    bars: dict[str, Bar] = {}
    panel: dict[int, Reranker] = {i: spec.rerankers[i] for i in spec.panel()}
    for i, reranker in panel.items():
        rows = [row for row in stored if row.reranker == reranker.name]
        evidence = evidence_of(rows, mined, reranker.bounded)
        bars[reranker.name] = fit_rule(spec, reranker, evidence)
        refuse_useless(f"{label}: validation.rerankers[{i}]", reranker.name, evidence, bars[reranker.name])
    cheapest = min(panel.values(), key=lambda reranker: reranker.cost).name
    joint = fit_joint(spec, {reranker.name: reranker.bounded for reranker in panel.values()}, stored, mined)
    fitted = [{"name": name, "bar": bar.describe()} for name, bar in bars.items()]
    if joint is not None:
        fitted.append({"name": "joint", "bar": joint.describe(list(bars))})
    return Gate(spec, bars, cheapest, joint), fitted


def _second_scores(spec: Validation, stored: Sequence[Scored]) -> dict[tuple[str, str], float]:
    """What the llm reranker said of candidates that it was asked about; others stay ambiguous until a build asks."""
    at = spec.second()
    if at is None:
        return {}
    name = spec.rerankers[at].name
    return {
        (r.query_id, r.doc_id): r.score for r in stored if r.reranker == name and r.doc_id and r.role == "candidate"
    }


def _judged(verdict: Verdict, gate: Gate, scores: Scores) -> Verdict:
    """The gate's word; what was refused without scores stays so."""
    refused = verdict.relevance is None and verdict.verdict != "failed"
    subject = Subject(
        verdict.query_id, verdict.positive_id, verdict.doc_id, verdict.origin, verdict.sources,
        verdict.reason if refused else "", verdict.verdict if refused else "",
    )  # fmt: skip
    return gate.verdict(subject, scores)


def _mix(release: Release, recipe: Recipe, verdicts: Sequence[Verdict], restyled: Sequence[Verdict]) -> Mixed:
    """The examples that would come of it."""
    if isinstance(recipe.mixing, Matching) and recipe.mixing.match_lengths:
        raise InputError(
            f"{release.label}: its mixing matches lengths, and a build does not hold the texts of what it did not "
            "choose; change the recipe's gate and build it (scores are reused)"
        )
    collection = judged_collection(release)
    strategies = recipe.generation.strategies if recipe.generation else ()
    with release.reading("candidates"):
        versions = first_versions(restyled, strategies)
        judged = collection.with_positives((v.query_id, v.doc_id) for v in verdicts if v.reason == "relabelled")
    kept = [verdict for verdict in verdicts if verdict.verdict == "keep"]
    return recipe.mixing.mix(Material(judged, kept, versions, recipe.seed, grades_of(strategies)))


def _counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    return dict(sorted(Counter(map(_fate, verdicts)).items()))


def _fate(verdict: Verdict) -> str:
    """The verdict, or that a false negative is a positive now."""
    return "relabelled" if verdict.reason == "relabelled" else verdict.verdict
