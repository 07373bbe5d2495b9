"""Commands about one build: make it, check what it would be, look into it, judge it, and gate it anew."""

from pathlib import Path
from typing import Annotated

import typer

from syneg_data.cli.application import BuildPath, Json, Limit, RecipePath, app, print_json, shown

review = typer.Typer(no_args_is_help=True, help="Have a sample of a build's candidates judged by a person.")
app.add_typer(review, name="review")


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
    folder = None if done.folder is None else shown(done.folder)
    if as_json:
        print_json({"folder": folder, "report": done.report, "run": done.run})
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
        print_json(plan)
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
        print_json(story)
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
        found["recipe"] = {"file": shown(apply), "to_write": {"validation": gate_to_write(file, changed)}}
    if as_json:
        print_json(found)
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
        print_json({"file": shown(out), **counts})
    else:
        typer.echo(f"{counts['written']} of {counts['candidates']} candidates in {shown(out)}")
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
    found["file"] = shown(Path(found["file"]))
    if as_json:
        print_json(found)
    else:
        print_review(found)
        typer.echo(f"kept as {found['file']}{', in place of an earlier one' if found['replaced'] else ''}")


def _print_chat(title: str, messages: list[dict[str, str]]) -> None:
    typer.echo(title)
    for message in messages:
        typer.echo(f"[{message['role']}]\n{message['content']}\n")
