"""The vector store: exact, apart by space, and blind to damaged shards."""

import hashlib
import itertools
import json
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syneg_data.encoders.vectors import Vectors, VectorStore
from syneg_data.errors import StorageError

SPACE = {"model": "m" * 64, "role": "query", "max_length": 256, "dtype": "float32"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def vectors(*rows):
    return np.array(rows, dtype=np.float32)


def plain(found):
    return [None if vector is None else vector.tolist() for vector in found]


def shards(store):
    return sorted(store.folder.glob("*.arrow"))


def test_an_empty_store_has_nothing():
    assert VectorStore(SPACE).get(["a", ""]) == [None, None]
    assert VectorStore(SPACE).get([]) == []


def test_vectors_come_back_exactly_in_the_order_asked():
    store = VectorStore(SPACE)
    store.put(["a", "b"], vectors([0.1, -0.2, 1e-30], [3, 4, 5]))
    store.put(["c"], vectors([7, 8, 9]))
    expected = [[7, 8, 9], None, [np.float32(0.1), np.float32(-0.2), np.float32(1e-30)], [7, 8, 9], [3, 4, 5]]
    assert plain(store.get(["c", "x", "a", "c", "b"])) == expected
    assert plain(VectorStore(SPACE).get(["c", "x", "a", "c", "b"])) == expected


EXAMPLE = itertools.count()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), st.lists(st.floats(width=32, allow_nan=False), min_size=4, max_size=4), min_size=1))
def test_round_trip_of_any_text_and_any_vector(rows):
    space = {**SPACE, "example": next(EXAMPLE)}
    stored = np.array(list(rows.values()), dtype=np.float32)
    VectorStore(space).put(list(rows), stored)
    found = VectorStore(space).get(list(rows))
    assert np.stack(found).tobytes() == stored.tobytes()


def test_other_float_widths_and_layouts_are_stored_as_float32():
    store = VectorStore(SPACE)
    store.put(["a", "b"], np.asfortranarray(np.array([[0.1, 2], [3, 4]], dtype=np.float64)))
    (first, second) = store.get(["a", "b"])
    assert first.dtype == np.float32
    assert plain([first, second]) == [[float(np.float32(0.1)), 2.0], [3.0, 4.0]]


def test_a_text_with_a_lone_surrogate_is_a_key():
    store = VectorStore(SPACE)
    store.put(["\ud800"], vectors([1, 2]))
    assert plain(store.get(["\ud800", "\ud801"])) == [[1, 2], None]


@pytest.mark.parametrize(
    "change", [{"model": "n" * 64}, {"role": "document"}, {"max_length": 128}, {"dtype": "float16"}, {"prompt": ""}]
)
def test_another_space_does_not_see_the_vectors(change):
    VectorStore(SPACE).put(["a"], vectors([1, 2]))
    other = VectorStore({**SPACE, **change})
    assert other.get(["a"]) == [None]
    other.put(["a"], vectors([3, 4, 5]))
    assert plain(VectorStore(SPACE).get(["a"])) == [[1, 2]]


def test_a_space_says_what_it_is(cache):
    store = VectorStore(SPACE)
    assert json.loads((store.folder / "space.json").read_text()) == SPACE
    assert store.folder.parent == cache / "vectors"


def test_a_shard_is_named_by_the_digest_of_its_bytes():
    store = VectorStore(SPACE)
    store.put(["a"], vectors([1, 2]))
    (shard,) = shards(store)
    assert shard.stem == hashlib.sha256(shard.read_bytes()).hexdigest()
    store.put(["a"], vectors([1, 2]))
    assert shards(store) == [shard]


def test_a_flipped_bit_makes_the_text_missing_and_spares_the_others():
    store = VectorStore(SPACE)
    store.put(["a", "b"], vectors([1, 2], [3, 4]))
    (damaged,) = shards(store)
    store.put(["c"], vectors([5, 6]))
    data, rng = damaged.read_bytes(), random.Random(13)
    for _ in range(100):
        bit = rng.randrange(len(data) * 8)
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        damaged.unlink(missing_ok=True)
        damaged.write_bytes(broken)
        assert plain(VectorStore(SPACE).get(["a", "b", "c"])) == [None, None, [5, 6]], bit
        assert not damaged.exists()
        assert damaged.with_suffix(".damaged").read_bytes() == broken
    again = VectorStore(SPACE)
    again.put(["a", "b"], vectors([1, 2], [3, 4]))
    assert plain(VectorStore(SPACE).get(["a", "b", "c"])) == [[1, 2], [3, 4], [5, 6]]


