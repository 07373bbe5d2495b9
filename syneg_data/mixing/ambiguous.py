"""Ambiguous negatives (SimANS, Zhou et al. 2022, arXiv 2210.11773): near the positive's relevance, drawn by chance."""

import math
import random
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from syneg_data.mixing.dealing import Supply, Want, deal
from syneg_data.mixing.options import Offer, Options, Problem
from syneg_data.mixing.selection import Material, Mixed
from syneg_data.records import Verdict
from syneg_data.spec import seed_of


class Ambiguous(Options):
    """Negatives drawn with probability proportional to exp(-a (s - s_positive - b)^2), mined and synthetic alike."""

    kind: Literal["ambiguous"]
    negatives: int = Field(3, ge=1, description="negatives per pair")
    a: float = Field(20.0, ge=0, description="how sharply; on the scale of the relevance, so 0 to 1 where calibrated")
    b: float = Field(0.0, description="the most likely distance from the positive's relevance; below 0: easier")

    def problems(self, offer: Offer) -> Iterator[Problem]:
        """As for every kind; and distances must be comparable."""
        yield from super().problems(offer)
        if not offer.one_scale:
            yield (
                ("kind",),
                "'ambiguous' measures distances, and with agree any or all the rerankers' scales differ; use "
                "validation.rule calibrated, agree: mean, or one reranker",
            )

    def budget(self, offer: Offer) -> tuple[int, int]:
        """Synthetic and mined negatives of an example, on average; what is drawn is not known, all count as mined."""
        return 0, self.negatives

    def mix(self, material: Material) -> Mixed:
        """Choose the negatives of every pair."""
        drawn: dict[str, dict[str, float]] = {}

        def wants(supply: Supply, positive_id: str) -> list[Want]:
            if supply.query_id not in drawn:
                drawn.clear()  # only one query is dealt at a time
                drawn[supply.query_id] = self._draw(material.seed, supply)
            keys = drawn[supply.query_id]
            there = sorted([*supply.own(positive_id), *supply.mined], key=lambda v: (-keys[v.doc_id], v.doc_id))
            return [Want("candidates", self.negatives, there)]

        return deal(material, self, wants)

    def _draw(self, seed: int, supply: Supply) -> dict[str, float]:
        """doc_id -> a key; the highest keys are a draw without replacement (the Gumbel-max trick)."""
        chance = random.Random(seed_of("ambiguous", seed, supply.query_id))
        there = [*supply.mined, *(verdict for own in supply.written.values() for verdict in own)]
        keys = {}
        for verdict in sorted(there, key=lambda v: v.doc_id):
            gumbel = -math.log(-math.log(chance.random() or 5e-324))
            keys[verdict.doc_id] = gumbel - self.a * self._distance(verdict) ** 2
        return keys

    def _distance(self, verdict: Verdict) -> float:
        if verdict.relevance is None or verdict.positive_relevance is None:
            return 0.0
        return verdict.relevance - verdict.positive_relevance - self.b
