"""The paper's direct mixing: both kinds in one pool over the data set, without a guarantee for the single pair."""

import random
from typing import ClassVar, Literal

from pydantic import Field

from syneg_data.mixing.dealing import Supply, Want, deal, supplies
from syneg_data.mixing.options import Choosing, Offer
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.records import Verdict
from syneg_data.spec import seed_of


class Pooled(Choosing):
    """As many of each kind as `hybrid` has, but over the data set: a pair may get several synthetic ones or none."""

    kind: Literal["pooled"]
    synthetic: int = Field(1, ge=1, description="synthetic negatives per pair on average, drawn from all by seed")
    mined: int = Field(2, ge=0, description="mined ones fill each pair to `synthetic` + `mined` negatives")
    needs_written: ClassVar[bool] = True

    @property
    def negatives(self) -> int:
        """The most negatives of an example."""
        return self.synthetic + self.mined

    def budget(self, offer: Offer) -> tuple[int, int]:
        """Synthetic and mined negatives of an example, on average."""
        return self.synthetic, self.mined

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair."""
        drawn = self._draw(material)

        def wants(supply: Supply, positive_id: str) -> list[Want]:
            own = drawn.get((supply.query_id, positive_id), [])
            return [
                Want("synthetic", len(own), own),
                Want("mined", self.negatives - len(own), supply.mined, place=1),
            ]

        return deal(material, self, wants)

    def _draw(self, material: Material) -> dict[tuple[str, str], list[Verdict]]:
        """What the pairs get from the pool, in working order; of one pair no more than an example holds."""
        pool: list[tuple[tuple[str, str], Verdict]] = []
        pairs = 0
        for supply, positives in supplies(material):
            for positive_id in positives:
                pairs += 1
                own = supply.own(positive_id)[: self.negatives]
                pool += [((supply.query_id, positive_id), verdict) for verdict in own]
        chance = random.Random(seed_of("pooled", material.seed))
        places = sorted(chance.sample(range(len(pool)), min(len(pool), pairs * self.synthetic)))
        drawn: dict[tuple[str, str], list[Verdict]] = {}
        for pair, verdict in (pool[place] for place in places):
            drawn.setdefault(pair, []).append(verdict)
        return drawn