def test_a_shard_cut_at_any_byte_is_missing():
    store = VectorStore(SPACE)
    store.put(["a"], vectors([1, 2]))
    (shard,) = shards(store)
    data = shard.read_bytes()
    del store
    for keep in range(0, len(data), 3):
        shard.unlink(missing_ok=True)
        shard.write_bytes(data[:keep])
        assert VectorStore(SPACE).get(["a"]) == [None], keep


def test_vectors_of_another_dimension_are_refused():
    store = VectorStore(SPACE)
    store.put(["a"], vectors([1, 2]))
    with pytest.raises(StorageError) as caught:
        VectorStore(SPACE).put(["b"], vectors([1, 2, 3]))
    expected = f"{store.folder}: holds vectors of 2 dimensions, now 3 came; move the folder away"
    assert str(caught.value) == expected
    assert plain(VectorStore(SPACE).get(["a", "b"])) == [[1, 2], None]


def test_what_one_process_adds_another_finds(cache):
    program = (
        "import numpy as np\nfrom syneg_data.encoders.vectors import VectorStore\n"
        f"VectorStore({SPACE!r}).put(['theirs'], np.array([[1, 2]], dtype=np.float32))"
    )
    ours = VectorStore(SPACE)
    subprocess.run([sys.executable, "-c", program], check=True)
    ours.put(["ours"], vectors([3, 4]))
    assert plain(ours.get(["theirs", "ours"])) == [[1, 2], [3, 4]]
    assert plain(VectorStore(SPACE).get(["theirs", "ours"])) == [[1, 2], [3, 4]]


def test_a_leftover_of_a_killed_writer_is_ignored():
    store = VectorStore(SPACE)
    (store.folder / ".abc.arrow.x1.tmp").write_bytes(b"half")
    store.put(["a"], vectors([1, 2]))
    assert plain(VectorStore(SPACE).get(["a"])) == [[1, 2]]
    assert (store.folder / ".abc.arrow.x1.tmp").exists()


def test_the_first_vector_of_a_text_stands():
    store = VectorStore(SPACE)
    store.put(["a"], vectors([1, 2]))
    store.put(["a"], vectors([3, 4]))
    assert plain(store.get(["a"])) == [[1, 2]]


# Which texts are missing, and the vectors of many as one matrix


def test_missing_texts_are_named_once_each_in_the_order_asked():
    store = VectorStore(SPACE)
    assert store.missing([]) == []
    assert store.missing(["b", "a", "b"]) == ["b", "a"]
    store.put(["a", "c"], vectors([1, 2], [3, 4]))
    assert store.missing(["d", "a", "", "d", "c", "b"]) == ["d", "", "b"]
    assert store.missing(["c", "a"]) == []
    assert VectorStore(SPACE).missing(["d", "a", "d"]) == ["d"]


def test_texts_on_either_side_of_all_digests_are_missing():
    """Digests are looked up by bisection: some texts come before the first, some after the last that is stored."""
    store = VectorStore(SPACE)
    texts = sorted(map(str, range(200)), key=lambda text: hashlib.sha256(text.encode()).digest()[7::-1])
    store.put(texts[90:110], vectors(*[[i, 1] for i in range(20)]))
    assert store.missing(texts) == texts[:90] + texts[110:]
    assert plain(store.get(texts[109:111])) == [[19, 1], None]


def test_a_matrix_has_the_vectors_of_texts_from_any_shard_in_the_order_asked():
    store = VectorStore(SPACE)
    store.put(["a", "b"], vectors([1, 1], [2, 2]))
    store.put(["c"], vectors([3, 3]))
    store.put(["d", "e", "f"], vectors([4, 4], [5, 5], [6, 6]))
    for opened in (store, VectorStore(SPACE)):
        matrix = opened.matrix(["f", "a", "c", "a", "e", "d"])
        assert (len(matrix), matrix.dimension) == (6, 2)
        assert matrix.read(0, 6)[:, 0].tolist() == [6, 1, 3, 1, 5, 4]
        assert matrix.read(2, 4).tolist() == [[3, 3], [1, 1]]
        assert matrix.take(np.array([5, 0, 0, 2])).tolist() == [[4, 4], [6, 6], [6, 6], [3, 3]]


