"""The line: load -> mine -> generate -> validate -> mix -> export -> card."""

import functools
import os
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import yaml

from syneg_data import __version__
from syneg_data.collection import Collection, Document
from syneg_data.durable import swap_directory, write_json, write_text
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import GateError, InputError
from syneg_data.execution import Progress, Silence, map_chunks
from syneg_data.export.configs import candidate_table, collection_tables, generation_table, training_tables
from syneg_data.export.parquet import write_configs
from syneg_data.generation.drafts import final_rows, plan_drafts, write_drafts
from syneg_data.mining.candidates import mine_query
from syneg_data.mixing.selection import Mixed
from syneg_data.publishing.card import dataset_info, read_prose, render_card
from syneg_data.publishing.manifest import intact, refuse_foreign, write_manifest
from syneg_data.recipe import RecipeFile
from syneg_data.records import Candidate, Generation, Hit, Verdict
from syneg_data.references import Model, Resolved
from syneg_data.report import ledger
from syneg_data.spec import fingerprint
from syneg_data.validation.gate import Gate, Subject, floor_sample, mark_duplicates
from syneg_data.workspace import Stage, Workspace

Until = Literal["load", "mine", "generate", "validate", "mix", "audit", "export", "card"]
UNTIL: tuple[Until, ...] = ("load", "mine", "generate", "validate", "mix", "audit", "export", "card")

# Items per chunk. They decide how work is batched, hence rows, so they are part of every stage's key.
_QUERIES_PER_MINE, _PAIRS_PER_GENERATE, _QUERIES_PER_VALIDATE = 64, 16, 16


@dataclass
class Build:
    """What a build leaves: the ledger, what differs from run to run, and the folder (None if it stopped earlier)."""

    report: dict[str, Any]
    run: dict[str, Any]
    folder: Path | None = None


@dataclass
class _Line:
    """The recipe at work: its models by role, the workspace, and the time each stage took."""

    file: RecipeFile
    workspace: Workspace
    progress: Progress
    models: dict[str, Resolved] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    engine: StoredEngine | None = None
    computed: int = 0
    resumed: int = 0
    judged: int = 0

    def count(self, stage: Stage[Any]) -> None:
        """Add a stage's chunks to those computed and those that an earlier run left."""
        self.computed += stage.computed
        self.resumed += stage.reused

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[stage] = round(time.monotonic() - started, 3)


def build(
    file: RecipeFile,
    out: Path | None = None,
    *,
    until: Until = "card",
    fresh: bool = False,
    progress: Progress | None = None,
) -> Build:
    """Run a recipe, or resume it: what an earlier run finished is read, not done again.

    Args:
        file: from load_recipe.
        out: the build folder; default `builds/<name>`.
        until: the last stage to run; the build folder is written from `export` on.
        fresh: forget the stages of earlier runs; the stores of replies, vectors and scores are kept.
        progress: hears how far each stage is.

    Raises:
        SynegError: see its subclasses; nothing is half-written, and the same call resumes.
    """
    recipe = file.recipe
    out = (out or Path("builds") / recipe.name).absolute()
    refuse_foreign(out)
    prose = read_prose(file.path.parent.parent / "cards" / f"{file.path.stem}.md")
    steps = UNTIL[: UNTIL.index(until) + 1]
    workspace = Workspace(out.parent / f".{out.name}.work")
    line = _Line(file, workspace, progress or Silence())
    # Bad data and missing models are found before anything is written.
    collection = _load(line)
    line.models = resolve_models(file, steps)
    with workspace.locked():
        if fresh:
            workspace.drop_stages()
        report: dict[str, Any] = {"schema": 1, "name": recipe.name, "seed": recipe.seed, "stages": {}}
        stages = report["stages"]

        stages["load"] = ledger.load_entry(collection)
        if "mine" in steps:
            candidates, mine_key = _mine(line, collection)
            stages["mine"] = ledger.mine_entry(candidates)
        if "generate" in steps:
            generations, generate_key = _generate(line, collection)
            if recipe.generation is not None:
                stages["generate"] = ledger.generate_entry(final_rows(generations))
                report["tokens"] = ledger.tokens_entry(generations)
        if "validate" in steps:
            verdicts, validate_key = _validate(line, collection, candidates, generations, mine_key, generate_key)
            stages["validate"] = ledger.validate_entry(verdicts)
        if "mix" in steps:
            kept = [verdict for verdict in verdicts if verdict.verdict == "keep"]
            mixed = _mix(line, collection, kept)
            stages["mix"] = ledger.mix_entry(kept, mixed.examples, mixed.rejected)
            report["examples"] = len(mixed.examples)
            report["negatives_per_example"] = recipe.mixing.negatives
            report["origins"] = ledger.origins(mixed.examples)
        ledger.check_balance(stages)
        if "export" not in steps:
            return Build(report, _run_facts(line, False))

        name = fingerprint("build", __version__, validate_key, recipe, prose)
        if not mixed.examples:
            raise GateError(
                f"{file.path}: no pair has enough negatives ({mixed.rejected}); nothing is published: look at the "
                "rejected and failed rows of the funnel, then mine deeper, generate more or ask for fewer"
            )
        reused = not line.computed and intact(out, name) and _written_recipe(out) == file.written
        if not reused:
            with line.timed("export"):
                tables = training_tables(
                    _with_written(collection, generations), mixed.examples, recipe.mixing.negatives
                )
                chosen = {doc_id for example in mixed.examples for doc_id in example.negative_ids}
                tables |= collection_tables(collection, [d for d in _written(generations) if d.doc_id in chosen])
                tables["candidates"] = candidate_table(candidates, verdicts, mixed.examples)
                tables["generations"] = generation_table(generations)
                _write_folder(line, out, tables, report, prose, name, collection.digest)
        run = _run_facts(line, reused)
        if not reused:  # else it keeps what it says of the run that made this folder
            write_json(out / "run.json", run)
        return Build(report, run, out)


