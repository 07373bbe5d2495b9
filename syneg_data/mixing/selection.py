"""What goes into mixing, of whatever kind, and what comes of it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from syneg_data.collection import Collection
from syneg_data.records import Example, Verdict
from syneg_data.spec import seed_of


@dataclass(frozen=True)
class Mixed:
    """What mixing leaves.

    Attributes:
        examples: in working order.
        rejected: the pairs that became none, by reason.
        capped: (query_id, doc_id) of the kept candidates that are no negative of their query because the document was
            one as often as `cap` allows.
    """

    examples: list[Example]
    rejected: dict[str, int] = field(default_factory=dict)
    capped: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Material:
    """What mixing chooses from.

    Attributes:
        collection: queries and positives; with the texts of all documents where lengths are matched.
        kept: the candidates that the gate kept.
        restyled: (query_id, positive_id) -> document that says the same in the model's words.
        seed: of the recipe.
        grades: name of a `graded` strategy -> the grades of its passages, in the order of their slots.
    """

    collection: Collection
    kept: Sequence[Verdict]
    restyled: Mapping[tuple[str, str], str] = field(default_factory=dict)
    seed: int = 0
    grades: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def version(self, query_id: str, positive_id: str, share: float) -> str:
        """The document that stands for a positive: the restyled one, in a `share` of the pairs that have one.

        Every pair draws for itself, by seed, so that shares nest.
        """
        restyled = self.restyled.get((query_id, positive_id))
        if restyled is None or random.Random(seed_of("restyled", self.seed, query_id, positive_id)).random() >= share:
            return positive_id
        return restyled
