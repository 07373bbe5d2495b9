"""restyle: the positive in the model's own words, so that "written by a model" does not imply "negative"."""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from syneg_data.engines.chats import as_data, chat
from syneg_data.engines.protocol import Message
from syneg_data.generation.assignments import Assignment, Pair, Passage, Texts
from syneg_data.generation.attributes import Axes, draw
from syneg_data.generation.prompts import attribute_sentences, first_words
from syneg_data.generation.reflection import typed_reply
from syneg_data.records import Verdict
from syneg_data.spec import Spec

_ROLE = "You are an editor who says things in other words."
_TASK = (
    "Write the document again in your own words and with other sentences. Keep every fact that the query asks about, "
    "and add none."
)


class Restyle(Spec):
    """The positive in the model's own words; it stays a positive, and its use is up to mixing."""

    kind: Literal["restyle"] = "restyle"
    name: str = Field(default="restyle", description="name of this strategy in the rows", pattern=r"^[\w.-]+$")
    per_pair: int = Field(default=1, ge=1, le=16, description="versions of each (query, positive)")
    positive_words: int | None = Field(
        default=None,
        ge=20,
        description="restyle only the first words of the positive, this many; shorter requests are faster",
    )
    attributes: Axes = Field(default={}, description="axis -> values, or `auto`, as for `syneg`; none by default")
    copy_share: ClassVar[float] = 0.8
    needs_near_misses: ClassVar[bool] = False

    def assignments(self, pair: Pair, seed: int) -> list[Assignment]:
        """One version per slot, of the grade that the positive has."""
        first = pair.position * self.per_pair
        return [
            Assignment(
                pair,
                self,
                (Passage(slot, role="positive", grade=pair.grade),),
                draw(self.name, self.attributes, seed, first + slot),
                pair.positive_id,
            )
            for slot in range(self.per_pair)
        ]

    def reply_type(self, *, reasoned: bool) -> type[BaseModel]:
        """The text alone: there is nothing to reason about."""
        return typed_reply(("passage",), reasoned=False)

    def messages(self, assignment: Assignment, texts: Texts, reasoning: str) -> tuple[Message, ...]:
        """The pair, and what to do with it."""
        return chat(
            _ROLE,
            as_data({"user_query": texts.query, "document": first_words(texts.positive, self.positive_words)}) + "\n",
            _TASK,
            attribute_sentences(assignment.attributes),
        )

    def notes(self, reply: BaseModel) -> tuple[str, ...]:
        """Nothing besides the text."""
        return ()


def first_versions(positives: Iterable[Verdict], strategies: Iterable[Any]) -> dict[tuple[str, str], str]:
    """(query_id, positive_id) -> the first version of that positive that is still relevant.

    Args:
        positives: what the gate says of the written positives, in working order.
        strategies: of the recipe; positives that one made up (the top level of `graded`) take no positive's place.
    """
    restyling = {strategy.name for strategy in strategies if isinstance(strategy, Restyle)}
    found: dict[tuple[str, str], str] = {}
    for verdict in positives:
        if verdict.verdict == "keep" and verdict.sources[0].source in restyling:
            found.setdefault((verdict.query_id, str(verdict.positive_id)), verdict.doc_id)
    return found
