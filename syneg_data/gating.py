"""The stage validate: scores of every candidate, rules fitted to them, verdicts, and the second opinion."""

import functools
import logging
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from syneg_data import __version__
from syneg_data.collection import Collection
from syneg_data.execution import map_chunks
from syneg_data.line import Judged, Mined, Work, Written
from syneg_data.records import Scored, Verdict
from syneg_data.references import Resolved
from syneg_data.spec import fingerprint
from syneg_data.subjects import digest_of, subjects_of
from syneg_data.validation import Reranker, Validation
from syneg_data.validation.fitting import evidence_of, fit_rule, refuse_useless
from syneg_data.validation.gate import Scores, Subject, as_positive, settle
from syneg_data.validation.judging import cheapest_of, fit_gate, trust
from syneg_data.validation.rerankers import Judge
from syneg_data.validation.review import Drawn, draw, estimate, in_proportion, populations
from syneg_data.validation.rules import Bar
from syneg_data.validation.scoring import Panel, floor_sample, score_now

logger = logging.getLogger(__name__)

_QUERIES = 64  # a chunk of scores
_AGREEING, _SAMPLE = 0.995, 400  # int8 has to give so many equal verdicts on so many candidates
_EACH = 4  # candidates of a query in that sample, so that it holds positives enough to fit a rule


@dataclass(frozen=True)
class _Matter:
    """What is judged in this build.

    Attributes:
        work: the stage at work.
        spec: the validation section.
        seed: of the recipe.
        whole: the collection with the synthetic documents.
        pending: query_id -> the documents that need scores.
        mined: (query_id, doc_id) of the mined ones; what a model wrote is no evidence to fit rules on.
        floor_ids: random documents.
        twins: doc_id -> the id under which its text is known, of documents that are no documents of their own.
    """

    work: Work
    spec: Validation
    seed: int
    whole: Collection
    pending: Mapping[str, Sequence[str]]
    mined: AbstractSet[tuple[str, str]]
    floor_ids: tuple[str, ...]
    twins: Mapping[str, str | None]

    def panel(
        self,
        judges: Mapping[str, Judge],
        cheapest: str,
        pending: Mapping[str, Sequence[str]],
        scarce: frozenset[str] = frozenset(),
    ) -> Panel:
        """Those who judge what is pending."""
        return Panel(judges, cheapest, self.whole, pending, self.floor_ids, scarce, self.twins)

    def model(self, role: str) -> Resolved | None:
        """The model of a role; None for one that is elsewhere."""
        return self.work.models.get(role)


def validate(work: Work, spec: Validation, collection: Collection, mined: Mined, written: Written, seed: int) -> Judged:
    """A verdict for every candidate and for every restyled positive, from scores that are computed once ever.

    Args:
        work: where chunks are kept, and the models of the rerankers.
        spec: the validation section.
        collection: without the synthetic documents.
        mined: from mining.
        written: from generation.
        seed: of the recipe.

    Raises:
        InputError: a reranker is of no use.
    """
    negatives, positives = subjects_of(collection, mined.candidates, written)
    matter = _matter(work, spec, collection, mined, written, [*negatives, *positives], seed)
    with work.timed("validate"):
        rerankers, facts = _agreeing(matter)
        panel = {i: rerankers[i] for i in spec.panel()}
        rows, key = _scores(matter, panel, [mined.key, written.key, digest_of(written)])
        gate, fitted = fit_gate(spec, panel, rows, matter.mined, work.at)
        scores = Scores(rows)
        verdicts = _in_order(collection, [gate.verdict(subject, scores) for subject in negatives])
        restyled = _in_order(collection, [as_positive(gate.verdict(s, scores), gate) for s in positives])
        second = _second_opinions(matter, verdicts)
        opinions = {(row.query_id, row.doc_id or ""): row.score for row in second}
        verdicts = [settle(verdict, spec, opinions, gate) for verdict in verdicts]
        review, reviewed = _review(matter, verdicts)
    digests = {role: model.digest for role, model in work.models.items() if role.startswith("validation")}
    key = fingerprint("validate", key, spec, digests)
    return Judged(verdicts, restyled, key, [*rows, *second, *reviewed], facts | fitted, review)


