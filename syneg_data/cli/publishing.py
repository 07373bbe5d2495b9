"""Commands that bring a build or a retriever to the Hub."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from syneg_data.cli.application import Json, app, print_json, shown


@app.command()
def push(
    folder: Annotated[
        Path, typer.Argument(help="A build folder, or a trained retriever's.", metavar="DIR", show_default=False)
    ],
    repo: Annotated[str, typer.Option(metavar="ID", help="The repository on the Hub, owner/name.", show_default=False)],
    version: Annotated[
        str, typer.Option(metavar="X.Y.Z", help="The version of the data; its tag is vX.Y.Z.", show_default=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show the plan; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Make it public, as the last step.")] = False,
    as_json: Json = False,
) -> None:
    """Release a build or a retriever on the Hub, checked, complete and tagged, or not at all; the same command resumes.

    The token comes from HF_TOKEN alone.
    """
    from syneg_data.hub.push import carry_out, prepare, receipt_path
    from syneg_data.report.publication import print_plan, print_release

    plan, remote, why_not = prepare(folder, repo, version, public=public, dry_run=dry_run)
    facts = plan.facts() | ({} if plan.compared else {"not_compared": why_not})
    if not as_json or not (dry_run or yes or plan.done):
        print_plan(facts, stderr=as_json)
    if dry_run or remote is None:
        if as_json:
            print_json({"outcome": "dry run", "plan": facts, "release": None})
        else:
            typer.echo("dry run: nothing was written, here or there")
        return
    if not plan.done and not yes:
        _confirm(f"{repo} {version}")
    receipt = carry_out(plan, remote, say=lambda line: typer.echo(line, err=True))
    outcome = "already there" if plan.done else "released"
    if as_json:
        print_json({"outcome": outcome, "plan": facts, "release": receipt})
    else:
        print_release(receipt, outcome, shown(receipt_path(plan.contents.folder)))


def _confirm(what: str) -> None:
    from syneg_data.errors import InputError

    if not sys.stdin.isatty():
        raise InputError(f"{what}: nobody is there to confirm the plan; look at it with --dry-run, then say --yes")
    if not typer.confirm(f"release {what}?", default=False, err=True):
        raise InputError(f"{what}: not confirmed; nothing was written")
