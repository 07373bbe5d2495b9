"""The chat completions protocol: a request as its body, and what a server's answer means."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from syneg_data.engines.pacing import Fault, retry_after
from syneg_data.engines.protocol import Completion, Finish, Message, Request
from syneg_data.errors import InputError, SynegError, UnavailableError

# Servers keep seeds in 32 or 64 bits, signed or not; this fits all of them.
_SEEDS = 2**31
_LONGEST_WAIT = 120.0
_DETAIL = 200
_QUOTE = 24
_OVERLOADED = frozenset({408, 429, 503, 504, 529})
_TRANSIENT = frozenset({408, 409, 425, 429})
_FINISH: dict[Any, Finish] = {"stop": "stop", "eos_token": "stop", "stop_sequence": "stop", "length": "length"}
_TOO_LONG = re.compile(
    r"context[_ ](length|window|size)|maximum (context|model) length|\bexceed\w*\b.{0,60}\b(context|tokens?|length)\b|"
    r"(prompt|input|request)\b.{0,40}\btoo (long|large)|max_new_tokens",
    re.IGNORECASE | re.DOTALL,
)
_SECRET = re.compile(r"\b(?:sk|pk|rk|hf|gsk|xai)[-_][\w-]{6,}\S*|\bBearer\s+\S+|(?<=://)[^/\s@]+@", re.IGNORECASE)


def body_of(request: Request, model: str, constraint: Mapping[str, Any]) -> bytes:
    """The body that asks for one completion; `constraint` is what holds it to the schema."""
    body = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "seed": request.seed % _SEEDS,
        "n": 1,
        "stream": False,
        **constraint,
    }
    return json.dumps(body).encode()


def read_completion(body: bytes, request: Request) -> tuple[Completion, str]:
    """The completion in the body of a 200, and the model that the server says wrote it ('' if it says none).

    Raises:
        Fault: the body is something else.
    """
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        raise Fault("the answer is not JSON") from None
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list):
        if isinstance(reply, dict) and reply.get("error"):
            raise Fault(f"an error in place of a completion: {in_words(body, request.messages)}")
        raise Fault("the answer is not a chat completion")
    first = [choice for choice in choices if isinstance(choice, dict) and choice.get("index", 0) == 0]
    message = first[0].get("message") if first else None
    if not isinstance(message, dict):
        raise Fault("the completion has no first choice")
    text = message.get("refusal") or message.get("content") or ""
    if not isinstance(text, str):
        raise Fault("the completion's content is not text")
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("prompt_tokens_details")
    cached = _count(details, "cached_tokens")
    tokens = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"), cached
    model = reply.get("model")
    model = model if isinstance(model, str) else ""
    why = first[0].get("finish_reason")
    if why == "content_filter":
        return Completion("", "rejected", *tokens, detail="content_filter"), model
    finish = _FINISH.get(why) if isinstance(why, str) else None
    if finish is None:
        raise Fault(f"the completion ended for another reason: {_line(str(why))[:40]}")
    return Completion(text, finish, *tokens), model


def _count(holder: Any, name: str) -> int:  # noqa: ANN401
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if type(value) is int and value >= 0 else 0


def read_refusal(status: int, headers: Mapping[str, str], body: bytes, request: Request, place: str) -> Completion:
    """The completion that a status other than 200 stands for: the server will never answer this request.

    Args:
        status: of the answer.
        headers: of the answer.
        body: of the answer.
        request: what was asked.
        place: where, for the message.

    Raises:
        Fault: another try may mend it.
        InputError: no request to this server can succeed as the recipe stands.
        UnavailableError: the server will answer later, but not soon.
    """
    words = in_words(body, request.messages)
    said = f"HTTP {status}" + (f": {words}" if words else "")
    if status in (400, 413, 422):
        too_long = _TOO_LONG.search(body.decode("utf-8", "replace"))
        return Completion("", "too_long" if too_long else "rejected", 0, 0, detail=said[:_DETAIL])
    if status in _TRANSIENT or status >= 500:
        wait = retry_after(headers.get("Retry-After"))
        if wait > _LONGEST_WAIT:
            raise UnavailableError(
                f"{place}: {said}; it asks to wait {min(wait, 1e9):.0f} s; the same command resumes then"
            )
        raise Fault(said, overloaded=status in _OVERLOADED, wait=wait)
    raise _hopeless(status, headers, said, place)


def _hopeless(status: int, headers: Mapping[str, str], said: str, place: str) -> SynegError:
    if 300 <= status < 400:
        target = _line(_host(headers.get("Location", "")))[:_DETAIL]
        return InputError(
            f"{place}: it redirects to {target}, and neither key nor prompts follow a redirect; "
            "if that is the server you mean, write it in base_url"
        )
    if status == 402:
        return UnavailableError(f"{place}: {said}; see to the account, then the same command resumes")
    advice = {
        401: "put a valid key into the environment variable that api_key_env names",
        403: "use a key that may use this model",
        404: "correct model or base_url (which mostly ends in /v1)",
    }.get(status, "check that base_url is that of an OpenAI-style server")
    return InputError(f"{place}: {said}; {advice}")


def _host(location: str) -> str:
    try:
        return urlsplit(location).hostname or "another path"
    except ValueError:
        return "nowhere"


def in_words(body: bytes, messages: Sequence[Message]) -> str:
    """What an error's body says: one line, without secrets, and nothing at all if it repeats the prompt."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None  # a page of HTML says nothing that a person needs
    error = said.get("error", said) if isinstance(said, dict) else said
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error.get("code") or error.get("type")
    if not isinstance(error, str):
        return ""
    words = _line(error)[: _DETAIL - 20]
    prompt = " ".join(" ".join(message.content.split()) for message in messages)
    pieces = (words[i : i + _QUOTE] for i in range(len(words) - _QUOTE + 1))
    return "(it repeats the prompt)" if any(piece in prompt for piece in pieces) else words


def _line(text: str) -> str:
    """One line of what can be printed, without what looks like a secret."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:10_000])
    return _SECRET.sub("[hidden]", " ".join(shown.split()))
