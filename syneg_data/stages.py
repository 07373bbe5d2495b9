"""The stages before the gate: load, mine, generate; each a function from rows to rows, in committed chunks."""

import functools
from collections.abc import Sequence
from typing import Any

from syneg_data import __version__
from syneg_data.collection import Collection
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import GateError
from syneg_data.execution import map_chunks
from syneg_data.generation import Critique
from syneg_data.generation import Generation as GenerationSpec
from syneg_data.generation.assignments import Assignment
from syneg_data.generation.attributes import AUTO, propose
from syneg_data.generation.critic import sit_exam, worth_heeding
from syneg_data.generation.drafts import is_final, pairs_of, plan_assignments, settled, write_drafts
from syneg_data.line import Line, Mined, Work, Written
from syneg_data.mining import Guards, Miner
from syneg_data.mining.candidates import Source, mine_queries
from syneg_data.mining.guards import OpenGuards, find_echoes, find_twins
from syneg_data.records import Candidate, Echo, Generation, Twin
from syneg_data.spec import fingerprint

_QUERIES_PER_MINE = 512  # a chunk; dense search passes over the whole corpus for each


def load(line: Line) -> Collection:
    """The collection."""
    with line.timed("load"):
        return line.file.recipe.source.load(line.file.recipe.seed, line.file.recipe.limit)


def mine(work: Work, miners: Sequence[Miner], guards: Guards, collection: Collection) -> Mined:
    """Candidates of all queries, refused ones included; and the documents that are none of their own.

    Args:
        work: where chunks are kept, and the models of the miners.
        miners: the mining section.
        guards: the guards section.
        collection: what is mined.
    """
    models = [work.models.get(f"mining[{i}]") for i in range(len(miners))]
    digests = [model.digest if model else miner.digest() for miner, model in zip(miners, models, strict=True)]
    named = fingerprint("texts", __version__, collection.digest)
    key = fingerprint("mine", __version__, _QUERIES_PER_MINE, collection.digest, miners, guards, digests)
    stage = work.workspace.stage("mine", key, Candidate, _QUERIES_PER_MINE)

    @functools.cache
    def opened() -> OpenGuards:
        return guards.open(collection, twins, echoes)

    @functools.cache
    def sources() -> list[Source]:
        distinct, both = opened().distinct(), zip(miners, models, strict=True)
        return [Source(m.name, m.skip, m.depth, m.open(distinct, model, work.progress)) for m, model in both]

    def compute(query_ids: Sequence[str]) -> list[Candidate]:
        return mine_queries(query_ids, sources(), opened())

    with work.timed("mine"):
        same = work.workspace.stage("twins", named, Twin, 1)
        twins = map_chunks("compare", "corpus", same, [collection], lambda _: find_twins(collection), work.progress)
        alike = work.workspace.stage("echoes", named, Echo, 1)
        echoes = map_chunks("compare", "queries", alike, [collection], lambda _: find_echoes(collection), work.progress)
        if not stage.complete(len(collection.queries)):
            sources()  # before the bar of this stage begins: encoding a corpus has one of its own
        rows = map_chunks("mine", "queries", stage, list(collection.queries), compute, work.progress)
    for part in (same, alike, stage):
        work.count(part)
    return Mined(rows, twins, key)


def generate(work: Work, spec: GenerationSpec | None, collection: Collection, mined: Mined, seed: int) -> Written:
    """Every request for every draft, and the critic's words on them.

    Args:
        work: where chunks are kept, and the model of the engine.
        spec: the generation section; None: nothing is written.
        collection: what is written for.
        mined: from mining; near-misses among it may be what is rewritten.
        seed: of the recipe.

    Raises:
        GateError: the critic failed its exam, and the section says to end over that.
    """
    if spec is None:
        return Written()
    model = work.models.get("generation.engine")
    identity = spec.engine.identity(model.digest if model else None)
    engine = work.engine = StoredEngine(identity, lambda: spec.engine.open(model), spec.sampling.max_tokens)
    pairs = pairs_of(collection, mined.candidates)
    with work.timed("generate"):
        proposals = tuple(
            propose(strategy.name, axis, collection, engine, seed)
            for strategy in spec.strategies
            for axis, values in strategy.attributes.items()
            if values == AUTO
        )
        exam = None
        if isinstance(spec.reflection, Critique):
            exam = sit_exam(collection, pairs, engine, seed, spec.reflection.exam, spec.reflection.minimum)
            _heed(work, spec.reflection, exam)
        ready = settled(spec, proposals)
        chunk = spec.engine.chunk
        base = mined.key if any(strategy.needs_near_misses for strategy in spec.strategies) else ""
        heed = worth_heeding(exam) if exam is not None else frozenset()
        key = fingerprint("generate", __version__, chunk, collection.digest, base, seed, ready, identity, sorted(heed))
        stage = work.workspace.stage("generate", key, Generation, chunk)

        def compute(jobs: Sequence[list[Assignment]]) -> list[Generation]:
            flat = [job for pair in jobs for job in pair]
            return write_drafts(ready, flat, collection, engine, seed, heed=heed)

        planned = plan_assignments(ready, pairs, seed)
        rows = map_chunks("generate", "pairs", stage, planned, compute, work.progress, is_final)
    work.count(stage)
    return Written(rows, key, exam, proposals)


def _heed(work: Work, critique: Critique, exam: dict[str, Any]) -> None:
    """End the build over a critic whose word is worth nothing, unless the recipe says to go on without it."""
    if not exam["passed"] and critique.on_fail == "fail":
        raise GateError(
            f"{work.at('generation.reflection')}: the critic failed its exam: balanced accuracy "
            f"{exam['balanced_accuracy']} on whether a text answers the query, more than {exam['minimum']} is needed "
            f"(it said yes to {exam['said_yes']} of {exam['cases']} texts); use another model or kind: inline, or set "
            "on_fail: ignore to go on without criticism"
        )
