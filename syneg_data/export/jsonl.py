"""One JSON object per line: every text comes back as it was, and no reader takes a character of it for a line's end."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from syneg_data.durable import write_lines

# JSON lets these stand as they are, but some readers end a line there (such as str.splitlines).
_BREAKS = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"}
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    """Durably write records as they come.

    Returns:
        How many.

    Raises:
        ValueError: a number is not finite.
        UnicodeEncodeError: a text holds a lone surrogate, which no source lets in.
    """
    return write_lines(path, map(line_of, records))


def line_of(record: Mapping[str, Any]) -> str:
    """A record as a line, without the line feed."""
    line = _encode(record)
    for character, escaped in _BREAKS.items():
        line = line.replace(character, escaped)
    return line
