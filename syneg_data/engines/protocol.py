"""What an engine is asked and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Finish = Literal["stop", "length", "too_long", "error"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to make.

    Attributes:
        request_id: names the request; the same for every engine.
        messages: the chat.
        schema: JSON schema that the reply must follow, as canonical JSON text.
        temperature: of the sampling; above 0.
        top_p: share of probability mass to sample from.
        max_tokens: bound of the reply.
        seed: of this request alone.
    """

    request_id: str
    messages: tuple[Message, ...]
    schema: str
    temperature: float
    top_p: float
    max_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Completion:
    """The reply to one request.

    `finish`: `stop` the model ended it; `length` it hit max_tokens; `too_long` the prompt does not fit the context
    (nothing was generated); `error` the engine failed on it, with `detail`. Counts are tokens.
    """

    text: str
    finish: Finish
    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    detail: str = ""


class CompletionEngine(Protocol):
    """An engine that is loaded and ready."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in the same order."""
