"""Reflection: whether and how the model thinks about a negative before it is one."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from syneg_data.spec import Spec


class Reply(BaseModel):
    """A reply without reasoning. Closed, and without length bounds: those are slow to compile and checked after."""

    model_config = ConfigDict(extra="forbid")
    passage: str = Field(description="the passage")


class ReasonedReply(BaseModel):
    """A reply that reasons first; fields are generated in this order."""

    model_config = ConfigDict(extra="forbid")
    reasoning: str = Field(description="what the query asks for, and what the passage will hold instead")
    passage: str = Field(description="the passage")


class Inline(Spec):
    """Reasoning fields before the text, in the same reply: the paper's self-reflection."""

    kind: Literal["inline"]

    def reply_type(self) -> type[BaseModel]:
        """The typed reply."""
        return ReasonedReply

    def instruction(self) -> str:
        """The prompt's section on reasoning."""
        return (
            "Reasoning: say in a few words what the query asks, and in a few words which other question the passage "
            "covers."
        )


class NoReflection(Spec):
    """The text alone, without reasoning before it."""

    kind: Literal["none"]

    def reply_type(self) -> type[BaseModel]:
        """The typed reply."""
        return Reply

    def instruction(self) -> str:
        """No section on reasoning."""
        return ""
