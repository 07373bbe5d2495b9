"""The stage validate: scores of every candidate, rules fitted to them, verdicts, and the second opinion."""

import functools
import logging
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from syneg_data import __version__
from syneg_data.collection import Collection
from syneg_data.errors import InputError
from syneg_data.execution import map_chunks
from syneg_data.generation.drafts import draft_key, final_rows, last_objections
from syneg_data.line import Judged, Line, Written
from syneg_data.records import Candidate, Hit, Scored, Verdict
from syneg_data.spec import fingerprint
from syneg_data.validation import Absolute, Reranker, Validation
from syneg_data.validation.gate import (
    Gate,
    Scores,
    Subject,
    as_positive,
    evidence_of,
    mark_duplicates,
    settle,
)
from syneg_data.validation.review import Drawn, draw, estimate
from syneg_data.validation.rules import Bar, Evidence, auc
from syneg_data.validation.scoring import Panel, floor_sample, score_now

logger = logging.getLogger(__name__)

_QUERIES = 64  # a chunk of scores
_AGREEING, _SAMPLE = 0.995, 400  # int8 has to give so many equal verdicts on so many candidates
_LEAST = 20  # scores of either kind from which on a reranker that cannot tell them apart is refused
# What the critic still objects to in the end, as the gate puts it; attributes that were not met are no fault there.
_CRITICISED = {
    "answers": ("false_negative", "critique_answers"),
    "off_topic": ("too_easy", "critique_off_topic"),
    "does_not_answer": ("too_easy", "critique_does_not_answer"),
}


def validate(
    line: Line, collection: Collection, candidates: Sequence[Candidate], written: Written, mine_key: str
) -> Judged:
    """A verdict for every candidate and for every restyled positive, from scores that are computed once ever."""
    spec, seed = line.file.recipe.validation, line.file.recipe.seed
    whole = collection.with_documents(written.documents())
    negatives, positives = _subjects(collection, candidates, written)
    pending: dict[str, dict[str, None]] = {query_id: {} for query_id in collection.queries}
    for subject in (*negatives, *positives):
        if not subject.refused:
            pending[subject.query_id][subject.doc_id] = None
    floor_ids = floor_sample(collection, spec.floor.sample, seed)
    mined = {(subject.query_id, subject.doc_id) for subject in negatives if subject.origin == "mined"}

    with line.timed("validate"):
        rerankers, facts = _agreeing(line, spec, whole, pending, floor_ids, mined)
        judged = [rerankers[i] for i in spec.panel()]
        cheapest = min(judged, key=lambda reranker: reranker.cost).name
        roles = [f"validation.rerankers[{i}]" for i in spec.panel()]

        @functools.cache
        def panel() -> Panel:
            judges = {r.name: r.open(line.models.get(role)) for r, role in zip(judged, roles, strict=True)}
            scarce = frozenset(r.name for r in judged if r.absolute is not None)
            return Panel(judges, cheapest, whole, {q: list(ids) for q, ids in pending.items()}, floor_ids, scarce)

        digests = [line.models[role].digest if role in line.models else None for role in roles]
        key = fingerprint(
            "scores", __version__, _QUERIES, mine_key, written.key, seed, judged, spec.floor, digests,
            _digest_of(written),
        )  # fmt: skip
        stage = line.workspace.stage("scores", key, Scored, _QUERIES)
        if not stage.complete(len(pending)):
            panel().prepare(line.progress)
        rows = map_chunks("validate", "queries", stage, list(pending), lambda ids: panel().rows(ids), line.progress)
        line.count(stage)
        line.judged += len(negatives) + len(positives) if stage.computed else 0

        gate = Gate(spec, _fit(line, judged, roles, rows, mined, facts), cheapest)
        scores = Scores(rows)
        verdicts = _in_order(collection, [gate.verdict(subject, scores) for subject in negatives])
        restyled = _in_order(collection, [as_positive(gate.verdict(s, scores), gate) for s in positives])
        second = _second_opinions(line, whole, spec, verdicts, rows)
        verdicts = [settle(verdict, spec, second) for verdict in verdicts]
        review = _review(line, whole, spec, verdicts, floor_ids, rows)
    return Judged(verdicts, restyled, fingerprint("validate", key, spec), rows, facts, review)


