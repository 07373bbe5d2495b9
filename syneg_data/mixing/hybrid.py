"""Hybrid sampling (SyNeg): every (query, positive) gets both kinds of negatives, at instance level."""

import math
import random
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from syneg_data.mixing.dealing import Supply, Want, deal
from syneg_data.mixing.options import Choosing, Offer, Problem
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.spec import seed_of


def _both(given: dict[str, Any]) -> int:
    return int(given.get("synthetic", 0)) + int(given.get("mined", 0))


class Hybrid(Choosing):
    """Each (query, positive) gets `synthetic` negatives of its own and `mined` ones of its query's."""

    kind: Literal["hybrid"]
    synthetic: int = Field(1, ge=1, description="synthetic negatives per pair")
    mined: int = Field(2, ge=1, description="mined negatives per pair")
    synthetic_per_mined: float | None = Field(
        None,
        gt=0,
        description="in place of the two: synthetic per mined negative over the data set; how many of the `negatives` "
        "of a pair are synthetic is rounded up or down by seed",
    )
    negatives: int = Field(
        default_factory=_both, ge=1, description="with `synthetic_per_mined`: negatives per pair, 3 if left out"
    )
    needs_written: ClassVar[bool] = True

    def problems(self, offer: Offer) -> Iterator[Problem]:
        """As for every kind; and either two counts or a ratio."""
        yield from super().problems(offer)
        counts = self.model_fields_set & {"synthetic", "mined"}
        if self.synthetic_per_mined is not None and counts:
            yield (
                ("synthetic_per_mined",),
                f"shares out `negatives`, so {' and '.join(sorted(counts))} cannot be set too; choose one way",
            )
        if self.synthetic_per_mined is None and "negatives" in self.model_fields_set:
            yield ("negatives",), "is for synthetic_per_mined; add that, or set synthetic and mined"

    def budget(self, offer: Offer) -> tuple[int, int]:
        """Synthetic and mined negatives of an example, on average."""
        if self.synthetic_per_mined is None:
            return self.synthetic, self.mined
        synthetic = max(1, round(self._share() * self.negatives))
        return synthetic, self.negatives - synthetic

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair."""

        def wants(supply: Supply, positive_id: str) -> list[Want]:
            synthetic = self._synthetic(material.seed, supply.query_id, positive_id)
            return [
                Want("synthetic", synthetic, supply.own(positive_id)),
                Want("mined", self.negatives - synthetic, supply.mined, place=1),
            ]

        return deal(material, self, wants)

    def _share(self) -> float:
        assert self.synthetic_per_mined is not None
        return self.synthetic_per_mined / (1 + self.synthetic_per_mined)

    def _synthetic(self, seed: int, query_id: str, positive_id: str) -> int:
        """Of one pair; where the share of its negatives is no whole number, the next above as often as makes it so."""
        if self.synthetic_per_mined is None:
            return self.synthetic
        exact = self._share() * self.negatives
        chance = random.Random(seed_of("ratio", seed, query_id, positive_id)).random()
        return math.floor(exact) + (chance < exact - math.floor(exact))
