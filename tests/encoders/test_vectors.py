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

from syneg_data.encoders.vectors import VectorStore
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
