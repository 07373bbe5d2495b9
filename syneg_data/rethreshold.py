"""rethreshold: what another rule would make of the candidates of a build, from its stored scores, without a model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from syneg_data.collection import Collection, Document
from syneg_data.errors import InputError
from syneg_data.line import Judged
from syneg_data.mixing.options import Matching
from syneg_data.mixing.selection import Mixed
from syneg_data.publishing.judgements import judged_collection, scores_of, verdicts_of
from syneg_data.publishing.manifest import BUILD
from syneg_data.publishing.release import Release, open_release
from syneg_data.recipe import Recipe, RecipeFile, check_recipe, gate_problems, offer_of, recorded_recipe
from syneg_data.recipe_text import part
from syneg_data.records import Scored, Verdict
from syneg_data.report.story import written_texts
from syneg_data.spec import fingerprint
from syneg_data.validation import Reranker, Rule, Validation
from syneg_data.validation.gate import Gate, Scores, Subject, as_positive, fate_of, settle
from syneg_data.validation.judging import fit_gate
from syneg_data.validation.review import source_of

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
    before = verdicts_of(release)
    recipe, judged = rejudge(release, changes)
    moved = Counter(
        (fate_of(old), fate_of(new), source_of(old))
        for old, new in zip(before, judged.verdicts, strict=True)
        if fate_of(old) != fate_of(new)
    )
    mixed = _mix(release, recipe, judged)
    report = release.json("report.json")
    with release.reading("report.json"):
        examples, without = report["examples"], report["stages"]["mix"]["pairs"]["rejected"]
    return {
        "gate": _gate_of(recipe),
        "before": Judged(before).counts(),
        "after": judged.counts(),
        "moved": [
            {"from": old, "to": new, "source": source, "count": count}
            for (old, new, source), count in sorted(moved.items())
        ],
        "examples": {"before": examples, "after": len(mixed.examples)},
        "pairs_without": {"before": without, "after": mixed.rejected},
        "rerankers": _fitted(judged.facts),
    }


def rejudge(release: Release, changes: Mapping[str, Any]) -> tuple[Recipe, Judged]:
    """What another gate says of the candidates of a release, from its stored scores.

    Args:
        release: from `open_release`.
        changes: as for `rethreshold`.

    Returns:
        The recipe with the change, and its gate's word; the second opinion of a review is not asked for again.

    Raises:
        InputError: it has no scores, or a change does not fit.
    """
    recipe = _changed(release, changes)
    spec = recipe.validation
    stored, before = scores_of(release), verdicts_of(release)
    asked = {row.reranker for row in stored if row.role == "positive"}
    panel: dict[int, Reranker] = {i: spec.rerankers[i] for i in spec.panel()}
    for reranker in panel.values():
        if reranker.kind == "llm" and reranker.name not in asked:
            raise InputError(
                f"{release.label}: {reranker.name} judged only what was ambiguous in this build; change the recipe and "
                "build it to have it judge everything"
            )
    mined = {(verdict.query_id, verdict.doc_id) for verdict in before if verdict.origin == "mined"}
    gate, facts = fit_gate(spec, panel, stored, mined, lambda section: f"{release.label}: {section}")
    scores = Scores(row for row in stored if row.role != "reviewed")
    second = _second_scores(spec, stored)
    try:
        after = [settle(_judged(verdict, gate, scores), spec, second, gate) for verdict in before]
        restyled = [as_positive(_judged(v, gate, scores), gate) for v in verdicts_of(release, ["restyle"])]
    except KeyError as error:
        raise InputError(f"{release.label}: scores has none for {error}, which was judged; build it again") from error
    return recipe, Judged(after, restyled, fingerprint("rejudge", release.digest, spec), stored, facts)


def collection_of(release: Release) -> Collection:
    """Queries and judgements as the source had them, with all documents: the corpus, and every draft that was judged.

    Raises:
        InputError: a draft's text is nowhere in the release.
    """
    known = judged_collection(release)
    corpus = {
        row["_id"]: Document(row["_id"], row["text"], row["title"]) for row in release.table("corpus").to_pylist()
    }
    with release.reading("generations"):
        texts = written_texts(release.table("generations").to_pylist())
    with release.reading("candidates"):
        for verdict in verdicts_of(release, ("validate", "mix", "restyle")):
            if verdict.origin == "synthetic" and verdict.doc_id not in corpus:
                hit = verdict.sources[0]  # its strategy, and its slot counted from 1
                text = texts[verdict.query_id, str(verdict.positive_id), hit.source, hit.rank - 1]
                corpus[verdict.doc_id] = Document(verdict.doc_id, " ".join(text.split()))
    return Collection(corpus, known.queries, known.qrels, release.digest)


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


def _fitted(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was fitted, reranker by reranker."""
    fitted = [{"name": row["name"], "bar": row["bar"]} for row in facts["rerankers"]]
    return [*fitted, {"name": "joint", "bar": facts["joint"]}] if "joint" in facts else fitted


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


def _mix(release: Release, recipe: Recipe, judged: Judged) -> Mixed:
    """The examples that would come of it."""
    lengths = isinstance(recipe.mixing, Matching) and recipe.mixing.match_lengths  # for which texts are read, too
    collection = collection_of(release) if lengths else judged_collection(release)
    strategies = recipe.generation.strategies if recipe.generation else ()
    with release.reading("candidates"):
        material = judged.material(collection, strategies, recipe.seed)
    return recipe.mixing.mix(material)
