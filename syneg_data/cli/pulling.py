"""The command that fetches a release of the Hub."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from syneg_data.cli.application import Json, app, print_json, shown


@app.command()
def pull(
    release: Annotated[
        str, typer.Argument(help="A release on the Hub: ID@v1.0.0.", metavar="ID@REVISION", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="Folder; default: builds/<name>-<revision>.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a data set or retriever that `push` released, and check every byte; the token is that of HF_TOKEN."""
    from syneg_data.hub.pull import pull

    done = pull(release, out)
    if as_json:
        print_json(asdict(done) | {"folder": shown(done.folder)})
        return
    what = {"dataset": "data set", "model": "retriever"}[done.type]
    typer.echo(f"{done.repo}@{done.revision}, a {what}, is in {shown(done.folder)}")
    typer.echo(f"  commit:   {done.commit}")
    typer.echo(f"  manifest: sha256 {done.manifest_sha256}, which the commit names")
    typer.echo(f"  files:    {done.files}, {done.bytes:,} bytes, each as the manifest says")
    if not done.fetched:
        typer.echo("  it was here already: nothing was fetched")
    typer.echo(f"load it: {done.load}")
