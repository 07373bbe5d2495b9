"""Vector store: embeddings kept by content, in memory-mapped Arrow shards, one folder per embedding space."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syneg_data.durable import cache_root, replacing, sha256_file, write_json
from syneg_data.errors import StorageError
from syneg_data.spec import fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class VectorStore:
    """Float32 vectors of one space, keyed by text.

    The space is everything that decides a vector besides the text: weights digest, role, prompts, length limit and
    dtype. Shards are immutable and named by the digest of their bytes, so several processes can add to a space at
    once and a damaged shard is set aside instead of being believed.
    """

    def __init__(self, space: dict[str, Any]) -> None:
        self.folder = cache_root() / "vectors" / fingerprint(space)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "space.json").exists():
            write_json(self.folder / "space.json", space)
        self._rows: dict[bytes, tuple[int, int]] = {}
        self._shards: list[NDArray[np.float32]] = []
        self._names: set[str] = set()
        self._read_new_shards()

    def get(self, texts: Sequence[str]) -> list["NDArray[np.float32] | None"]:
        """The stored vector of each text, or None."""
        found = [self._rows.get(_key(text)) for text in texts]
        return [None if at is None else self._shards[at[0]][at[1]] for at in found]

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
        self._read_new_shards()

    def _read_new_shards(self) -> None:
        import pyarrow as pa

        for path in sorted(self.folder.glob("[0-9a-f]*.arrow")):
            if path.name in self._names:
                continue
            self._names.add(path.name)
            if sha256_file(path) != path.stem:
                path.replace(path.with_suffix(".damaged"))
                continue
            with pa.memory_map(str(path)) as source:
                batch = pa.ipc.open_file(source).get_batch(0)
            shard = len(self._shards)
            column = batch.column("vector")
            self._shards.append(column.flatten().to_numpy(zero_copy_only=True).reshape(len(batch), -1))
            for row, key in enumerate(batch.column("key").to_pylist()):
                self._rows.setdefault(key, (shard, row))


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
