"""Parquet files: rows in row groups and files of bounded size, in pages that a small change leaves alone."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syneg_data.errors import InputError
from syneg_data.export.configs import training_rows, training_tables
from syneg_data.export.parquet import rows_by_config, write_configs, write_split
from tests.export.worlds import many, ragged


def stream(n):
    world = many(n)
    return training_rows(world.collection, world.examples, 2)["triplet"]


def test_large_tables_go_into_several_files(tmp_path):
    table = stream(6000)
    rows = write_split(tmp_path, "train", table, group=1 << 20, file=2 << 20)
    names = list(rows)
    assert len(names) == 3 and sum(rows.values()) == 12_000
    assert names == [f"train-{i:05}-of-00003.parquet" for i in range(3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names, "nothing else is left"
    assert [pq.read_metadata(tmp_path / name).num_rows for name in names] == list(rows.values())
    assert pa.concat_tables(pq.read_table(tmp_path / name) for name in names).equals(table.table())
    groups = pq.read_metadata(tmp_path / names[0])
    sizes = [groups.row_group(i).total_byte_size for i in range(groups.num_row_groups)]
    assert groups.num_row_groups == 2 and max(sizes) < 2 << 20


def test_a_table_and_a_stream_of_the_same_rows_give_the_same_bytes(tmp_path):
    table = stream(1500)
    write_split(tmp_path / "a", "train", table)
    write_split(tmp_path / "b", "train", table.table())
    name = "train-00000-of-00001.parquet"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_empty_table_keeps_its_columns(tmp_path):
    empty = pa.table({"text": pa.array([], pa.string())})
    assert write_split(tmp_path, "train", empty) == {"train-00000-of-00001.parquet": 0}
    assert pq.read_table(tmp_path / "train-00000-of-00001.parquet").schema == empty.schema


def test_files_of_an_earlier_writing_give_way(tmp_path):
    write_split(tmp_path, "train", stream(2000), group=1 << 18, file=1 << 19)
    write_split(tmp_path, "test", stream(10))
    write_split(tmp_path, "train", stream(20))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "test-00000-of-00001.parquet", "train-00000-of-00001.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("split", ["held-out", "", "a b", "../x", "train.", "dev/x"])
def test_a_split_that_datasets_cannot_read_is_refused(tmp_path, split):
    with pytest.raises(InputError, match=r"only letters, digits, '_' and '\.' between them are read; rename it"):
        write_configs(tmp_path, {"corpus": {split: pa.table({"x": [1]})}})
    assert list(tmp_path.iterdir()) == []


def test_rows_are_counted_by_config_and_split(tmp_path):
    table = pa.table({"x": list(range(10))})
    rows = write_configs(tmp_path, {"a": {"train": table, "test": table.slice(0, 3)}, "b.c": {"dev.x": table}})
    assert rows_by_config(rows) == {"a": {"train": 10, "test": 3}, "b.c": {"dev.x": 10}}
    assert rows_by_config({"a/train-00000-of-00002.parquet": 4, "a/train-00001-of-00002.parquet": 5}) == {
        "a": {"train": 9}
    }
    assert rows_by_config({"a/train-00000-of-00001.parquet": 4, "b/train-00000-of-00001.parquet": 0}) == {
        "a": {"train": 4}
    }


def pages(path):
    """The bytes of every page, found through the offsets that each column's page index gives."""
    data, found = path.read_bytes(), []
    groups = pq.read_metadata(path)
    for i in range(groups.num_row_groups):
        for j in range(groups.num_columns):
            column = groups.row_group(i).column(j)
            assert column.dictionary_page_offset is None, "a dictionary would number all later values anew"
            found.append(data[column.data_page_offset : column.data_page_offset + column.total_compressed_size])
    return found


def shared(old, new):
    """Share of the bytes of `new` that stand in `old` too, in pieces of 4 KiB or more."""
    places = {}
    for at in range(0, len(old) - 64, 64):
        places.setdefault(old[at : at + 64], at)
    at = common = 0
    while at < len(new) - 64:
        there = places.get(new[at : at + 64])
        if there is None:
            at += 1
            continue
        length = 64
        while old[there + length : there + length + 4096] == new[at + length : at + length + 4096] != b"":
            length += 4096
        common += length if length > 4096 else 0
        at += length
    return common / len(new)


def test_a_row_more_near_the_beginning_leaves_almost_all_bytes_as_they_were(tmp_path):
    table = stream(12_000).table()
    more = pa.table({"query": ["new"], "positive": ["a new row"], "negative": ["near the beginning"]})
    longer = pa.concat_tables([table.slice(0, 100), more, table.slice(100)])
    name = "train-00000-of-00001.parquet"
    write_split(tmp_path / "old", "train", table)
    write_split(tmp_path / "new", "train", longer)
    old, new = (b"".join(pages(tmp_path / version / name)) for version in ("old", "new"))
    assert len(old) > 2_500_000
    assert shared(old, new) > 0.75
    plain = tmp_path / "plain.parquet"
    pq.write_table(longer, plain, compression="zstd", use_dictionary=False)
    assert shared(old, plain.read_bytes()[:1_000_000]) < 0.5, "pages of equal size share little"


def test_an_uneven_set_has_lists_of_negatives():
    world = ragged()
    tables = training_tables(world.collection, world.examples, None)
    assert list(tables) == ["triplet", "ragged", "ids"]
    assert tables["ragged"].to_pylist() == [
        {"query": "second?", "positive": "two", "negatives": ["synthetic two", "mined two"]},
        {"query": "first?", "positive": "First one", "negatives": ["synthetic one"]},
    ]
    assert tables["triplet"].num_rows == 3
    assert [len(row["sources"]) for row in tables["ids"].to_pylist()] == [2, 1]


def test_whole_tables_are_the_streams():
    world = many(5)
    tables = training_tables(world.collection, world.examples, 2)
    assert {name: t.num_rows for name, t in tables.items()} == {"triplet": 10, "n-tuple": 5, "ids": 5}
    streams = training_rows(world.collection, world.examples, 2)
    assert all(streams[name].table().equals(table) for name, table in tables.items())
