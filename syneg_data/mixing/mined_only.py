"""Mined negatives alone: what everybody does, and what synthetic ones have to beat."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from syneg_data.collection import Collection
from syneg_data.mixing.selection import Mixed, Shortage, mix_pairs
from syneg_data.records import Verdict
from syneg_data.spec import Spec


class MinedOnly(Spec):
    """Each (query, positive) gets `mined` negatives of its query's and no synthetic ones."""

    kind: Literal["mined_only"]
    mined: int = Field(3, ge=1, description="mined negatives per pair")
    shortage: Shortage = Field("drop", description="a pair with too few: drop it (counted), or fail the build")

    @property
    def negatives(self) -> int:
        """Negatives per example."""
        return self.mined

    def mix(self, collection: Collection, kept: Sequence[Verdict]) -> Mixed:
        """Choose the negatives of every pair."""
        return mix_pairs(collection, kept, 0, self.mined, self.shortage)