def _matter(
    work: Work,
    spec: Validation,
    collection: Collection,
    mined: Mined,
    written: Written,
    subjects: Sequence[Subject],
    seed: int,
) -> _Matter:
    same_as = {twin.doc_id: twin.same_as for twin in mined.twins}
    pending: dict[str, dict[str, None]] = {query_id: {} for query_id in collection.queries}
    for subject in subjects:
        if not subject.refused:
            pending[subject.query_id][subject.doc_id] = None
    return _Matter(
        work,
        spec,
        seed,
        collection.with_documents(written.documents()),
        {query_id: list(doc_ids) for query_id, doc_ids in pending.items()},
        {(subject.query_id, subject.doc_id) for subject in subjects if subject.origin == "mined"},
        floor_sample(collection.distinct(same_as), spec.floor.sample, seed),
        same_as,
    )


def _scores(matter: _Matter, panel: Mapping[int, Reranker], depends_on: Sequence[str]) -> tuple[list[Scored], str]:
    """What the panel says of everything that is pending, chunk by chunk; and a key that names it."""
    work = matter.work
    roles = {reranker.name: f"validation.rerankers[{i}]" for i, reranker in panel.items()}
    digests = [model.digest if (model := matter.model(role)) else None for role in roles.values()]
    judged = list(panel.values())
    key = fingerprint("scores", __version__, _QUERIES, matter.seed, judged, matter.spec.floor, digests, depends_on)
    stage = work.workspace.stage("scores", key, Scored, _QUERIES)

    @functools.cache
    def bench() -> Panel:
        judges = {r.name: r.open(matter.model(roles[r.name])) for r in judged}
        return matter.panel(judges, cheapest_of(panel), matter.pending, _scarce(judged))

    if not stage.complete(len(matter.pending)):
        bench().prepare(work.progress)
    rows = map_chunks(
        "validate", "queries", stage, list(matter.pending), lambda ids: bench().rows(ids), work.progress,
        lambda rows: not any(math.isnan(row.score) for row in rows),  # what failed now may go well another time
    )  # fmt: skip
    work.count(stage)
    work.judged += sum(map(len, matter.pending.values())) if stage.computed else 0
    return rows, key


def _scarce(rerankers: Sequence[Reranker]) -> frozenset[str]:
    """Those whose rule needs no fit."""
    return frozenset(reranker.name for reranker in rerankers if reranker.absolute is not None)


