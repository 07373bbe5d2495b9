"""Training: how a retriever is trained and measured, given examples in memory; the unions register the objectives."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from syneg_data.licenses import WeightsLicense
from syneg_data.references import Model
from syneg_data.spec import RUNTIME, Spec
from syneg_data.training.objectives import CachedRanking, Distillation, Guided, Ranking

Objective = Annotated[Ranking | CachedRanking | Guided | Distillation, Field(discriminator="kind")]


class Training(Spec):
    """The training section of a recipe: the reference retriever, and what `compare` trains for every arm."""

    base: Model = Field(description="the sentence-transformers model that training starts from")
    objective: Objective = Field(default=Ranking(kind="ranking"), description="what is minimised")
    epochs: int = Field(default=3, ge=1, description="passes over the examples")
    batch_size: int = Field(default=32, ge=2, description="examples per step and device")
    learning_rate: float = Field(default=5e-5, gt=0, lt=1, description="at its highest, after the warm-up")
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    max_length: int = Field(default=192, ge=8, description="tokens of a text that the model reads")
    query_prompt: str = Field(default="", description="text before every query")
    document_prompt: str = Field(default="", description="text before every document")
    duplicates: Literal["apart", "anywhere"] = Field(
        default="apart",
        description="whether examples that share a text may meet in a batch, where they contradict",
    )
    checks: int = Field(
        default=3,
        ge=0,
        description="how often in a run the model is measured on dev, of which the best is kept; 0: the last is",
    )
    patience: int | None = Field(
        default=None, ge=1, description="stop after so many checks without a better one; unset: never"
    )
    dev_depth: int = Field(
        default=20,
        ge=1,
        description="documents per dev query, the base model's best, that a check searches, and all judged",
    )
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="of the arithmetic of a step")
    encode_batch: Annotated[int, RUNTIME] = Field(
        default=32, ge=1, description="texts encoded at once for an evaluation"
    )
    # What the card says decides no weight, so it may change without training anew.
    license: Annotated[WeightsLicense | None, RUNTIME] = Field(
        default=None,
        description="licence of the retriever; left out: the base model's, where neither it nor the data set asks for "
        "more than attribution, else none",
    )
    license_name: Annotated[str | None, RUNTIME] = Field(
        default=None,
        description="with license: other, its name as the Hub shows it",
        pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$",
    )
    license_link: Annotated[str | None, RUNTIME] = Field(
        default=None,
        description="with license: other, where its text can be read",
        max_length=400,
        pattern=r"^https://[A-Za-z0-9._~:/?#@!$&*+,;=%-]+$",
    )

    @model_validator(mode="after")
    def _named(self) -> "Training":
        if (self.license == "other") != (None not in (self.license_name, self.license_link)) or (
            self.license != "other" and (self.license_name or self.license_link)
        ):
            raise PydanticCustomError(
                "license_naming",
                "license_name and license_link belong to license: other, which needs both; set all "
                "three, or another license alone",
            )
        return self


__all__ = ["CachedRanking", "Distillation", "Guided", "Objective", "Ranking", "Training"]