def resolve_models(file: RecipeFile, steps: Sequence[str] = UNTIL) -> dict[str, Resolved]:
    """Every model that `steps` need on this machine, by where the recipe names it.

    Raises:
        InputError: a model is broken, or a reranker is the very model that mined the candidates.
        UnavailableError: a model cannot be fetched.
    """
    recipe = file.recipe
    named: dict[str, Model] = {}
    for i, miner in enumerate(recipe.mining):
        if (reference := miner.model_reference()) is not None:
            named[f"mining[{i}]"] = reference
    if recipe.generation is not None and "generate" in steps:
        named["generation.engine"] = recipe.generation.engine.model
    if "validate" in steps:
        for i, reranker in enumerate(recipe.validation.rerankers):
            named[f"validation.rerankers[{i}]"] = reranker.model
    models = {
        role: reference.resolve()
        for role, reference in named.items()
        if role.split("[")[0] != "mining" or "mine" in steps
    }
    miners = {model.digest: role for role, model in models.items() if role.startswith("mining")}
    for i, reranker in enumerate(recipe.validation.rerankers):
        role = f"validation.rerankers[{i}]"
        if role in models and models[role].digest in miners and not reranker.allow_same_model:
            raise InputError(
                f"{file.path}: {role}.model: the same model as {miners[models[role].digest]}; a model cannot check "
                "its own candidates: choose another, or set allow_same_model: true"
            )
    return models


def _load(line: _Line) -> Collection:
    with line.timed("load"):
        return line.file.recipe.source.load(line.file.recipe.seed, line.file.recipe.limit)


def _mine(line: _Line, collection: Collection) -> tuple[list[Candidate], str]:
    """Candidates of all queries, refused ones included."""
    miners = line.file.recipe.mining
    models = [line.models.get(f"mining[{i}]") for i in range(len(miners))]
    digests = [model.digest if model else None for model in models]
    key = fingerprint("mine", __version__, _QUERIES_PER_MINE, collection.digest, miners, digests)
    stage = line.workspace.stage("mine", key, Candidate, _QUERIES_PER_MINE)

    @functools.cache
    def indexes() -> list[Any]:
        opened = zip(miners, models, strict=True)
        return [(miner.name, miner.depth, miner.open(collection, model)) for miner, model in opened]

    def compute(query_ids: Sequence[str]) -> list[Candidate]:
        return [row for query_id in query_ids for row in mine_query(collection, query_id, indexes())]

    with line.timed("mine"):
        rows = map_chunks("mine", "queries", stage, list(collection.queries), compute, line.progress)
    line.count(stage)
    return rows, key


def _generate(line: _Line, collection: Collection) -> tuple[list[Generation], str]:
    """Every attempt at every draft."""
    spec, seed = line.file.recipe.generation, line.file.recipe.seed
    if spec is None:
        return [], ""
    model = line.models["generation.engine"]
    identity = spec.engine.identity(model.digest)
    engine = StoredEngine(identity, lambda: spec.engine.open(model))
    line.engine = engine
    key = fingerprint("generate", __version__, _PAIRS_PER_GENERATE, collection.digest, seed, spec, identity)
    stage = line.workspace.stage("generate", key, Generation, _PAIRS_PER_GENERATE)
    drafts = plan_drafts(spec, collection.pairs(), seed)

    def compute(pairs: Sequence[list[Any]]) -> list[Generation]:
        return write_drafts(spec, [draft for pair in pairs for draft in pair], collection, engine, seed)

    with line.timed("generate"):
        rows = map_chunks("generate", "pairs", stage, drafts, compute, line.progress)
    line.count(stage)
    return rows, key


