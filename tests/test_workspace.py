"""The workspace: one process at a time, and chunks that are whole or absent."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syneg_data.errors import LockedError
from syneg_data.execution import Silence, map_chunks
from syneg_data.records import Candidate, Hit
from syneg_data.workspace import Stage, Workspace

ROWS = [Candidate("q1", f"d{i}", (Hit("bm25", i + 1, 9.5 - i),), "" if i else "positive") for i in range(4)]

# Lock

HOLD = (
    "import sys, time, pathlib\nfrom syneg_data.workspace import Workspace\n"
    "with Workspace(pathlib.Path(sys.argv[1])).locked():\n"
    "    print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "work")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_with_the_pid_of_the_first(holder, tmp_path):
    with pytest.raises(LockedError) as caught, Workspace(tmp_path / "work").locked():
        pass
    message = f"{tmp_path}/work: process {holder.pid} is building here; wait for it, or choose another --out"
    assert str(caught.value) == message
    assert caught.value.exit_code == 75


def test_the_lock_is_free_after_kill_9(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Workspace(tmp_path / "work").locked():
        assert (tmp_path / "work" / "lock").read_text() == f"{os.getpid()}\n"


def test_a_refused_process_does_not_take_the_holders_name_away(holder, tmp_path):
    for _ in range(2):
        with pytest.raises(LockedError, match=f"process {holder.pid} "), Workspace(tmp_path / "work").locked():
            pass
    assert (tmp_path / "work" / "lock").read_text() == f"{holder.pid}\n"


def test_the_lock_is_free_after_an_error(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(ZeroDivisionError), workspace.locked():
        raise ZeroDivisionError
    with workspace.locked(), pytest.raises(LockedError), workspace.locked():
        pass
    with workspace.locked():
        pass


def test_a_child_process_does_not_keep_the_lock(tmp_path):
    with Workspace(tmp_path).locked():
        program = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
        child = subprocess.Popen(program, close_fds=False, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        with Workspace(tmp_path).locked():
            pass
    finally:
        child.kill()
        child.wait()


def test_the_name_of_a_holder_with_a_shorter_pid_is_not_mixed_with_the_last(tmp_path):
    (tmp_path / "lock").write_text("4294967295123\n")
    with Workspace(tmp_path).locked():
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


# Stages


@pytest.fixture
def stage(tmp_path):
    return Workspace(tmp_path).stage("mine", "k" * 64, Candidate, 2)


def test_a_stage_has_a_folder_of_its_name_and_key(stage, tmp_path):
    assert stage.folder == tmp_path / ("mine-" + "k" * 20)
    assert stage.folder.is_dir()


def test_a_chunk_comes_back_as_it_was_committed(stage):
    assert stage.read(0) is None
    stage.commit(0, ROWS)
    stage.commit(1, [])
    stage.commit(1_000_000, ROWS[:1])
    assert stage.read(100_000) is None
    stage.commit(100_000, ROWS[1:])
    assert [stage.read(i) for i in (0, 1, 2, 1_000_000, 100_000)] == [ROWS, [], None, ROWS[:1], ROWS[1:]]
    assert stage.computed == 4


def test_the_name_of_a_chunk_is_its_digest_and_equal_rows_make_equal_bytes(stage, tmp_path):
    stage.commit(7, ROWS)
    (chunk,) = stage.folder.iterdir()
    assert chunk.name.startswith("000007-")
    other = Stage(tmp_path / "other", Candidate, 2)
    other.commit(7, list(ROWS))
    assert [path.name for path in other.folder.iterdir()] == [chunk.name]


def test_another_key_sees_nothing(stage, tmp_path):
    stage.commit(0, ROWS)
    assert Workspace(tmp_path).stage("mine", "l" * 64, Candidate, 2).read(0) is None
    assert Workspace(tmp_path).stage("mine", "k" * 64, Candidate, 2).read(0) == ROWS


def test_a_chunk_cut_at_any_byte_is_absent(stage):
    stage.commit(0, ROWS)
    (chunk,) = stage.folder.iterdir()
    data = chunk.read_bytes()
    assert len(data) > 1000
    for keep in range(len(data)):
        chunk.write_bytes(data[:keep])
        assert stage.read(0) is None, keep
        assert not chunk.exists()
    chunk.write_bytes(data)
    assert stage.read(0) == ROWS


def test_a_chunk_with_a_flipped_bit_is_absent(stage):
    stage.commit(0, ROWS)
    (chunk,) = stage.folder.iterdir()
    data, rng = chunk.read_bytes(), random.Random(13)
    for _ in range(200):
        bit = rng.randrange(len(data) * 8)
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        chunk.write_bytes(damaged)
        assert stage.read(0) is None, bit
    chunk.write_bytes(data)
    assert stage.read(0) == ROWS


def test_a_damaged_chunk_does_not_hide_a_whole_one(stage):
    stage.commit(0, ROWS)
    (stage.folder / ("000000-" + "0" * 32 + ".parquet")).write_bytes(b"damaged, and first by name")
    assert stage.read(0) == ROWS


def test_a_chunk_under_a_name_that_holds_no_digest_is_absent(stage):
    stage.commit(0, ROWS)
    (chunk,) = stage.folder.iterdir()
    chunk.replace(stage.folder / "000001-.parquet")
    assert stage.read(1) is None


def test_a_commit_that_is_killed_leaves_no_chunk(tmp_path):
    """The rename is the commit: a process that dies before it leaves nothing that counts."""
    program = (
        "import sys, pathlib, resource\nfrom syneg_data.records import Candidate\n"
        "from syneg_data.workspace import Stage\n"
        "stage = Stage(pathlib.Path(sys.argv[1]), Candidate, 2)\n"
        "stage.commit(0, [Candidate('q', 'd', ())])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "stage.commit(1, [Candidate('q', 'd' * 999, ())])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    stage = Stage(tmp_path, Candidate, 2)
    assert stage.read(0) == [Candidate("q", "d", ())]
    assert stage.read(1) is None
    assert len(list(tmp_path.iterdir())) == 1


def test_the_manifest_is_written_last_and_once(stage):
    stage.commit(0, ROWS[:2])
    stage.commit(1, ROWS[2:])
    assert not (stage.folder / "manifest.json").exists()
    stage.finish(2)
    manifest = json.loads((stage.folder / "manifest.json").read_text())
    assert manifest["chunks"] == 2
    assert manifest["columns"] == ["query_id", "doc_id", "sources", "reason"]
    assert manifest["files"] == {path.name: path.stat().st_size for path in stage.folder.glob("*.parquet")}
    before = (stage.folder / "manifest.json").stat().st_mtime_ns
    time.sleep(0.01)
    again = Stage(stage.folder, Candidate, 2)
    again.finish(2)
    assert (stage.folder / "manifest.json").stat().st_mtime_ns == before


def test_a_stage_is_complete_when_every_chunk_of_its_items_has_a_file(stage):
    assert stage.complete(0)
    assert not stage.complete(1)
    stage.commit(0, ROWS[:2])
    assert [stage.complete(items) for items in (0, 1, 2, 3, 4, 5)] == [True, True, True, False, False, False]
    stage.commit(2, [])
    assert [stage.complete(items) for items in (2, 3, 4, 5)] == [True, False, False, False]
    stage.commit(1, ROWS[2:])
    assert [stage.complete(items) for items in (4, 5, 6, 7)] == [True, True, True, False]
    stage.finish(3)
    (stage.folder / ".000003-abc.parquet.x.tmp").write_bytes(b"half")
    (stage.folder / "000003-abc.damaged").write_bytes(b"set aside")
    assert [stage.complete(items) for items in (6, 7)] == [True, False]
    assert (stage.computed, stage.reused) == (3, 0)


def test_a_chunk_that_is_damaged_is_found_out_when_it_is_read_not_before(stage):
    stage.commit(0, ROWS)
    (chunk,) = stage.folder.iterdir()
    chunk.write_bytes(b"damaged")
    assert stage.complete(2)
    assert stage.read(0) is None
    assert not stage.complete(2)


def test_drop_stages_keeps_the_lock(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.locked():
        workspace.stage("mine", "k" * 64, Candidate, 2).commit(0, ROWS)
        workspace.drop_stages()
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    Workspace(tmp_path / "not there").drop_stages()


def test_scratch_is_empty(tmp_path):
    workspace = Workspace(tmp_path)
    (workspace.scratch("export") / "file").write_text("x")
    assert list(workspace.scratch("export").iterdir()) == []


# Resuming


def row(n):
    return Candidate(f"q{n}", "d", ())


@settings(max_examples=25, deadline=None)
@given(items=st.integers(0, 11), size=st.integers(1, 4), stop=st.integers(0, 5))
def test_a_resumed_stage_has_the_same_chunks_as_one_that_was_never_stopped(tmp_path_factory, items, size, stop):
    work = list(range(items))
    whole = [work[i : i + size] for i in range(0, items, size)]
    asked = []

    def compute(part):
        if len(asked) == stop and not resumed:
            raise InterruptedError
        asked.append(list(part))
        return [row(n) for n in part]

    folder, resumed = tmp_path_factory.mktemp("stage"), False
    if stop < len(whole):
        with pytest.raises(InterruptedError):
            map_chunks("mine", "queries", Stage(folder, Candidate, size), work, compute, Silence())
        assert not (folder / "manifest.json").exists()
    resumed = True
    rows = map_chunks("mine", "queries", Stage(folder, Candidate, size), work, compute, Silence())
    assert rows == [row(n) for n in work]
    assert asked == whole
    assert json.loads((folder / "manifest.json").read_text())["chunks"] == len(whole)
