"""Sockets: a thread per connection, each request read whole, logged, led past the faults, answered in one write."""

import socket
import struct
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.hub.faults import Fault, Logged
from tests.hub.wire import Answer, Request, dispatch, parsed_query


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # clients keep connections open longer than a test lives
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is part of the tests; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def listen(hub: Any) -> ThreadingHTTPServer:
    """A server on a free port of 127.0.0.1 that answers for `hub`."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    return _Server(("127.0.0.1", 0), Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: Any

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: the log is the Hub's own."""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.hub.faults.next(self.command, self.path)
        logged = Logged(self.command, self.path, headers, b"")
        self.hub.log.append(logged)
        cut = fault is not None and fault.reset and not fault.after
        logged.body = self._body(headers, half=cut)
        if cut:
            return self._reset()
        answer = self._answer(Request(self.command, path, parsed_query(query), headers, logged.body), fault)
        if fault is not None and fault.reset:
            whole = self._encoded(answer)
            self.wfile.write(whole[: len(whole) // 2])
            return self._reset()
        logged.status = answer.status
        self.wfile.write(self._encoded(answer))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _answer(self, request: Request, fault: Fault | None) -> Answer:
        """The Hub's answer, or a fault's before or after the request took effect."""
        if fault is not None and fault.action is not None:
            fault.action()
        planted = fault is not None and fault.action is None
        answer = Answer(status=500)
        if not planted or fault.after:
            try:
                answer = dispatch(self.hub, request)
            except Exception:
                self.hub.crashes.append(traceback.format_exc())
        if planted and not fault.reset:
            return Answer(fault.body, fault.status, fault.headers, "text/plain; charset=utf-8")
        return answer

    def _body(self, headers: dict[str, str], half: bool) -> bytes:
        """The request's body; `half` of it where the connection is about to break."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        length = int(headers.get("content-length") or 0)
        wanted = length // 2 if half else length
        body = self.rfile.read(wanted)
        if len(body) < wanted:  # the client died: what it did send must not be taken for a whole request
            raise ConnectionAbortedError
        return body

    def _chunk(self) -> bytes:
        """One chunk of a body whose length nobody told; the last is empty."""
        try:  # where the client died there is no further line, not even that of the empty chunk
            wanted = int(self.rfile.readline().split(b";")[0], 16)
        except ValueError:
            raise ConnectionAbortedError from None
        return self.rfile.read(wanted + 2)[:-2]  # a line end follows

    def _reset(self) -> None:
        """Close so that the other side sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _encoded(self, answer: Answer) -> bytes:
        """An answer as it goes over the wire."""
        body = answer.encoded()
        headers = {"Content-Type": answer.content_type, "Content-Length": str(len(body)), **answer.headers}
        headers = {"Server": "loopback", "Date": self.date_time_string(), **headers}
        lines = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('Unknown',))[0]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head if self.command == "HEAD" else head + body
