"""Lines of a user's text file, plain or gzipped, with their numbers for messages."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from syneg_data.errors import InputError

LONGEST_LINE = 64 << 20  # bytes; a compressed file can hold lines that memory cannot


def numbered_lines(path: Path, *, ends: bool = False) -> Iterator[tuple[int, str]]:
    """Numbered lines, split at line feeds only (U+2028 is text), without a byte order mark.

    Args:
        path: of the file.
        ends: whether the line feed, and a carriage return before it, stay; otherwise they are taken off.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
            for number, raw in enumerate(iter(lambda: handle.readline(LONGEST_LINE + 1), b""), start=1):
                if len(raw) > LONGEST_LINE:
                    fail(path, number, f"longer than {LONGEST_LINE >> 20} MiB", "split the document")
                data = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                try:
                    text = data.decode("utf-8")
                except UnicodeDecodeError as error:
                    fail(path, number, f"not UTF-8 (byte {error.start})", "convert the file to UTF-8")
                yield number, text if ends else text.rstrip("\n").rstrip("\r")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{shown(path)}: broken gzip ({error}); fetch or compress the file again") from error


def cell(text: str) -> str:
    """Text for a CSV file that a spreadsheet will not take for a formula.

    What begins with a formula's first character, or with apostrophes before one, gets an apostrophe more; so the text
    is what is left without the first.
    """
    return f"'{text}" if text.lstrip("'")[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def fail(path: Path, number: int, what: str, mend: str) -> NoReturn:
    """Refuse a line.

    Raises:
        InputError: always; `file:line: what; what to do`.
    """
    raise InputError(f"{shown(path)}:{number}: {what}; {mend}")


def shown(path: Path) -> str:
    """The path as a person would write it from here."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
