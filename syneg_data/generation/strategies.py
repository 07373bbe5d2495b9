"""Strategies: what the model is asked to write for a (query, positive)."""

import random
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from syneg_data.records import Attribute
from syneg_data.spec import Spec, seed_of

# The axes that the paper reports for SciFact (difficulty and length), in its own words where they are known.
_DEFAULT_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "difficulty": ("elementary and middle school", "high school and undergraduate"),
    "length": ("approximately the same as", "nearly the same as"),
}


class Syneg(Spec):
    """SyNeg (Li et al. 2024, arXiv 2412.17250): one prompt with roles, definitions, attributes and reasoning."""

    kind: Literal["syneg"]
    name: str = Field("syneg", description="name of this strategy in the rows", pattern=r"^[\w.-]+$")
    genre: str = Field("text", min_length=1, description="what a document of the corpus is: study, article, answer ...")
    per_pair: int = Field(1, ge=1, le=64, description="drafts for each (query, positive)")
    positive_words: int | None = Field(
        None, ge=20, description="show the model only this many words of the positive; shorter prompts are faster"
    )
    attributes: Mapping[str, tuple[str, ...]] = Field(
        default=_DEFAULT_ATTRIBUTES,
        description="axis -> values; each draft gets one value per axis, in even shares. `domain` sets the role, "
        "`difficulty` the education level, `length` the length relative to the positive; others are stated as given",
    )

    @field_validator("attributes")
    @classmethod
    def _has_values(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for axis, values in value.items():
            if not values or len(set(values)) != len(values) or not all(v.strip() for v in values):
                raise PydanticCustomError(
                    "attribute_values", "axis '{axis}' needs values, each once and none empty", {"axis": axis}
                )
        return value

    def draw(self, seed: int, position: int) -> tuple[Attribute, ...]:
        """The attributes of the draft at `position` (counted over all pairs and slots, in working order).

        Balanced: on every axis each run of len(values) consecutive drafts holds every value once, in an order drawn
        anew for each run. Axes are drawn independently of each other.
        """
        drawn = []
        for axis, values in self.attributes.items():
            block, offset = divmod(position, len(values))
            order = list(values)
            random.Random(seed_of("attributes", seed, self.name, axis, block)).shuffle(order)
            drawn.append(Attribute(axis, order[offset]))
        return tuple(drawn)