def _in_order(collection: Collection, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Query by query."""
    by_query: dict[str, list[Verdict]] = {query_id: [] for query_id in collection.queries}
    for verdict in verdicts:
        by_query[verdict.query_id].append(verdict)
    return [verdict for group in by_query.values() for verdict in group]


def _agreeing(matter: _Matter) -> tuple[list[Reranker], dict[str, Any]]:
    """The rerankers, with float32 in place of int8 where the two give different verdicts on a sample."""
    rerankers: list[Reranker] = list(matter.spec.rerankers)
    facts: dict[str, Any] = {}
    for i, reranker in enumerate(rerankers):
        if reranker.kind != "cross_encoder" or reranker.dtype != "int8":
            continue
        sample: dict[str, Sequence[str]] = {}
        for query_id, doc_ids in matter.pending.items():
            if sum(map(len, sample.values())) < _SAMPLE and doc_ids:
                sample[query_id] = _spread(doc_ids, max(_EACH, math.ceil(_SAMPLE / len(matter.pending))))
        exact = reranker.model_copy(update={"dtype": "float32"})
        found = []
        for version in (reranker, exact):
            judge = version.open(matter.model(f"validation.rerankers[{i}]"))
            panel = matter.panel({reranker.name: judge}, "", sample)
            panel.prepare(matter.work.progress)
            rows = panel.rows(list(sample))
            evidence = evidence_of(rows, matter.mined, reranker.bounded)
            found.append(_called(rows, fit_rule(matter.spec, reranker, evidence)))
        same = sum(left is not None and left == right for left, right in zip(*found, strict=True))
        agreement = round(same / len(found[0]), 4) if found[0] else 1.0
        used = agreement >= _AGREEING
        seen = {"candidates": len(found[0]), "agreement": agreement, "used": used}
        facts.setdefault("int8", {})[reranker.name] = seen
        if not used:
            logger.warning("%s: int8 agrees on %.1f %% of verdicts only; float32 it is", reranker.name, 100 * agreement)
            rerankers[i] = exact
    return rerankers, facts


def _spread(doc_ids: Sequence[str], count: int) -> Sequence[str]:
    """So many of a list, at equal distances."""
    return doc_ids if len(doc_ids) <= count else [doc_ids[len(doc_ids) * n // count] for n in range(count)]


def _called(rows: Sequence[Scored], bar: Bar) -> list[bool | None]:
    """Which candidates one reranker alone calls false negatives; None where it has no score."""
    scores = Scores(rows)
    overs = [
        _over(bar, scores, row.reranker, row.query_id, row.doc_id, None)
        for row in rows
        if row.role == "candidate" and row.doc_id is not None
    ]
    return [over > 0 if math.isfinite(over) else None for over in overs]


def _second_opinions(matter: _Matter, verdicts: Sequence[Verdict]) -> list[Scored]:
    """What the llm reranker says of the ambiguous candidates, where the recipe sends them to it."""
    at = matter.spec.second()
    asked = [(v.query_id, v.doc_id) for v in verdicts if v.verdict == "ambiguous"]
    if at is None or not asked:
        return []
    reranker = matter.spec.rerankers[at]
    judge = reranker.open(matter.model(f"validation.rerankers[{at}]"))
    found = score_now(judge, matter.whole, asked, matter.work.progress)
    return [Scored(*pair, "candidate", reranker.name, *row) for pair, row in zip(asked, found, strict=True)]


def _review(matter: _Matter, verdicts: Sequence[Verdict]) -> tuple[dict[str, Any] | None, list[Scored]]:
    """The second opinion on a sample of kept and refused candidates, and its scores."""
    spec = matter.spec.review
    if spec is None:
        return None, []
    reranker, drawn = spec.reranker, draw(verdicts, spec.sample, matter.seed)
    population = populations(verdicts)
    wanted: dict[str, dict[str, None]] = {}
    for row in drawn:
        wanted.setdefault(row.query_id, {})[row.doc_id] = None
    pending = {query_id: list(doc_ids) for query_id, doc_ids in wanted.items()}
    judge = reranker.open(matter.model("validation.review.reranker"))
    panel = matter.panel({reranker.name: judge}, "", pending, _scarce([reranker]))
    panel.prepare(matter.work.progress)
    rows = panel.rows(list(pending))
    sample = {(row.query_id, row.doc_id) for row in in_proportion(drawn, population)}
    evidence = evidence_of(rows, sample & matter.mined, reranker.bounded)
    bar, scores = fit_rule(matter.spec, reranker, evidence), Scores(rows)
    refuse_useless(matter.work.at("validation.review.reranker"), reranker.name, evidence, bar)
    judged: list[tuple[Drawn, bool]] = []
    for row in drawn:
        over = _over(bar, scores, reranker.name, row.query_id, row.doc_id, row.positive_id)
        if math.isfinite(over):
            judged.append((row, over > 0))
    found = {**estimate(judged, reranker.name, population), "without_score": len(drawn) - len(judged)}
    return found | trust(evidence), [replace(row, role="reviewed") for row in rows if row.role == "candidate"]


def _over(bar: Bar, scores: Scores, reranker: str, query_id: str, doc_id: str, own: str | None) -> float:
    """How far above its threshold one reranker alone puts a document."""
    positives = {d: bar.relevance(scores.of(reranker, query_id, d)) for d in scores.positives[query_id]}
    return bar.relevance(scores.of(reranker, query_id, doc_id)) - bar.threshold(bar.reference(positives, own))
