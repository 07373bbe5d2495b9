"""A quota for every source: so many negatives from each miner and each strategy."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from syneg_data.mixing.dealing import Supply, Want, brought_by, deal
from syneg_data.mixing.options import Matching, Offer, Problem
from syneg_data.mixing.selection import Material, Mixed


class Quota(Matching):
    """Each (query, positive) gets so many negatives from each named source, in the order in which they are named."""

    kind: Literal["quota"]
    sources: Mapping[str, Annotated[int, Field(ge=1)]] = Field(
        min_length=1, description="name of a miner or strategy -> negatives per pair; what several found counts for any"
    )

    @property
    def negatives(self) -> int:
        """The most negatives of an example."""
        return sum(self.sources.values())

    def problems(self, offer: Offer) -> Iterator[Problem]:
        """As for every kind; and every source must be one of the recipe's."""
        yield from super().problems(offer)
        for name in self.sources:
            if what := offer.unknown(name):
                yield ("sources", name), what

    def budget(self, offer: Offer) -> tuple[int, int]:
        """Synthetic and mined negatives of an example, on average."""
        synthetic = sum(count for name, count in self.sources.items() if name in offer.written)
        return synthetic, self.negatives - synthetic

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair; the scarcest source is dealt first, so that others leave it its own."""

        def wants(supply: Supply, positive_id: str) -> list[Want]:
            named = []
            for place, (name, count) in enumerate(self.sources.items()):
                # Written ones first: mined ones may have to be like them.
                for origin, there in enumerate((supply.own(positive_id), supply.mined)):
                    if found := brought_by(name, there):
                        named.append((origin, len(found), Want(name, count, found, place=place)))
                        break
                else:
                    named.append((0, 0, Want(name, count, [], place=place)))
            return [want for *_, want in sorted(named, key=lambda entry: (*entry[:2], entry[2].place))]

        return deal(material, self, wants)
