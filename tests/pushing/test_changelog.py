"""CHANGELOG.md: a new entry on top, all others as they are."""

from hypothesis import given
from hypothesis import strategies as st

from syneg_data.hub.changelog import FIRST, Change, entry_of, with_entry

NEXT = Change("1.0.0", "minor", ("MINOR: rows differ in triplet", "PATCH: files beside the rows differ: README.md"))


def test_newest_first_and_what_was_written_stays():
    first = with_entry("", "1.0.0", FIRST)
    assert first == (
        "# Changelog\n\nNewest first. What the three numbers promise: MAJOR.MINOR.PATCH as in semantic versioning.\n\n"
        "## 1.0.0\n\nThe first release.\n"
    )
    second = with_entry(first.replace("first release.", "first release, by hand."), "1.1.0", NEXT)
    assert second.endswith(
        "## 1.1.0\n\nMINOR, compared with 1.0.0:\n\n- MINOR: rows differ in triplet\n"
        "- PATCH: files beside the rows differ: README.md\n\n## 1.0.0\n\nThe first release, by hand.\n"
    )
    assert second.count("# Changelog") == 1
    assert with_entry(second, "1.1.0", NEXT) == second, "an entry of the same version gives way"
    assert entry_of(second, "1.0.0") == "The first release, by hand."
    assert entry_of(second, "2.0.0") == ""


def test_headings_that_people_write():
    old = "# Changes\n\n## v1.0.1 (2026-03-01, commit 4f2c)\n- a\n\n### Details\n\nb\n\n## 1.0.0\nc\n"
    new = with_entry(old, "1.1.0", FIRST)
    assert "## v1.0.1 (2026-03-01, commit 4f2c)\n- a\n\n### Details\n\nb\n\n## 1.0.0\nc\n" in new
    assert entry_of(new, "1.0.1") == "- a\n\n### Details\n\nb"
    assert new.startswith("# Changes\n\n## 1.1.0\n"), "what stands above the entries stays there"
    waiting = with_entry("# Mine\n\n## Unreleased\n\n- a\n\n## 1.0.0-rc1\n\nb\n\n## 1.0.0\nc\n", "1.0.0", FIRST)
    assert waiting == "# Mine\n\n## Unreleased\n\n- a\n\n## 1.0.0-rc1\n\nb\n\n## 1.0.0\n\nThe first release.\n"
    assert "## v1.0.1" not in with_entry(old, "1.0.1", FIRST)


@given(st.lists(st.sampled_from(["0.1.0", "1.0.0", "1.0.1", "2.0.0"]), unique=True))
def test_versions_one_after_the_other(versions):
    text = ""
    for version in versions:
        text = with_entry(text, version, FIRST)
        assert with_entry(text, version, FIRST) == text
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == versions[::-1]
