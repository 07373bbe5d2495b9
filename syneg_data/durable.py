"""The only writer of files that must survive: temporary file, fsync, rename, directory fsync; verified reads."""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from syneg_data.errors import StorageError

logger = logging.getLogger(__name__)


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def cache_root() -> Path:
    """Where the stores live: `SYNEG_CACHE`, else `$XDG_CACHE_HOME/syneg-data`, else `~/.cache/syneg-data`."""
    if named := os.environ.get("SYNEG_CACHE"):
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve() / "syneg-data"


def sync_directory(path: Path) -> None:
    """Make renames inside `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the body ends well its file durably takes the name `path`.

    After an error, and after a crash, `path` is what it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Atomically and durably write `data`."""
    with replacing(path) as temporary, temporary.open("wb") as handle:
        handle.write(data)  # buffered writers loop over short writes and raise on ENOSPC


def write_text(path: Path, text: str) -> None:
    """Atomically and durably write `text` as UTF-8 with Unix line ends."""
    write_bytes(path, text.encode("utf-8"))


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Atomically and durably write lines as they come, as UTF-8 with Unix line ends; returns how many."""
    written = 0
    with replacing(path) as temporary, temporary.open("wb") as handle:
        for line in lines:
            handle.write(line.encode("utf-8") + b"\n")
            written += 1
    return written


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Atomically and durably write indented JSON with sorted keys; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def swap_directory(new: Path, target: Path, old: Path) -> None:
    """Put directory `new` in the place of `target`; what stood there is moved to `old` and removed.

    A crash leaves either the old directory, or none (and `new` complete), or the new one; never a mixture.
    """
    if old.exists():
        shutil.rmtree(old)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.replace(old)
    new.replace(target)
    sync_directory(target.parent)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for, then hold, the lock file `path`; the kernel frees it when the process ends."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class KeyValueStore:
    """A durable map from content key to JSON value: SQLite in WAL mode with a checksum per row.

    A row whose checksum does not match is dropped and counts as absent, so damage costs a recomputation and never
    a wrong value. Several processes may share one store.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.text_factory = lambda data: data.decode("utf-8", "replace")  # damage must reach the checksum
            self._enter_wal_mode()
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, value TEXT, sha256 TEXT)")
            self._db.execute("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL)")
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error

    def _enter_wal_mode(self) -> None:
        """Switch to WAL; while another process does so too, SQLite answers `locked` at once in spite of the timeout."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Values of those `keys` that are present and intact."""
        found: dict[str, Any] = {}
        damaged: list[str] = []
        wanted = list(dict.fromkeys(keys))
        try:
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, value, sha256 FROM rows WHERE key IN ({marks})"
                for key, value, checksum in self._db.execute(query, part):
                    if _row_checksum(key, value) == checksum:
                        found[key] = json.loads(value)
                    else:
                        damaged.append(key)
            if damaged:
                logger.warning("%s: dropped %d damaged rows; they are computed again", self.path, len(damaged))
                self._db.executemany("DELETE FROM rows WHERE key = ?", [(key,) for key in damaged])
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error
        return found

    def put_many(self, rows: Mapping[str, Any]) -> None:
        """Store all `rows` in one transaction: after a crash either all of them are there or none is."""
        encoded = [(key, json.dumps(value, sort_keys=True, ensure_ascii=True)) for key, value in rows.items()]
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                [(key, value, _row_checksum(key, value)) for key, value in encoded],
            )

    def count(self, name: str, n: int = 0) -> int:
        """Add `n` to the durable counter `name` and return its value."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n", (name, n)
            )
            (total,) = self._db.execute("SELECT n FROM counters WHERE name = ?", (name,)).fetchone()
        return int(total)

    def close(self) -> None:
        """Release the database file."""
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.DatabaseError) -> StorageError:
        return StorageError(
            f"{self.path}: {error}; free disk space or check permissions; if the file is damaged, move it away "
            "(what it held is computed again)"
        )


def _row_checksum(key: str, value: str) -> str:
    return hashlib.sha256(f"{key}\n{value}".encode()).hexdigest()