def _in_order(collection: Collection, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Query by query."""
    by_query: dict[str, list[Verdict]] = {query_id: [] for query_id in collection.queries}
    for verdict in verdicts:
        by_query[verdict.query_id].append(verdict)
    return [verdict for group in by_query.values() for verdict in group]


def fit_rule(spec: Validation, reranker: Reranker, evidence: Evidence) -> Bar:
    """The recipe's rule for one reranker; a language model's verdicts are not relative to anything."""
    if reranker.absolute is not None:
        return Absolute(kind="absolute", maximum=reranker.absolute).fit(evidence)
    return spec.rule.fit(evidence)


def _fit(
    line: Line,
    rerankers: Sequence[Reranker],
    roles: Sequence[str],
    rows: Sequence[Scored],
    mined: AbstractSet[tuple[str, str]],
    facts: dict[str, Any],
) -> dict[str, Bar]:
    """The rule fitted to each reranker; what was found goes into `facts`.

    Raises:
        InputError: a reranker does not tell known positives from random documents.
    """
    bars: dict[str, Bar] = {}
    facts["rerankers"] = []
    for reranker, role in zip(rerankers, roles, strict=True):
        mine = [row for row in rows if row.reranker == reranker.name]
        evidence = evidence_of(mine, mined, reranker.bounded)
        bar = bars[reranker.name] = fit_rule(line.file.recipe.validation, reranker, evidence)
        random, near = auc(evidence.positives, evidence.random), auc(evidence.positives, evidence.mined)
        if random is not None and random <= 0.5 and min(len(evidence.positives), len(evidence.random)) >= _LEAST:
            raise InputError(
                f"{line.file.path}: {role}: {reranker.name} does not tell known positives from random documents "
                f"(AUC {random}; 0.5 is chance); it is no relevance model: choose another"
            )
        counts = {name: len(getattr(evidence, name)) for name in ("positives", "mined", "random")}
        facts["rerankers"].append(
            {"name": reranker.name, **counts, "auc_random": random, "auc_mined": near, "bar": bar.describe()}
        )
    return bars


def _agreeing(
    line: Line,
    spec: Validation,
    whole: Collection,
    pending: Mapping[str, Mapping[str, None]],
    floor_ids: tuple[str, ...],
    mined: AbstractSet[tuple[str, str]],
) -> tuple[list[Reranker], dict[str, Any]]:
    """The rerankers, with float32 in place of int8 where the two give different verdicts on a sample."""
    rerankers: list[Reranker] = list(spec.rerankers)
    facts: dict[str, Any] = {}
    for i, reranker in enumerate(rerankers):
        if reranker.kind != "cross_encoder" or reranker.dtype != "int8":
            continue
        sample: dict[str, list[str]] = {}
        for query_id, ids in pending.items():
            if sum(map(len, sample.values())) < _SAMPLE and ids:
                sample[query_id] = list(ids)
        exact = reranker.model_copy(update={"dtype": "float32"})
        found = []
        for version in (reranker, exact):
            judge = version.open(line.models[f"validation.rerankers[{i}]"])
            panel = Panel({reranker.name: judge}, "", whole, sample, floor_ids)
            panel.prepare(line.progress)
            rows = panel.rows(list(sample))
            bar = fit_rule(spec, reranker, evidence_of(rows, mined, reranker.bounded))
            found.append(_called(rows, bar))
        same = sum(left == right for left, right in zip(*found, strict=True))
        agreement = round(same / len(found[0]), 4) if found[0] else 1.0
        used = agreement >= _AGREEING
        facts.setdefault("int8", {})[reranker.name] = {
            "candidates": len(found[0]),
            "agreement": agreement,
            "used": used,
        }
        if not used:
            logger.warning("%s: int8 agrees on %.1f %% of verdicts only; float32 it is", reranker.name, 100 * agreement)
            rerankers[i] = exact
    return rerankers, facts


def _called(rows: Sequence[Scored], bar: Bar) -> list[str]:
    """How one reranker alone calls each candidate."""
    scores, called = Scores(rows), []
    for row in rows:
        if row.role != "candidate" or row.doc_id is None:
            continue
        known = {d: bar.relevance(scores.of(row.reranker, row.query_id, d)) for d in scores.positives[row.query_id]}
        reference, relevance = bar.reference(known, None), bar.relevance(row.score)
        over = relevance > bar.threshold(reference)
        called.append("false_negative" if over else "ambiguous" if relevance > bar.doubtful(reference) else "keep")
    return called


def _second_opinions(
    line: Line, whole: Collection, spec: Validation, verdicts: Sequence[Verdict], rows: list[Scored]
) -> dict[tuple[str, str], float]:
    """The llm reranker's scores of the ambiguous candidates; its rows are added to `rows`."""
    at = spec.second()
    asked = [(v.query_id, v.doc_id) for v in verdicts if v.verdict == "ambiguous"]
    if at is None or not asked:
        return {}
    reranker = spec.rerankers[at]
    found = score_now(reranker.open(line.models.get(f"validation.rerankers[{at}]")), whole, asked, line.progress)
    rows += [Scored(*pair, "candidate", reranker.name, *row) for pair, row in zip(asked, found, strict=True)]
    return {pair: score for pair, (score, _) in zip(asked, found, strict=True)}


def _review(
    line: Line,
    whole: Collection,
    spec: Validation,
    verdicts: Sequence[Verdict],
    floor_ids: tuple[str, ...],
    rows: list[Scored],
) -> dict[str, Any] | None:
    """The second opinion on a sample; its scores are added to `rows`."""
    if spec.review is None:
        return None
    reranker = spec.review.reranker
    drawn = draw(verdicts, spec.review.sample, line.file.recipe.seed)
    wanted: dict[str, dict[str, None]] = {}
    for row in drawn:
        wanted.setdefault(row.query_id, {})[row.doc_id] = None
    judge = reranker.open(line.models.get("validation.review.reranker"))
    scarce = frozenset([reranker.name] if reranker.absolute is not None else ())
    panel = Panel({reranker.name: judge}, "", whole, {q: list(ids) for q, ids in wanted.items()}, floor_ids, scarce)
    panel.prepare(line.progress)
    scored = panel.rows(list(wanted))
    mined = {(row.query_id, row.doc_id) for row in drawn if row.source.startswith("mined:")}
    evidence = evidence_of(scored, mined, reranker.bounded)
    bar, scores = fit_rule(spec, reranker, evidence), Scores(scored)
    rows += [replace(row, role="reviewed") for row in scored if row.role == "candidate"]

    judged: list[tuple[Drawn, bool]] = []
    for row in drawn:
        known = {d: bar.relevance(scores.of(reranker.name, row.query_id, d)) for d in scores.positives[row.query_id]}
        relevance = bar.relevance(scores.of(reranker.name, row.query_id, row.doc_id))
        threshold = bar.threshold(bar.reference(known, row.positive_id))
        if math.isfinite(relevance) and math.isfinite(threshold):
            judged.append((row, relevance > threshold))
    trust = {
        "auc_random": auc(evidence.positives, evidence.random),
        "auc_mined": auc(evidence.positives, evidence.mined),
    }
    return {**estimate(judged, reranker.name), "without_score": len(drawn) - len(judged), **trust}


def _digest_of(written: Written) -> str:
    """What of generation the gate depends on besides its key: which drafts came, should some have been unavailable."""
    return fingerprint([[*draft_key(row), row.doc_id] for row in final_rows(written.rows) if row.state == "ok"])


def _subjects(
    collection: Collection, candidates: Sequence[Candidate], written: Written
) -> tuple[list[Subject], list[Subject]]:
    """Candidates as the gate sees them: negatives (mined, then written), and restyled positives."""
    mined = [
        Subject(candidate.query_id, None, candidate.doc_id, "mined", candidate.sources)
        for candidate in candidates
        if not candidate.reason
    ]
    objections = last_objections(written.rows)
    drafted: dict[str, list[Subject]] = {"negative": [], "positive": []}
    texts = {}
    for row in final_rows(written.rows):
        if row.state != "ok":
            continue
        held = next((what for what in objections.get(draft_key(row), ()) if what in _CRITICISED), None)
        verdict, reason = _CRITICISED[held] if held else ("", "")
        hit = Hit(row.strategy, row.slot + 1, None)
        drafted[row.role].append(
            Subject(row.query_id, row.positive_id, row.doc_id, "synthetic", (hit,), reason, verdict)
        )
        texts[row.doc_id] = row.text
    negatives = mark_duplicates(collection, drafted["negative"], texts)
    return [*mined, *negatives], mark_duplicates(collection, drafted["positive"], texts)
