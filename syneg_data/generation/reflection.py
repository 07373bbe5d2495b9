"""Reflection: whether and how the model thinks about a text, before it writes it or after."""

import functools
import json
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from syneg_data.spec import Spec

_REASONING = (
    "Reasoning: say in a few words what the query asks, and in a few words which other question the passage covers."
)


@functools.cache
def typed_reply(keys: tuple[str, ...], *, reasoned: bool) -> type[BaseModel]:
    """A closed reply of strings, written in this order; with `reasoned`, the key `reasoning` comes first.

    Short keys, and no length bounds: those are slow to compile for some backends, and are checked afterwards.
    """
    wanted = ("reasoning", *keys) if reasoned else keys
    fields: dict[str, Any] = {key: (str, ...) for key in wanted}
    made: type[BaseModel] = create_model("Reply", __config__=ConfigDict(extra="forbid"), **fields)
    return made


@functools.cache
def schema_of(reply_type: type[BaseModel]) -> str:
    """The JSON schema of a reply, as text; the same for every request of its kind."""
    return json.dumps(reply_type.model_json_schema())


class Inline(Spec):
    """Reasoning before the text, in the same reply: the paper's self-reflection."""

    kind: Literal["inline"] = "inline"
    reasoned: ClassVar[bool] = True

    def instruction(self) -> str:
        """The prompt's section on reasoning."""
        return _REASONING


class NoReflection(Spec):
    """The text alone, without reasoning before it."""

    kind: Literal["none"] = "none"
    reasoned: ClassVar[bool] = False

    def instruction(self) -> str:
        """No section on reasoning."""
        return ""


class Critique(Spec):
    """A second call judges each draft against query and positive; drafts that fail are revised, up to some rounds.

    Before the first draft the critic sits an exam on real texts whose answer is known. What it still objects to in the
    last round counts as its verdict at the gate.
    """

    kind: Literal["critique"] = "critique"
    rounds: int = Field(default=1, ge=0, le=5, description="revisions of a draft that the critic objects to")
    inline: bool = Field(default=True, description="also reason before the text, as `inline` does")
    exam: int = Field(
        default=24, ge=8, le=400, description="pairs whose texts make up the critic's exam; up to five cases from each"
    )
    minimum: float = Field(
        default=0.65,
        ge=0.5,
        lt=1,
        description="the critic fails its exam unless its balanced accuracy on `answers the query` is above this; "
        "always saying yes, or always no, or tossing a coin, gives about 0.5",
    )
    on_fail: Literal["fail", "ignore"] = Field(
        default="fail",
        description="a critic that fails its exam: end the build (exit code 3), or go on without criticism",
    )

    @property
    def reasoned(self) -> bool:
        """Whether replies carry reasoning."""
        return self.inline

    def instruction(self) -> str:
        """The prompt's section on reasoning."""
        return _REASONING if self.inline else ""
