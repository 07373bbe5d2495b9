"""The scan: the very bytes that would go up, read as a reader could; findings have a kind and a place, never the text.

A credential anywhere refuses the release. Personal data and traces of this machine refuse it in what describes the data
(card, report, lock, manifest ...); in the data's own texts they are counted, for they may belong there.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from syneg_data.confidential import CREDENTIALS, PERSONAL, Span, spans
from syneg_data.hub.contents import Contents, Item
from syneg_data.hub.machine import Machine
from syneg_data.hub.piece import Piece
from syneg_data.hub.reading import pieces

_JOINT = "\n\0\n"  # between texts that are scanned together; no form of a credential reaches across it
_REMEMBERED = 1_000_000  # pieces of data texts
# Kinds that runs of digits have by chance: looked for in words alone, not among figures and coordinates.
_NUMBERS = frozenset({"iban", "payment_card", "us_social_security_number", "phone", "ip_address"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not go up: what it looks like, and where it is."""

    kind: str
    path: str
    place: str

    def __str__(self) -> str:
        return f"{self.path}: {self.place}: {self.kind.replace('_', ' ')}"


@dataclass
class Scan:
    """What the bytes of a release hold.

    Attributes:
        refused: what has to go before the release can.
        in_data: kind -> how often in the texts of the data; reported, not refused.
        files: how many were read.
        bytes: how many.
    """

    refused: list[Finding] = field(default_factory=list)
    in_data: Counter[str] = field(default_factory=Counter)
    files: int = 0
    bytes: int = 0


def scan_release(contents: Contents, machine: Machine | None = None) -> Scan:
    """Read every file of a release.

    Memory holds a few thousand rows at a time, and a digest of every piece that was found.

    Args:
        contents: what would go up.
        machine: whose traces are looked for; None: of this one.

    Raises:
        InputError: a file cannot be read as what its name says.
    """
    scanner = _Scanner(machine or Machine.here(contents.folder.path), tuple(contents.repo.split("/")))
    # Data first: what stands in its texts may be quoted in what describes them.
    for item in sorted(contents.items.values(), key=lambda item: (_is_own(item), item.path)):
        scanner.scan(item)
    return scanner.found


def _is_own(item: Item) -> bool:
    return not item.path.endswith(".parquet") and not item.path.startswith("exports/")


class _Scanner:
    def __init__(self, machine: Machine, names: tuple[str, ...]) -> None:
        self._machine = machine
        self._names = names
        self._known: set[bytes] = set()  # digests of pieces that stand in the data
        self._told: set[tuple[str, bytes]] = set()
        self.found = Scan()

    def scan(self, item: Item) -> None:
        self.found.files += 1
        self.found.bytes += item.size
        for group in pieces(item):
            if self._spans(_JOINT.join(group.texts), group):
                self._each(item, group, self._own if group.own or group.raw else self._data)

    def _spans(self, text: str, group: Piece) -> list[Span]:
        if group.raw:
            return [span for span in spans(text) if span.kind in CREDENTIALS]
        without = _NUMBERS if group.figures else frozenset()
        found = [span for span in spans(text) if span.kind not in without]
        for span in self._machine.spans(text, self._names):
            if not any(span.start < other.end and other.start < span.end for other in found):
                found.append(span)
        return found

    def _each(self, item: Item, group: Piece, check: Callable[[Item, str, str, str], None]) -> None:
        """Find the texts in which something is; what only their joint made is nothing."""
        for place, text in enumerate(group.texts):
            for span in self._spans(text, group):
                check(item, group.place(place, text, span.start), span.kind, text[span.start : span.end])

    def _data(self, item: Item, place: str, kind: str, piece: str) -> None:
        if kind in CREDENTIALS:
            self._told.add((item.path, _digest(piece)))
            self.found.refused.append(Finding(kind, item.path, place))
            return
        self.found.in_data[kind] += 1
        # A name that a text has by chance is no reason to let it through where it is this machine's.
        if kind in PERSONAL and len(self._known) < _REMEMBERED:
            self._known.add(_digest(piece))

    def _own(self, item: Item, place: str, kind: str, piece: str) -> None:
        if kind not in CREDENTIALS and _digest(piece) in self._known:
            self.found.in_data[kind] += 1
            return
        key = (item.path, _digest(piece))  # a file may be read in two ways: as it stands, and with its escapes undone
        if key not in self._told:
            self._told.add(key)
            self.found.refused.append(Finding(kind, item.path, place))


def _digest(piece: str) -> bytes:
    return hashlib.blake2b(" ".join(piece.split()).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def refusals(found: Scan, shown: int = 20) -> Sequence[str]:
    """Lines that say what has to go, and how."""
    if not found.refused:
        return []
    lines = [
        f"{finding}; {_MEND['credential' if finding.kind in CREDENTIALS else 'own']}"
        for finding in found.refused[:shown]
    ]
    if len(found.refused) > shown:
        lines.append(f"and {len(found.refused) - shown} more of this kind")
    return lines


_MEND: Mapping[str, str] = {
    "credential": "take it out where it comes from, build again, and have it revoked: it may have been seen",
    "own": "take it out of the recipe or its card (write paths relative to the recipe), and build again",
}
