"""syneg: the paper's prompt, reconstructed in our own words, since the bodies of its sections are not public.

The paper's sections, in its order: an expert's role with the domain and the (query, positive) as an example; task;
reasoning; definition of a hard negative; attributes; format. Two things are placed otherwise. The values that change
from draft to draft (domain, difficulty, length) all stand at the end, so that the requests of a pair share everything
before them and a prefix cache can serve it. And each section is a sentence or two, because small models lose longer
ones. What the paper calls self-reflection is the reasoning that is written before the text, inside the same reply.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from syneg_data.engines.chats import as_data, chat
from syneg_data.engines.protocol import Message
from syneg_data.generation.assignments import Assignment, Pair, Passage, Texts
from syneg_data.generation.attributes import Axes, draw
from syneg_data.generation.prompts import attribute_sentences, first_words
from syneg_data.generation.reflection import typed_reply
from syneg_data.spec import Spec

# The axes that the paper reports for SciFact (difficulty and length), in its own words where they are known.
_DEFAULT_ATTRIBUTES: dict[str, Any] = {
    "difficulty": ("elementary and middle school", "high school and undergraduate"),
    "length": ("approximately the same as", "nearly the same as"),
}
_ROLE = "You are an expert who writes texts."
_TASK = (
    "Write a short passage of three or four sentences from another {genre} on the same topic, with different findings."
)
_DEFINITION = "A reader with this query must not find the answer in it."


class Syneg(Spec):
    """SyNeg (Li et al. 2024, arXiv 2412.17250): one prompt with roles, definitions, attributes and reasoning."""

    kind: Literal["syneg"] = "syneg"
    name: str = Field(default="syneg", description="name of this strategy in the rows", pattern=r"^[\w.-]+$")
    genre: str = Field(
        default="text", min_length=1, description="what a document of the corpus is: study, article, answer ..."
    )
    per_pair: int = Field(default=1, ge=1, le=64, description="drafts for each (query, positive)")
    positive_words: int | None = Field(
        default=None,
        ge=20,
        description="show the model only this many words of the positive; shorter prompts are faster",
    )
    attributes: Axes = Field(
        default=_DEFAULT_ATTRIBUTES,
        description="axis -> values, or `auto` to let the model propose them; each draft gets one value per axis, in "
        "even shares. `domain` sets the field, `difficulty` the education level, `length` the length relative to the "
        "positive; others are stated as given",
    )
    copy_share: ClassVar[float] = 0.8
    needs_near_misses: ClassVar[bool] = False

    def assignments(self, pair: Pair, seed: int) -> list[Assignment]:
        """One draft per slot, each with attributes of its own."""
        first = pair.position * self.per_pair
        return [
            Assignment(pair, self, (Passage(slot),), draw(self.name, self.attributes, seed, first + slot))
            for slot in range(self.per_pair)
        ]

    def reply_type(self, *, reasoned: bool) -> type[BaseModel]:
        """A passage."""
        return typed_reply(("passage",), reasoned=reasoned)

    def messages(self, assignment: Assignment, texts: Texts, reasoning: str) -> tuple[Message, ...]:
        """The sections of the paper."""
        positive = first_words(texts.positive, self.positive_words)
        return chat(
            _ROLE,
            as_data({"user_query": texts.query, "positive_document": positive}) + "\n",
            f"{_TASK.replace('{genre}', self.genre)} {_DEFINITION}",
            reasoning,
            attribute_sentences(assignment.attributes),
        )

    def notes(self, reply: BaseModel) -> tuple[str, ...]:
        """Nothing besides the reasoning."""
        return ()
