"""Generation: LLM-written texts, one strategy each; every request is a row. The unions register the kinds."""

from typing import Annotated

from pydantic import Field

from syneg_data.engines import Engine
from syneg_data.generation.reflection import Critique, Inline, NoReflection
from syneg_data.generation.strategies import Strategy
from syneg_data.licenses import Terms
from syneg_data.spec import Spec

Reflection = Annotated[Inline | Critique | NoReflection, Field(discriminator="kind")]


class Sampling(Spec):
    """How replies are sampled; the length of a reply is bounded here, never in its schema."""

    temperature: float = Field(
        default=0.7, ge=0, le=2, description="above 1 flatter, below 1 sharper, 0 the likeliest token"
    )
    top_p: float = Field(default=1.0, gt=0, le=1, description="share of probability mass to sample from")
    max_tokens: int = Field(
        default=320,
        ge=16,
        description="longest reply, reasoning included; half as much more after each that was cut off",
    )
    attempts: int = Field(
        default=2, ge=1, le=8, description="requests per draft before it counts as failed or rejected"
    )


class Generation(Spec):
    """The generation section of a recipe."""

    engine: Engine = Field(description="the language model")
    strategies: tuple[Strategy, ...] = Field(min_length=1, description="what is asked of it")
    reflection: Reflection = Field(default=Inline(kind="inline"), description="how it thinks about what it writes")
    sampling: Sampling = Field(default=Sampling(), description="how replies are sampled")
    terms: Terms = Field(description="licence or terms of the generator's output")


__all__ = ["Critique", "Generation", "Inline", "NoReflection", "Reflection", "Sampling", "Strategy"]
