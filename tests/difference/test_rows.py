"""Rows held against each other by key: literals, and what must hold for any two tables."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.difference.rows import balance, batches, compare_columns, compare_rows, digests, matched, named
from syneg_data.errors import InputError
from syneg_data.publishing.release import Release
from syneg_data.publishing.versioning import Columns, Rows

KEYED = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=12)


def as_digests(rows):
    """(key, content) as numbers in place of digests."""
    return np.asarray([(key, 7, content) for key, content in rows], dtype="<u8").reshape(-1, 3)


def written(folder, *tables, config="triplet"):
    """A release that holds this config, a file per table, and nothing else."""
    import pyarrow.parquet as pq

    (folder / config).mkdir(parents=True)
    names = tuple(f"{config}/train-0000{n}-of-0000{len(tables)}.parquet" for n in range(len(tables)))
    for name, table in zip(names, tables, strict=True):
        pq.write_table(table, folder / name)
    return Release(folder, folder.name, "", "train", {}, names)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [], (0, 0, 0, 0)),
        ([], [(1, 0)], (1, 0, 0, 0)),
        ([(1, 0)], [], (0, 1, 0, 0)),
        ([(1, 0), (2, 0)], [(2, 0), (1, 0)], (0, 0, 0, 2)),
        ([(1, 0), (2, 0)], [(1, 1), (3, 0)], (1, 1, 1, 0)),
        ([(1, 0), (1, 0), (1, 1)], [(1, 1), (1, 2)], (0, 1, 1, 1)),
        ([(1, 0)] * 3, [(1, 0)] * 5, (2, 0, 0, 3)),
        ([(0, 0)], [(0, 0)], (0, 0, 0, 1)),
    ],
)
def test_added_removed_changed_unchanged(before, after, expected):
    assert balance(as_digests(before), as_digests(after)) == expected


@given(KEYED, KEYED)
def test_counts_balance_and_are_those_of_a_plain_count(before, after):
    added, removed, changed, unchanged = balance(as_digests(before), as_digests(after))
    assert unchanged + changed + removed == len(before)
    assert unchanged + changed + added == len(after)
    assert balance(as_digests(after), as_digests(before)) == (removed, added, changed, unchanged)
    assert unchanged == (Counter(before) & Counter(after)).total()
    keys = Counter(key for key, _ in before) & Counter(key for key, _ in after)
    assert unchanged + changed == keys.total(), "the same key on both sides is never gone or new"


@given(KEYED)
def test_a_table_does_not_differ_from_itself_in_any_order(rows):
    assert balance(as_digests(rows), as_digests(rows[::-1])) == (0, 0, 0, len(rows))


@given(KEYED, KEYED)
def test_matched_rows_are_the_first_of_each_key_that_both_have(before, after):
    left, right = matched(as_digests(before), as_digests(after))
    old, new = [key for key, _ in before], [key for key, _ in after]
    both = [key for key in dict.fromkeys(old) if key in new]
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(old.index(key), new.index(key)) for key in both]


def test_every_column_of_every_row_counts_and_neighbours_do_not_run_together(tmp_path):
    tables = [pa.table({"a": ["x", "xy", "x", None], "b": ["yz", "z", "yz", ""]}), pa.table({"a": ["x"], "b": ["yz"]})]
    release = written(tmp_path / "one", *tables)
    found = digests(release, "triplet", "train", ("a", "b"), lambda row: (row, None))
    assert [[tuple(row) for row in found[:, :2].tolist()].index(tuple(row)) for row in found[:, :2].tolist()] == [
        0, 1, 0, 3, 0,
    ]  # fmt: skip
    assert next(batches(release, "triplet", "train", ("b", "a")))[:2] == [("yz", "x"), ("z", "xy")]


def test_lists_and_numbers_are_content_and_other_columns_do_not_count(tmp_path):
    old = pa.table({"query_id": ["q", "r"], "positive_id": ["p", "p"], "scores": [[0.5, None], []], "x": [1, 2]})
    new = pa.table({"scores": [[0.5, 0.25], []], "positive_id": ["p", "p"], "query_id": ["q", "r"], "y": [1, 2]})
    before, after = written(tmp_path / "one", old, config="ids"), written(tmp_path / "two", new, config="ids")
    common = ("query_id", "positive_id", "scores")
    assert compare_rows("ids", "train", before, after, common) == Rows("ids", "train", 2, 2, 0, 0, 1, 1)
    assert compare_rows("ids", "train", before, after, common[:2]) == Rows("ids", "train", 2, 2, 0, 0, 0, 2)
    assert compare_rows("ids", "train", before, after, ()) == Rows("ids", "train", 2, 2, 2, 2, 0, 0)


def test_columns_that_differ():
    old = pa.schema([("query", pa.string()), ("positive", pa.string()), ("scores", pa.list_(pa.float64()))])
    assert compare_columns("x", old, old) is None
    same = pa.schema(
        [
            ("query", pa.large_string()),
            ("positive", pa.dictionary(pa.int32(), pa.string())),
            ("scores", pa.large_list(pa.field("element", pa.float64()))),
        ]
    )
    assert compare_columns("x", old, same) is None, "how a text or a list is kept is no difference"
    more = old.append(pa.field("negative_1", pa.string()))
    assert compare_columns("x", old, more) == Columns("x", added=("negative_1",))
    assert compare_columns("x", more, old) == Columns("x", removed=("negative_1",))
    first = pa.schema([("negative_1", pa.string()), *old])
    assert compare_columns("x", old, first) == Columns("x", added=("negative_1",), moved=True)
    swapped = pa.schema([old.field(1), old.field(0), old.field(2)])
    assert compare_columns("x", old, swapped) == Columns("x", moved=True)
    other = old.set(2, pa.field("scores", pa.list_(pa.struct([("of", pa.int64())]))))
    assert compare_columns("x", old, other) == Columns(
        "x", retyped={"scores": ("list<double>", "list<struct<of: int64>>")}
    )


def test_a_file_that_is_no_parquet_or_holds_no_plain_values_is_named(tmp_path):
    release = written(tmp_path / "one", pa.table({"a": [b"bytes"]}))
    with pytest.raises(InputError, match="one: triplet is not as a build writes it"):
        digests(release, "triplet", "train", ("a",), lambda row: (row, None))
    (tmp_path / "one" / release.files[0]).write_text(json.dumps("no table"))
    with pytest.raises(InputError, match="one: triplet is not as a build writes it"):
        list(batches(release, "triplet", "train", ("a",)))


def test_rows_are_found_by_their_place_in_any_batch_of_any_file(tmp_path):
    tables = [pa.table({"a": [f"{part}-{n}" for n in range(3000)]}) for part in range(2)]
    release = written(tmp_path / "one", *tables)
    assert named(release, "triplet", "train", ("a",), {0, 2999, 3000, 5500}) == {
        0: ("0-0",), 2999: ("0-2999",), 3000: ("1-0",), 5500: ("1-2500",),
    }  # fmt: skip
    assert named(release, "triplet", "train", ("a",), set()) == {}
