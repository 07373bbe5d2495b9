"""What the prompts of generation are made of: our own words, and attributes as sentences."""

from collections.abc import Sequence

from syneg_data.engines.protocol import Message
from syneg_data.records import Attribute


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
