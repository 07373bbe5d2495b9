"""The gate: scores in, verdicts out. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from syneg_data.collection import Collection, normalise
from syneg_data.records import Hit, Score, Scored, Verdict
from syneg_data.validation import Validation
from syneg_data.validation.calibration import Joint
from syneg_data.validation.rules import Bar

DECIMALS = 5  # scores are rounded before they are compared or stored


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


class Scores:
    """Scored rows, found by reranker, query and document."""

    def __init__(self, rows: Iterable[Scored]) -> None:
        """Args: rows of the roles candidate, positive and floor."""
        self._scores: dict[str, dict[tuple[str, str], float]] = {}
        self.positives: dict[str, list[str]] = {}
        self.floors: dict[str, float] = {}
        for row in rows:
            if row.role == "floor":
                self.floors[row.query_id] = row.score
            elif row.role in ("candidate", "positive") and row.doc_id is not None:
                known = self._scores.setdefault(row.query_id, {})
                if row.role == "positive" and (row.reranker, row.doc_id) not in known:
                    ids = self.positives.setdefault(row.query_id, [])
                    if row.doc_id not in ids:
                        ids.append(row.doc_id)
                known[row.reranker, row.doc_id] = row.score

    def of(self, reranker: str, query_id: str, doc_id: str) -> float:
        """One score."""
        return self._scores[query_id][reranker, doc_id]


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything a verdict depends on besides scores.

    Attributes:
        spec: the validation section.
        bars: reranker -> its fitted rule, of those that judge every candidate.
        cheapest: the one of them whose random documents are what `too_easy` is measured against.
        joint: one curve over all their scores, in the order of `bars`; None where each has its own word.
    """

    spec: Validation
    bars: Mapping[str, Bar]
    cheapest: str
    joint: Joint | None = None

    def verdict(self, subject: Subject, scores: Scores) -> Verdict:
        """The verdict on one candidate."""
        if subject.refused:
            return _row(subject, None, None, (), subject.verdict, subject.refused)
        query_id, found = subject.query_id, []
        for name, bar in self.bars.items():
            positives = {d: bar.relevance(scores.of(name, query_id, d)) for d in scores.positives[query_id]}
            relevance = bar.relevance(scores.of(name, query_id, subject.doc_id))
            if not all(map(math.isfinite, (relevance, *positives.values()))):
                return _row(subject, None, None, (), "failed", "score_not_finite")
            reference = bar.reference(positives, subject.positive_id)
            found.append(Score(name, round(relevance, DECIMALS), round(reference, DECIMALS)))
        floor = scores.floors[query_id]
        if math.isnan(floor):
            return _row(subject, None, None, (), "failed", "floor_not_finite")
        decisive, over, doubt = self._decide(found) if self.joint is None else self._decide_jointly(subject, scores)
        result = (decisive.relevance, decisive.positive_relevance, tuple(found))
        if not math.isfinite(over):
            return _row(subject, None, None, (), "failed", "score_not_finite")
        if over > 0:
            return _row(subject, *result, "false_negative", "above_threshold")
        if scores.of(self.cheapest, query_id, subject.doc_id) <= floor:
            return _row(subject, *result, "too_easy", "within_random")
        if doubt > 0:
            return _row(subject, *result, "ambiguous", "near_threshold")
        return _row(subject, *result, "keep", "")

    def is_relevant(self, verdict: Verdict) -> bool:
        """Whether a document is as relevant as a positive has to be: to the joint curve, or to every reranker."""
        if self.joint is not None:
            relevance, reference = verdict.relevance, verdict.positive_relevance
            if relevance is None or reference is None:
                return False
            return _rounded(relevance - self.joint.enough(reference)) > 0
        return bool(verdict.scores) and all(
            _rounded(s.relevance - self.bars[s.reranker].enough(s.positive_relevance)) > 0 for s in verdict.scores
        )

    def _decide_jointly(self, subject: Subject, scores: Scores) -> tuple[Score, float, float]:
        """As `_decide`, by the curve over all scores; the reference is the lowest positive."""
        assert self.joint is not None
        query_id = subject.query_id
        found = {
            doc_id: round(self.joint.relevance([scores.of(name, query_id, doc_id) for name in self.bars]), DECIMALS)
            for doc_id in (subject.doc_id, *scores.positives[query_id])
        }
        relevance = found[subject.doc_id]
        reference = min(found[doc_id] for doc_id in scores.positives[query_id])
        over = relevance - self.joint.threshold(reference)
        return Score("joint", relevance, reference), _rounded(over), _rounded(over + self.joint.doubt)

    def _decide(self, scores: Sequence[Score]) -> tuple[Score, float, float]:
        """The score that decides, how far it is above its threshold, and how far above where doubt begins.

        With `any` it is the one furthest above its threshold, with `all` the one least above. `joint` without a curve,
        because known scores were too few, is `any`.
        """
        agree = self.spec.agreement()
        if agree == "mean":
            n = len(scores)
            mean = Score(
                "mean",
                round(sum(s.relevance for s in scores) / n, DECIMALS),
                round(sum(s.positive_relevance for s in scores) / n, DECIMALS),
            )
            return mean, _rounded(sum(map(self._over, scores)) / n), _rounded(sum(map(self._doubt, scores)) / n)
        pick = min if agree == "all" else max
        return pick(scores, key=self._over), pick(map(self._over, scores)), pick(map(self._doubt, scores))

    def _over(self, score: Score) -> float:
        return _rounded(score.relevance - self.bars[score.reranker].threshold(score.positive_relevance))

    def _doubt(self, score: Score) -> float:
        return _rounded(score.relevance - self.bars[score.reranker].doubtful(score.positive_relevance))


