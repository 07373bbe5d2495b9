"""Vector store: embeddings kept by content, in memory-mapped Arrow shards, one folder per embedding space."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syneg_data.durable import cache_root, replacing, sha256_file, write_json
from syneg_data.errors import StorageError
from syneg_data.spec import fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Vectors:
    """Rows of memory-mapped shards as one matrix, of which only what is read comes into memory."""

    def __init__(
        self, shards: Sequence["NDArray[np.float32]"], shard: "NDArray[np.int64]", row: "NDArray[np.int64]"
    ) -> None:
        """Row i is `shards[shard[i]][row[i]]`."""
        self._shards, self._shard, self._row = shards, shard, row
        self.dimension = shards[0].shape[1] if shards else 0

    @classmethod
    def of(cls, matrix: "NDArray[np.float32]") -> "Vectors":
        """A matrix that is in memory already, shape (n, dimension)."""
        import numpy as np

        return cls([matrix], np.zeros(len(matrix), np.int64), np.arange(len(matrix)))

    def __len__(self) -> int:
        return len(self._row)

    def read(self, start: int, stop: int) -> "NDArray[np.float32]":
        """Rows start..stop, shape (stop - start, dimension); not copied where they lie side by side."""
        import numpy as np

        shard, row = self._shard[start:stop], self._row[start:stop]
        if len(row) and (shard == shard[0]).all() and (np.diff(row) == 1).all():
            side_by_side: NDArray[np.float32] = self._shards[shard[0]][row[0] : row[-1] + 1]
            return side_by_side
        return self.take(np.arange(start, stop))

    def take(self, rows: "NDArray[np.integer[Any]]") -> "NDArray[np.float32]":
        """A copy of some rows, shape (len(rows), dimension)."""
        import numpy as np

        shard, row = self._shard[rows], self._row[rows]
        if len(self._shards) == 1:  # spares a copy of everything
            only: NDArray[np.float32] = self._shards[0][row]
            return only
        found = np.empty((len(rows), self.dimension), np.float32)
        order = np.argsort(shard, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            if len(part):
                found[part] = self._shards[shard[part[0]]][row[part]]
        return found


class VectorStore:
    """Float32 vectors of one space, keyed by text.

    The space is everything that decides a vector besides the text: weights digest, role, prompts, length limit and
    dtype. Shards are immutable and named by the digest of their bytes, so several processes can add to a space at
    once and a damaged shard is set aside instead of being believed.
    """

    def __init__(self, space: dict[str, Any]) -> None:
        import numpy as np

        self.folder = cache_root() / "vectors" / fingerprint(space)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "space.json").exists():
            write_json(self.folder / "space.json", space)
        self._shards: list[NDArray[np.float32]] = []
        self._names: set[str] = set()
        # Of every vector the sha256 of its text (four words) and where it is, by the first word of the digest.
        self._digests = np.empty((0, 4), np.uint64)
        self._places = np.empty((0, 2), np.int64)
        self._unsorted: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
        self._open_new()

    def get(self, texts: Sequence[str]) -> list["NDArray[np.float32] | None"]:
        """The stored vector of each text, or None."""
        return [None if shard < 0 else self._shards[shard][row] for shard, row in self._locate(texts).tolist()]

    def missing(self, texts: Sequence[str]) -> list[str]:
        """The distinct texts that have no vector yet."""
        distinct = list(dict.fromkeys(texts))
        return [text for text, place in zip(distinct, self._locate(distinct), strict=True) if place[0] < 0]

    def matrix(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts that are all stored.

        Raises:
            KeyError: one is not.
        """
        places = self._locate(texts)
        if (places[:, 0] < 0).any():
            raise KeyError(texts[int(places[:, 0].argmin())])
        return Vectors(self._shards, places[:, 0], places[:, 1])

    def put(self, texts: Sequence[str], vectors: "NDArray[np.float32]") -> None:
        """Durably add one shard of vectors, shape (len(texts), dimension).

        Raises:
            StorageError: the dimension differs from what the space holds.
        """
        import pyarrow as pa

        if self._shards and vectors.shape[1] != self._shards[0].shape[1]:
            raise StorageError(
                f"{self.folder}: holds vectors of {self._shards[0].shape[1]} dimensions, now {vectors.shape[1]} came; "
                "move the folder away"
            )
        flat = pa.array(vectors.astype("float32").reshape(-1))
        batch = pa.record_batch(
            {
                "key": pa.array([_key(text) for text in texts], pa.binary(32)),
                "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
            }
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        data = sink.getvalue().to_pybytes()
        with replacing(self.folder / f"{hashlib.sha256(data).hexdigest()}.arrow") as temporary:
            temporary.write_bytes(data)
        self._open_new()

    def _open_new(self) -> None:
        """Map the shards that are not mapped yet, other processes' included."""
        for path in sorted(self.folder.glob("[0-9a-f]*.arrow")):
            if path.name not in self._names:
                self._names.add(path.name)
                self._open(path)

    def _open(self, path: Path) -> None:
        """Map a shard, or set it aside if it is damaged."""
        import numpy as np
        import pyarrow as pa

        if sha256_file(path) != path.stem:
            path.replace(path.with_suffix(".damaged"))
            return
        with pa.memory_map(str(path)) as source:
            batch = pa.ipc.open_file(source).get_batch(0)
        column = batch.column("vector")
        self._shards.append(column.flatten().to_numpy(zero_copy_only=True).reshape(len(batch), -1))
        digests = np.frombuffer(batch.column("key").buffers()[1], np.uint64, 4 * len(batch)).reshape(-1, 4)
        rows = np.arange(len(batch))
        self._unsorted.append((digests, np.stack([np.full_like(rows, len(self._shards) - 1), rows], axis=1)))

    def _locate(self, texts: Sequence[str]) -> "NDArray[np.int64]":
        """(shard, row) of each text's vector, (-1, -1) where there is none; shape (len(texts), 2)."""
        import numpy as np

        if self._unsorted:
            digests = np.concatenate([self._digests, *(digests for digests, _ in self._unsorted)])
            places = np.concatenate([self._places, *(places for _, places in self._unsorted)])
            order = np.argsort(digests[:, 0], kind="stable")  # of two vectors of one text, the first counts
            self._digests, self._places, self._unsorted = digests[order], places[order], []
        asked = np.frombuffer(b"".join(map(_key, texts)), np.uint64).reshape(-1, 4)
        found = np.full((len(texts), 2), -1, np.int64)
        if len(self._digests) and len(texts):
            at = np.searchsorted(self._digests[:, 0], asked[:, 0])
            at[at == len(self._digests)] = 0
            same = (self._digests[at] == asked).all(axis=1)
            found[same] = self._places[at[same]]
        return found


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
