"""Training: how a retriever is trained and measured, given examples in memory; the unions register the objectives."""

from typing import Annotated, Literal

from pydantic import Field

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


__all__ = ["CachedRanking", "Distillation", "Guided", "Objective", "Ranking", "Training"]
