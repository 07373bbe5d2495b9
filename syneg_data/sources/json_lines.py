"""A line of JSON, read strictly: one object, no key twice, no NaN."""

import json
from pathlib import Path
from typing import Any, NoReturn

from syneg_data.lines import fail

TYPES = {str: "text", dict: "an object", list: "a list", int: "a number", float: "a number", bool: "a boolean"}


def parse_object(path: Path, number: int, line: str) -> dict[str, Any]:
    """The object that a line is.

    Raises:
        InputError: it is none, or says a thing twice.
    """
    try:
        row = json.loads(line, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        fail(path, number, "JSON nested too deeply", "a line is one flat object")
    except ValueError as error:
        fail(path, number, f"broken JSON ({error})", "mend or remove the line")
    if not isinstance(row, dict):
        fail(path, number, f"the line is {TYPES.get(type(row), 'null')}, not an object", "one JSON object per line")
    return row


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key appears twice")
    return row
