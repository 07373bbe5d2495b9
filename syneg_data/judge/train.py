"""`train`: a release in, a reference retriever out, measured before and after on splits that it was not trained on."""

import os
import shutil
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from syneg_data import __version__
from syneg_data.collection import Collection
from syneg_data.durable import swap_directory
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.errors import InputError
from syneg_data.execution import Progress
from syneg_data.judge.baselines import against_bm25, bm25_of, measure_bm25
from syneg_data.judge.measuring import Measured, gains, measure, only, rounded, unseen
from syneg_data.judge.provenance import provenance
from syneg_data.judge.retriever import read_facts, rewrite_retriever, save_model, write_retriever
from syneg_data.judge.teacher import relevances
from syneg_data.loading import device
from syneg_data.publishing.judgements import verdicts_of
from syneg_data.publishing.manifest import RETRIEVER, intact, refuse_foreign
from syneg_data.publishing.release import Release
from syneg_data.records import Example
from syneg_data.references import Resolved
from syneg_data.spec import canonical, fingerprint
from syneg_data.training import Training
from syneg_data.training.evaluation import InTraining, Searcher, small_corpus, texts_of
from syneg_data.training.examples import Examples
from syneg_data.training.metrics import means, score_run
from syneg_data.training.runs import require_words
from syneg_data.training.student import load_model, prompts_of
from syneg_data.training.trainer import Check, device_count, train_model
from syneg_data.workspace import Workspace

_FOLDER = 2  # of what a retriever's folder holds; one with less in it is written anew
_PACKAGES = ("torch", "sentence-transformers", "transformers")


def train(release: Release, spec: Training, out: Path, seed: int, progress: Progress) -> dict[str, Any]:
    """Train the reference retriever of a release, or go on where an earlier run of the same call stopped.

    Where all is done already, only what is said of the retriever is brought up to date: its licence, and where the data
    set is published by now.

    Args:
        release: what to train and evaluate on.
        spec: settings.
        out: folder to write: the model's own files, README.md, training.json, runs/, curves.csv, curves.svg.
        seed: of shuffling and dropout.
        progress: hears of encoding and steps.

    Returns:
        What training.json holds; in all but the first of several processes, nothing.

    Raises:
        SynegError: see its subclasses; nothing is half-written, and the same call resumes.
    """
    out = out.absolute()
    refuse_foreign(out, RETRIEVER)
    base = spec.base.resolve()
    said = provenance(release, spec, base)
    reference = spec.objective.guide_reference()
    guide = reference.resolve() if reference is not None else None
    name = fingerprint(
        "train",
        _FOLDER,
        __version__,
        release.digest,
        spec,
        base.digest,
        guide.digest if guide else None,
        seed,
        device_count(),
    )
    workspace = Workspace(out.parent / f".{out.name}.work")
    if intact(out, name):
        return _brought_up_to_date(out, workspace, said) if _first_process() else {}
    splits = release.held_out()
    for part in splits.values():
        require_words(release.label, part)
    if spec.checks and not (splits.get("dev") and splits["dev"].queries):
        raise InputError(
            f"{release.label}: has no dev split to choose the best weights on; build with source.dev (such as 0.1), "
            "or set training.checks to 0 to take the last ones"
        )
    examples, bm25_spec = read_examples(release, spec), bm25_of(release)
    checkpoints = workspace.root / f"checkpoints-{name[:20]}"
    checkpoints.mkdir(parents=True, exist_ok=True)
    loaded = load_model(spec, guide) if guide else None
    if not _first_process():  # of several on one machine: only the first evaluates and writes
        train_model(spec, base, loaded, examples, checkpoints, seed=seed, check=_no_check(spec), progress=progress)
        return {}
    with workspace.locked():
        before = _measure_stored(spec, base, splits, progress)
        check = _check(spec, splits["dev"], before) if spec.checks else None
        started = time.monotonic()
        trained = train_model(spec, base, loaded, examples, checkpoints, seed=seed, check=check, progress=progress)
        seconds = time.monotonic() - started
        folder = workspace.scratch("finished")
        model = save_model(trained, folder)
        after = _measure_stored(spec, model, splits, progress)
        bm25, positives = measure_bm25(bm25_spec, splits, progress), trained_positives(release)
        facts = {
            "schema": 1,
            "tool": f"syneg-data {__version__}",
            "fingerprint": name,
            "base": base.label,
            "base_sha256": base.digest,
            "model_sha256": model.digest,
            "dataset": release.label,
            "dataset_sha256": release.digest,
            "seed": seed,
            "settings": canonical(spec),
            "examples": len(examples),
            "negatives": len(examples.negatives),
            "synthetic": count_synthetic(release),
            "devices": device_count(),
            "device": device(),
            "steps": trained.steps,
            "best_step": trained.best_step,
            "seconds": round(seconds, 1),
            "versions": {package: metadata.version(package) for package in _PACKAGES},
            **said,
            **_readings(splits, before, after, positives),
            "baselines": {"bm25": against_bm25(bm25_spec, splits, bm25, after, positives)},
        }
        write_retriever(folder, facts, trained.points, {"before": before, "after": after, "bm25": bm25})
        swap_directory(folder, out, workspace.root / "replaced")
        shutil.rmtree(checkpoints, ignore_errors=True)
        return facts


