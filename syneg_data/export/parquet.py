"""Tables to Parquet: the same rows give the same bytes, and a few changed rows change few of them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from syneg_data.durable import replacing, sync_directory
from syneg_data.errors import InputError
from syneg_data.export.streams import Stream, batches_of

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP, _FILE = 64 << 20, 512 << 20  # bytes of a row group and of a file, uncompressed; a batch more at most
_SPLIT = re.compile(r"\w+(\.\w+)*")


def write_configs(folder: Path, tables: Mapping[str, Mapping[str, "pa.Table | Stream"]]) -> dict[str, int]:
    """Write each table (by config, then split) as `<config>/<split>-0000N-of-0000M.parquet`.

    Returns:
        Rows of each file by its path in `folder`.

    Raises:
        InputError: a split has a name that `datasets` does not read.
    """
    rows: dict[str, int] = {}
    for config, splits in tables.items():
        for split, table in splits.items():
            rows |= {f"{config}/{name}": n for name, n in write_split(folder / config, split, table).items()}
    return rows


def rows_by_config(rows: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """The rows of each split, by config, of the rows of each file.

    What has none, such as `generations` of a set without a language model, is left out: `datasets` opens no such thing.
    """
    found: dict[str, dict[str, int]] = {}
    for path, n in ((path, n) for path, n in rows.items() if n):
        config, _, file = path.rpartition("/")
        split = file.partition("-")[0]
        found.setdefault(config, {})[split] = found.get(config, {}).get(split, 0) + n
    return found


def write_split(
    folder: Path, split: str, table: "pa.Table | Stream", *, group: int = _GROUP, file: int = _FILE
) -> dict[str, int]:
    """Write one table as `<split>-0000N-of-0000M.parquet`, in memory for a row group at a time.

    Pages are cut where their content says (content-defined chunking), so a store that knows an earlier version of a
    file, as the Hub's does, takes in only the pages that changed.

    Args:
        folder: where to; files of this split that are there already give way.
        split: of words and dots; a hyphen would end it.
        table: the rows.
        group: bytes after which a row group ends.
        file: bytes after which a file ends.

    Returns:
        Rows of each file by its name.

    Raises:
        InputError: the split has a name that `datasets` does not read.
    """
    if _SPLIT.fullmatch(split) is None:
        raise InputError(f"split {split!r}: only letters, digits, '_' and '.' between them are read; rename it")
    parts = list(_write_parts(folder, split, table, group, file))
    rows = {f"{split}-{i:05}-of-{len(parts):05}.parquet": n for i, (_, n) in enumerate(parts)}
    for (part, _), name in zip(parts, rows, strict=True):
        part.replace(folder / name)
    for stale in folder.glob(f"{split}-*-of-*.parquet"):
        if stale.name not in rows:
            stale.unlink()
    sync_directory(folder)
    return rows


def _write_parts(
    folder: Path, split: str, table: "pa.Table | Stream", group: int, file: int
) -> Iterator[tuple[Path, int]]:
    """Files under names that do not say yet how many there will be, each with its rows."""
    import pyarrow.parquet as pq

    groups = _groups(table, group)
    at, waiting = 0, next(groups, None)
    while waiting is not None or at == 0:
        part = folder / f"{split}-{at:05}"
        rows = size = 0
        with (
            replacing(part) as temporary,
            # Without Arrow's own schema in the footer: what a reader needs is in Parquet's types. Without dictionaries:
            # a new row early in a group would change the numbers of all that follow, and zstd makes files as small.
            pq.ParquetWriter(
                temporary,
                table.schema,
                compression="zstd",
                store_schema=False,
                use_dictionary=False,
                use_content_defined_chunking=True,
            ) as writer,  # fmt: skip
        ):
            writer.write_table(waiting if waiting is not None else table.schema.empty_table())
            while waiting is not None:
                rows, size = rows + waiting.num_rows, size + waiting.nbytes
                waiting = None  # not kept while the next one is made
                waiting = next(groups, None)
                if waiting is None or size >= file:
                    break
                writer.write_table(waiting)
        yield part, rows
        at += 1


def _groups(table: "pa.Table | Stream", most: int) -> Iterator["pa.Table"]:
    """The rows in row groups."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches_of(table):
        held.append(batch)
        size += batch.nbytes
        if size >= most:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held)
