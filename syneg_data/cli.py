"""The command line: parses, calls one function, renders. Expected errors become a message and an exit code."""

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from syneg_data import __version__
from syneg_data.errors import StorageError, SynegError

app = typer.Typer(
    name="syneg-data",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Training sets for dense retrieval, with mined and LLM-written hard negatives and the evidence for each.",
)

review = typer.Typer(no_args_is_help=True, help="Have a sample of a build's candidates judged by a person.")
app.add_typer(review, name="review")

BuildPath = Annotated[Path, typer.Argument(help="A build folder.", metavar="BUILD", show_default=False)]
RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", show_default=False)]
Limit = Annotated[int | None, typer.Option(help="Only N queries, chosen by hash, so that limits nest.", min=1)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def build(
    recipe: RecipePath,
    out: Annotated[Path | None, typer.Option(help="Build folder; default: builds/<name>.")] = None,
    limit: Limit = None,
    until: Annotated[
        str, typer.Option(help="Stop after: load, mine, generate, validate, mix, export or card.")
    ] = "card",
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget finished stages; keep the stores.")] = False,
    as_json: Json = False,
) -> None:
    """Build the data set of a recipe; the same command resumes a build that was stopped."""
    from syneg_data.errors import InputError
    from syneg_data.pipeline import UNTIL
    from syneg_data.pipeline import build as build_recipe
    from syneg_data.recipe import load_recipe
    from syneg_data.report.terminal import TerminalProgress, print_result

    stage = next((name for name in UNTIL if name == until), None)
    if stage is None:
        raise InputError(f"--until {until}: no such stage; one of {', '.join(UNTIL)}")
    done = build_recipe(load_recipe(recipe, limit), out, until=stage, fresh=fresh, progress=TerminalProgress())
    folder = None if done.folder is None else _shown(done.folder)
    if as_json:
        _print_json({"folder": folder, "report": done.report, "run": done.run})
    else:
        print_result(done.report, done.run, folder)


@app.command()
def check(
    recipe: RecipePath,
    limit: Limit = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show the first prompt, as it would be sent.")] = False,
    as_json: Json = False,
) -> None:
    """Check a recipe, its data and its models, and say what a build would do; no model is run."""
    from syneg_data.plan import plan_build
    from syneg_data.recipe import load_recipe

    plan = plan_build(load_recipe(recipe, limit), preview=preview)
    if as_json:
        _print_json(plan)
        return
    for name, value in plan.items():
        if name == "prompt":
            _print_chat("first prompt:", value)
        elif name.startswith("prompts "):
            for strategy, chat in value.items():
                _print_chat(f"first prompt of {strategy}:", chat)
        elif isinstance(value, dict):
            typer.echo(f"{name}:")
            for key, entry in value.items():
                typer.echo(f"  {key}: {entry}")
        else:
            typer.echo(f"{name}: {value}")


@app.command()
def explain(
    folder: BuildPath,
    query_id: Annotated[str, typer.Argument(help="A query of it.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Tell the whole story of one query: every candidate, where from, scores, verdict, and why."""
    from syneg_data.publishing.release import open_release
    from syneg_data.report.story import query_story
    from syneg_data.report.terminal import print_story

    story = query_story(open_release(str(folder)), query_id)
    if as_json:
        _print_json(story)
    else:
        print_story(story)


@app.command()
def rethreshold(
    folder: BuildPath,
    rule: Annotated[
        str | None, typer.Option(help="In YAML, as in a recipe: '{kind: relative, margin: 0.1}'; or a kind alone.")
    ] = None,
    agree: Annotated[str | None, typer.Option(help="joint, any, all or mean.")] = None,
    ambiguous: Annotated[str | None, typer.Option(help="drop, keep or llm.")] = None,
    false_negative: Annotated[str | None, typer.Option(help="drop or relabel.")] = None,
    apply: Annotated[
        Path | None, typer.Option(metavar="RECIPE", help="The recipe of this build: build it anew with the change.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what another gate would make of a build, from its stored scores; no model is run, nothing is rewritten."""
    from syneg_data.pipeline import build as build_recipe
    from syneg_data.recipe import load_recipe
    from syneg_data.report.terminal import TerminalProgress, print_changes
    from syneg_data.rethreshold import changed_recipe, changes_of, gate_to_write, rethreshold

    changes = changes_of(rule=rule, agree=agree, ambiguous=ambiguous, false_negative=false_negative)
    found = rethreshold(folder, changes)
    if apply is not None:
        file = load_recipe(apply)
        changed = changed_recipe(file, folder, changes)
        done = build_recipe(changed, folder, progress=TerminalProgress())
        found["applied"] = done.report["examples"]
        found["recipe"] = {"file": _shown(apply), "to_write": {"validation": gate_to_write(file, changed)}}
    if as_json:
        _print_json(found)
    else:
        print_changes(found)


@review.command("export")
def review_export(
    folder: BuildPath,
    out: Annotated[Path, typer.Option(help="A .csv or .jsonl file to write.", show_default=False)],
    sample: Annotated[int, typer.Option(help="How many candidates.", min=1)] = 200,
    seed: Annotated[int | None, typer.Option(help="Of the sample; default: the recipe's.", min=0)] = None,
    as_json: Json = False,
) -> None:
    """Write a sample of candidates, kept and refused ones, for a person to say which are relevant."""
    from syneg_data.review import export_sample

    counts = export_sample(folder, out, sample, seed)
    if as_json:
        _print_json({"file": _shown(out), **counts})
    else:
        typer.echo(f"{counts['written']} of {counts['candidates']} candidates in {_shown(out)}")
        typer.echo("fill `relevant` with yes or no, then: syneg-data review import")


@review.command("import")
def review_import(
    folder: BuildPath,
    file: Annotated[Path, typer.Argument(help="The file with `relevant` filled in.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Say what a reviewed sample shows: false negatives left, by source, and how far the gate agrees."""
    from syneg_data.report.terminal import print_review
    from syneg_data.review import import_judgements

    found = import_judgements(folder, file)
    found["file"] = _shown(Path(found["file"]))
    if as_json:
        _print_json(found)
    else:
        print_review(found)
        typer.echo(f"kept as {found['file']}{', in place of an earlier one' if found['replaced'] else ''}")


@app.command()
def diff(
    before: Annotated[
        str, typer.Argument(help="The earlier build: a folder, or ID@REVISION.", metavar="A", show_default=False)
    ],
    after: Annotated[
        str, typer.Argument(help="The later build: a folder, or ID@REVISION.", metavar="B", show_default=False)
    ],
    version: Annotated[
        str | None, typer.Option(metavar="X.Y.Z", help="The version that A carries; says which one B should carry.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how two builds differ and which level of version change that is; exit code 0 whether or not they do."""
    from syneg_data.difference.builds import difference
    from syneg_data.publishing.release import open_release
    from syneg_data.report.difference import print_difference

    found = difference(open_release(before), open_release(after), version)
    if as_json:
        _print_json(found)
    else:
        print_difference(found, before, after)


@app.command()
def train(
    dataset: Annotated[
        str, typer.Argument(help="A build folder, or ID@REVISION on the Hub.", metavar="BUILD", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the model and what was measured.", show_default=False)],
    base: Annotated[
        str | None, typer.Option(help="A folder or ID@REVISION; default: training.base of the recipe.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="In place of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="In place of the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="In place of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the recipe's.", min=0)] = None,
    license: Annotated[
        str | None, typer.Option(help="Of the retriever, on its card; of a finished one this trains nothing anew.")
    ] = None,
    license_name: Annotated[str | None, typer.Option(help="Name of the licence, with --license other.")] = None,
    license_link: Annotated[str | None, typer.Option(help="Where to read it, with --license other.")] = None,
    as_json: Json = False,
) -> None:
    """Train the reference retriever of a data set and measure it before and after; the same command resumes."""
    from syneg_data.judge.train import settings, train
    from syneg_data.publishing.release import open_release
    from syneg_data.report.gains import print_gains
    from syneg_data.report.terminal import TerminalProgress

    release = open_release(dataset)
    given = {"base": base, "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    given |= {"license": license, "license_name": license_name, "license_link": license_link}
    spec = settings(release, {name: value for name, value in given.items() if value is not None})
    chosen = seed if seed is not None else release.recipe["seed"]
    facts = train(release, spec, out, chosen, TerminalProgress())
    if not facts:  # one of several processes, and not the first
        return
    if as_json:
        _print_json(facts)
    else:
        print_gains(facts, _shown(out))


@app.command()
def compare(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option(help="Folder for runs, tables and verdict.", show_default=False)],
    arms: Annotated[str, typer.Option(help="Names with commas between; default: all that the recipe allows.")] = "",
    seeds: Annotated[int, typer.Option(help="Runs of every arm, counted up from the recipe's seed.", min=1)] = 3,
    limit: Limit = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Train nothing; say from the runs in --out what more seeds could detect.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on different hard negatives at equal budget and say which help, if any; the same command resumes."""
    from syneg_data.judge.compare import compare
    from syneg_data.judge.power import plan_seeds
    from syneg_data.recipe import load_recipe
    from syneg_data.report.comparison import print_comparison, print_plan
    from syneg_data.report.terminal import TerminalProgress

    file = load_recipe(recipe, limit)
    if plan:
        found = plan_seeds(out, file.recipe.name)
        _print_json(found) if as_json else print_plan(found)
        return
    names = [name.strip() for name in arms.split(",") if name.strip()]
    report = compare(file, out, names, seeds, TerminalProgress())
    if as_json:
        _print_json(report)
    else:
        print_comparison(report, _shown(out))


@app.command()
def recipes(
    folder: Annotated[Path, typer.Argument(help="A folder of recipes.", metavar="FOLDER")] = Path("recipes"),
    as_json: Json = False,
) -> None:
    """List the recipes of a folder: what each makes, how long that takes, on which hardware, and the command."""
    from syneg_data.cookbook import cookbook

    found = cookbook(folder)
    if as_json:
        _print_json({"folder": str(folder), "recipes": found})
        return
    for entry in found:
        typer.echo(entry["name"])
        for field, value in entry.items():
            if value and field != "name":
                typer.echo(f"  {field + ':':<9} {value}")


@app.command()
def kinds(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/kinds.md.")] = False,
    as_json: Json = False,
) -> None:
    """List what may stand in a recipe: every kind of every section, with its fields."""
    from syneg_data.catalogue import catalogue, catalogue_markdown

    if as_json:
        _print_json(catalogue())
        return
    if markdown:
        typer.echo(catalogue_markdown(), nl=False)
        return
    for section, entries in catalogue().items():
        typer.echo(section)
        for entry in entries:
            typer.echo(f"  {entry['kind']}: {entry['what']}" if entry["kind"] else f"  {entry['what']}")
            for field in entry["fields"]:
                typer.echo(f"      {field['name']} ({field['default']}): {field['what']}")


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"syneg-data {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point; the only place where an error becomes an exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(standalone_mode=False)
    except SynegError as error:
        _end(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except typer.TyperException as error:
        _end(error.format_message(), 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror or error}; check free space and permissions", StorageError.exit_code)
    if code == 130:  # how typer, too, reports an interrupt
        _end("interrupted; the same command resumes", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _print_chat(title: str, messages: list[dict[str, str]]) -> None:
    typer.echo(title)
    for message in messages:
        typer.echo(f"[{message['role']}]\n{message['content']}\n")


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.stderr.write("terminated; the same command resumes\n")
    raise SystemExit(143)


def _end(message: str, code: int) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
    sys.exit(code)


def _print_json(value: Any) -> None:  # noqa: ANN401
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _shown(path: Path) -> str:
    """Relative to here where that is shorter."""
    return min(os.path.relpath(path), str(path), key=len)
