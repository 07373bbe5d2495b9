"""Some texts of a file, and where each of them stands; what every way of reading a file yields."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syneg_data.hub.contents import Item

_BLOCK = 1 << 20  # bytes at a time
_OVERLAP = 1 << 13
# What stands between numbers as text: a run that is hardly chance, in ASCII or in both orders of UTF-16.
_RUN = re.compile(rb"[\t\n\r\x20-\x7e]{16,}|(?:[\t\n\r\x20-\x7e]\x00){16,}|(?:\x00[\t\n\r\x20-\x7e]){16,}")


@dataclass(frozen=True)
class Piece:
    """Some texts of a file.

    Attributes:
        texts: in order.
        own: they describe the data and are ours; else they are the data's.
        where: what the place of a finding begins with.
        first: number of the first text; rows and lines are counted.
        lines: the texts are blocks of lines, and places are lines; else every text is a place.
        figures: there are numbers between the words.
        raw: the file as it stands, beside what its readers have of it; only credentials are looked for.
    """

    texts: Sequence[str]
    own: bool
    where: str = "line"
    first: int = 1
    lines: bool = False
    figures: bool = False
    raw: bool = False

    def place(self, number: int, text: str, start: int) -> str:
        """Where in the file something is.

        Args:
            number: of the text in `texts`.
            text: that text.
            start: where in it.
        """
        if self.lines:
            return f"{self.where} {self.first + text.count(chr(10), 0, start)}"
        return f"{self.where} {self.first + number}"


def runs(item: Item) -> Iterator[Piece]:
    """Whatever in a file's bytes could be text, wherever it stands: between pages, behind the end, among numbers."""
    start, rest = 0, b""
    with item.open() as file:
        while part := file.read(_BLOCK):
            block = rest + part
            texts = [run.replace(b"\0", b"").decode("ascii") for run in _RUN.findall(block)]
            if texts:
                yield Piece(("\n\0\n".join(texts),), False, "bytes from", start, raw=True)
            start += len(block) - _OVERLAP if len(block) > _OVERLAP else 0
            rest = block[-_OVERLAP:] if len(block) > _OVERLAP else block
