"""Commands that list what there is: recipes, and the kinds that a recipe may name."""

from pathlib import Path
from typing import Annotated

import typer

from syneg_data.cli.application import Json, app, print_json


@app.command()
def recipes(
    folder: Annotated[Path, typer.Argument(help="A folder of recipes.", metavar="FOLDER")] = Path("recipes"),
    as_json: Json = False,
) -> None:
    """List the recipes of a folder: what each makes, how long that takes, on which hardware, and the command."""
    from syneg_data.cookbook import cookbook

    found = cookbook(folder)
    if as_json:
        print_json({"folder": str(folder), "recipes": found})
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
        print_json(catalogue())
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
