"""Validation: a verdict with scores and a reason for every candidate, mined or synthetic. Unions register kinds."""

from typing import Annotated, Literal

from pydantic import Field

from syneg_data.spec import Spec
from syneg_data.validation.rerankers import BiEncoderReranker, CrossEncoderReranker
from syneg_data.validation.rules import Absolute, Relative

Reranker = Annotated[BiEncoderReranker | CrossEncoderReranker, Field(discriminator="kind")]
Rule = Annotated[Relative | Absolute, Field(discriminator="kind")]


class Floor(Spec):
    """What counts as too easy: not above the 95th percentile of random documents for the same query."""

    sample: int = Field(100, ge=20, description="random documents that every query is compared with")


class Validation(Spec):
    """The validation section of a recipe."""

    rerankers: tuple[Reranker, ...] = Field(min_length=1, description="who judges relevance")
    agree: Literal["any", "all", "mean"] = Field(
        "any", description="whether a false negative needs any reranker's word, all of them, or their mean score"
    )
    rule: Rule = Field(default=Relative(kind="relative"), description="what counts as a false negative")
    floor: Floor = Field(default=Floor(), description="what counts as too easy")


__all__ = [
    "Absolute",
    "BiEncoderReranker",
    "CrossEncoderReranker",
    "Floor",
    "Relative",
    "Reranker",
    "Rule",
    "Validation",
]
