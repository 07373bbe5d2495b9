"""Workspace: where a build keeps its stages; each chunk is committed as it finishes, the stage's manifest last."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, Protocol

from syneg_data.durable import replacing, sha256_file, write_json
from syneg_data.errors import LockedError
from syneg_data.records import R, from_table, schema_of, to_table


class Chunks(Protocol[R]):
    """The numbered chunks of rows of one stage."""

    size: int
    """Items of a chunk."""
    computed: int
    """Chunks that were computed in this run."""
    reused: int
    """Chunks that an earlier run left."""

    def read(self, index: int) -> list[R] | None:
        """The rows of chunk `index`, or None if it is not there."""

    def complete(self, items: int) -> bool:
        """Whether every chunk of so many items is there."""

    def commit(self, index: int, rows: list[R]) -> None:
        """Keep the rows of chunk `index`."""

    def finish(self, chunks: int) -> None:
        """All chunks are committed."""


class Keeper(Protocol):
    """Where the chunks of stages are kept."""

    def stage(self, name: str, key: str, row_type: type[R], size: int) -> Chunks[R]:
        """The stage `name` for inputs and settings `key`, in chunks of `size` items."""


class Stage(Generic[R]):
    """One stage under one key: numbered chunks of rows, each in a file whose name holds the digest of its bytes.

    A chunk that is damaged or half-written does not match its name and counts as absent.
    """

    def __init__(self, folder: Path, row_type: type[R], size: int) -> None:
        self.folder = folder
        self.row_type = row_type
        self.size = size
        self.computed = self.reused = 0
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, index: int) -> list[R] | None:
        """The rows of chunk `index`, or None if it is not (intactly) there."""
        import pyarrow.parquet as pq

        for path in sorted(self.folder.glob(f"{index:06d}-*.parquet")):
            if sha256_file(path)[:32] == path.stem.split("-")[1]:
                self.reused += 1
                return from_table(pq.read_table(path), self.row_type)
            path.unlink()
        return None

    def complete(self, items: int) -> bool:
        """Whether there is a file for every chunk of so many items; whether they are intact, `read` finds out."""
        there = {path.name.partition("-")[0] for path in self.folder.glob("*.parquet")}
        return all(f"{index:06d}" in there for index in range(-(-items // self.size)))

    def commit(self, index: int, rows: list[R]) -> None:
        """Store the rows of chunk `index`; after this returns they survive a crash."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(to_table(rows, self.row_type), sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        digest = hashlib.sha256(data).hexdigest()[:32]
        with replacing(self.folder / f"{index:06d}-{digest}.parquet") as temporary:
            temporary.write_bytes(data)
        self.computed += 1

    def finish(self, chunks: int) -> None:
        """Write the stage's manifest, last: the stage is complete."""
        if self.computed == 0 and (self.folder / "manifest.json").exists():
            return
        files = {path.name: path.stat().st_size for path in sorted(self.folder.glob("*.parquet"))}
        columns = schema_of(self.row_type).names
        write_json(self.folder / "manifest.json", {"chunks": chunks, "files": files, "columns": columns})


class Workspace:
    """The working folder of one build, held by one process at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace; the kernel frees it when the process ends, however it ends.

        Raises:
            LockedError: another process holds it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
                raise LockedError(
                    f"{self.root}: process {holder} is building here; wait for it, or choose another --out"
                ) from None
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
            yield
        finally:
            os.close(handle)

    def stage(self, name: str, key: str, row_type: type[R], size: int) -> Stage[R]:
        """The stage `name` for inputs and settings `key`, in chunks of `size` items."""
        return Stage(self.root / f"{name}-{key[:20]}", row_type, size)

    def drop_stages(self) -> None:
        """Forget every stage; stores elsewhere are not touched."""
        if self.root.exists():
            for folder in self.root.iterdir():
                if folder.is_dir():
                    shutil.rmtree(folder)

    def scratch(self, name: str) -> Path:
        """An empty folder inside the workspace."""
        folder = self.root / name
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return folder


class Nowhere:
    """A keeper that keeps nothing: what stages on plain objects have in place of a workspace."""

    def stage(self, name: str, key: str, row_type: type[R], size: int) -> Chunks[R]:
        """A stage of which no earlier run has left anything, nor will this one."""
        return _Passing(size)


class _Passing(Generic[R]):
    """Chunks that are gone once they are used."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.computed = self.reused = 0

    def read(self, index: int) -> list[R] | None:
        return None

    def complete(self, items: int) -> bool:
        return False

    def commit(self, index: int, rows: list[R]) -> None:
        self.computed += 1

    def finish(self, chunks: int) -> None:
        pass
