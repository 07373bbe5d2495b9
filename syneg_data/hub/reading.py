"""The texts of a file, as its readers could have them: columns decompressed, escapes undone, headers parsed."""

import html
import json
import re
import struct
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from syneg_data.errors import InputError
from syneg_data.hub.contents import Item
from syneg_data.hub.pages import Page
from syneg_data.hub.piece import Piece, runs
from syneg_data.hub.tables import table_pieces

_TEXTS = 2048  # strings of a value at a time
_BLOCK = 1 << 18  # characters of a text at a time; whole lines
_LONGEST_LINE = 1 << 22  # characters; of a longer one the parts overlap
_OVERLAP = 1 << 13
_WHOLE = 64 << 20  # bytes; a larger file is not parsed as JSON or YAML, only read as text
_HEADER = 100 << 20  # bytes; the longest header that safetensors allows
_VOCABULARY = {"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json"}
_FIGURES = {".csv", ".tsv", ".trec", ".svg", ".html", ".json"}  # as raw text they are full of numbers
_FRONT = re.compile(r"\A---\r?\n(.*?\n)---\r?\n", re.DOTALL)


def pieces(item: Item) -> Iterator[Piece]:
    """All texts of a file.

    Raises:
        InputError: it cannot be read as what its name says.
    """
    suffix = PurePosixPath(item.path).suffix.lower()
    name = PurePosixPath(item.path).name
    own = not (item.path.startswith("exports/") or name in _VOCABULARY or suffix in (".parquet", ".trec"))
    try:
        if suffix == ".parquet":
            yield from table_pieces(item)
        elif suffix == ".safetensors":
            yield from _header(item)
        elif suffix == ".html":
            yield from _page(item)
        else:
            yield from _lines(item, own, figures=suffix in _FIGURES)
            if item.size <= _WHOLE:
                yield from _undone(item, suffix, own)
            if suffix == ".jsonl":
                yield from _rows(item, own)
    except (OSError, ValueError, RecursionError, yaml.YAMLError, struct.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{item.path}: cannot be read as {suffix or 'text'} ({said[:120]}); build it again") from None


def _whole(item: Item) -> str:
    with item.open() as file:
        return file.read().decode("utf-8", "replace")


def _lines(item: Item, own: bool, *, figures: bool, raw: bool = False) -> Iterator[Piece]:
    """The text as it stands, in blocks of whole lines; of a very long line in parts that overlap."""
    line, rest = 1, ""

    def block_of(text: str) -> Iterator[Piece]:
        yield Piece((text,), own, first=line, lines=True, figures=figures, raw=raw)
        if "\0" in text:  # as in UTF-16
            yield Piece((text.replace("\0", ""),), own, first=line, lines=True, figures=figures, raw=raw)

    with item.open() as file:
        while part := file.read(_BLOCK):
            text = rest + part.decode("utf-8", "replace")
            end = text.rfind("\n") + 1
            if not end and len(text) < _LONGEST_LINE:
                rest = text
                continue
            block, rest = (text[:end], text[end:]) if end else (text, text[-_OVERLAP:])
            yield from block_of(block)
            line += block.count("\n")
    if rest:
        yield from block_of(rest)


def _undone(item: Item, suffix: str, own: bool) -> Iterator[Piece]:
    """The strings of JSON, YAML, Markdown and SVG, so that no escape hides one."""
    if suffix == ".json":
        yield from _values(strings(_json(_whole(item))), own)
    elif suffix == ".yaml":
        yield from _values(_scalars(_whole(item)), own)
    elif suffix == ".svg":
        yield Piece([html.unescape(word) for word in Page(_whole(item)).words], own, "text")
    elif suffix == ".md":
        text = _whole(item)
        if front := _FRONT.match(text):
            yield from _values(_scalars(front[1]), own)
        if "&" in text:
            yield Piece((html.unescape(text),), own, lines=True)


def _json(text: str) -> Any:  # noqa: ANN401
    """A value in which objects are lists of pairs, for a key that stands there twice would hide the first."""
    return json.loads(text, object_pairs_hook=list)


def _scalars(text: str) -> Iterator[str]:
    """The strings of YAML, keys too, as they are written: aliases are not followed, so a small file stays small."""
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent):
            yield event.value


def _values(found: Iterator[str], own: bool) -> Iterator[Piece]:
    texts = list(found)
    for start in range(0, len(texts), _TEXTS):
        yield Piece(texts[start : start + _TEXTS], own, "string", start + 1)


def strings(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Every string in a value of lists and dicts, keys included, in order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += [part for pair in reversed(item.items()) for part in reversed(pair)]
        elif isinstance(item, list | tuple):
            waiting += reversed(item)


def _rows(item: Item, own: bool) -> Iterator[Piece]:
    """The strings of JSON lines, a row at a time."""
    with item.open() as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield Piece((" \0 ".join(strings(_json(line.decode("utf-8")))),), own, "line", number)


def _header(item: Item) -> Iterator[Piece]:
    """Names and metadata of safetensors; then what stands between the numbers, which need not be numbers."""
    with item.open() as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_HEADER, item.size):
            raise ValueError("its header is longer than the file")
        header = _json(file.read(length).decode("utf-8"))
    if not all(isinstance(entry, tuple) for entry in header):
        raise ValueError("its header is no object")
    if any("exp_avg" in name for name, _ in header):
        raise InputError(f"{item.path}: holds the state of an optimizer; publish the model alone")
    yield from _values(strings(header), own=True)
    yield from runs(item)


def _page(item: Item) -> Iterator[Piece]:
    page = Page(_whole(item))
    for block in page.data:  # rows of the data, shown as examples
        yield from _values(strings(_json(block)), own=False)
    yield Piece(page.words, True, "text")
    yield Piece(page.code, True, "code", figures=True)
    yield from _lines(item, True, figures=True, raw=True)  # names of tags, and what no browser would show
