"""The HTTP connection to an OpenAI-style server: what it may do, how much it may read, and how its faults are told."""

import os
import socket
import ssl
from typing import TYPE_CHECKING

from syneg_data.engines.addresses import guarded_resolver
from syneg_data.engines.pacing import Fault

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

# A reply is a few kB; more than this is a server that fills memory.
_LARGEST_BODY = 8 * 2**20
_CONNECT_SECONDS = 10.0
# Below the 5 s after which common servers drop an idle connection, lest a request meet a closed door.
_KEEP_ALIVE_SECONDS = 4.0


def open_session(
    timeout: float, key: str, tls: ssl.SSLContext | None, resolver: "AbstractResolver | None"
) -> "aiohttp.ClientSession":
    """Connections to one server: kept alive, without cookies, proxies or compression.

    Args:
        timeout: seconds for one whole answer.
        key: sent as a bearer token; '' sends none.
        tls: what checks certificates; None for plain HTTP.
        resolver: who turns host names into addresses; the system by default.
    """
    import aiohttp

    connector = aiohttp.TCPConnector(
        limit=0,  # the pacer is the limit
        resolver=guarded_resolver(resolver),
        use_dns_cache=False,  # a server that comes back may have moved
        ssl=tls or True,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
    )
    # No compression, so that the bound on a body is a bound on memory.
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "syneg-data"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_SECONDS),
    )


async def read_body(response: "aiohttp.ClientResponse") -> bytes:
    """The whole body.

    Raises:
        Fault: it has no end.
    """
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _LARGEST_BODY:
            response.close()
            raise Fault(f"an answer of more than {_LARGEST_BODY} bytes")
    return bytes(body)


def reason(error: Exception) -> str:
    """What went wrong with the connection, on one line; the words are the system's, never the server's."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    words = ""
    if isinstance(cause, ssl.SSLError | socket.gaierror):
        words = cause.strerror or ""
    elif isinstance(cause, OSError) and cause.errno:
        words = os.strerror(cause.errno)
    return f"connection: {words or type(cause).__name__}"[:160]
