"""Family 13: every fault of the Hub ends in one complete release or none, and the same command goes on from there."""

import pytest

from tests.faults.family13 import CASES, run
from tests.hub.folders import write_build


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_build(tmp_path_factory.mktemp("stones") / "stones")


ALIKE = {
    "17 502", "17 503", "17 504, landed", "17 reset, landed", "17 503 on whoami", "18 503 of the batch",
    "18 503 of the storage", "14 429 with RateLimit", "9 quota, on the commit", "20 tag: reset, set",
    "11 412, somebody adds a file", "17 200 that says nothing, upload", "17 200 that says nothing, whoami",
    "17 200 that says nothing, /refs",
}  # fmt: skip


def marked(case):
    """What goes on for good takes all tries, so it takes its time; and of faults that are alike one is tried always."""
    slow = case.mode == "permanent" or case.name in ALIKE
    return pytest.param(case, id=f"{case.name}, {case.mode}", marks=[pytest.mark.slow] * slow)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_one_release_or_none(case, folder):
    found = run(case, folder, again=case.mode == "permanent")
    assert (found.code, found.complete) == (case.code, True), found.message
    assert case.says in found.message
    assert found.commits == (case.commits if case.commits is not None else int(case.code == 0))
    if case.waits is not None:
        assert found.waits == case.waits
    if case.mend is None:
        assert found.final == (0, 0)
    else:
        assert found.again in (0, None) and found.final == (1, 1)


def test_all_25_entries_of_the_family_are_here():
    """22, a push that is killed, has tests of its own."""
    assert {int(case.name.split()[0]) for case in CASES} == set(range(1, 26)) - {22}
