"""What the scripted server can do with one request: answer it, or break in one of the ways that servers do."""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Act(Protocol):
    """What the server does with one request."""

    async def play(self, connection: "Connection", model: str) -> bool:
        """Do it; whether the connection lives on."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One request's connection, and what was asked."""

    writer: asyncio.StreamWriter
    serial: int
    body: dict[str, Any]

    async def send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send one whole answer."""
        self.writer.write(head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body)
        await self.writer.drain()


@dataclass(frozen=True, slots=True)
class Reply:
    """A chat completion.

    Attributes:
        text: of the message; None sends null.
        finish: its `finish_reason`.
        model: that it names; None for the server's own.
        usage: counts; None estimates them.
        refusal: of the message.
    """

    text: str | None
    finish: str | None = "stop"
    model: str | None = None
    usage: Mapping[str, Any] | None = None
    refusal: str | None = None

    def completion(self, serial: int, body: Mapping[str, Any], model: str) -> dict[str, Any]:
        """The completion as JSON types."""
        message = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        prompt = sum(len(turn.get("content", "")) for turn in body.get("messages", ())) // 4
        written = len(self.text or "") // 4
        usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
        return {
            "id": f"chatcmpl-{serial}",
            "object": "chat.completion",
            "created": 0,
            "model": self.model or model,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
            "usage": usage if self.usage is None else self.usage,
        }

    async def play(self, connection: Connection, model: str) -> bool:
        """Send it."""
        answer = self.completion(connection.serial, connection.body, model)
        await connection.send(200, json.dumps(answer).encode())
        return True


@dataclass(frozen=True, slots=True)
class Status:
    """An answer as given: a status, a body and headers."""

    code: int
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    async def play(self, connection: Connection, model: str) -> bool:
        """Send it."""
        body = self.body if isinstance(self.body, bytes) else self.body.encode("utf-8", "surrogatepass")
        await connection.send(self.code, body, self.headers)
        return True


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer."""

    async def play(self, connection: Connection, model: str) -> bool:
        """Close it."""
        return False


@dataclass(frozen=True, slots=True)
class ResetMidBody:
    """Announce a body, send a part of it, and reset the connection."""

    async def play(self, connection: Connection, model: str) -> bool:
        """Reset it."""
        connection.writer.write(head(200, {"Content-Length": "1000"}) + b'{"choices": [')
        await connection.writer.drain()
        await asyncio.sleep(0.001)  # let the part arrive first
        # Lingering for zero seconds makes the close a reset.
        raw = connection.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.writer.transport.abort()
        return False


@dataclass(frozen=True, slots=True)
class TruncatedChunked:
    """A chunked body that ends within a chunk."""

    async def play(self, connection: Connection, model: str) -> bool:
        """Break off."""
        connection.writer.write(head(200, {"Transfer-Encoding": "chunked"}) + b'40\r\n{"choices": [')
        await connection.writer.drain()
        return False


@dataclass(frozen=True, slots=True)
class Stall:
    """Wait, then do something else."""

    seconds: float
    then: Act = field(default_factory=Drop)

    async def play(self, connection: Connection, model: str) -> bool:
        """Wait."""
        await asyncio.sleep(self.seconds)
        return await self.then.play(connection, model)


@dataclass(frozen=True, slots=True)
class Trickle:
    """A reply that comes byte by byte."""

    seconds: float
    reply: Reply

    async def play(self, connection: Connection, model: str) -> bool:
        """Send it slowly."""
        body = json.dumps(self.reply.completion(connection.serial, connection.body, model)).encode()
        connection.writer.write(head(200, {"Content-Length": str(len(body))}))
        for at in range(len(body)):
            connection.writer.write(body[at : at + 1])
            await connection.writer.drain()
            await asyncio.sleep(self.seconds)
        return True


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers of an answer."""
    given = {"Content-Type": "application/json", **headers}
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}", *(f"{k}: {v}" for k, v in given.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")
