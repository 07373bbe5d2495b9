"""rewrite: a real text, changed so that it fails the query in exactly one point; most of its words stay human."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from syneg_data.engines.chats import as_data, chat
from syneg_data.engines.protocol import Message
from syneg_data.generation.assignments import Assignment, Pair, Passage, Texts
from syneg_data.generation.attributes import Axes, draw
from syneg_data.generation.prompts import attribute_sentences, first_words
from syneg_data.generation.reflection import typed_reply
from syneg_data.spec import Spec

_ROLE = "You are an editor."
_TASK = (
    "Write the document again with one fact changed, so that it no longer answers the query. Say first which fact of "
    "the query is meant (requirement), then what it becomes (change)."
)


class Rewrite(Spec):
    """A mined near-miss (or the positive) with exactly one requirement of the query violated, named in the reply."""

    kind: Literal["rewrite"] = "rewrite"
    name: str = Field(default="rewrite", description="name of this strategy in the rows", pattern=r"^[\w.-]+$")
    per_pair: int = Field(default=1, ge=1, le=64, description="drafts for each (query, positive)")
    base: Literal["near_miss", "positive"] = Field(
        default="near_miss",
        description="which text is changed: the mined documents in order of rank, one per draft (the positive, where "
        "there are none), or always the positive",
    )
    base_words: int | None = Field(
        default=None,
        ge=20,
        description="change only the first words of the text, this many; shorter requests are faster",
    )
    attributes: Axes = Field(default={}, description="axis -> values, or `auto`, as for `syneg`; none by default")
    # One word changed leaves nearly every n-gram alone; only a text without any change is a copy.
    copy_share: ClassVar[float] = 1.0

    @property
    def needs_near_misses(self) -> bool:
        """Whether the drafts depend on what was mined."""
        return self.base == "near_miss"

    def assignments(self, pair: Pair, seed: int) -> list[Assignment]:
        """One draft per slot; slot n changes the near-miss of rank n."""
        bases = pair.near_misses if self.base == "near_miss" else ()
        first = pair.position * self.per_pair
        return [
            Assignment(
                pair,
                self,
                (Passage(slot),),
                draw(self.name, self.attributes, seed, first + slot),
                bases[slot % len(bases)] if bases else pair.positive_id,
            )
            for slot in range(self.per_pair)
        ]

    def reply_type(self, *, reasoned: bool) -> type[BaseModel]:
        """Requirement, change, and the passage with the change made."""
        return typed_reply(("requirement", "change", "passage"), reasoned=reasoned)

    def messages(self, assignment: Assignment, texts: Texts, reasoning: str) -> tuple[Message, ...]:
        """Query and text, and what to change."""
        data: dict[str, Any] = {"user_query": texts.query, "document": first_words(texts.base, self.base_words)}
        return chat(
            _ROLE,
            as_data(data) + "\n",
            _TASK,
            reasoning,
            attribute_sentences(assignment.attributes),
        )

    def notes(self, reply: Any) -> tuple[str, ...]:  # noqa: ANN401
        """The requirement that is violated, and how."""
        return f"requirement: {reply.requirement}", f"change: {reply.change}"
