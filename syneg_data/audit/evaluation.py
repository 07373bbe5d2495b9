"""Evaluation files: texts that a recipe names as not to be trained on, read strictly."""

import json
from collections.abc import Iterable
from pathlib import Path

from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.lines import fail, numbered_lines, shown

_KEYS = ("text", "query")
# Read as plain text, a line of one of these would be no text that anything could be found in.
_OTHERS = frozenset({".json", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".zip", ".bz2", ".xz", ".zst"})


def read_evaluation(paths: Iterable[str]) -> dict[str, list[str]]:
    """Name of each file -> its texts, in order, empty ones left out; a file that is named twice is read once.

    `.jsonl`, also gzipped: an object a line, of which `text` counts, with a `title` before it, or else `query`; BEIR's
    queries and corpora are such files. Any other file: a text a line.

    Raises:
        InputError: a file is none, cannot be read, or a line is not what it should be, named by file and line.
    """
    found: dict[str, list[str]] = {}
    for path, name in _named(paths).items():
        if not path.is_file():
            raise InputError(f"{shown(path)}: not a file; name files of JSON lines or of plain text")
        suffixes = [suffix.lower() for suffix in path.suffixes]
        if other := _OTHERS.intersection([suffix for suffix in suffixes if suffix != ".gz"][-1:]):
            raise InputError(f"{shown(path)}: cannot read {min(other)}; make it JSON lines (.jsonl) or a text a line")
        read = _jsonl if ".jsonl" in suffixes else _plain
        found[name] = [text for text in read(path) if text.strip()]
        if not found[name]:
            raise InputError(f"{shown(path)}: holds no text; name another file, or leave it out")
    return found


def digests(paths: Iterable[str]) -> list[list[str]]:
    """Name and sha256 of each file; a folder, which `read_evaluation` refuses, has none."""
    return [[name, sha256_file(path) if path.is_file() else ""] for path, name in _named(paths).items()]


def _named(paths: Iterable[str]) -> dict[Path, str]:
    """Each file once, and what it is called: its name, with as much of its folders as tells all of them apart.

    Names are published, so neither where the work was done nor from which folder is in them.
    """
    files = list(dict.fromkeys(map(Path, paths)))
    names: list[str] = []
    for parts in range(1, max((len(file.parts) for file in files), default=0) + 1):
        names = ["/".join(file.parts[-parts:]) for file in files]
        if len(set(names)) == len(names):
            break
    return dict(zip(files, names, strict=True))


def _plain(path: Path) -> Iterable[str]:
    return (line for _, line in numbered_lines(path))


def _jsonl(path: Path) -> Iterable[str]:
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            fail(path, number, f"broken JSON ({error})", "one JSON object per line")
        if not isinstance(row, dict):
            fail(path, number, "the line is no object", "one JSON object per line")
        text = next((row[key] for key in _KEYS if isinstance(row.get(key), str)), None)
        if text is None:
            fail(path, number, "no 'text' and no 'query'", "each line needs one of them, as text in quotes")
        title = row.get("title")
        yield f"{title} {text}".strip() if isinstance(title, str) else text