def _rounded(value: float) -> float:
    return round(value, 9)


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


def as_positive(verdict: Verdict, gate: Gate) -> Verdict:
    """The gate's word on a written positive: kept if every reranker finds it as relevant as the rule asks.

    What would be a false negative among negatives is a positive here; the stricter reading is taken, whatever `agree`
    says, because a positive that is none does the same harm.
    """
    if verdict.verdict in ("duplicate", "failed") or not verdict.scores:
        return verdict
    if gate.is_relevant(verdict):
        return replace(verdict, verdict="keep", reason="")
    return replace(verdict, verdict="too_easy", reason="less_relevant")


def settle(verdict: Verdict, spec: Validation, second: Mapping[tuple[str, str], float], gate: Gate) -> Verdict:
    """What becomes of an ambiguous candidate and of a false negative, as the recipe has it.

    Args:
        verdict: from the gate.
        spec: the validation section.
        second: (query_id, doc_id) -> the llm reranker's score, of those that it was asked about.
        gate: says which false negatives are relevant to every reranker; only those may become positives, and those that
            the llm reranker finds relevant.
    """
    if verdict.verdict == "ambiguous":
        if spec.ambiguous == "keep":
            return replace(verdict, verdict="keep")
        score = second.get((verdict.query_id, verdict.doc_id))
        if score is None:
            return verdict
        if math.isnan(score):
            return replace(verdict, verdict="failed", reason="score_not_finite")
        if score <= 0.5:
            return replace(verdict, verdict="keep")
        verdict = replace(verdict, verdict="false_negative", reason="llm_relevant")
    certain = verdict.scores and (verdict.reason == "llm_relevant" or gate.is_relevant(verdict))
    if verdict.verdict == "false_negative" and spec.false_negative == "relabel" and certain:
        return replace(verdict, reason="relabelled")
    return verdict


def fate_of(verdict: Verdict) -> str:
    """The verdict, or `relabelled` for a false negative that is a positive now."""
    return "relabelled" if verdict.reason == "relabelled" else verdict.verdict


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
