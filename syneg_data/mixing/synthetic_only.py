"""Synthetic negatives alone: the arm that shows what they are worth without mined ones beside them."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from syneg_data.mixing.dealing import Want, deal
from syneg_data.mixing.options import Choosing, Offer, Problem
from syneg_data.mixing.selection import Material, Mixed


class SyntheticOnly(Choosing):
    """Each (query, positive) gets `synthetic` negatives that were written for it, and no mined ones."""

    kind: Literal["synthetic_only"]
    synthetic: int = Field(1, ge=1, description="synthetic negatives per pair")
    needs_written: ClassVar[bool] = True

    @property
    def negatives(self) -> int:
        """The most negatives of an example."""
        return self.synthetic

    def problems(self, offer: Offer) -> Iterator[Problem]:
        """As for every kind; and there is nothing mined to match."""
        yield from super().problems(offer)
        if self.match_lengths == "synthetic":
            yield ("match_lengths",), "'synthetic_only' has no mined negatives to make like them; use positive"

    def budget(self, offer: Offer) -> tuple[int, int]:
        """Synthetic and mined negatives of an example, on average."""
        return self.synthetic, 0

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair."""
        return deal(material, self, lambda supply, own: [Want("synthetic", self.synthetic, supply.own(own))])
