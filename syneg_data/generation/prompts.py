"""The SyNeg prompt, reconstructed: the paper's parts in our own words, since its section bodies are not public.

In order: expert role with domain, the (query, positive) pair, task, hard-negative definition, reasoning, attributes,
format. Each is a sentence or two, because small models lose longer instructions; that the reasoning follows the
definition it is about is our change to the paper's order.

Texts of the corpus are put in as JSON strings: they are data, and nothing in them is ever rendered as a template.
"""

import json
from collections.abc import Sequence

from syneg_data.engines.protocol import Message
from syneg_data.records import Attribute

_TASK = "Write a passage from another document on the same topic, with different content."
_HARD_NEGATIVE = (
    "It could be mistaken for the answer because it shares topic and terms with the positive_document, but a reader "
    "who searches for the user_query must not find the answer in it."
)


def syneg_messages(
    query: str, positive: str, attributes: Sequence[Attribute], reasoning: str, fields: Sequence[str]
) -> tuple[Message, ...]:
    """The chat that asks for one draft.

    Args:
        query: text of the query.
        positive: text of the positive.
        attributes: what the draft should be like.
        reasoning: the section on reasoning; empty for none.
        fields: the reply's keys in order.
    """
    drawn = {attribute.axis: attribute.value for attribute in attributes}
    domain = drawn.pop("domain", "information retrieval")
    example = json.dumps({"user_query": query, "positive_document": positive}, ensure_ascii=False)
    sections = [
        f"{example}\n",
        _TASK,
        _HARD_NEGATIVE,
        reasoning,
        *_attribute_lines(drawn),
        "Answer in JSON: " + ", then ".join(fields) + ".",
    ]
    return (
        Message("system", f"You are an expert in {domain}."),
        Message("user", "\n".join(section for section in sections if section)),
    )


def _attribute_lines(drawn: dict[str, str]) -> list[str]:
    """Each attribute as a sentence; the axes that the paper names have wordings of their own."""
    known = {"difficulty": "Level: {}.", "length": "Length: {} the positive_document."}
    return [known.get(axis, f"{axis}: {{}}.").replace("{}", value) for axis, value in drawn.items()]
