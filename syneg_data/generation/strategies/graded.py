"""graded: passages at several levels of relevance for one query, written in one reply, from best to worst.

Levels written together differ in relevance and in little else (compare SyCL, arXiv 2503.23239, and multi-granularity
hard negatives, arXiv 2509.00842).
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError

from syneg_data.engines.chats import as_data, chat
from syneg_data.engines.protocol import Message
from syneg_data.generation.assignments import Assignment, Pair, Passage, Texts
from syneg_data.generation.attributes import Axes, draw
from syneg_data.generation.prompts import attribute_sentences, first_words
from syneg_data.generation.reflection import typed_reply
from syneg_data.spec import Spec

_DEFAULT_LEVELS: dict[str, str] = {
    "3": "answers the query",
    "2": "is on the topic of the query and leaves the answer out",
    "1": "is on another question about the topic",
    "0": "is on a neighbouring topic",
}
_ROLE = "You are an expert who writes texts."


class Graded(Spec):
    """Passages at several relevance levels for one query, from one request; each keeps its role and grade."""

    kind: Literal["graded"]
    name: str = Field("graded", description="name of this strategy in the rows", pattern=r"^[\w.-]+$")
    per_pair: int = Field(1, ge=1, le=16, description="requests for each (query, positive); each gives every level")
    levels: Mapping[str, str] = Field(
        default=_DEFAULT_LEVELS, description="grade -> what a passage of that grade does; written from high to low"
    )
    positive_from: int = Field(
        3, ge=1, description="passages of this grade or above are positives, the others negatives"
    )
    positive_words: int | None = Field(
        None, ge=20, description="show the model only this many words of the positive; shorter prompts are faster"
    )
    attributes: Axes = Field(default={}, description="axis -> values, or `auto`, as for `syneg`; none by default")
    copy_share: ClassVar[float] = 0.8
    needs_near_misses: ClassVar[bool] = False

    @field_validator("levels")
    @classmethod
    def _are_grades(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if len(value) < 2 or not all(grade.isdecimal() and grade == str(int(grade)) for grade in value):
            raise PydanticCustomError("levels", "needs two levels or more, each a whole number from 0; add them")
        if not all(what.strip() for what in value.values()):
            raise PydanticCustomError("levels", "a level says nothing; say what a passage of that grade does")
        return value

    def grades(self) -> tuple[int, ...]:
        """Of its passages, in the order of their slots: from high to low."""
        return tuple(sorted(map(int, self.levels), reverse=True))

    def negative_grades(self) -> tuple[int, ...]:
        """Those of its passages that are negatives."""
        return tuple(grade for grade in self.grades() if grade < self.positive_from)

    def assignments(self, pair: Pair, seed: int) -> list[Assignment]:
        """One request for each of `per_pair`, with a passage for each level."""
        grades = self.grades()
        made = []
        for request in range(self.per_pair):
            passages = tuple(
                Passage(
                    slot=request * len(grades) + place,
                    key=f"grade_{grade}",
                    role="positive" if grade >= self.positive_from else "negative",
                    grade=grade,
                )
                for place, grade in enumerate(grades)
            )
            drawn = draw(self.name, self.attributes, seed, pair.position * self.per_pair + request)
            made.append(Assignment(pair, self, passages, drawn))
        return made

    def reply_type(self, *, reasoned: bool) -> type[BaseModel]:
        """A passage for each level, best first."""
        return typed_reply(tuple(f"grade_{grade}" for grade in self.grades()), reasoned=reasoned)

    def messages(self, assignment: Assignment, texts: Texts, reasoning: str) -> tuple[Message, ...]:
        """The pair, and what each level means."""
        positive = first_words(texts.positive, self.positive_words)
        levels = " ".join(f"grade_{grade} {self.levels[str(grade)]}." for grade in self.grades())
        return chat(
            _ROLE,
            as_data({"user_query": texts.query, "positive_document": positive}) + "\n",
            f"Write {len(self.levels)} new passages of two sentences each, all in the same style. {levels}",
            reasoning,
            attribute_sentences(assignment.attributes),
        )

    def notes(self, reply: Any) -> tuple[str, ...]:  # noqa: ANN401
        """Nothing besides the reasoning."""
        return ()


def grades_of(strategies: Iterable[Any]) -> dict[str, tuple[int, ...]]:
    """Name -> grades, in the order of slots, of the strategies of this kind."""
    return {strategy.name: strategy.grades() for strategy in strategies if isinstance(strategy, Graded)}
