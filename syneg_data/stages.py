"""The stages that compute: mine, generate, validate; each a function from rows to rows, in committed chunks."""

import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from syneg_data import __version__
from syneg_data.collection import Collection, Document
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import GateError
from syneg_data.execution import Progress, map_chunks
from syneg_data.generation import Critique
from syneg_data.generation.assignments import Assignment
from syneg_data.generation.attributes import AUTO, Proposal, propose
from syneg_data.generation.critic import sit_exam, worth_heeding
from syneg_data.generation.drafts import (
    draft_key,
    final_rows,
    is_final,
    last_objections,
    pairs_of,
    plan_assignments,
    settled,
    write_drafts,
)
from syneg_data.mining.candidates import mine_query
from syneg_data.recipe import RecipeFile
from syneg_data.records import Candidate, Generation, Hit, Verdict
from syneg_data.references import Resolved
from syneg_data.spec import fingerprint
from syneg_data.validation.gate import Gate, Subject, as_positive, floor_sample, mark_duplicates
from syneg_data.workspace import Stage, Workspace

# Items per chunk. They decide how work is batched, hence rows, so they are part of every stage's key; an engine says
# how many pairs make up a chunk of its own.
_QUERIES_PER_MINE, _QUERIES_PER_VALIDATE = 64, 16
# What the critic still objects to in the end, as the gate puts it; attributes that were not met are no fault there.
_CRITICISED = {
    "answers": ("false_negative", "critique_answers"),
    "off_topic": ("too_easy", "critique_off_topic"),
    "does_not_answer": ("too_easy", "critique_does_not_answer"),
}


@dataclass
class Line:
    """The recipe at work: its models by role, the workspace, and the time each stage took."""

    file: RecipeFile
    workspace: Workspace
    progress: Progress
    models: dict[str, Resolved] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    engine: StoredEngine | None = None
    computed: int = 0
    resumed: int = 0
    judged: int = 0

    def count(self, stage: Stage[Any]) -> None:
        """Add a stage's chunks to those computed and those that an earlier run left."""
        self.computed += stage.computed
        self.resumed += stage.reused

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note how long the body takes."""
        started = time.monotonic()
        yield
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.monotonic() - started, 3)


@dataclass(frozen=True)
class Written:
    """What generation leaves: a row per request, the critic's exam, and what was proposed for `auto` axes."""

    rows: list[Generation] = field(default_factory=list)
    key: str = ""
    exam: dict[str, Any] | None = None
    proposals: tuple[Proposal, ...] = ()

    def documents(self) -> list[Document]:
        """The synthetic documents."""
        return [Document(row.doc_id, row.text) for row in final_rows(self.rows) if row.state == "ok"]


@dataclass(frozen=True)
class Judged:
    """What validation leaves: a verdict for every candidate, and for every written positive."""

    verdicts: list[Verdict]
    restyled: list[Verdict]
    key: str


def load(line: Line) -> Collection:
    """The collection."""
    with line.timed("load"):
        return line.file.recipe.source.load(line.file.recipe.seed, line.file.recipe.limit)


def mine(line: Line, collection: Collection) -> tuple[list[Candidate], str]:
    """Candidates of all queries, refused ones included."""
    miners = line.file.recipe.mining
    models = [line.models.get(f"mining[{i}]") for i in range(len(miners))]
    digests = [model.digest if model else None for model in models]
    key = fingerprint("mine", __version__, _QUERIES_PER_MINE, collection.digest, miners, digests)
    stage = line.workspace.stage("mine", key, Candidate, _QUERIES_PER_MINE)

    @functools.cache
    def indexes() -> list[Any]:
        opened = zip(miners, models, strict=True)
        return [(miner.name, miner.depth, miner.open(collection, model)) for miner, model in opened]

    def compute(query_ids: Sequence[str]) -> list[Candidate]:
        return [row for query_id in query_ids for row in mine_query(collection, query_id, indexes())]

    with line.timed("mine"):
        rows = map_chunks("mine", "queries", stage, list(collection.queries), compute, line.progress)
    line.count(stage)
    return rows, key


