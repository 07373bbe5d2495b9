"""Lines of a user's file: numbered as an editor does, and what is no text is named with its line."""

import gzip
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syneg_data.errors import InputError
from syneg_data.lines import cell, fail, numbered_lines, shown


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The current folder, so that messages show names alone."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(here, data, name="file.txt"):
    path = here / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(numbered_lines(path))


def refused(here, data, name="file.txt"):
    with pytest.raises(InputError) as caught:
        read(here, data, name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\nb", ["a", "b"]),
        ("a\n\nb\n", ["a", "", "b"]),
        ("\n", [""]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\rb\n", ["a\rb"]),
        (" a \t\n", [" a \t"]),
        ("\ufeffa\n\ufeffb\n", ["a", "\ufeffb"]),
        ("\ufeff", [""]),
        ("a\u2028b\u0085c\x0bd\x0ce\n", ["a\u2028b\u0085c\x0bd\x0ce"]),
        ("caf\u00e9\n\U0001f34e", ["caf\u00e9", "\U0001f34e"]),
    ],
)
def test_lines_end_at_line_feeds_alone(here, data, expected):
    assert read(here, data) == list(enumerate(expected, start=1))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\ufeff"))))
def test_what_is_written_in_lines_is_read_in_lines_plain_or_gzipped(here, lines):
    data = "".join(f"{line}\n" for line in lines).encode()
    expected = list(enumerate(lines, start=1))
    assert read(here, data) == expected
    assert read(here, gzip.compress(data), "file.txt.gz") == expected
    assert read(here, data.replace(b"\n", b"\r\n")) == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"good\n\xff\n", "file.txt:2: not UTF-8 (byte 0); convert the file to UTF-8"),
        (b"a\n\nb\xc3", "file.txt:3: not UTF-8 (byte 1); convert the file to UTF-8"),
        (b"\xed\xa0\x80", "file.txt:1: not UTF-8 (byte 0); convert the file to UTF-8"),
        ("text".encode("utf-16"), "file.txt:1: not UTF-8 (byte 0); convert the file to UTF-8"),
    ],
    ids=["a byte", "cut short", "surrogate", "UTF-16"],
)
def test_bytes_that_are_no_text_are_named_with_their_line(here, data, message):
    assert refused(here, data) == message


def test_ends_stay_where_they_are_asked_for(here):
    path = here / "x.csv.gz"
    path.write_bytes(gzip.compress("\ufeffone\r\ntwo\r \u2028\n\nlast".encode()))
    assert list(numbered_lines(path, ends=True)) == [(1, "one\r\n"), (2, "two\r \u2028\n"), (3, "\n"), (4, "last")]


def test_lines_before_a_bad_one_are_read(here):
    (here / "file.txt").write_bytes(b"one\ntwo\n\xff")
    lines = numbered_lines(here / "file.txt")
    assert [next(lines), next(lines)] == [(1, "one"), (2, "two")]
    with pytest.raises(InputError):
        next(lines)


@pytest.mark.parametrize("keep", [1, 10, 25, -8, -1])
def test_a_gzip_that_was_cut_is_refused(here, keep):
    message = refused(here, gzip.compress(b"one line, another line\n" * 9)[:keep], "file.gz")
    assert message.startswith("file.gz: broken gzip (")
    assert message.endswith("); fetch or compress the file again")


def test_what_is_called_gz_and_is_not_is_refused(here):
    assert refused(here, "plain", "file.gz").startswith("file.gz: broken gzip (Not a gzipped file")


def test_what_is_gzipped_and_not_called_so_is_no_text(here):
    assert refused(here, gzip.compress(b"a")) == "file.txt:1: not UTF-8 (byte 1); convert the file to UTF-8"


def test_a_line_that_unpacks_to_more_than_memory_is_refused(here):
    bomb = gzip.compress(b"first\n" + bytes((64 << 20) + 1), compresslevel=1)
    assert len(bomb) < 1 << 20
    assert refused(here, bomb, "file.gz") == "file.gz:2: longer than 64 MiB; split the document"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'=", "''-"])
def test_a_cell_that_a_spreadsheet_would_compute_is_made_text(start):
    assert cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("text", ["", "text", " =1", "1-1", "'", "'text", "a\t=b"])
def test_a_cell_that_is_text_stays_as_it_is(text):
    assert cell(text) == text


@given(st.lists(st.text("=+-@'a\t"), unique=True))
def test_two_texts_are_never_one_cell(texts):
    assert len({cell(text) for text in texts}) == len(texts)


def test_fail_says_where_what_and_what_to_do(here):
    with pytest.raises(InputError) as caught:
        fail(here / "below" / "file.txt", 7, "it is wrong", "mend it")
    assert str(caught.value) == "below/file.txt:7: it is wrong; mend it"
    assert caught.value.exit_code == 2


def test_a_path_is_shown_from_here_and_whole_elsewhere(here):
    assert shown(here / "a" / "b.txt") == "a/b.txt"
    assert shown(here.parent / "c.txt") == f"{here.parent}{os.sep}c.txt"
    assert str(shown(here.relative_to(here) / "d.txt")) == "d.txt"
