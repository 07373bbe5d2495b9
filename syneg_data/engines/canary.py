"""The canary: before an engine may spend tokens it proves that replies are held to their schema."""

import json
import secrets

from syneg_data.engines.protocol import CompletionEngine, Message, Request
from syneg_data.errors import InputError, UnavailableError

_MAX_TOKENS = 96


def prove_constraint(engine: CompletionEngine) -> CompletionEngine:
    """The engine, once it has shown that its constraint is active.

    It is asked for a greeting under a schema that admits one value alone: a random word under a random key, neither of
    which stands in the prompt. A model that is not held to the schema cannot hit upon them.

    Raises:
        InputError: the reply is not the one value; no token may be spent on such an engine.
        UnavailableError: the engine could not answer now.
    """
    key, word = f"k{secrets.token_hex(3)}", secrets.token_hex(4)
    schema = {
        "type": "object",
        "properties": {key: {"type": "string", "enum": [word]}},
        "required": [key],
        "additionalProperties": False,
    }
    request = Request(
        request_id="canary",
        # The shape of every chat to come: a template that refuses it should do so now.
        messages=(Message("system", "You are a host."), Message("user", "Greet me in one short sentence.")),
        schema=json.dumps(schema),
        temperature=0.0,
        top_p=1.0,
        max_tokens=_MAX_TOKENS,
        seed=0,
    )
    (reply,) = engine.complete([request])
    if reply.finish == "unavailable":
        raise UnavailableError(f"the engine does not answer ({reply.detail}); the same command resumes")
    if reply.finish in ("too_long", "rejected"):
        raise InputError(f"the engine refuses a short prompt with a JSON schema ({reply.detail}); nothing was spent")
    try:
        held = json.loads(reply.text) == {key: word}
    except ValueError:
        held = False
    if not held:
        raise InputError(
            f"the engine does not hold replies to their JSON schema (asked for one fixed value, it wrote "
            f"{reply.text[:80]!r}); switch structured output on, or choose another engine; nothing was spent"
        )
    return engine
