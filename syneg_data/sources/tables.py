"""Columns of text out of a user's file: JSON lines, CSV, TSV or Parquet, every fault by file and line."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from syneg_data.errors import InputError
from syneg_data.lines import LONGEST_LINE, fail, numbered_lines, shown
from syneg_data.sources.json_lines import TYPES, parse_object

_FORMATS = ".jsonl, .csv, .tsv (each also .gz) or .parquet"
_ROWS = 1024  # of Parquet, read at a time


def text_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and the values of these columns of every row.

    The number is that of the line on which the row begins; of a Parquet file, which has no lines, that of the row,
    counted from 1. CSV and TSV are read as spreadsheets write them: the first line names the columns, and a value with
    separators, quotation marks or line breaks stands in quotation marks, those within it doubled.

    Args:
        path: its ending says what it is.
        columns: those that are wanted; others are passed over.

    Raises:
        InputError: a row is not what the format says, a column is missing, or a value is no text.
    """
    name = path.name.removesuffix(".gz")
    readers: Mapping[str, Callable[[], Iterator[tuple[int, Mapping[str, Any]]]]] = {
        ".jsonl": lambda: _json(path),
        ".csv": lambda: _separated(path, ",", columns),
        ".tsv": lambda: _separated(path, "\t", columns),
        ".parquet": lambda: parquet_rows(path, columns),
    }
    ending = Path(name).suffix
    if ending not in readers or (ending == ".parquet" and name != path.name):
        raise InputError(f"{shown(path)}: a file of this ending is not read; name one that ends in {_FORMATS}")
    if not path.is_file():
        raise InputError(f"{shown(path)}: not a file; name one that ends in {_FORMATS}")
    for number, row in readers[ending]():
        yield number, {column: _text(path, number, row, column) for column in columns}


def _text(path: Path, number: int, row: Mapping[str, Any], column: str) -> str:
    if column not in row:
        near = ", ".join(map(repr, list(row)[:8])) or "none"
        fail(path, number, f"no {column!r} among {near}", "name the columns in the recipe's source, or add it")
    value = row[column]
    if not isinstance(value, str):
        fail(path, number, f"{column!r} is {TYPES.get(type(value), 'null')}", "it must be text in quotes")
    if any("\ud800" <= char <= "\udfff" for char in value):
        fail(path, number, f"{column!r} holds a lone surrogate", "remove the broken \\u escape")
    return value


def _json(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in numbered_lines(path):
        if line.strip():
            yield number, parse_object(path, number, line)


def _separated(path: Path, separator: str, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows below a header; a quoted value may go over several lines."""
    at = 0

    def lines() -> Iterator[str]:
        nonlocal at
        for at, line in numbered_lines(path, ends=True):  # noqa: B007
            yield line

    before = csv.field_size_limit(LONGEST_LINE)
    try:
        reader = csv.reader(lines(), delimiter=separator, strict=True)
        header: list[str] = []
        start = 1
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                fail(
                    path, start, f"broken row ({error})", "put values with quotation marks in quotation marks, doubled"
                )
            if row is None:
                break
            if not header and row:
                header = _header(path, start, row, columns)
            elif row:
                if len(row) != len(header):
                    what = f"{len(row)} values, the header names {len(header)}"
                    fail(path, start, what, "quote values that hold a separator, and leave none out")
                yield start, dict(zip(header, row, strict=True))
            start = at + 1
    finally:
        csv.field_size_limit(before)


def _header(path: Path, number: int, names: list[str], columns: Sequence[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        fail(path, number, f"the header names {twice[0]!r} twice", "give each column a name of its own")
    for column in columns:
        _text(path, number, dict.fromkeys(names, ""), column)
    return names


def parquet_rows(
    path: Path, columns: Sequence[str], *, optional: Sequence[str] = (), numbers: Sequence[str] = ()
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Number and the values of these columns of every row of a Parquet file, counted from 1; null where one has none.

    Args:
        path: of the file.
        columns: with text.
        optional: with text, where the file has them; one that is null throughout counts as not there.
        numbers: with numbers.

    Raises:
        InputError: the file is broken, lacks a column, or has one of another type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            there = [name for name in optional if _types(schema, name) not in ([], [pa.null()])]
            for column in (*columns, *there):
                _refuse_type(path, schema, column, ("string", "large_string"), "it must be text, so cast it to string")
            for column in numbers:
                _refuse_type(path, schema, column, ("int", "uint", "float", "double"), "it must be a number")
            number = 0
            for batch in file.iter_batches(_ROWS, columns=[*columns, *there, *numbers]):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's fault; Arrow's own have no number
            raise
        what = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{shown(path)}: broken Parquet ({what}); write the file again") from error


def _refuse_type(path: Path, schema: Any, column: str, types: Sequence[str], mend: str) -> None:  # noqa: ANN401
    """Refuse a column that is missing, there twice, or of a type whose name does not begin with one of `types`."""
    kinds = _types(schema, column)
    if len(kinds) != 1:
        near = ", ".join(map(repr, schema.names[:8])) or "none"
        what = f"no {column!r} among {near}" if not kinds else f"two columns {column!r}"
        raise InputError(f"{shown(path)}: {what}; name the columns in the recipe's source, or add it")
    if not str(kinds[0]).startswith(tuple(types)):
        raise InputError(f"{shown(path)}: {column!r} is {kinds[0]}; {mend}")


def _types(schema: Any, column: str) -> list[Any]:  # noqa: ANN401
    """Of the columns of this name."""
    return [schema.field(i).type for i in schema.get_all_field_indices(column)]
