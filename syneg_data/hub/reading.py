"""The texts of a file, as its readers could have them: columns decompressed, escapes undone, headers parsed."""

import html
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from syneg_data.errors import InputError
from syneg_data.hub.contents import Item

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 2048  # of a table at a time
_BLOCK = 1 << 18  # characters of a text at a time; whole lines
_LONGEST_LINE = 1 << 22  # characters; of a longer one the parts overlap
_OVERLAP = 1 << 13
_WHOLE = 64 << 20  # bytes; a larger file is not parsed as JSON or YAML, only read as text
_HEADER = 100 << 20  # bytes; the longest header that safetensors allows
_VOCABULARY = {"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json"}
_FIGURES = {".csv", ".tsv", ".trec", ".svg", ".html", ".json"}  # as raw text they are full of numbers


@dataclass(frozen=True)
class Piece:
    """Some texts of a file.

    Attributes:
        texts: in order.
        own: they describe the data and are ours; else they are the data's.
        where: what the place of a finding begins with.
        first: number of the first text; rows and lines are counted.
        lines: the texts are blocks of lines, and places are lines; else every text is a place.
        figures: there are numbers between the words.
    """

    texts: Sequence[str]
    own: bool
    where: str = "line"
    first: int = 1
    lines: bool = False
    figures: bool = False

    def place(self, number: int, text: str, start: int) -> str:
        """Where in the file something is.

        Args:
            number: of the text in `texts`.
            text: that text.
            start: where in it.
        """
        if self.lines:
            return f"{self.where} {self.first + text.count(chr(10), 0, start)}"
        return f"{self.where} {self.first + number}"


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
            yield from _table(item)
        elif suffix == ".safetensors":
            yield from _header(item)
        elif suffix == ".html":
            yield from _page(_whole(item))
        else:
            yield from _lines(item, own, figures=suffix in _FIGURES)
            if suffix in (".json", ".yaml") and item.size <= _WHOLE:
                yield from _values(_parsed(_whole(item), suffix), own)
            if suffix == ".jsonl":
                yield from _rows(item, own)
            if suffix == ".svg":
                yield Piece(_words(_whole(item)), own, "text")
    except (OSError, ValueError, RecursionError, yaml.YAMLError, struct.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{item.path}: cannot be read as {suffix or 'text'} ({str(error).splitlines()[0][:120]}); build it again"
        ) from None


def _whole(item: Item) -> str:
    with item.open() as file:
        return file.read().decode("utf-8", "replace")


def _parsed(text: str, suffix: str) -> Any:  # noqa: ANN401
    return json.loads(text) if suffix == ".json" else yaml.safe_load(text)


def _lines(item: Item, own: bool, *, figures: bool) -> Iterator[Piece]:
    """The text as it stands, in blocks of whole lines; of a very long line in parts that overlap."""
    line, rest = 1, ""
    with item.open() as file:
        while part := file.read(_BLOCK):
            text = rest + part.decode("utf-8", "replace")
            end = text.rfind("\n") + 1
            if not end and len(text) < _LONGEST_LINE:
                rest = text
                continue
            block, rest = (text[:end], text[end:]) if end else (text, text[-_OVERLAP:])
            yield Piece((block,), own, first=line, lines=True, figures=figures)
            line += block.count("\n")
    if rest:
        yield Piece((rest,), own, first=line, lines=True, figures=figures)


def _values(value: Any, own: bool) -> Iterator[Piece]:  # noqa: ANN401
    """All strings of a JSON or YAML value, keys included, so that no escape hides one."""
    texts = list(strings(value))
    for start in range(0, len(texts), _ROWS):
        yield Piece(texts[start : start + _ROWS], own, "string", start + 1)


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
                yield Piece((" \0 ".join(strings(json.loads(line))),), own, "line", number)


def _header(item: Item) -> Iterator[Piece]:
    """Names and metadata of safetensors; its numbers hold no text."""
    with item.open() as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_HEADER, item.size):
            raise ValueError("its header is longer than the file")
        header = json.loads(file.read(length))
    if any("exp_avg" in name for name in header):
        raise InputError(f"{item.path}: holds the state of an optimizer; publish the model alone")
    yield from _values(header, own=True)


class _Page(HTMLParser):
    """Text and attributes of a page; JSON that stands in it as data is kept apart."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.code: list[str] = []
        self.data: list[str] = []
        self._into = self.words

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.code += [value for _, value in attrs if value]
        if tag in ("script", "style"):
            self._into = self.data if ("type", "application/json") in attrs else self.code

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._into = self.words

    def handle_data(self, data: str) -> None:
        self._into.append(data)

    def handle_comment(self, data: str) -> None:
        self.words.append(data)


def _page(text: str) -> Iterator[Piece]:
    page = _Page()
    page.feed(text)
    page.close()
    for block in page.data:  # rows of the data, shown as examples
        yield from _values(json.loads(block), own=False)
    yield Piece(page.words, True, "text")
    yield Piece(page.code, True, "code", figures=True)


def _words(text: str) -> list[str]:
    page = _Page()
    page.feed(text)
    page.close()
    return [html.unescape(word) for word in page.words]


def _table(item: Item) -> Iterator[Piece]:
    """The footer of a Parquet file, then its texts, some rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert isinstance(item.source, Path), "tables are never made here"
    try:
        with pq.ParquetFile(item.source) as file:
            yield from _footer(file.metadata, file.schema_arrow)
            row = 1
            for batch in file.iter_batches(batch_size=_ROWS):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    for texts in _leaves(column):
                        flat = len(texts) == len(column)
                        yield Piece(texts, False, f"{name}, row" if flat else f"{name}, from row {row} on, value",
                                    row if flat else 1)  # fmt: skip
                row += batch.num_rows
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None


def _footer(metadata: Any, schema: "pa.Schema") -> Iterator[Piece]:  # noqa: ANN401
    """What stands beside the rows: who wrote it, names of columns, and keys and values of any kind."""
    found = dict(metadata.metadata or {})
    found.pop(b"ARROW:schema", None)  # the schema, serialised; what it holds follows
    held = [found, schema.metadata or {}, *((field.metadata or {}) for field in schema)]
    texts = [metadata.created_by or "", *schema.names]
    for entries in held:
        for key, value in entries.items():
            texts += [key.decode("utf-8", "replace"), value.decode("utf-8", "replace")]
    yield Piece(texts, True, "footer, entry")


def _leaves(column: "pa.Array") -> Iterator[list[str]]:
    """The texts of a column, those inside lists and structs too; bytes as text where they are any."""
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(column.storage)
    elif pa.types.is_dictionary(kind):
        yield from _leaves(column.dictionary_decode())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        yield [text or "" for text in column.to_pylist()]
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        yield [(data or b"").decode("utf-8", "replace") for data in column.to_pylist()]
    elif pa.types.is_map(kind):
        yield from _leaves(column.keys)
        yield from _leaves(column.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(column.flatten())
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from _leaves(column.field(place))
