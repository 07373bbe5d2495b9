"""The gate: scores in, verdicts out. Pure but for the judges it is handed."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from syneg_data.collection import Collection, normalise
from syneg_data.records import Hit, Score, Verdict
from syneg_data.spec import seed_of
from syneg_data.validation import Rule, Validation
from syneg_data.validation.rerankers import Judge

PERCENTILE = 0.95
_DECIMALS = 5  # scores are rounded before they are compared or stored


@dataclass(frozen=True, slots=True)
class Subject:
    """A candidate as the gate sees it.

    `refused` is a reason that needs no score (a duplicate, the critic's word), and `verdict` what it makes of it.
    """

    query_id: str
    positive_id: str | None
    doc_id: str
    origin: str
    sources: tuple[Hit, ...]
    refused: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything a verdict depends on.

    Attributes:
        spec: the validation section.
        judges: one per reranker of the spec, in its order.
        floor_ids: the random documents that `too_easy` is measured against.
    """

    spec: Validation
    judges: tuple[Judge, ...]
    floor_ids: tuple[str, ...]

    def verdicts(self, collection: Collection, subjects: Sequence[Subject]) -> list[Verdict]:
        """A verdict for each subject, in the same order.

        Args:
            collection: holds the texts of all subjects, synthetic ones included.
            subjects: candidates of any number of queries.
        """
        query_ids = list(dict.fromkeys(subject.query_id for subject in subjects))
        pending = [subject for subject in subjects if not subject.refused]
        wanted: dict[tuple[str, str], None] = dict.fromkeys((s.query_id, s.doc_id) for s in pending)
        wanted |= dict.fromkeys((q, doc_id) for q in query_ids for doc_id in collection.positives(q))
        cheapest = min(range(len(self.judges)), key=lambda i: (self.spec.rerankers[i].cost, i))
        tables = []
        for i, judge in enumerate(self.judges):
            pairs = list(wanted)
            if i == cheapest:
                pairs += [(q, d) for q in query_ids for d in self.floor_ids if (q, d) not in wanted]
            texts = [(collection.queries[q], collection.text(d)) for q, d in pairs]
            tables.append(dict(zip(pairs, (round(s, _DECIMALS) for s in judge.score(texts)), strict=True)))
        floors = {q: self._floor(collection, tables[cheapest], q) for q in query_ids}
        return [
            _row(subject, None, None, (), subject.verdict, subject.refused)
            if subject.refused
            else self._verdict(collection, tables, cheapest, floors, subject)
            for subject in subjects
        ]

    def _floor(self, collection: Collection, scores: dict[tuple[str, str], float], query_id: str) -> float:
        """The 95th percentile (nearest rank) of the random documents that are not the query's positives."""
        positives = set(collection.positives(query_id))
        values = sorted(scores[query_id, doc_id] for doc_id in self.floor_ids if doc_id not in positives)
        if any(math.isnan(value) for value in values):
            return math.nan
        return values[math.ceil(PERCENTILE * len(values)) - 1] if values else -math.inf

    def _verdict(
        self,
        collection: Collection,
        tables: Sequence[dict[tuple[str, str], float]],
        cheapest: int,
        floors: dict[str, float],
        subject: Subject,
    ) -> Verdict:
        query_id, rule = subject.query_id, self.spec.rule
        scores = []
        for reranker, table in zip(self.spec.rerankers, tables, strict=True):
            positives = {doc_id: table[query_id, doc_id] for doc_id in collection.positives(query_id)}
            reference = rule.reference(positives, subject.positive_id)
            scores.append(Score(reranker.name, table[query_id, subject.doc_id], round(reference, _DECIMALS)))
        if any(math.isnan(table[query_id, d]) for table in tables for d in collection.positives(query_id)) or not all(
            math.isfinite(s.relevance) and math.isfinite(s.positive_relevance) for s in scores
        ):
            return _row(subject, None, None, (), "failed", "score_not_finite")
        if not math.isfinite(floors[query_id]) and self.floor_ids:
            return _row(subject, None, None, (), "failed", "floor_not_finite")
        decisive = self._decisive(scores)
        found = (decisive.relevance, decisive.positive_relevance, tuple(scores))
        if round(decisive.relevance - rule.threshold(decisive.positive_relevance), 9) > 0:
            return _row(subject, *found, "false_negative", "above_threshold")
        if tables[cheapest][query_id, subject.doc_id] <= floors[query_id]:
            return _row(subject, *found, "too_easy", "within_random")
        return _row(subject, *found, "keep", "")

    def _decisive(self, scores: Sequence[Score]) -> Score:
        """The score that decides: with `any` the one furthest above its threshold, with `all` the one least above."""
        if self.spec.agree == "mean":
            n = len(scores)
            return Score(
                "mean",
                round(sum(s.relevance for s in scores) / n, _DECIMALS),
                round(sum(s.positive_relevance for s in scores) / n, _DECIMALS),
            )
        pick = max if self.spec.agree == "any" else min
        return pick(scores, key=lambda s: s.relevance - self.spec.rule.threshold(s.positive_relevance))


def _row(
    subject: Subject,
    relevance: float | None,
    positive_relevance: float | None,
    scores: tuple[Score, ...],
    verdict: str,
    reason: str,
) -> Verdict:
    return Verdict(
        subject.query_id, subject.positive_id, subject.doc_id, subject.origin, subject.sources,
        relevance, positive_relevance, scores, verdict, reason,
    )  # fmt: skip


def as_positive(verdict: Verdict, rule: Rule) -> Verdict:
    """The gate's word on a written positive: kept if every reranker finds it as relevant as the rule asks.

    What would be a false negative among negatives is a positive here; the stricter reading is taken, whatever `agree`
    says, because a positive that is none does the same harm.
    """
    if verdict.verdict in ("duplicate", "failed") or not verdict.scores:
        return verdict
    if all(round(s.relevance - rule.threshold(s.positive_relevance), 9) > 0 for s in verdict.scores):
        return replace(verdict, verdict="keep", reason="")
    return replace(verdict, verdict="too_easy", reason="less_relevant")


def floor_sample(collection: Collection, size: int, seed: int) -> tuple[str, ...]:
    """Random documents of the corpus, the same for all queries: encoding them anew for each would cost the corpus."""
    doc_ids = sorted(collection.documents)
    return tuple(sorted(random.Random(seed_of("floor", seed)).sample(doc_ids, min(size, len(doc_ids)))))


def mark_duplicates(collection: Collection, synthetic: Sequence[Subject], texts: dict[str, str]) -> list[Subject]:
    """Synthetic subjects, those refused whose text (normalised) is a corpus document's or an earlier subject's.

    Args:
        collection: the corpus, without the synthetic documents.
        synthetic: in working order.
        texts: doc_id -> text of each synthetic subject.
    """
    if not synthetic:
        return []
    corpus = {normalise(collection.text(doc_id)) for doc_id in collection.documents}
    corpus |= {normalise(document.text) for document in collection.documents.values()}
    seen: set[str] = set()
    marked = []
    for subject in synthetic:
        text = normalise(texts[subject.doc_id])
        refused = "text_of_document" if text in corpus else "text_of_synthetic" if text in seen else ""
        seen.add(text)
        marked.append(replace(subject, refused=refused, verdict="duplicate") if refused else subject)
    return marked
