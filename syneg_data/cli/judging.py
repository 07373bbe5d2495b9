"""Commands that hold things against each other: two builds, a retriever before and after, negatives of all kinds."""

from pathlib import Path
from typing import Annotated

import typer

from syneg_data.cli.application import Json, Limit, RecipePath, app, print_json, shown


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
        print_json(found)
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
        print_json(facts)
    else:
        print_gains(facts, shown(out))


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
        print_json(found) if as_json else print_plan(found)
        return
    names = [name.strip() for name in arms.split(",") if name.strip()]
    report = compare(file, out, names, seeds, TerminalProgress())
    if as_json:
        print_json(report)
    else:
        print_comparison(report, shown(out))
