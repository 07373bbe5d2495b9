"""Faults that a test plants in the loopback Hub, and the log of everything that was sent to it."""

import base64
import binascii
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes


@dataclass
class Fault:
    """What happens to the next `times` requests (None: to all) whose method and path with query match."""

    method: str
    path: re.Pattern[str]
    status: int
    after: bool = False  # the request takes effect first, and only its answer is lost
    times: int | None = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: bool = False  # no answer at all: the connection is reset
    action: Callable[[], object] | None = None  # instead of a fault: what somebody else does just before


class Faults:
    """The faults still to come, in the order in which they were planted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planted: list[Fault] = []

    def plant(self, fault: Fault) -> None:
        with self._lock:
            self._planted.append(fault)

    def next(self, method: str, target: str) -> Fault | None:
        """The first fault that is meant for a request; it is used up by one."""
        with self._lock:
            for fault in self._planted:
                if fault.method == method and fault.path.search(target):
                    if fault.times is not None:
                        fault.times -= 1
                        if not fault.times:
                            self._planted.remove(fault)
                    return fault
        return None

    def left(self) -> int:
        """How many faults have not been used up: a test that planted one wants 0."""
        with self._lock:
            return sum(fault.times is not None for fault in self._planted)


@dataclass
class Logged:
    """One request as it came in; header names are lower case. `status` is 0 until it is answered, and after a reset."""

    method: str
    path: str  # raw, with the query
    headers: Mapping[str, str]
    body: bytes
    status: int = 0

    def sent(self) -> bytes:
        """Every byte that the client sent, but for the order and case of the header names."""
        head = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*head, "", ""]).encode("latin-1") + self.body

    def contents(self) -> Iterator[bytes]:
        """All that can be read from it: the bytes as sent, and what percent signs, JSON escapes and base64 hide."""
        yield self.sent()
        yield unquote_to_bytes(self.path.replace("+", " "))
        kind = self.headers.get("content-type", "")
        if "form-urlencoded" in kind:
            yield unquote_to_bytes(self.body.replace(b"+", b" "))
        if "json" not in kind:
            return
        for line in self.body.splitlines():
            for text in _texts(json.loads(line)):
                yield text.encode("utf-8", "surrogatepass")
                with suppress(binascii.Error, ValueError):
                    yield base64.b64decode(text, validate=True)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
