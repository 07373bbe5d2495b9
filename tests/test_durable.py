"""What must survive does, and what is damaged is never believed."""

import json
import logging
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from syneg_data.durable import (
    KeyValueStore,
    cache_root,
    replacing,
    sha256_file,
    swap_directory,
    write_json,
    write_lines,
    write_text,
)
from syneg_data.errors import StorageError


def temporaries(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


# Files


def test_lines_are_written_as_they_come_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "lines.txt"
    assert write_lines(path, (f"caf\u00e9 {i}" for i in range(3))) == 3
    assert path.read_bytes() == b"caf\xc3\xa9 0\ncaf\xc3\xa9 1\ncaf\xc3\xa9 2\n"

    def broken():
        yield "new"
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_lines(path, broken())
    assert path.read_text().startswith("caf\u00e9 0"), "what was there is still there"
    assert temporaries(path.parent) == []
    assert write_lines(path, []) == 0 and path.read_bytes() == b""


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_replacing_puts_the_new_content_in_place(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert temporaries(path.parent) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_after_an_error_the_old_content_stands(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_failed_rename_leaves_no_temporary_file(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(OSError, match="Is a directory"):
        write_text(tmp_path / "a", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_text_is_utf8_with_unix_line_ends(tmp_path):
    write_text(tmp_path / "a", "é\n\u2028\r\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\n\xe2\x80\xa8\r\n"


def test_json_is_sorted_and_indented(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, None], "a": "é"})
    expected = '{\n  "a": "é",\n  "b": [\n    1,\n    2.5,\n    null\n  ]\n}\n'
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number(tmp_path, value):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": value})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


WRITERS = {
    "write_bytes": "durable.write_bytes(path, b'n' * 100_000)",
    "write_json": "durable.write_json(path, ['n'] * 50_000)",
    "replacing": "with durable.replacing(path) as t: t.write_bytes(b'n' * 100_000)",
}


@pytest.mark.parametrize("statement", WRITERS.values(), ids=list(WRITERS))
def test_a_full_disk_raises_and_leaves_the_old_file(tmp_path, statement):
    """RLIMIT_FSIZE makes the kernel write short, then fail: what a full disk does."""
    path = tmp_path / "a"
    path.write_text("old")
    program = f"import sys, pathlib\nfrom syneg_data import durable\npath = pathlib.Path(sys.argv[1])\n{statement}"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
        check=False,
    )
    assert done.returncode == 1
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_no_space_left_raises_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left on device"), replacing(path) as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"n" * 100)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_kill_between_writing_and_renaming_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    program = (
        "import os, signal, sys, pathlib\nfrom syneg_data.durable import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as t:\n"
        "    t.write_text('new'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


# Folders


def folder(path, content):
    path.mkdir()
    (path / "file").write_text(content)
    return path


def test_swap_puts_a_folder_in_place_of_none(tmp_path):
    swap_directory(folder(tmp_path / "new", "1"), tmp_path / "deep" / "target", tmp_path / "old")
    assert (tmp_path / "deep" / "target" / "file").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]


def test_swap_replaces_all_of_a_folder_and_removes_the_old_one(tmp_path):
    target = folder(tmp_path / "target", "1")
    (target / "stale").write_text("x")
    folder(tmp_path / "old", "left by a crash")
    swap_directory(folder(tmp_path / "new", "2"), target, tmp_path / "old")
    assert {p.name: p.read_text() for p in target.iterdir()} == {"file": "2"}
    assert [p.name for p in tmp_path.iterdir()] == ["target"]


def test_swap_without_a_new_folder_does_not_lose_the_old_content(tmp_path):
    target = folder(tmp_path / "target", "1")
    with pytest.raises(FileNotFoundError):
        swap_directory(tmp_path / "new", target, tmp_path / "old")
    survivors = [path for path in (target, tmp_path / "old") if path.exists()]
    assert [(path / "file").read_text() for path in survivors] == ["1"]


# Where the stores live


def test_cache_root_is_the_variables_or_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "a" / ".." / "b"))
    assert cache_root() == tmp_path / "b"
    monkeypatch.setenv("SYNEG_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "syneg-data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "home" / ".cache" / "syneg-data"
    monkeypatch.setenv("SYNEG_CACHE", "~/mine")
    assert cache_root() == tmp_path / "home" / "mine"


# The key-value store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stores" / "s.sqlite"


@pytest.fixture
def store(path):
    opened = KeyValueStore(path)
    yield opened
    opened.close()


def sql(path, statement, *values):
    """What somebody else does to the file."""
    with sqlite3.connect(path) as db:
        rows = db.execute(statement, values).fetchall()
    db.close()
    return rows


VALUES = {"a": 1, "b": {"x": ["é\u2028", None, True]}, "c": 0.1, "d": "\ud800", "e": float("inf")}


def test_values_come_back_as_they_went_in(store, path):
    store.put_many(VALUES)
    assert store.get_many([*VALUES, "absent", "a"]) == VALUES
    other = KeyValueStore(path)
    assert other.get_many(VALUES) == VALUES
    other.close()


def test_more_keys_than_one_query_takes(store):
    rows = {f"key {i}": i for i in range(1203)}
    store.put_many(rows)
    assert store.get_many(rows) == rows


def test_a_second_value_replaces_the_first(store):
    store.put_many({"a": 1})
    store.put_many({"a": 2})
    assert store.get_many(["a"]) == {"a": 2}


DAMAGE = {
    "another value": "UPDATE rows SET value = '2' WHERE key = 'a'",
    "another checksum": "UPDATE rows SET sha256 = '0' WHERE key = 'a'",
    "the row of another key": "UPDATE rows SET (value, sha256) = (SELECT value, sha256 FROM rows WHERE key = 'b') "
    "WHERE key = 'a'",
    "no value": "UPDATE rows SET value = NULL WHERE key = 'a'",
    "no checksum": "UPDATE rows SET sha256 = NULL WHERE key = 'a'",
    "a number": "UPDATE rows SET value = 1.5 WHERE key = 'a'",
    "bytes": "UPDATE rows SET value = x'00ff' WHERE key = 'a'",
    "text that is not UTF-8": "UPDATE rows SET value = CAST(x'ff' AS TEXT) WHERE key = 'a'",
    "a checksum that is not UTF-8": "UPDATE rows SET sha256 = CAST(x'ff' AS TEXT) WHERE key = 'a'",
}


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_row_is_dropped_and_said(store, path, caplog, statement):
    store.put_many({"a": 1, "b": 2})
    sql(path, statement)
    with caplog.at_level(logging.WARNING):
        assert store.get_many(["a", "b"]) == {"b": 2}
    assert "dropped 1 damaged rows; they are computed again" in caplog.text
    assert sql(path, "SELECT key FROM rows") == [("b",)]
    store.put_many({"a": 1})
    assert store.get_many(["a"]) == {"a": 1}


def test_a_transaction_that_fails_in_the_middle_leaves_nothing(store, path):
    store.put_many({"old": 1})
    sql(
        path,
        "CREATE TRIGGER fault BEFORE INSERT ON rows WHEN NEW.key = 'bad' "
        "BEGIN SELECT RAISE(FAIL, 'disk fell off'); END",
    )
    with pytest.raises(StorageError) as caught:
        store.put_many({"first": 1, "bad": 2, "last": 3})
    assert str(caught.value) == (
        f"{path}: disk fell off; free disk space or check permissions; if the file is damaged, move it away "
        "(what it held is computed again)"
    )
    assert caught.value.exit_code == 5
    assert sql(path, "SELECT key FROM rows") == [("old",)]
    sql(path, "DROP TRIGGER fault")
    store.put_many({"after": 1})
    assert store.get_many(["old", "first", "bad", "last", "after"]) == {"old": 1, "after": 1}


def test_a_value_that_is_no_json_stores_none_of_its_rows(store, path):
    with pytest.raises(TypeError):
        store.put_many({"a": 1, "b": object()})
    assert sql(path, "SELECT count(*) FROM rows") == [(0,)]


def test_a_kill_before_the_commit_leaves_nothing(path):
    program = (
        "import os, signal, sys, pathlib\nfrom syneg_data.durable import KeyValueStore\n"
        "store = KeyValueStore(pathlib.Path(sys.argv[1]))\n"
        "store.put_many({'old': 1})\n"
        "class Fatal(dict):\n"
        "    def items(self):\n"
        "        yield 'new', 1\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.put_many(Fatal(new=1, more=2))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -signal.SIGKILL
    store = KeyValueStore(path)
    assert store.get_many(["old", "new", "more"]) == {"old": 1}
    store.close()


def test_a_full_disk_is_a_storage_error_and_keeps_what_was_there(path):
    program = (
        "import resource, sys, pathlib\nfrom syneg_data.durable import KeyValueStore\n"
        "from syneg_data.errors import StorageError\n"
        "store = KeyValueStore(pathlib.Path(sys.argv[1]))\n"
        "store.put_many({'old': 1})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try: store.put_many({str(i): 'x' * 10_000 for i in range(100)})\n"
        "except StorageError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path}: ")
    assert "; free disk space or check permissions; " in done.stdout
    assert sql(path, "SELECT key FROM rows") == [("old",)]


def test_a_file_that_is_no_database_is_a_storage_error(tmp_path):
    path = tmp_path / "s.sqlite"
    path.write_text("this is not a database, and long enough to be told from an empty file" * 20)
    with pytest.raises(StorageError) as caught:
        KeyValueStore(path)
    assert str(caught.value).startswith(f"{path}: file is not a database; free disk space or check permissions; ")


def test_a_folder_in_place_of_the_file_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="unable to open database file"):
        KeyValueStore(tmp_path)


def test_counters_add_up_across_openings(store, path):
    assert store.count("submitted") == 0
    assert store.count("submitted", 3) == 3
    assert store.count("other", 1) == 1
    other = KeyValueStore(path)
    assert other.count("submitted", 4) == 7
    other.close()
    assert store.count("submitted") == 7


def test_two_processes_share_a_store(path):
    program = (
        "import sys, pathlib\nfrom syneg_data.durable import KeyValueStore\n"
        "store = KeyValueStore(pathlib.Path(sys.argv[1]))\n"
        "for i in range(20):\n    store.put_many({f'{sys.argv[2]} {i}': i}); store.count('n', 1)"
    )
    both = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in "ab"]
    assert [process.wait() for process in both] == [0, 0]
    store = KeyValueStore(path)
    assert len(store.get_many(f"{name} {i}" for name in "ab" for i in range(20))) == 40
    assert store.count("n") == 40
    store.close()


