"""What every prompt is made of: chats, texts of the corpus as data, and attributes as sentences.

Texts of the corpus are put in as JSON strings: they are data, nothing in them is ever rendered as a template, and what
a chat template would take for one of its own marks is written as an escape.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from syneg_data.engines.protocol import Message
from syneg_data.records import Attribute

# `<|im_end|>`, `</s>`, `[TOOL_CALLS]`: tokenizers turn these into control tokens wherever they stand.
_MARK = re.compile(r"<(?=[/|\uff5c]?\w|[|\uff5c])|\[(?=/?[a-z]?[A-Z][A-Z0-9_]{2,}\])")


def as_data(value: Mapping[str, Any]) -> str:
    """`value` as one line of JSON in which nothing can be mistaken for a mark of a chat template."""
    text = json.dumps(value, ensure_ascii=False)
    return _MARK.sub(lambda match: f"\\u{ord(match.group(0)):04x}", text)


def chat(role: str, *sections: str) -> tuple[Message, ...]:
    """A chat that opens with the role; sections that are empty are left out."""
    return Message("system", role), Message("user", "\n".join(section for section in sections if section))


def instructions_in(messages: Sequence[Message]) -> str:
    """What a chat says in our own words: all of it but the lines of data and the model's own turns."""
    lines = [line for message in messages if message.role != "assistant" for line in message.content.splitlines()]
    return "\n".join(line for line in lines if not line.startswith("{"))


def attribute_sentences(attributes: Sequence[Attribute]) -> str:
    """Each attribute as a sentence; the axes that the paper names have wordings of their own."""
    known = {"domain": "Field: {}.", "difficulty": "Level: {}.", "length": "Length: {} the text above."}
    return " ".join(known.get(a.axis, f"{a.axis}: {{}}.").replace("{}", a.value) for a in attributes)


def first_words(text: str, limit: int | None) -> str:
    """The text, or its first `limit` words."""
    words = text.split()
    return text if limit is None or len(words) <= limit else " ".join(words[:limit])
