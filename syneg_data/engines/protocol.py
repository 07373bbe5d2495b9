"""What an engine is asked and what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Finish = Literal["stop", "length", "broken", "too_long", "rejected", "unavailable"]


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
        temperature: of the sampling; 0 takes the likeliest token.
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

    `finish`: `stop` the model ended it; `length` it hit max_tokens; `broken` the engine ended it in the middle, and
    another seed may go well; `too_long` the prompt does not fit the context
    (nothing was generated); `rejected` the engine will never answer this request; `unavailable` it could not now, and
    the retries are used up. The last three say why in `detail`. Counts are tokens; `tokens_cached` is the part of
    `tokens_in` that was not computed again.
    """

    text: str
    finish: Finish
    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    detail: str = ""


Finished = Callable[[int, Completion], None]


def unheard(index: int, completion: Completion) -> None:
    """A listener to finished completions that does nothing."""


class CompletionEngine(Protocol):
    """An engine that is loaded and ready."""

    @property
    def context(self) -> int | None:
        """Tokens of prompt and reply together that fit; None where the engine cannot tell."""

    def complete(self, requests: Sequence[Request], finished: Finished = unheard) -> list[Completion]:
        """One completion per request, in the same order.

        Args:
            requests: what to complete.
            finished: told of every completion (its place in `requests`, and itself) once, as soon as it is there, so
                that what was paid for can be kept even if the rest never comes.

        Raises:
            UnavailableError: the engine as a whole is gone; what was finished has been told.
        """
