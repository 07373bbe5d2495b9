"""Chats: roles, and texts of the corpus as data.

Texts of the corpus are put in as JSON strings: they are data, nothing in them is ever rendered as a template, and what
a chat template would take for one of its own marks is written as an escape.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from syneg_data.engines.protocol import Message

# `<|im_end|>`, `</s>`, `[TOOL_CALLS]`: tokenizers turn these into control tokens wherever they stand.
_MARK = re.compile(r"<(?=[/|\uff5c]?\w|[|\uff5c])|\[(?=/?[a-z]?[A-Z][A-Z0-9_]{2,}\])")


def as_data(value: Mapping[str, Any]) -> str:
    """`value` as one line of JSON in which nothing can be mistaken for a mark of a chat template."""
    text = json.dumps(value, ensure_ascii=False)
    return _MARK.sub(lambda match: f"\\u{ord(match.group(0)):04x}", text)


def chat(role: str, *sections: str) -> tuple[Message, ...]:
    """A chat that opens with the role; sections that are empty are left out."""
    return Message("system", role), Message("user", "\n".join(section for section in sections if section))
