"""Mined negatives alone: what everybody does, and what synthetic ones have to beat."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from syneg_data.mixing.dealing import Want, deal
from syneg_data.mixing.options import Choosing, Offer, Problem
from syneg_data.mixing.selection import Material, Mixed


class MinedOnly(Choosing):
    """Each (query, positive) gets `mined` negatives of its query's and no synthetic ones."""

    kind: Literal["mined_only"]
    mined: int = Field(3, ge=1, description="mined negatives per pair")

    @property
    def negatives(self) -> int:
        """The most negatives of an example."""
        return self.mined

    def problems(self, offer: Offer) -> Iterator[Problem]:
        """As for every kind; and there is nothing synthetic to match."""
        yield from super().problems(offer)
        if self.match_lengths == "synthetic":
            yield ("match_lengths",), "'mined_only' has no synthetic negatives to be like; use positive"

    def budget(self, offer: Offer) -> tuple[int, int]:
        """Synthetic and mined negatives of an example, on average."""
        return 0, self.mined

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair."""
        return deal(material, self, lambda supply, _: [Want("mined", self.mined, supply.mined)])
