"""Validation: a verdict with scores and a reason for every candidate, mined or synthetic. Unions register kinds."""

from typing import Annotated, Literal

from pydantic import Field

from syneg_data.spec import Spec
from syneg_data.validation.calibration import Calibrated
from syneg_data.validation.llm import LlmReranker
from syneg_data.validation.rerankers import BiEncoderReranker, CrossEncoderReranker
from syneg_data.validation.rules import Absolute, Percentile, Relative

Reranker = Annotated[BiEncoderReranker | CrossEncoderReranker | LlmReranker, Field(discriminator="kind")]
Rule = Annotated[Calibrated | Relative | Absolute | Percentile, Field(discriminator="kind")]


class Floor(Spec):
    """What counts as too easy: not above the 95th percentile of random documents for the same query."""

    sample: int = Field(default=100, ge=20, description="random documents that every query is compared with")


class Review(Spec):
    """A second opinion on a sample of what was kept and refused, for an estimate of the false negatives left."""

    reranker: Reranker = Field(description="who judges; one that is not in the gate")
    sample: int = Field(default=200, ge=20, description="candidates that it judges")


class Validation(Spec):
    """The validation section of a recipe."""

    rerankers: tuple[Reranker, ...] = Field(min_length=1, description="who judges relevance")
    agree: Literal["joint", "any", "all", "mean"] | None = Field(
        default=None,
        description="whose word makes a false negative: any reranker's, all of them, their mean, or that of one curve "
        "fitted to all their scores (`joint`, for calibrated only); left out: joint with calibrated, else any",
    )
    rule: Rule = Field(default=Calibrated(kind="calibrated"), description="what counts as a false negative")
    ambiguous: Literal["drop", "keep", "llm"] = Field(
        default="drop",
        description="what becomes of a candidate in the rule's band of doubt; `llm`: the llm reranker, which then "
        "judges nothing else, decides",
    )
    false_negative: Literal["drop", "relabel"] = Field(
        default="drop",
        description="what becomes of a false negative; `relabel`: it is trained on as a positive of its query",
    )
    floor: Floor = Field(default=Floor(), description="what counts as too easy")
    review: Review | None = Field(default=None, description="a second opinion on a sample; left out: none")

    def agreement(self) -> Literal["joint", "any", "all", "mean"]:
        """How the rerankers' words are joined."""
        return self.agree or ("joint" if self.rule.kind == "calibrated" else "any")

    def panel(self) -> list[int]:
        """Positions of the rerankers that judge every candidate."""
        return [i for i, r in enumerate(self.rerankers) if not (self.ambiguous == "llm" and r.kind == "llm")]

    def second(self) -> int | None:
        """Position of the reranker that decides about ambiguous candidates only."""
        return next((i for i, r in enumerate(self.rerankers) if self.ambiguous == "llm" and r.kind == "llm"), None)


__all__ = [
    "Absolute",
    "BiEncoderReranker",
    "Calibrated",
    "CrossEncoderReranker",
    "Floor",
    "LlmReranker",
    "Percentile",
    "Relative",
    "Reranker",
    "Review",
    "Rule",
    "Validation",
]