def _brought_up_to_date(out: Path, workspace: Workspace, said: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a finished run, with what is said of it as it is now."""
    facts = read_facts(out)
    if all(facts.get(name) == value for name, value in said.items()):
        return facts
    facts |= said
    with workspace.locked():
        rewrite_retriever(out, workspace, facts)
    return facts


def settings(release: Release, given: Mapping[str, Any]) -> Training:
    """The training section of the release's recipe, with what is `given` in its place.

    Raises:
        InputError: neither names a base model, or a value does not fit.
    """
    written = {**(release.recipe.get("training") or {}), **given}
    if "license" in given:  # the recipe's name and link are of another one
        written = {name: value for name, value in written.items() if name in given or not name.startswith("license_")}
    if "base" not in written:
        raise InputError(f"{release.label}: its recipe names no training.base; say --base FOLDER or --base ID@REVISION")
    if "base" not in given:
        _require_there(release, "base", written["base"])
    if "objective" not in given:
        _require_there(release, "objective.guide", (written.get("objective") or {}).get("guide"))
    try:
        return Training.model_validate(written, context={"base": Path.cwd()})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, ('training', *e['loc'])))}: {e['msg']}" for e in error.errors()]
        raise InputError(
            "\n".join(f"{release.label}: {what}; set it by an option, or in the recipe" for what in problems)
        ) from None


def _require_there(release: Release, field: str, model: Any) -> None:  # noqa: ANN401
    """Refuse a model that the recipe names by a path which leads nowhere from here: paths are relative to a recipe."""
    path = model.get("path") if isinstance(model, Mapping) else model if "@" not in str(model) else None
    if path and not Path(path).exists():
        raise InputError(
            f"{release.label}: its recipe names training.{field} by a path, {path}, which is not there from here; "
            "say --base FOLDER, or run this in the recipe's folder"
        )


def read_examples(release: Release, spec: Training) -> Examples:
    """The texts of `n-tuple`, and the stored relevance of each where the objective needs it.

    Of `ragged` the same: an example with fewer negatives than others repeats its own in turn, for objectives take
    equally many of each. So a pair stays one example, and its positive is never another row's negative.
    """
    ragged = not any(name.startswith("n-tuple/") for name in release.files)
    table = release.table("ragged" if ragged else "n-tuple")
    if ragged:
        rows = table["negatives"].to_pylist()
        most = max(map(len, rows), default=0)
        columns = [[row[n % len(row)] for row in rows] for n in range(most)]
    else:
        negatives = sum(name.startswith("negative_") for name in table.column_names)
        columns = [table[f"negative_{n + 1}"].to_pylist() for n in range(negatives)]
    scores = _teacher(release, len(columns)) if spec.objective.needs_scores else None
    return Examples(table["query"].to_pylist(), table["positive"].to_pylist(), columns, scores)


def trained_positives(release: Release) -> set[str]:
    """The documents that examples have as positives; of one that a model wrote again, the original."""
    original = {
        row["doc_id"]: row["positive_id"]
        for row in release.table("candidates").to_pylist()
        if row["stage"] == "restyle"
    }
    return {original.get(doc_id) or doc_id for doc_id in release.table("ids")["positive_id"].to_pylist()}


def count_synthetic(release: Release) -> dict[str, int]:
    """How many hard negatives of the examples a language model wrote, and of how many."""
    sources = [source for row in release.table("ids")["sources"].to_pylist() for source in row]
    return {"negatives": sum(source.startswith("synthetic:") for source in sources), "of": len(sources)}


def _teacher(release: Release, negatives: int) -> list[list[float]] | None:
    """Relevance of each example's positive and `negatives` negatives by the gate; None if one of them has none."""
    rows = release.table("ids").to_pylist()
    examples = [Example(r["query_id"], r["positive_id"], tuple(r["negative_ids"]), (), ()) for r in rows]
    found = relevances(examples, verdicts_of(release), verdicts_of(release, ["restyle"]))
    if found is None:
        return None
    return [[positive, *(own[n % len(own)] for n in range(negatives))] for positive, *own in found]


def _measure_stored(spec: Training, model: Resolved, splits: Mapping[str, Collection], progress: Progress) -> Measured:
    """A model whose weights have a name: every text is encoded once ever."""
    if not splits:
        return Measured()
    embedder = BiEncoder(model, spec.max_length, spec.encode_batch, prompts_of(spec))
    corpus = texts_of(next(iter(splits.values())))
    return measure(Searcher(embedder, corpus, model.label, progress), splits)


def _check(spec: Training, dev: Collection, before: Measured) -> Check:
    """Measures a model in training on dev, in a part of the corpus."""
    corpus = small_corpus(dev, before.runs["dev"], spec.dev_depth)

    def check(model: Any) -> Mapping[str, float]:  # noqa: ANN401
        searcher = Searcher(InTraining(model, spec.encode_batch), corpus, "in training")
        return means(score_run(searcher.run(dev.queries), dev.qrels))

    return check


def _no_check(spec: Training) -> Check | None:
    """What stands for the check where another process does it."""
    return (lambda model: {}) if spec.checks else None


def _readings(splits: Mapping[str, Collection], before: Measured, after: Measured, trained: set[str]) -> dict[str, Any]:
    """Every split before and after, all its queries and those whose positives were not trained on."""
    readings: dict[str, Any] = {
        "before": before.averages(),
        "after": after.averages(),
        "gain": {split: gains(before.scores[split], after.scores[split], part) for split, part in splits.items()},
        "unseen": {},
    }
    for split, part in splits.items():
        new = unseen(part, trained)
        entry: dict[str, Any] = {"queries": len(new), "of": len(part.queries)}
        if new:
            entry["before"] = rounded(means(only(before.scores[split], new)))
            entry["after"] = rounded(means(only(after.scores[split], new)))
            entry["gain"] = gains(before.scores[split], after.scores[split], part, set(new))
        readings["unseen"][split] = entry
    return readings


def _first_process() -> bool:
    return int(os.environ.get("RANK", "0")) == 0
