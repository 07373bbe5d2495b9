"""Assignments: what is asked of the model, one per request, and the drafts that its reply holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel

from syneg_data.engines.protocol import Message
from syneg_data.records import Attribute

Role = Literal["negative", "positive"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A (query, positive) that texts are written for.

    Attributes:
        query_id: the query.
        positive_id: a relevant document of it.
        grade: of the judgement.
        near_misses: documents that miners rank high for the query and that are not known to be relevant, best first.
        position: of the pair in working order.
    """

    query_id: str
    positive_id: str
    grade: int
    near_misses: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Passage:
    """One text to be written.

    Attributes:
        slot: numbers the texts of a strategy for one (query, positive).
        key: the key of the reply under which it stands.
        role: whether it is meant to be a negative or a positive.
        grade: the relevance it is meant to have; 0 is none.
    """

    slot: int
    key: str = "passage"
    role: Role = "negative"
    grade: int = 0


@dataclass(frozen=True, slots=True)
class Assignment:
    """One request's worth of work.

    Attributes:
        pair: what it is for.
        strategy: who asks.
        passages: what the reply holds, in the order in which it is written.
        attributes: what the texts should be like.
        base_id: the real document that the text is a change of, if any.
    """

    pair: Pair
    strategy: "Asker"
    passages: tuple[Passage, ...]
    attributes: tuple[Attribute, ...] = ()
    base_id: str | None = None

    @property
    def slot(self) -> int:
        """The first slot; it names the assignment among those of its strategy for the pair."""
        return self.passages[0].slot


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts that an assignment is about; `base` is empty unless a text is to be changed."""

    query: str
    positive: str
    base: str = ""


class Asker(Protocol):
    """What every strategy can do."""

    @property
    def name(self) -> str:
        """The name in the rows."""

    @property
    def copy_share(self) -> float:
        """Share of n-grams with the base text (or another draft on it) from which on a text is a copy of it."""

    def assignments(self, pair: Pair, seed: int) -> list[Assignment]:
        """What to ask for a pair."""

    def reply_type(self, *, reasoned: bool) -> type[BaseModel]:
        """The typed reply; with `reasoned`, its first key is `reasoning`. Its keys are written in order."""

    def messages(self, assignment: Assignment, texts: Texts, reasoning: str) -> tuple[Message, ...]:
        """The chat; `reasoning` is the section on reasoning, empty for none."""

    def notes(self, reply: BaseModel) -> Sequence[str]:
        """What the reply says about the text besides the text, for the record."""
