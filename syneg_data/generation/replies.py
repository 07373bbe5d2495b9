"""From a completion to a typed state: parsed as JSON, checked, never evaluated and never trusted."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError

from syneg_data.collection import normalise
from syneg_data.engines.protocol import Completion

MIN_WORDS = 8
_COPY_GRAM, _COPY_SHARE = 4, 0.8
_LOOP_GRAM, _LOOP_SHARE = 4, 0.35
# States that a new seed may mend; the others would only be bought twice.
RETRYABLE = frozenset({"truncated", "invalid", "refused", "copied", "degenerate"})
FAILED = frozenset({"truncated", "invalid", "failed"})

_REFUSAL = re.compile(
    r"^\W*(i['\u2019]?m sorry|i am sorry|sorry, (i|but)\b|as an ai\b|i cannot|i can['\u2019]?t "
    r"(help|assist|write|provide)|"
    r"i['\u2019]?m unable|i am unable|es tut mir leid|ich kann (leider )?(nicht|keine)|"
    r"je suis d\u00e9sol\u00e9e?|lo siento)",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_PLACEHOLDER = re.compile(
    r"\[(insert|your|name|topic|todo)\b[^\]]*\]|<(insert|your)\b[^>]*>|lorem ipsum", re.IGNORECASE
)
_LEAKED = re.compile(
    r"hard[ _-]?negative|positive[ _]document|user_query|you are an expert in|write a short passage|"
    r"</?think>|<\|im_|\bjson\b",
    re.IGNORECASE,
)


def judge_reply(
    completion: Completion, reply_type: type[BaseModel], query: str, positive: str, siblings: Iterable[str]
) -> tuple[str, str, str, str]:
    """The state of a reply: (state, detail, text, reflection); the texts are empty unless the state is `ok`.

    Args:
        completion: what the engine returned.
        reply_type: the schema the engine was held to.
        query: text of the query.
        positive: text of the positive.
        siblings: texts already accepted for the same (query, positive).
    """
    if completion.finish == "length":
        return "truncated", "the reply hit max_tokens", "", ""
    if completion.finish != "stop":
        return "failed", completion.finish if completion.finish == "too_long" else completion.detail, "", ""
    try:
        reply = reply_type.model_validate(json.loads(completion.text, object_pairs_hook=_each_key_once)).model_dump()
    except (ValidationError, ValueError, RecursionError) as error:
        return "invalid", str(error).splitlines()[0], "", ""
    text = " ".join(reply["passage"].split())
    state, detail = _judge_text(text, query, positive, siblings)
    if state != "ok":
        return state, detail, "", ""
    return "ok", "", text, storable(" ".join(str(reply.get("reasoning", "")).split()))


def storable(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate, which JSON can smuggle in, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice")
    return row


def _judge_text(text: str, query: str, positive: str, siblings: Iterable[str]) -> tuple[str, str]:
    words = normalise(text).split()
    if _REFUSAL.search(text):
        return "refused", "the model declined"
    if _BROKEN.search(text):
        return "degenerate", "broken characters"
    if words and normalise(query) == " ".join(words):
        return "copied", "the query itself"
    if len(words) < MIN_WORDS:
        return "degenerate", f"fewer than {MIN_WORDS} words"
    if match := _PLACEHOLDER.search(text):
        return "degenerate", f"placeholder {match.group(0)!r}"
    for match in _LEAKED.finditer(text):
        # The corpus itself may speak of such things; only words that come from the prompt alone are leaks.
        if match.group(0).casefold() not in f"{query} {positive}".casefold():
            return "degenerate", f"leaked instruction {match.group(0)!r}"
    if _repetition(words) > _LOOP_SHARE:
        return "degenerate", "repeats itself"
    if _overlap(words, normalise(positive).split()) >= _COPY_SHARE:
        return "copied", "the positive"
    if any(_overlap(words, normalise(other).split()) >= _COPY_SHARE for other in siblings):
        return "copied", "another draft for the same pair"
    return "ok", ""


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _overlap(words: list[str], other: list[str]) -> float:
    """Share of the n-grams of `words` that stand in `other`."""
    grams = _grams(words, _COPY_GRAM)
    theirs = set(_grams(other, _COPY_GRAM))
    return sum(gram in theirs for gram in grams) / len(grams) if grams else 0.0


def _repetition(words: list[str]) -> float:
    """Share of the n-grams that are not the first of their kind."""
    counts = Counter(_grams(words, _LOOP_GRAM))
    total = sum(counts.values())
    return 1 - len(counts) / total if total else 0.0
