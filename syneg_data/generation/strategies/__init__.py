"""Strategies: what the model is asked to write for a (query, positive). The union registers the kinds."""

from typing import Annotated

from pydantic import Field

from syneg_data.generation.strategies.graded import Graded
from syneg_data.generation.strategies.restyle import Restyle
from syneg_data.generation.strategies.rewrite import Rewrite
from syneg_data.generation.strategies.syneg import Syneg

Strategy = Annotated[Syneg | Rewrite | Graded | Restyle, Field(discriminator="kind")]

__all__ = ["Graded", "Restyle", "Rewrite", "Strategy", "Syneg"]