def test_a_flipped_bit_costs_a_row_but_never_gives_a_wrong_value(tmp_path):
    """300 single bits of the database file, one at a time: right, absent, or a StorageError."""
    rows = {f"key {i}": {"text": f"reply number {i} " * 8, "n": i} for i in range(40)}
    whole = tmp_path / "whole.sqlite"
    store = KeyValueStore(whole)
    store.put_many(rows)
    store.close()
    data, rng = whole.read_bytes(), random.Random(13)
    outcomes = {"right": 0, "absent": 0, "refused": 0}
    for trial in range(300):
        path = tmp_path / str(trial) / "s.sqlite"
        path.parent.mkdir()
        damaged = bytearray(data)
        bit = rng.randrange(len(data) * 8)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        store = None
        try:
            store = KeyValueStore(path)
            found = store.get_many(rows)
        except StorageError:
            outcomes["refused"] += 1
            continue
        finally:
            if store is not None:
                store.close()
            shutil.rmtree(path.parent)
        assert found.items() <= {key: json.loads(json.dumps(row)) for key, row in rows.items()}.items()
        outcomes["right" if found == rows else "absent"] += 1
    assert sum(outcomes.values()) == 300
    assert outcomes["absent"] > 50


def test_the_suite_can_be_killed_without_locks_left(path):
    """SQLite's locks die with their process."""
    program = (
        "import os, signal, sys, sqlite3, pathlib\nfrom syneg_data.durable import KeyValueStore\n"
        "KeyValueStore(pathlib.Path(sys.argv[1])).put_many({'a': 1})\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN IMMEDIATE')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False, env=os.environ)
    store = KeyValueStore(path)
    store.put_many({"b": 2})
    assert store.get_many(["a", "b"]) == {"a": 1, "b": 2}
    store.close()
