"""rethreshold: what another rule would make of the candidates of a build, from its stored scores, without a model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from syneg_data.errors import InputError
from syneg_data.mixing import Mixing
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.publishing.judgements import judged_collection, scores_of, verdicts_of
from syneg_data.publishing.release import Release, open_release
from syneg_data.recipe import RecipeFile, check_recipe
from syneg_data.recipe_text import frozen, part
from syneg_data.records import Scored, Verdict
from syneg_data.validation import Reranker, Rule, Validation
from syneg_data.validation.fitting import evidence_of, fit_joint, fit_rule
from syneg_data.validation.gate import Gate, Scores, Subject, as_positive, settle
from syneg_data.validation.review import source_of
from syneg_data.validation.rules import Bar

_ANY_MODEL = {"kind": "hub", "id": "any/model", "revision": "any"}  # none is loaded, whatever the recipe names


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
            label = f"--{name.replace('_', '-')}"
            changes[name] = part(label, value, Validation.model_fields[name].annotation)
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
    spec = _changed(release, changes)
    stored = scores_of(release)
    before = verdicts_of(release)
    asked = {row.reranker for row in stored if row.role == "positive"}
    for reranker in (spec.rerankers[i] for i in spec.panel()):
        if reranker.name not in asked:
            raise InputError(
                f"{release.label}: {reranker.name} judged only what was ambiguous in this build; change the recipe and "
                "build it to have it judge everything"
            )
    gate, fitted = _gate(spec, before, stored)
    scores = Scores(row for row in stored if row.role != "reviewed")
    second = _second_scores(spec, stored)
    after = [settle(_judged(verdict, gate, scores), spec, second, gate) for verdict in before]
    restyled = [as_positive(_judged(v, gate, scores), gate) for v in verdicts_of(release, ["restyle"])]
    moved = Counter(
        (_fate(old), _fate(new), source_of(old))
        for old, new in zip(before, after, strict=True)
        if _fate(old) != _fate(new)
    )
    mixed = _mix(release, after, restyled)
    report = release.json("report.json")
    return {
        "gate": {key: spec.model_dump(mode="json")[key] for key in ("rule", "agree", "ambiguous", "false_negative")},
        "before": _counts(before),
        "after": _counts(after),
        "moved": [
            {"from": old, "to": new, "source": source, "count": count}
            for (old, new, source), count in sorted(moved.items())
        ],
        "examples": {"before": report["examples"], "after": len(mixed.examples)},
        "pairs_without": {"before": report["stages"]["mix"]["pairs"]["rejected"], "after": mixed.rejected},
        "rerankers": fitted,
    }


def changed_recipe(file: RecipeFile, folder: Path, changes: Mapping[str, Any]) -> RecipeFile:
    """The recipe of a build with its gate changed, ready to be built: no score is computed again.

    Raises:
        InputError: it is not the recipe that the build was made from, or a change does not fit.
    """
    release = open_release(str(folder))
    limit = release.recipe.get("limit")
    if {**file.written, "limit": limit} != {**release.recipe, "limit": limit}:
        raise InputError(f"{file.path}: not the recipe that {release.label} was built from; name that one")
    written = {**release.recipe, "validation": {**file.written["validation"], **changes}}
    return check_recipe(file.path, written)


def _changed(release: Release, changes: Mapping[str, Any]) -> Validation:
    """The validation section of a release with some keys changed; models are left out, for none is needed."""
    written = {**release.recipe["validation"], **changes}
    written["rerankers"] = [_without_model(reranker) for reranker in written["rerankers"]]
    written.pop("review", None)
    spec: Validation = TypeAdapter(Validation).validate_python(frozen(written))
    if spec.ambiguous != "drop" and not spec.rule.doubt:
        raise InputError(f"--ambiguous {spec.ambiguous}: the rule has no band of doubt; set `doubt` in --rule")
    if spec.agree == "joint" and spec.rule.kind != "calibrated":
        raise InputError(
            f"--agree joint: needs a rule of kind calibrated, not {spec.rule.kind}; choose any, all or mean"
        )
    if not spec.panel():
        raise InputError(f"{release.label}: only the llm reranker is left to judge; use --ambiguous drop")
    return spec


def _without_model(reranker: Mapping[str, Any]) -> dict[str, Any]:
    if "engine" not in reranker:
        return {**reranker, "model": _ANY_MODEL}
    engine = reranker["engine"]
    return {**reranker, "engine": {**engine, "model": _ANY_MODEL} if isinstance(engine.get("model"), dict) else engine}


def _gate(spec: Validation, verdicts: Sequence[Verdict], stored: Sequence[Scored]) -> tuple[Gate, list[dict[str, Any]]]:
    """The gate, fitted to the stored scores as a build would; and what was fitted."""
    mined = {(verdict.query_id, verdict.doc_id) for verdict in verdicts if verdict.origin == "mined"}
    bars: dict[str, Bar] = {}
    panel: list[Reranker] = [spec.rerankers[i] for i in spec.panel()]
    for reranker in panel:
        rows = [row for row in stored if row.reranker == reranker.name]
        bars[reranker.name] = fit_rule(spec, reranker, evidence_of(rows, mined, reranker.bounded))
    cheapest = min(panel, key=lambda reranker: reranker.cost).name
    joint = fit_joint(spec, {reranker.name: reranker.bounded for reranker in panel}, stored, mined)
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


def _mix(release: Release, verdicts: Sequence[Verdict], restyled: Sequence[Verdict]) -> Mixed:
    """The examples that would come of it."""
    recipe = release.recipe
    mixing: Mixing = TypeAdapter(Mixing).validate_python(frozen(recipe["mixing"]))
    collection = judged_collection(release)
    strategies = (recipe.get("generation") or {}).get("strategies", [])
    made_up = {strategy.get("name", strategy["kind"]) for strategy in strategies if strategy["kind"] == "graded"}
    versions: dict[tuple[str, str], str] = {}
    for verdict in restyled:
        if verdict.verdict == "keep" and verdict.sources[0].source not in made_up:
            versions.setdefault((verdict.query_id, str(verdict.positive_id)), verdict.doc_id)
    relabelled = [(v.query_id, v.doc_id) for v in verdicts if v.reason == "relabelled"]
    kept = [verdict for verdict in verdicts if verdict.verdict == "keep"]
    return mixing.mix(Material(collection.with_positives(relabelled), kept, versions, recipe["seed"]))


def _counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    return dict(sorted(Counter(map(_fate, verdicts)).items()))


def _fate(verdict: Verdict) -> str:
    """The verdict, or that a false negative is a positive now."""
    return "relabelled" if verdict.reason == "relabelled" else verdict.verdict
