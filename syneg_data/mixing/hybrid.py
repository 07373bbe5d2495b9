"""Hybrid sampling (SyNeg): every (query, positive) gets both kinds of negatives, at instance level."""

from typing import Literal

from pydantic import Field

from syneg_data.mixing.selection import Material, Mixed, Shortage, mix_pairs
from syneg_data.spec import Spec


class Hybrid(Spec):
    """Each (query, positive) gets `synthetic` negatives of its own and `mined` ones of its query's."""

    kind: Literal["hybrid"]
    synthetic: int = Field(1, ge=1, description="synthetic negatives per pair")
    mined: int = Field(2, ge=1, description="mined negatives per pair")
    shortage: Shortage = Field("drop", description="a pair with too few: drop it (counted), or fail the build")
    restyled: float = Field(
        0.5, ge=0, le=1, description="share of the pairs with a restyled positive whose example takes it"
    )

    @property
    def negatives(self) -> int:
        """Negatives per example."""
        return self.synthetic + self.mined

    @property
    def even(self) -> bool:
        """Whether all examples have as many."""
        return True

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair."""
        return mix_pairs(material, self.synthetic, self.mined, self.shortage, self.restyled)