def test_a_matrix_of_a_text_that_is_not_stored_is_refused_with_the_text():
    store = VectorStore(SPACE)
    with pytest.raises(KeyError, match="absent"):
        store.matrix(["absent"])
    store.put(["a", "b"], vectors([1, 1], [2, 2]))
    with pytest.raises(KeyError, match="absent"):
        store.matrix(["a", "absent", "b", "missing"])


def test_a_matrix_of_no_texts_is_empty():
    assert len(VectorStore(SPACE).matrix([])) == 0
    store = VectorStore(SPACE)
    store.put(["a"], vectors([1, 2]))
    empty = store.matrix([])
    assert (len(empty), empty.dimension, empty.read(0, 0).shape) == (0, 2, (0, 2))


def test_a_matrix_keeps_its_vectors_when_the_store_grows():
    store = VectorStore(SPACE)
    store.put(["a", "b"], vectors([1, 1], [2, 2]))
    matrix = store.matrix(["b", "a"])
    for i in range(20):
        store.put([f"text {i}"], vectors([i, i]))
    assert matrix.read(0, 2).tolist() == [[2, 2], [1, 1]]
    assert store.matrix(["b", "text 7", "a"]).read(0, 3).tolist() == [[2, 2], [7, 7], [1, 1]]


def test_rows_that_lie_side_by_side_are_not_copied():
    store = VectorStore(SPACE)
    store.put(["a", "b", "c"], vectors([1, 1], [2, 2], [3, 3]))
    store.put(["d"], vectors([4, 4]))
    (mapped, *_) = store.get(["a"])
    matrix = store.matrix(["a", "b", "c", "d"])
    assert np.shares_memory(matrix.read(0, 3), mapped)
    assert not np.shares_memory(matrix.read(0, 4), mapped)
    assert not np.shares_memory(matrix.take(np.arange(3)), mapped)
    assert not np.shares_memory(store.matrix(["b", "a"]).read(0, 2), mapped)


def test_rows_that_follow_each_other_in_different_shards_do_not_lie_side_by_side():
    store = VectorStore(SPACE)
    for first, second in (("a", "b"), ("c", "d")):
        store.put([first, second], vectors([ord(first), 0], [ord(second), 0]))
    assert store.matrix(["a", "d"]).read(0, 2)[:, 0].tolist() == [97, 100]
    assert store.matrix(["c", "b"]).read(0, 2)[:, 0].tolist() == [99, 98]


def test_a_matrix_in_memory_is_read_as_it_is():
    rows = vectors([1, 2], [3, 4], [5, 6])
    matrix = Vectors.of(rows)
    assert (len(matrix), matrix.dimension) == (3, 2)
    assert matrix.read(1, 3).tolist() == [[3, 4], [5, 6]]
    assert matrix.take(np.array([2, 0])).tolist() == [[5, 6], [1, 2]]
    assert matrix.take(np.array([], np.int64)).shape == (0, 2)
    assert len(Vectors.of(rows[:0])) == 0


@given(st.data())
def test_reading_is_slicing_and_taking_is_indexing(data):
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    shards = [np.arange(size * 2, dtype=np.float32).reshape(size, 2) + 100 * i for i, size in enumerate(sizes)]
    places = [(i, row) for i, size in enumerate(sizes) for row in range(size)]
    chosen = data.draw(st.one_of(st.just(places), st.lists(st.sampled_from(places), max_size=12)))
    whole = np.array([shards[i][row] for i, row in chosen], np.float32).reshape(-1, 2)
    shard, row = (np.array([place[axis] for place in chosen], np.int64) for axis in (0, 1))
    matrix = Vectors(shards, shard, row)
    start, stop = sorted(data.draw(st.tuples(st.integers(0, len(chosen)), st.integers(0, len(chosen)))))
    assert np.array_equal(matrix.read(start, stop), whole[start:stop])
    if chosen:
        rows = np.array(data.draw(st.lists(st.integers(0, len(chosen) - 1), max_size=8)), np.int64)
        assert np.array_equal(matrix.take(rows), whole[rows])
