"""The texts of a table: its footer, with all that stands in it, and its columns, decompressed."""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syneg_data.hub.contents import Item
from syneg_data.hub.piece import Piece, runs

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 2048  # of a table at a time


def table_pieces(item: Item) -> Iterator[Piece]:
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
    yield from runs(item)


def _footer(metadata: Any, schema: "pa.Schema") -> Iterator[Piece]:  # noqa: ANN401
    """What stands beside the rows: who wrote it, names of columns, and keys and values of any kind."""
    found = dict(metadata.metadata or {})
    arrow = found.pop(b"ARROW:schema", b"")  # the schema, serialised; what it holds follows
    texts = [metadata.created_by or ""]
    fields = [*schema]
    held = [found, schema.metadata or {}]
    while fields:
        field = fields.pop(0)
        texts.append(field.name)
        held.append(field.metadata or {})
        fields = [*_inner(field.type), *fields]
    for entries in held:
        for key, value in entries.items():
            texts += [key.decode("utf-8", "replace"), value.decode("utf-8", "replace")]
    yield Piece(texts, True, "footer, entry")
    yield from runs(Item("schema", _decoded(arrow), len(arrow), ""))


def _inner(kind: "pa.DataType") -> list["pa.Field"]:
    """The fields inside a column's type."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _inner(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _inner(kind.value_type)
    return [kind.field(place) for place in range(kind.num_fields)]


def _decoded(base64_text: bytes) -> bytes:
    try:
        return base64.b64decode(base64_text, validate=True)
    except (binascii.Error, ValueError):
        return base64_text


def _leaves(column: "pa.Array") -> Iterator[list[str]]:
    """The texts of a column, those inside lists and structs too; bytes as text where they are any."""
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(column.storage)
    elif pa.types.is_dictionary(kind):
        yield from _leaves(column.dictionary_decode())
        used = set(column.indices.unique().to_pylist())
        unused = [place for place in range(len(column.dictionary)) if place not in used]
        yield from _leaves(column.dictionary.take(pa.array(unused, pa.int64())))  # rows are gone, their values are not
    elif _is(kind, "string", "large_string", "string_view"):
        yield [text or "" for text in column.to_pylist()]
    elif _is(kind, "binary", "large_binary", "binary_view", "fixed_size_binary"):
        yield [(data or b"").decode("utf-8", "replace") for data in column.to_pylist()]
    elif pa.types.is_map(kind):
        yield from _leaves(column.keys)
        yield from _leaves(column.items)
    elif _is(kind, "list", "large_list", "list_view", "large_list_view", "fixed_size_list"):
        yield from _leaves(column.flatten())
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from _leaves(column.field(place))
    elif not _is(kind, "primitive", "decimal", "null"):  # numbers hold no text, and of nothing else it is known
        raise ValueError(f"columns of type {kind} cannot be searched")


def _is(kind: "pa.DataType", *names: str) -> bool:
    import pyarrow as pa

    return any(getattr(pa.types, f"is_{name}")(kind) for name in names)
