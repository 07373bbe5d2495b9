"""What goes over the wire: requests and answers as values, the Hub's refusals, and the table of routes."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True)
class Request:
    """One request; `path` is raw (percent-encoded, without the query), header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object; anything else is refused."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise Refused(400, f"Invalid JSON: {error}") from None
        if not isinstance(value, dict):
            raise Refused(400, "Invalid JSON: an object is expected")
        return value


@dataclass(frozen=True)
class Answer:
    """One answer. A body that is no bytes goes out as JSON."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, default=str).encode()


class Refused(Exception):
    """The request is answered by the Hub's error envelope: `code` is what the clients choose their exception by."""

    def __init__(self, status: int, message: str, code: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.more = status, message, code, more
        self.headers: dict[str, str] = {}

    def answer(self) -> Answer:
        # Header values are one line of latin-1; the body has the message as it is.
        line = " ".join(self.message.split()).encode("latin-1", "replace").decode("latin-1")
        headers = {"X-Error-Message": line} | ({"X-Error-Code": self.code} if self.code else {}) | self.headers
        return Answer({"error": self.message, **self.more}, self.status, headers)


Handler = Callable[..., Answer]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def route(methods: str, pattern: str) -> Callable[[Handler], Handler]:
    """Register a handler for `pattern`: `{x}` is one segment of the raw path, `{x*}` all the rest, `{kinds}` a plural,
    `{prefix}` what stands before the id in a web address (`datasets/`; nothing for a model).

    The handler is called with the Hub, the request and the segments, which are percent-decoded only after the split:
    a revision or a folder may arrive with its slashes encoded.
    """
    expression = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}").replace(r"\*}", "*}")
    expression = expression.replace("{kinds}", "(?P<kinds>datasets|models)")
    expression = expression.replace("{prefix}", "(?P<prefix>datasets/|)")
    expression = re.sub(r"{(\w+)\*}", r"(?P<\1>.+)", expression)
    expression = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", expression)

    def register(handler: Handler) -> Handler:
        ROUTES.extend((method, re.compile(expression), handler) for method in methods.split())
        return handler

    return register


def dispatch(hub: Any, request: Request) -> Answer:
    """Answer one request; refusals become answers here."""
    try:
        for method, expression, handler in ROUTES:
            if method == request.method and (match := expression.fullmatch(request.path)):
                return handler(hub, request, **{name: unquote(text) for name, text in match.groupdict().items()})
        raise Refused(404, "Not Found")
    except Refused as refused:
        return refused.answer()


def parsed_query(text: str) -> dict[str, str]:
    """The query of a URL; of a repeated name, the last."""
    return dict(parse_qsl(text, keep_blank_values=True))


def proposes(request: Request) -> bool:
    """Whether a pull request is asked for."""
    return request.query.get("create_pr", "") in ("1", "true", "True")
