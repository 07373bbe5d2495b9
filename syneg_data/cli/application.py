"""What all commands share: the application itself, options that several have, and how results are shown."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="syneg-data",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Training sets for dense retrieval, with mined and LLM-written hard negatives and the evidence for each.",
)

BuildPath = Annotated[Path, typer.Argument(help="A build folder.", metavar="BUILD", show_default=False)]
RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", show_default=False)]
Limit = Annotated[int | None, typer.Option(help="Only N queries, chosen by hash, so that limits nest.", min=1)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def print_json(value: Any) -> None:  # noqa: ANN401
    """One JSON value on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def shown(path: Path) -> str:
    """Relative to here where that is shorter."""
    return min(os.path.relpath(path), str(path), key=len)
