"""map_chunks: chunks in order, each committed once it is final, and never before."""

import pytest

from syneg_data.execution import Silence, map_chunks
from syneg_data.records import Candidate, Hit
from syneg_data.workspace import Stage


def row(name, reason=""):
    return Candidate("q", name, (Hit("bm25", 1, 1.0),), reason)


class Log(Silence):
    """Remembers what it heard."""

    def __init__(self):
        self.heard = []

    def start(self, stage, total, unit):
        self.heard.append(("start", stage, total, unit))

    def advance(self, items, *, reused=False):
        self.heard.append(("advance", items, reused))

    def finish(self):
        self.heard.append(("finish",))


class Worker:
    """Makes a row of each item; items of `away` come without it."""

    def __init__(self, away=()):
        self.away = set(away)
        self.chunks = []

    def __call__(self, items):
        self.chunks.append("".join(items))
        return [row(item, "unavailable" if item in self.away else "") for item in items]


def final(rows):
    return not any(row.reason == "unavailable" for row in rows)


def run(folder, worker, items="abcdefgh", size=3, check=final, progress=None):
    stage = Stage(folder / "stage", Candidate, size)
    return map_chunks("mine", "letters", stage, list(items), worker, progress or Silence(), check), stage


def names(rows):
    return "".join(row.doc_id for row in rows)


def manifest(stage):
    return (stage.folder / "manifest.json").exists()


def test_chunks_are_cut_by_position_and_come_in_order(tmp_path):
    worker, log = Worker(), Log()
    rows, stage = run(tmp_path, worker, progress=log)
    assert (names(rows), worker.chunks) == ("abcdefgh", ["abc", "def", "gh"])
    assert (stage.computed, stage.reused, manifest(stage)) == (3, 0, True)
    assert log.heard == [
        ("start", "mine", 8, "letters"),
        ("advance", 3, False), ("advance", 3, False), ("advance", 2, False),
        ("finish",),
    ]  # fmt: skip


def test_what_is_committed_is_read_and_not_computed(tmp_path):
    rows, _ = run(tmp_path, Worker())
    worker, log = Worker(), Log()
    again, stage = run(tmp_path, worker, progress=log)
    assert (again, worker.chunks, stage.computed, stage.reused) == (rows, [], 0, 3)
    assert [heard[2] for heard in log.heard if heard[0] == "advance"] == [True] * 3


def test_a_chunk_that_is_not_final_is_used_but_not_committed(tmp_path):
    rows, stage = run(tmp_path, Worker(away="e"))
    assert [(row.doc_id, row.reason) for row in rows if row.reason] == [("e", "unavailable")]
    assert names(rows) == "abcdefgh"
    assert (stage.computed, manifest(stage)) == (3, False)
    assert stage.read(1) is None


def test_a_later_run_computes_it_again_and_completes_the_stage(tmp_path):
    run(tmp_path, Worker(away="ce"))
    still = Worker(away="e")
    rows, stage = run(tmp_path, still)
    assert (still.chunks, names(rows), manifest(stage)) == (["abc", "def"], "abcdefgh", False)
    back = Worker()
    rows, stage = run(tmp_path, back)
    assert (back.chunks, manifest(stage)) == (["def"], True)
    assert rows == run(tmp_path / "never stopped", Worker())[0]


def test_without_a_check_every_chunk_is_final(tmp_path):
    stage = Stage(tmp_path / "stage", Candidate, 3)
    map_chunks("mine", "letters", stage, list("ab"), Worker(away="a"), Silence())
    assert stage.read(0) is not None
    assert manifest(stage)


def test_nothing_to_do_is_done(tmp_path):
    worker = Worker()
    rows, stage = run(tmp_path, worker, items="")
    assert (rows, worker.chunks, manifest(stage)) == ([], [], True)


def test_what_was_committed_before_an_error_stays_and_progress_ends(tmp_path):
    def breaking(items):
        if "e" in items:
            raise RuntimeError("CUDA error")
        return Worker()(items)

    log = Log()
    with pytest.raises(RuntimeError, match="CUDA error"):
        run(tmp_path, breaking, progress=log)
    assert log.heard[-1] == ("finish",)
    worker = Worker()
    run(tmp_path, worker)
    assert worker.chunks == ["def", "gh"]