def _validate(
    line: _Line,
    collection: Collection,
    candidates: Sequence[Candidate],
    generations: Sequence[Generation],
    mine_key: str,
    generate_key: str,
) -> tuple[list[Verdict], str]:
    """A verdict for every candidate that reached the gate."""
    spec, seed = line.file.recipe.validation, line.file.recipe.seed
    models = [line.models[f"validation.rerankers[{i}]"] for i in range(len(spec.rerankers))]
    key = fingerprint(
        "validate", __version__, _QUERIES_PER_VALIDATE, mine_key, generate_key, seed, spec, [m.digest for m in models]
    )
    stage = line.workspace.stage("validate", key, Verdict, _QUERIES_PER_VALIDATE)
    written = [row for row in final_rows(generations) if row.state == "ok"]
    texts = {row.doc_id: row.text for row in written}
    subjects: dict[str, list[Subject]] = {query_id: [] for query_id in collection.queries}
    for candidate in candidates:
        if not candidate.reason:
            subject = Subject(candidate.query_id, None, candidate.doc_id, "mined", candidate.sources)
            subjects[candidate.query_id].append(subject)
    drafted = [
        Subject(row.query_id, row.positive_id, row.doc_id, "synthetic", (Hit(row.strategy, row.slot + 1, None),))
        for row in written
    ]
    for subject in mark_duplicates(collection, drafted, texts):
        subjects[subject.query_id].append(subject)
    whole = _with_written(collection, generations)

    @functools.cache
    def gate() -> Gate:
        judges = tuple(reranker.open(model) for reranker, model in zip(spec.rerankers, models, strict=True))
        return Gate(spec, judges, floor_sample(collection, spec.floor.sample, seed))

    def compute(query_ids: Sequence[str]) -> list[Verdict]:
        chunk = [subject for query_id in query_ids for subject in subjects[query_id]]
        line.judged += len(chunk)
        return gate().verdicts(whole, chunk)

    with line.timed("validate"):
        rows = map_chunks("validate", "queries", stage, list(collection.queries), compute, line.progress)
    line.count(stage)
    return rows, key


def _mix(line: _Line, collection: Collection, kept: Sequence[Verdict]) -> Mixed:
    with line.timed("mix"):
        return line.file.recipe.mixing.mix(collection, kept)


def _written(generations: Sequence[Generation]) -> list[Document]:
    """The synthetic documents."""
    return [Document(row.doc_id, row.text) for row in final_rows(generations) if row.state == "ok"]


def _with_written(collection: Collection, generations: Sequence[Generation]) -> Collection:
    return collection.with_documents(_written(generations))


def _write_folder(
    line: _Line,
    out: Path,
    tables: dict[str, Any],
    report: dict[str, Any],
    prose: dict[str, str],
    name: str,
    source: str,
) -> None:
    """Write the whole build folder aside and put it in place at once."""
    recipe, split = line.file.recipe, line.file.recipe.source.split
    folder = line.workspace.scratch("export")
    rows = write_configs(folder, tables, split)
    by_config = {config: tables[config].num_rows for config in tables}
    inputs = {role: {"model": model.label, "sha256": model.digest} for role, model in sorted(line.models.items())} | {
        "source": {"split": split, "license": recipe.source.license, "sha256": source}
    }
    write_json(folder / "report.json", report)
    lock = {"fingerprint": name, "tool": f"syneg-data {__version__}", "inputs": inputs, "recipe": line.file.written}
    write_text(folder / "recipe.lock.yaml", yaml.safe_dump(lock, sort_keys=False, allow_unicode=True, width=100))
    card = render_card(
        report=report,
        prose=prose,
        publishing=recipe.publishing.model_dump(),
        source_license=recipe.source.license,
        terms=recipe.generation.terms if recipe.generation else None,
        split=split,
        rows=by_config,
        features=dataset_info(folder, by_config, split),
        models=[{"role": role, "label": m.label, "sha256": m.digest} for role, m in sorted(line.models.items())],
        recipe_name=line.file.path.name,
        fingerprint=name,
    )
    write_text(folder / "README.md", card)
    write_manifest(folder, name, inputs, rows)
    swap_directory(folder, out, line.workspace.root / "replaced")


def _rate(items: int, seconds: float | None) -> float | None:
    return round(items / seconds, 2) if items and seconds else None


def _written_recipe(out: Path) -> Any:  # noqa: ANN401
    """The recipe that the lock of a build folder holds, as written."""
    return yaml.safe_load((out / "recipe.lock.yaml").read_text(encoding="utf-8"))["recipe"]


def _run_facts(line: _Line, reused: bool) -> dict[str, Any]:
    """What may differ between two runs of the same recipe."""
    names = ("torch", "transformers", "sentence-transformers", "outlines", "llguidance", "bm25s", "datasets", "pyarrow")
    return {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": line.seconds,
        "engine_requests": line.engine.submitted if line.engine else 0,
        "replies_reused": line.engine.reused if line.engine else 0,
        "chunks_computed": line.computed,
        "chunks_resumed": line.resumed,
        "rates": {
            "replies_per_second": _rate(line.engine.submitted if line.engine else 0, line.seconds.get("generate")),
            "verdicts_per_second": _rate(line.judged, line.seconds.get("validate")),
        },
        "build_reused": reused,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": {name: metadata.version(name) for name in names},
    }
