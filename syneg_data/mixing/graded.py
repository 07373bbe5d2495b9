"""Graded lists: the passages that the strategy `graded` wrote for a pair, by their grades, for listwise objectives."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from syneg_data.mixing.dealing import Supply, Want, brought_by, deal
from syneg_data.mixing.options import Offer, Options, Problem, Shortage
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.records import Verdict


class GradedLists(Options):
    """Each (query, positive) gets the passages written for it of each grade, highest first; their source names it."""

    kind: Literal["graded"]
    shortage: Shortage = Field(
        "ragged",
        description="a pair with a grade too few: `ragged`: the others, at least one, `backfill`, drop it, or fail",
    )
    strategy: str = Field("graded", description="name of the strategy, of kind graded, that wrote them")
    grades: tuple[int, ...] = Field((2, 1, 0), min_length=1, description="which, each of them below the positives'")
    per_grade: int = Field(1, ge=1, description="passages of each grade")
    needs_written: ClassVar[bool] = True

    @property
    def negatives(self) -> int:
        """The most negatives of an example."""
        return self.per_grade * len(self.grades)

    def problems(self, offer: Offer) -> Iterator[Problem]:
        """As for every kind; and a graded strategy must write these grades."""
        yield from super().problems(offer)
        if self.strategy not in offer.grades:
            known = f"known here: {', '.join(offer.grades)}" if offer.grades else "add kind: graded to the strategies"
            yield ("strategy",), f"no strategy '{self.strategy}' of kind graded; {known}"
            return
        for i, grade in enumerate(self.grades):
            if grade not in offer.grades[self.strategy]:
                negatives = ", ".join(map(str, offer.grades[self.strategy]))
                yield ("grades", i), f"no negatives of grade {grade} are written; choose from {negatives}"
            elif grade in self.grades[:i]:
                yield ("grades", i), f"grade {grade} stands here twice; name it once"

    def budget(self, offer: Offer) -> tuple[int, int]:
        """Synthetic and mined negatives of an example, on average."""
        return self.negatives, 0

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair."""
        slots = material.grades.get(self.strategy, ())

        def grade(verdict: Verdict) -> int | None:
            slot = next(hit.rank for hit in verdict.sources if hit.source == self.strategy) - 1
            return slots[slot % len(slots)] if slots else None

        def wants(supply: Supply, positive_id: str) -> list[Want]:
            own = brought_by(self.strategy, supply.own(positive_id))
            return [
                Want(f"grade_{g}", self.per_grade, [v for v in own if grade(v) == g], f":grade_{g}", place)
                for place, g in enumerate(sorted(self.grades, reverse=True))
            ]

        return deal(material, self, wants)
