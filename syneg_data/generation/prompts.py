"""The SyNeg prompt, reconstructed: the paper's parts in our own words, since its section bodies are not public.

In order: expert role with domain, the (query, positive) pair, task, hard-negative definition, reasoning, attributes.
Each is a sentence or two, because small models lose longer instructions. The paper puts the reasoning before the
definition and ends with the format; here the reasoning follows what it is about, and the format is the schema that
every engine enforces.

Texts of the corpus are put in as JSON strings: they are data, and nothing in them is ever rendered as a template.
"""

import json
from collections.abc import Sequence

from syneg_data.engines.protocol import Message
from syneg_data.records import Attribute

_TASK = (
    "Write a short passage of three or four sentences from another {genre} on the same topic, with different findings."
)
_HARD_NEGATIVE = "A reader with this query must not find the answer in it."


def syneg_messages(
    query: str, positive: str, attributes: Sequence[Attribute], genre: str, reasoning: str
) -> tuple[Message, ...]:
    """The chat that asks for one draft.

    Args:
        query: text of the query.
        positive: text of the positive.
        attributes: what the draft should be like.
        genre: what a document of the corpus is, such as `study`.
        reasoning: the section on reasoning; empty for none.
    """
    drawn = {attribute.axis: attribute.value for attribute in attributes}
    domain = drawn.pop("domain", "information retrieval")
    example = json.dumps({"user_query": query, "positive_document": positive}, ensure_ascii=False)
    task = f"{_TASK.replace('{genre}', genre)} {_HARD_NEGATIVE}"
    sections = [f"{example}\n", task, reasoning, " ".join(_attribute_sentences(drawn))]
    return (
        Message("system", f"You are an expert in {domain}."),
        Message("user", "\n".join(section for section in sections if section)),
    )


def _attribute_sentences(drawn: dict[str, str]) -> list[str]:
    """Each attribute as a sentence; the axes that the paper names have wordings of their own."""
    known = {"difficulty": "Level: {}.", "length": "Length: {} the text above."}
    return [known.get(axis, f"{axis}: {{}}.").replace("{}", value) for axis, value in drawn.items()]
