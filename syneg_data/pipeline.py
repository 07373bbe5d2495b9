"""The line: load -> mine -> generate -> validate -> mix -> audit -> export -> card."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from syneg_data import __version__
from syneg_data.audit.evaluation import read_evaluation
from syneg_data.auditing import Audited, audit
from syneg_data.collection import Collection
from syneg_data.durable import write_json
from syneg_data.errors import GateError, InputError
from syneg_data.execution import Progress, Silence
from syneg_data.folder import write_folder, written_recipe
from syneg_data.gating import validate
from syneg_data.generation.achieved import achieved
from syneg_data.generation.drafts import final_rows
from syneg_data.inputs import resolve_models
from syneg_data.line import Judged, Line, Mined, Written
from syneg_data.mixing.selection import Mixed
from syneg_data.publishing.card import read_prose
from syneg_data.publishing.manifest import BUILD, intact, refuse_foreign
from syneg_data.recipe import RecipeFile, load_recipe
from syneg_data.records import Generation
from syneg_data.report import ledger, shortage
from syneg_data.run_facts import run_facts
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
    if until not in UNTIL:
        raise InputError(f"until: no stage {until!r}; one of {', '.join(UNTIL)}")
    file = file if isinstance(file, RecipeFile) else load_recipe(file)
    recipe = file.recipe
    out = Path(out or Path("builds") / recipe.name).absolute()
    refuse_foreign(out, BUILD)
    prose = read_prose(file.folder.parent / "cards" / f"{file.path.stem}.md")
    steps = UNTIL[: UNTIL.index(until) + 1]
    workspace = Workspace(out.parent / f".{out.name}.work")
    line = Line(file=file, workspace=workspace, progress=progress or Silence())
    # Bad data, missing models and broken evaluation files are found before anything is written.
    collection = load(line)
    held_out = recipe.source.held_out(collection, recipe.seed)
    line.models = resolve_models(file, steps)
    if "audit" in steps and recipe.audit is not None:
        read_evaluation(recipe.audit.evaluation)
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
            return Build(report, run_facts(line, report, False))

        said = {role: model.license for role, model in line.models.items()}  # by the models' own cards, not the recipe
        parts = [part.digest for part in held_out.values()]
        name = fingerprint("build", __version__, judged.key, audited.key, recipe, prose, parts, said)
        if not mixed.examples:
            raise GateError(
                "\n".join([f"{file.path}: no pair has enough negatives; nothing is published", *shortage.told(stages)])
            )
        reused = not line.computed and intact(out, name) and written_recipe(out) == file.written
        if not reused:
            with line.timed("export"):
                write_folder(line, out, collection, held_out, mined, written, judged, mixed, report, prose, name)
        else:  # it also says what was counted while files were written
            report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        run = run_facts(line, report, reused)
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
