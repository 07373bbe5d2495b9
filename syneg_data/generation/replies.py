"""From a completion to typed states: parsed as JSON, checked, never evaluated and never trusted."""

import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from syneg_data.engines.protocol import Completion
from syneg_data.texts.language import language_of
from syneg_data.texts.words import words_of

MIN_WORDS = 8
COPY_SHARE = 0.8
_ECHO_SHARE = 0.5  # of a text, from the prompt's own words
_GRAM = 4
_LOOP_SHARE = 0.35
_TOO_LONG = 8  # times the words of the positive, beyond _LONG words
_LONG = 400
UNAVAILABLE = "unavailable"  # first word of the detail of a reply that may yet come: its chunk is not final
# States that another attempt may mend; the others would only be bought twice.
RETRYABLE = frozenset({"truncated", "invalid", "refused", "copied", "degenerate"})
FAILED = frozenset({"truncated", "invalid", "failed"})

_REFUSAL = re.compile(
    r"^\W*(i['\u2019]?m sorry|i am sorry, (but )?i|sorry, (i|but i)\b|as an ai\b|i (cannot|can not|can['\u2019]?t) "
    r"(help|assist|write|provide|create|generate|comply|fulfil)|"
    r"i['\u2019]?m unable|i am unable|es tut mir leid|ich kann (leider )?(nicht|keine)|"
    r"je suis d\u00e9sol\u00e9e?|lo siento)",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
# UTF-8 read as Latin-1 or Windows-1252: `Ã©`, `â€™`.
_MOJIBAKE = re.compile(r"\u00c3[\u0080-\u00bf\u0192\u2020-\u203a]|\u00e2\u20ac|\u00c2[\u00a0-\u00bf]")
_MARKUP = re.compile(r"<\s*/?\s*(script|html|body|iframe|img|div|style|svg|a)\b|!\[[^\]]*\]\(", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"\[(insert|your|name|topic|todo)\b[^\]]*\]|<(insert|your)\b[^>]*>|lorem ipsum", re.IGNORECASE
)
# Words that come from prompts (ours, or one that a document smuggles in) and have no business in a text.
_LEAKED = re.compile(
    r"hard[ _-]?negative|positive[ _]document|user_query|you are an (expert|editor) (who|in)|"
    r"write (a short passage|the document again)|grade_\d|"
    r"(ignore|disregard|forget) (all |any )?(of )?(the |your )?((previous|prior|above|earlier) instructions|"
    r"instructions (above|before))|system prompt|"
    r"</?think>|<\|\w|<(start|end)_of_turn>|</s>|\[/?INST\]|\bjson\b|\b(here is|here's) the (passage|document|text)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Other:
    """A text that a new one must not copy, and the share of n-grams from which on it would.

    `name` says which one it is.
    """

    name: str
    text: str
    share: float = COPY_SHARE


@dataclass(frozen=True, slots=True)
class Judged:
    """State of one text: `detail` says what is wrong with it; `text` is empty unless the state is `ok`."""

    state: str
    detail: str = ""
    text: str = ""


def parse_reply(completion: Completion, reply_type: type[BaseModel]) -> BaseModel | Judged:
    """The typed reply, or the state of a reply that is none."""
    if completion.finish == "length":
        return Judged("truncated", "the reply hit max_tokens")
    if completion.finish == "broken":
        return Judged("invalid", completion.detail)
    if completion.finish != "stop":
        return Judged("failed", f"{completion.finish}: {completion.detail}")
    if _REFUSAL.search(completion.text):
        return Judged("refused", "the model declined")
    try:
        return reply_type.model_validate(
            json.loads(completion.text, object_pairs_hook=_each_key_once, parse_constant=_no_constant)
        )
    except (ValidationError, ValueError, RecursionError) as error:
        return Judged("invalid", str(error).splitlines()[0])


def judge_text(raw: str, query: str, positive: str, others: Iterable[Other], instructions: str = "") -> Judged:
    """The state of one text of a reply.

    Args:
        raw: the text, as written.
        query: text of the query.
        positive: text of the positive; what stands in it can be no leak, and its language is the right one.
        others: what the text must not copy.
        instructions: our own words of the prompt, which have no business in a text either.
    """
    text = " ".join(raw.split())
    words = words_of(text)
    if _REFUSAL.search(text):
        return Judged("refused", "the model declined")
    if _BROKEN.search(text) or _MOJIBAKE.search(text):
        return Judged("degenerate", "broken characters")
    if len(words) < MIN_WORDS and words_of(query) != words:
        return Judged("degenerate", f"fewer than {MIN_WORDS} words")
    if words_of(query) == words or _overlap(words, query) >= COPY_SHARE:
        return Judged("copied", "the query itself")
    if what := _defect(text, words, query, positive):
        return Judged("degenerate", what)
    if _overlap(words, instructions) >= _ECHO_SHARE:
        return Judged("degenerate", "says the instructions again")
    for other in others:
        if _overlap(words, other.text) >= other.share:
            return Judged("copied", other.name)
    return Judged("ok", "", text)


def storable(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate, which JSON can smuggle in, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _defect(text: str, words: Sequence[str], query: str, positive: str) -> str:
    if match := _PLACEHOLDER.search(text):
        return f"placeholder {match.group(0)!r}"
    if match := _MARKUP.search(text):
        return f"markup {match.group(0)!r}"
    known = f"{query} {positive}".casefold()
    for match in _LEAKED.finditer(text):
        # The corpus itself may speak of such things; an injected instruction is one even if the corpus holds it.
        if "instructions" in match.group(0).casefold() or match.group(0).casefold() not in known:
            return f"leaked instruction {match.group(0)!r}"
    if _repetition(words) > _LOOP_SHARE:
        return "repeats itself"
    if len(words) > max(_LONG, _TOO_LONG * len(words_of(positive))):
        return "far longer than the positive"
    expected, found = language_of(positive), language_of(text)
    if expected and found and expected != found:
        return f"language {found}, expected {expected}"
    return ""


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice")
    return row


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


@functools.lru_cache(maxsize=1024)
def _gram_set(text: str) -> frozenset[tuple[str, ...]]:
    """The n-grams of a text that many others are compared with."""
    return frozenset(_grams(words_of(text), _GRAM))


def _overlap(words: Sequence[str], other: str) -> float:
    """Share of the n-grams of `words` that stand in `other`."""
    grams = _grams(words, _GRAM)
    theirs = _gram_set(other)
    return sum(gram in theirs for gram in grams) / len(grams) if grams else 0.0


def _repetition(words: Sequence[str]) -> float:
    """Share of the n-grams that are not the first of their kind."""
    counts = Counter(_grams(words, _GRAM))
    total = sum(counts.values())
    return 1 - len(counts) / total if total else 0.0
