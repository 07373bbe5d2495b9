"""Tables whose rows are made while they are written, so that a large set needs no more memory than its ids."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syneg_data.collection import Collection
from syneg_data.records import Example

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1024  # rows made at a time; part of what decides the bytes of a file


@dataclass(frozen=True)
class Stream:
    """A table that is never whole in memory.

    Attributes:
        schema: its columns.
        rows: begins anew with every call; a tuple per row, in the order of the columns.
    """

    schema: "pa.Schema"
    rows: Callable[[], Iterable[tuple[Any, ...]]]

    def batches(self) -> Iterator["pa.RecordBatch"]:
        """The rows, a fixed number at a time."""
        import pyarrow as pa

        rows = iter(self.rows())
        while part := list(itertools.islice(rows, _BATCH)):
            columns = zip(*part, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, self.schema, strict=True)]
            yield pa.record_batch(arrays, schema=self.schema)

    def table(self) -> "pa.Table":
        """All rows at once."""
        import pyarrow as pa

        return pa.Table.from_batches(self.batches(), schema=self.schema)


def batches_of(table: "pa.Table | Stream") -> Iterator["pa.RecordBatch"]:
    """The rows of a table, as many at a time as a stream gives."""
    if isinstance(table, Stream):
        yield from table.batches()
    else:
        yield from table.combine_chunks().to_batches(max_chunksize=_BATCH)


def triplets(collection: Collection, examples: Iterable[Example], names: tuple[str, str, str]) -> Stream:
    """Texts of query, positive and negative under these names; a row per negative."""
    text = collection.text

    def rows() -> Iterator[tuple[str, ...]]:
        for example in examples:
            pair = (collection.queries[example.query_id], text(example.positive_id))
            for doc_id in example.negative_ids:
                yield *pair, text(doc_id)

    return strings(names, rows)


def tuples(collection: Collection, examples: Iterable[Example], negatives: int, names: tuple[str, str, str]) -> Stream:
    """Texts of query, positive and all negatives (the last name with `_1`, `_2` ...); a row per example.

    Raises:
        IndexError: while the rows are made, if an example has fewer negatives.
    """
    query, positive, negative = names
    text = collection.text

    def rows() -> Iterator[tuple[str, ...]]:
        for example in examples:
            hard = [text(example.negative_ids[n]) for n in range(negatives)]
            yield collection.queries[example.query_id], text(example.positive_id), *hard

    return strings((query, positive, *[f"{negative}_{n + 1}" for n in range(negatives)]), rows)


def lists(collection: Collection, examples: Iterable[Example], names: tuple[str, str, str]) -> Stream:
    """Texts of query, positive and, as a list, of all negatives; a row per example."""
    import pyarrow as pa

    text = collection.text

    def rows() -> Iterator[tuple[Any, ...]]:
        for example in examples:
            hard = [text(doc_id) for doc_id in example.negative_ids]
            yield collection.queries[example.query_id], text(example.positive_id), hard

    return stream(dict(zip(names, (pa.string(), pa.string(), pa.list_(pa.string())), strict=True)), rows)


def strings(names: Iterable[str], rows: Callable[[], Iterable[tuple[Any, ...]]]) -> Stream:
    """A stream whose columns are all texts."""
    import pyarrow as pa

    return stream(dict.fromkeys(names, pa.string()), rows)


def stream(columns: Mapping[str, "pa.DataType"], rows: Callable[[], Iterable[tuple[Any, ...]]]) -> Stream:
    """A stream with columns of these types."""
    import pyarrow as pa

    return Stream(pa.schema([pa.field(name, kind) for name, kind in columns.items()]), rows)