def generate(line: Line, collection: Collection, candidates: Sequence[Candidate], mine_key: str) -> Written:
    """Every request for every draft, and the critic's words on them."""
    spec, seed = line.file.recipe.generation, line.file.recipe.seed
    if spec is None:
        return Written()
    model = line.models.get("generation.engine")
    identity = spec.engine.identity(model.digest if model else None)
    engine = line.engine = StoredEngine(identity, lambda: spec.engine.open(model), spec.sampling.max_tokens)
    pairs = pairs_of(collection, candidates)
    with line.timed("generate"):
        proposals = tuple(
            propose(strategy.name, axis, collection, engine, seed)
            for strategy in spec.strategies
            for axis, values in strategy.attributes.items()
            if values == AUTO
        )
        exam = None
        if isinstance(spec.reflection, Critique):
            exam = sit_exam(collection, pairs, engine, seed, spec.reflection.exam, spec.reflection.minimum)
            _heed(line, spec.reflection, exam)
        ready = settled(spec, proposals)
        chunk = spec.engine.chunk
        base = mine_key if any(strategy.needs_near_misses for strategy in spec.strategies) else ""
        heed = worth_heeding(exam) if exam is not None else frozenset()
        key = fingerprint("generate", __version__, chunk, collection.digest, base, seed, ready, identity, sorted(heed))
        stage = line.workspace.stage("generate", key, Generation, chunk)

        def compute(jobs: Sequence[list[Assignment]]) -> list[Generation]:
            flat = [job for pair in jobs for job in pair]
            return write_drafts(ready, flat, collection, engine, seed, heed=heed)

        planned = plan_assignments(ready, pairs, seed)
        rows = map_chunks("generate", "pairs", stage, planned, compute, line.progress, is_final)
    line.count(stage)
    return Written(rows, key, exam, proposals)


def _heed(line: Line, critique: Critique, exam: dict[str, Any]) -> None:
    """End the build over a critic whose word is worth nothing, unless the recipe says to go on without it."""
    if not exam["passed"] and critique.on_fail == "fail":
        raise GateError(
            f"{line.file.path}: generation.reflection: the critic failed its exam: balanced accuracy "
            f"{exam['balanced_accuracy']} on whether a text answers the query, more than {exam['minimum']} is needed "
            f"(it said yes to {exam['said_yes']} of {exam['cases']} texts); use another model or kind: inline, or set "
            "on_fail: ignore to go on without criticism"
        )


def validate(
    line: Line, collection: Collection, candidates: Sequence[Candidate], written: Written, mine_key: str
) -> Judged:
    """A verdict for every candidate that reached the gate, and for every restyled positive."""
    spec, seed = line.file.recipe.validation, line.file.recipe.seed
    models = [line.models[f"validation.rerankers[{i}]"] for i in range(len(spec.rerankers))]
    digests = [model.digest for model in models]
    key = fingerprint(
        "validate", __version__, _QUERIES_PER_VALIDATE, mine_key, written.key, seed, spec, digests, _digest_of(written)
    )
    whole = collection.with_documents(written.documents())

    @functools.cache
    def gate() -> Gate:
        judges = tuple(reranker.open(model) for reranker, model in zip(spec.rerankers, models, strict=True))
        return Gate(spec, judges, floor_sample(collection, spec.floor.sample, seed))

    def pass_gate(name: str, subjects: Sequence[Subject]) -> list[Verdict]:
        by_query: dict[str, list[Subject]] = {query_id: [] for query_id in collection.queries}
        for subject in subjects:
            by_query[subject.query_id].append(subject)

        def compute(query_ids: Sequence[str]) -> list[Verdict]:
            chunk = [subject for query_id in query_ids for subject in by_query[query_id]]
            line.judged += len(chunk)
            return gate().verdicts(whole, chunk)

        stage = line.workspace.stage(name, key, Verdict, _QUERIES_PER_VALIDATE)
        rows = map_chunks(name, "queries", stage, list(collection.queries), compute, line.progress)
        line.count(stage)
        return rows

    negatives, positives = _subjects(collection, candidates, written)
    with line.timed("validate"):
        verdicts = pass_gate("validate", negatives)
        restyled = pass_gate("restyle", positives) if positives else []
    return Judged(verdicts, [as_positive(verdict, spec.rule) for verdict in restyled], key)


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
