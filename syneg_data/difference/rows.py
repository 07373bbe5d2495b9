"""Rows of two builds held against each other by key, as digests: near-linear, and no text stays in memory."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from syneg_data.publishing.release import Release
from syneg_data.publishing.versioning import Columns, Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Digests = npt.NDArray[np.uint64]

# What names a row of a config; a row of any other config is its own name.
KEYS: dict[str, tuple[str, ...]] = {
    "n-tuple": ("query", "positive"),
    "ragged": ("query", "positive"),
    "ids": ("query_id", "positive_id"),
    "corpus": ("_id",),
    "queries": ("_id",),
    "qrels": ("query-id", "corpus-id"),
    "candidates": ("query_id", "doc_id"),
    "scores": ("query_id", "doc_id", "role", "reranker"),
    "generations": ("request_id", "attempt"),
}
_BATCH = 2048  # rows whose texts are in memory at once

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_EMPTY = bytes(8)  # of rows that are nothing but their key

Row = tuple[Any, ...]


def compare_rows(config: str, split: str, before: Release, after: Release, columns: Sequence[str]) -> Rows:
    """How many rows of a config and split came, went, changed or stayed.

    Args:
        config: it names the key.
        split: one that both builds have.
        before: the earlier build.
        after: the later build.
        columns: those that both builds have; what else there is does not count.

    Raises:
        InputError: a file is not as a build writes it.
    """
    if not columns:
        gone, came = (row_count(release, config, split) for release in (before, after))
        return Rows(config, split, gone, came, came, gone, 0, 0)
    key = tuple(name for name in KEYS.get(config, tuple(columns)) if name in columns) or tuple(columns)
    rest = tuple(name for name in columns if name not in key)
    old, new = (
        digests(release, config, split, (*key, *rest), lambda row: (row[: len(key)], row[len(key) :]))
        for release in (before, after)
    )
    return Rows(config, split, len(old), len(new), *balance(old, new))


def compare_searched(before: Release, after: Release) -> Rows:
    """The same of the documents that an evaluation searches: those of the corpus that are not marked synthetic.

    Raises:
        InputError: a file is not as a build writes it.
    """
    old, new = (
        digests(
            release,
            "corpus",
            release.split,
            ("_id", "title", "text", "synthetic"),
            lambda row: (row[:1], row[1:3]),
            lambda row: not row[3],
        )
        for release in (before, after)
    )
    return Rows("corpus", before.split, len(old), len(new), *balance(old, new))


def schema_of(release: Release, config: str, split: str) -> "pa.Schema":
    """The columns of a split."""
    import pyarrow.parquet as pq

    with release.reading(config):
        return pq.read_schema(release.paths(config, split)[0])


def row_count(release: Release, config: str, split: str) -> int:
    """How many rows a split has, from the footers of its files."""
    import pyarrow.parquet as pq

    with release.reading(config):
        return sum(int(pq.read_metadata(path).num_rows) for path in release.paths(config, split))


def compare_columns(config: str, before: "pa.Schema", after: "pa.Schema") -> Columns | None:
    """How the columns of a config differ; None where they do not."""
    retyped = {
        name: (_type(before.field(name).type), _type(after.field(name).type))
        for name in before.names
        if name in after.names
    }
    retyped = {name: types for name, types in retyped.items() if types[0] != types[1]}
    stayed = [name for name in before.names if name in after.names]
    found = Columns(
        config,
        added=tuple(name for name in after.names if name not in before.names),
        removed=tuple(name for name in before.names if name not in after.names),
        retyped=retyped,
        moved=after.names[: len(stayed)] != stayed,
    )
    return None if found == Columns(config) else found


def batches(release: Release, config: str, split: str, columns: Sequence[str]) -> Iterator[list[Row]]:
    """The rows of a split, some at a time, with these columns in this order.

    Raises:
        InputError: there is no such split, or a file is not as a build writes it.
    """
    import pyarrow.parquet as pq

    paths = release.paths(config, split)
    with release.reading(config):
        for path in paths:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                    yield list(zip(*(batch.column(name).to_pylist() for name in columns), strict=True))


def digests(
    release: Release,
    config: str,
    split: str,
    columns: Sequence[str],
    parts: Callable[[Row], tuple[Any, Any]],
    wanted: Callable[[Row], bool] | None = None,
) -> "Digests":
    """Digests of the key (two numbers) and of the content (one) of every row of a split.

    Args:
        release: the build.
        config: one that it has.
        split: one that it has.
        columns: those that `parts` is given.
        parts: key and content of a row, of plain JSON types; content that is empty is the same for all rows.
        wanted: says which rows count; None: all.

    Returns:
        An array of the shape (rows, 3). That two keys of a million are taken for one has a chance of one in 10**26.

    Raises:
        InputError: as for `batches`.
    """
    import numpy as np

    with release.reading(config):
        pieces = [
            b"".join(
                _digest(key, 16) + (_digest(content, 8) if content else _EMPTY)
                for key, content in map(parts, filter(wanted, batch))
            )
            for batch in batches(release, config, split, columns)
        ]
    return np.frombuffer(b"".join(pieces), dtype="<u8").reshape(-1, 3)


def balance(before: "Digests", after: "Digests") -> tuple[int, int, int, int]:
    """Rows that are added, removed, changed and unchanged; rows with the same key count as often as they are there.

    Of those with the same key the same content pairs off first; what is left then on both sides is changed.
    """
    import numpy as np

    both = np.concatenate([before, after])
    if not len(both):
        return 0, 0, 0, 0
    order = np.lexsort((both[:, 2], both[:, 1], both[:, 0]))
    both = both[order]
    later = (order >= len(before)).astype(np.int64)
    other = np.any(both[1:] != both[:-1], axis=1)
    other_key = np.any(both[1:, :2] != both[:-1, :2], axis=1)
    starts = np.flatnonzero(np.concatenate([[True], other]))
    new = np.add.reduceat(later, starts)
    old = np.add.reduceat(1 - later, starts)
    same = np.minimum(new, old)
    # The same once more by key alone, over the groups of equal rows.
    keys = np.flatnonzero(np.concatenate([[True], other_key])[starts])
    gone, came = np.add.reduceat(old - same, keys), np.add.reduceat(new - same, keys)
    changed = np.minimum(gone, came)
    return int((came - changed).sum()), int((gone - changed).sum()), int(changed.sum()), int(same.sum())


def matched(before: "Digests", after: "Digests") -> tuple["npt.NDArray[np.int64]", "npt.NDArray[np.int64]"]:
    """Places, in each, of the rows that both have by key; of several rows with one key the first counts."""
    import numpy as np

    _, left, right = np.intersect1d(_as_bytes(before), _as_bytes(after), return_indices=True)
    order = np.argsort(left)
    return left[order], right[order]


def named(release: Release, config: str, split: str, columns: Sequence[str], places: set[int]) -> dict[int, Row]:
    """The rows at some places, by place.

    Raises:
        InputError: as for `batches`.
    """
    found: dict[int, Row] = {}
    start = 0
    for batch in batches(release, config, split, columns) if places else ():
        found |= {place: row for place, row in enumerate(batch, start) if place in places}
        start += len(batch)
        if len(found) == len(places):
            break
    return found


def unique(keys: "Digests") -> tuple["npt.NDArray[np.bytes_]", "npt.NDArray[np.int64]"]:
    """The keys that are there, and the first place of each."""
    import numpy as np

    found, places = np.unique(_as_bytes(keys), return_index=True)
    return found, places.astype(np.int64)


def _as_bytes(keys: "Digests") -> "npt.NDArray[np.bytes_]":
    import numpy as np

    # Of equal length, so that numpy's padding with zeros makes no two of them equal.
    return np.ascontiguousarray(keys[:, :2]).view("S16").ravel()


def _digest(value: Any, size: int) -> bytes:  # noqa: ANN401
    return hashlib.blake2b(_ENCODER.encode(value).encode(), digest_size=size).digest()


def _type(kind: "pa.DataType") -> str:
    """A type as a reader sees it: how long offsets are, or what a list calls its element, is no difference."""
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind):
        return f"list<{_type(kind.value_type)}>"
    if types.is_struct(kind):
        return (
            f"struct<{', '.join(f'{kind.field(i).name}: {_type(kind.field(i).type)}' for i in range(kind.num_fields))}>"
        )
    if types.is_dictionary(kind):
        return _type(kind.value_type)
    return str(kind).removeprefix("large_")
