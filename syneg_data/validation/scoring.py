"""Scoring: which (query, document) pairs each reranker is asked about, and the rows that come of it."""

import functools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from syneg_data.collection import Collection
from syneg_data.execution import Progress
from syneg_data.records import Scored
from syneg_data.spec import seed_of
from syneg_data.validation.gate import DECIMALS
from syneg_data.validation.rerankers import Judge

PERCENTILE = 0.95
LEAST_RANDOM = 10  # random documents of a query from which on its floor says something
# Random documents that rules are fitted on, over all queries, which each reranker has to score; and for a dear one.
_RANDOM_PAIRS, SCARCE_PAIRS = 500, 150

Texts = list[tuple[str, str]]


@dataclass(frozen=True)
class Panel:
    """The rerankers that judge every candidate, and what they are asked.

    Attributes:
        judges: reranker -> judge.
        cheapest: the one that is asked about the floor's random documents as well.
        collection: holds the texts of all candidates, synthetic ones included.
        candidates: query_id -> the documents to judge.
        floor_ids: random documents, the same for all queries: encoding them anew for each would cost the corpus.
        scarce: rerankers whose time is dear and whose rule needs no fit; they are shown few random documents.
        twins: doc_id -> the id under which its text is known, of documents that are no documents of their own.
    """

    judges: Mapping[str, Judge]
    cheapest: str
    collection: Collection
    candidates: Mapping[str, Sequence[str]]
    floor_ids: tuple[str, ...]
    scarce: frozenset[str] = frozenset()
    twins: Mapping[str, str | None] = field(default_factory=dict)

    def prepare(self, progress: Progress) -> None:
        """Have all scores in the stores, judge by judge, each sorting and batching everything there is as it likes."""
        for name, judge in self.judges.items():
            asked = ((query_id, self._asked(name, query_id)) for query_id in self.candidates)
            judge.prepare([pair for query_id, doc_ids in asked for pair in self._texts(query_id, doc_ids)], progress)

    def rows(self, query_ids: Sequence[str]) -> list[Scored]:
        """The rows of some queries, by reranker, query and role."""
        found: list[Scored] = []
        for name, judge in self.judges.items():
            asked = [(query_id, doc_id) for query_id in query_ids for doc_id in self._asked(name, query_id)]
            pairs = [(self.collection.queries[q], self.collection.text(d)) for q, d in asked]
            values = [round(score, DECIMALS) for score in judge.score(pairs)]
            scores = dict(zip(asked, values, strict=True))
            words = dict(zip(asked, judge.words(pairs), strict=True))
            for query_id in query_ids:
                for role, doc_id in self._roles(name, query_id):
                    pair = (query_id, doc_id)
                    found.append(Scored(query_id, doc_id, role, name, scores[pair], words[pair]))
                if name == self.cheapest:
                    found.append(Scored(query_id, None, "floor", name, self._floor(scores, query_id)))
        return found

    def _asked(self, name: str, query_id: str) -> list[str]:
        ids = dict.fromkeys(doc_id for _, doc_id in self._roles(name, query_id))
        if name == self.cheapest:
            ids |= dict.fromkeys(self.floor_ids)
        return list(ids)

    def _roles(self, name: str, query_id: str) -> Iterator[tuple[str, str]]:
        """(role, doc_id) of one query's rows."""
        answers = self._answers(query_id)
        yield from (("positive", doc_id) for doc_id in self.collection.positives(query_id))
        yield from (("candidate", doc_id) for doc_id in self.candidates[query_id])
        yield from (("random", doc_id) for doc_id in self._random(name, query_id) if doc_id not in answers)

    def _answers(self, query_id: str) -> set[str]:
        """The query's positives, and the ids under which miners know their texts."""
        positives = self.collection.positives(query_id)
        return {*positives, *(known for doc_id in positives if (known := self.twins.get(doc_id)) is not None)}

    def _random(self, name: str, query_id: str) -> Sequence[str]:
        """The query's share of the random documents that rules are fitted on; a stretch of its own for each query."""
        wanted = SCARCE_PAIRS if name in self.scarce else _RANDOM_PAIRS
        share, rest = divmod(wanted, len(self.candidates))
        count = min(len(self.floor_ids), share + (self._place[query_id] < rest))
        start = seed_of("random", query_id)
        return [self.floor_ids[(start + i) % len(self.floor_ids)] for i in range(count)]

    @functools.cached_property
    def _place(self) -> dict[str, int]:
        return {query_id: i for i, query_id in enumerate(self.candidates)}

    def _texts(self, query_id: str, doc_ids: Sequence[str]) -> Texts:
        return [(self.collection.queries[query_id], self.collection.text(doc_id)) for doc_id in doc_ids]

    def _floor(self, scores: Mapping[tuple[str, str], float], query_id: str) -> float:
        """The 95th percentile (nearest rank) of random documents that are neither answers nor candidates themselves.

        Of a corpus so small that hardly any are left, nothing is too easy; where half of them or more have no score,
        there is no telling.
        """
        own = self._answers(query_id) | set(self.candidates[query_id])
        values = [scores[query_id, doc_id] for doc_id in self.floor_ids if doc_id not in own]
        if len(values) < LEAST_RANDOM:
            return -math.inf
        finite = sorted(filter(math.isfinite, values))
        if 2 * len(finite) <= len(values):
            return math.nan
        return finite[math.ceil(PERCENTILE * len(finite)) - 1]


def floor_sample(collection: Collection, size: int, seed: int) -> tuple[str, ...]:
    """Random documents of the corpus, by seed.

    Args:
        collection: every text once, and none that is empty.
        size: how many; fewer where there are not so many.
        seed: of the recipe.
    """
    doc_ids = sorted(collection.documents)
    return tuple(sorted(random.Random(seed_of("floor", seed)).sample(doc_ids, min(size, len(doc_ids)))))


def score_now(
    judge: Judge, collection: Collection, pairs: Sequence[tuple[str, str]], progress: Progress
) -> list[tuple[float, str]]:
    """Score and words of (query_id, doc_id) pairs."""
    texts = [(collection.queries[query_id], collection.text(doc_id)) for query_id, doc_id in pairs]
    judge.prepare(texts, progress)
    scores = [round(score, DECIMALS) for score in judge.score(texts)]
    return list(zip(scores, judge.words(texts), strict=True))
