"""The SyNeg prompt, reconstructed: the paper's section order, in our own words (its section bodies are not public).

Texts of the corpus are put in as JSON strings: they are data, and nothing in them is ever rendered as a template.
"""

import json
from collections.abc import Sequence

from syneg_data.engines.protocol import Message
from syneg_data.records import Attribute

_TASK = (
    "Write one hard negative document for this query. It will train a search engine to tell documents that answer a "
    "query from documents that only look as if they did."
)
_HARD_NEGATIVE = (
    "A hard negative document is about the same topic as the positive document and shares some of its words, but a "
    "reader who searches with the query does not find there what the query asks for. It must not state, confirm, "
    "refute or imply the answer, it must not copy or rephrase the positive document, and it must make sense on its own."
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
        f"An example of a query and the document that answers it:\n{example}",
        f"Task: {_TASK}",
        f"Reasoning: {reasoning}" if reasoning else "",
        f"Hard negative: {_HARD_NEGATIVE}",
        "Attributes:\n" + "\n".join(f"- {line}" for line in _attribute_lines(drawn)) if drawn else "",
        "Format: answer with one JSON object with the keys " + " and ".join(f'"{field}"' for field in fields) + ".",
    ]
    return (
        Message("system", f"You are an expert in {domain} who writes documents for testing search engines."),
        Message("user", "\n\n".join(section for section in sections if section)),
    )


def _attribute_lines(drawn: dict[str, str]) -> list[str]:
    """Each attribute as a sentence; the known axes get the paper's wording."""
    known = {
        "difficulty": "The document is written for readers at the level of {}.",
        "length": "The length of the document is {} the length of the positive document.",
    }
    return [known.get(axis, f"{axis}: {{}}").replace("{}", value) for axis, value in drawn.items()]
