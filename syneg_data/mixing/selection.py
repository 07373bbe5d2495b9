"""What every kind of mixing shares: candidates dealt to pairs, shortage, and the examples that come of it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from syneg_data.collection import Collection
from syneg_data.errors import GateError
from syneg_data.records import Example, Verdict
from syneg_data.spec import seed_of

Shortage = Literal["drop", "fail"]


@dataclass(frozen=True)
class Mixed:
    """Examples in working order, and the pairs that became none, by reason."""

    examples: list[Example]
    rejected: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """What mixing chooses from.

    Attributes:
        collection: queries and positives.
        kept: the candidates that the gate kept.
        restyled: (query_id, positive_id) -> document that says the same in the model's words.
        seed: of the recipe.
    """

    collection: Collection
    kept: Sequence[Verdict]
    restyled: Mapping[tuple[str, str], str] = field(default_factory=dict)
    seed: int = 0


def mix_pairs(material: Material, synthetic: int, mined: int, shortage: Shortage, restyled: float) -> Mixed:
    """Give each (query, positive) `synthetic` negatives written for it and `mined` of its query's own.

    Synthetic ones come in the order of the recipe's strategies, then of their slots; mined ones hardest first
    (relevance desc, doc_id asc). The pairs of one query are dealt its mined candidates in turn, so that no two of them
    share one. A share `restyled` of the pairs that have a restyled positive, drawn by seed, gets it in place of the
    original.

    Raises:
        GateError: a pair has too few and `shortage` is `fail`.
    """
    written: dict[tuple[str, str | None], list[Verdict]] = {}
    retrieved: dict[str, list[Verdict]] = {}
    collection = material.collection
    for verdict in material.kept:
        if verdict.origin == "synthetic":
            written.setdefault((verdict.query_id, verdict.positive_id), []).append(verdict)
        else:
            retrieved.setdefault(verdict.query_id, []).append(verdict)
    examples: list[Example] = []
    rejected: dict[str, int] = {}
    for query_id in collection.queries:
        positives = collection.positives(query_id)
        hardest = sorted(retrieved.get(query_id, []), key=lambda v: (-(v.relevance or 0.0), v.doc_id))
        for turn, positive_id in enumerate(positives):
            own = written.get((query_id, positive_id), [])[:synthetic]
            dealt = hardest[turn :: len(positives)][:mined]
            reason = "too_few_synthetic" if len(own) < synthetic else "too_few_mined" if len(dealt) < mined else ""
            if reason and shortage == "fail":
                raise GateError(
                    f"mixing: query {query_id!r}, positive {positive_id!r}: {len(own)} synthetic and {len(dealt)} "
                    f"mined negatives are left, {synthetic} and {mined} are asked for; "
                    "ask for fewer, mine deeper, generate more, or set shortage: drop"
                )
            if reason:
                rejected[reason] = rejected.get(reason, 0) + 1
            else:
                version = material.restyled.get((query_id, positive_id))
                chance = random.Random(seed_of("restyled", material.seed, query_id, positive_id)).random()
                chosen = version if version is not None and chance < restyled else positive_id
                examples.append(_example(query_id, chosen, [*own, *dealt]))
    return Mixed(examples, rejected)


def _example(query_id: str, positive_id: str, negatives: Sequence[Verdict]) -> Example:
    return Example(
        query_id,
        positive_id,
        tuple(v.doc_id for v in negatives),
        tuple(f"{v.origin}:{'+'.join(hit.source for hit in v.sources)}" for v in negatives),
        tuple(v.relevance if v.relevance is not None else 0.0 for v in negatives),
    )
