"""A scripted OpenAI-style server on this machine: a stand-in for a real one, to try out recipes, tests and faults.

    with ScriptedServer(lambda serial, body: honest(body)) as server:
        ...  # base_url: server.base_url, model: scripted

A script is a function of (number of the request, its body) that says what to do: answer, or break in a certain way.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from syneg_data.engines.acts import (
    Act,
    Connection,
    Drop,
    Reply,
    ResetMidBody,
    Stall,
    Status,
    Trickle,
    TruncatedChunked,
    head,
)
from syneg_data.engines.honest import honest_value

__all__ = [
    "Act",
    "Drop",
    "Reply",
    "ResetMidBody",
    "Script",
    "ScriptedServer",
    "Stall",
    "Status",
    "Trickle",
    "TruncatedChunked",
    "honest",
]

_LARGEST_REQUEST = 64 * 2**20

Script = Callable[[int, dict[str, Any]], Act]


def honest(body: Mapping[str, Any]) -> Reply:
    """A reply that keeps to the schema of the request, and depends on nothing but seed and messages."""
    return Reply(json.dumps(honest_value(body)))


class ScriptedServer:
    """The server, in a thread of its own from `with` to the end of it.

    Attributes:
        completions: requests for a completion so far.
        peak: most of them that were in progress at once.
        log: (headers, body) of each of them, if asked for; headers' names in lower case.
    """

    def __init__(
        self,
        script: Script,
        *,
        model: str = "scripted",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        log: bool = False,
    ) -> None:
        self._script = script
        self._model = model
        self._tls = tls
        self._keep_log = log
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None
        self._now = 0
        self.port = port
        self.completions = 0
        self.peak = 0
        self.log: list[tuple[dict[str, str], dict[str, Any]]] = []

    @property
    def base_url(self) -> str:
        """What to write into a recipe."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "ScriptedServer":
        listening = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls, limit=2**20)
        )
        self._server = listening
        self.port = listening.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted server", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._failure is not None and error is None:
            raise self._failure

    def close(self) -> None:
        """Stop at once, as a killed server does: connections break, the port is free."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # What a client breaks, and the end of the server, end a connection without a word.
            with suppress(
                OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError
            ):
                while await self._serve(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer the next request of a connection; whether another may follow."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if length > _LARGEST_REQUEST or "transfer-encoding" in headers:
            writer.write(head(411, {"Content-Length": "0"}))
            return False
        content = await reader.readexactly(length)
        connection = Connection(writer, self.completions, {})
        if (method, path) == ("GET", "/v1/models"):
            models = {"object": "list", "data": [{"id": self._model, "object": "model"}]}
            await connection.send(200, json.dumps(models).encode())
            return True
        if (method, path) != ("POST", "/v1/chat/completions"):
            await connection.send(404, b'{"error": {"message": "no such path"}}')
            return True
        return await self._complete(writer, headers, json.loads(content))

    async def _complete(self, writer: asyncio.StreamWriter, headers: dict[str, str], body: dict[str, Any]) -> bool:
        connection = Connection(writer, self.completions, body)
        self.completions += 1
        self._now += 1
        self.peak = max(self.peak, self._now)
        if self._keep_log:
            self.log.append((headers, body))
        try:
            return await self._script(connection.serial, body).play(connection, self._model)
        except OSError:
            raise
        except Exception as error:  # a mistake of the script, told when the server closes
            self._failure = self._failure or error
            await connection.send(500, b'{"error": {"message": "the script failed"}}')
            return True
        finally:
            self._now -= 1
