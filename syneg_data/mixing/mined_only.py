"""Mined negatives alone: what everybody does, and what synthetic ones have to beat."""

from typing import Literal

from pydantic import Field

from syneg_data.mixing.selection import Material, Mixed, Shortage, mix_pairs
from syneg_data.spec import Spec


class MinedOnly(Spec):
    """Each (query, positive) gets `mined` negatives of its query's and no synthetic ones."""

    kind: Literal["mined_only"]
    mined: int = Field(3, ge=1, description="mined negatives per pair")
    shortage: Shortage = Field("drop", description="a pair with too few: drop it (counted), or fail the build")
    restyled: float = Field(
        0.5, ge=0, le=1, description="share of the pairs with a restyled positive whose example takes it"
    )

    @property
    def negatives(self) -> int:
        """Negatives per example."""
        return self.mined

    @property
    def even(self) -> bool:
        """Whether all examples have as many."""
        return True

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair."""
        return mix_pairs(material, 0, self.mined, self.shortage, self.restyled)
