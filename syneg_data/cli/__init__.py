"""The command line: parses, calls one function, renders. Expected errors become a message and an exit code."""

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from syneg_data import __version__
from syneg_data.cli import building, judging, listing, publishing, pulling
from syneg_data.cli.application import app
from syneg_data.errors import StorageError, SynegError

# The modules of commands, in the order of the help page.
__all__ = ["app", "building", "judging", "listing", "main", "publishing", "pulling"]


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


def _terminated(number: int, frame: FrameType | None) -> None:
    sys.stderr.write("terminated; the same command resumes\n")
    raise SystemExit(143)


def _end(message: str, code: int) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
    sys.exit(code)
