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
from syneg_data.generation.assignments import Assignment
from syneg_data.generation.attributes import AUTO, propose
from syneg_data.generation.critic import sit_exam, worth_heeding
from syneg_data.generation.drafts import is_final, pairs_of, plan_assignments, settled, write_drafts
from syneg_data.line import Line, Written
from syneg_data.mining.candidates import Source, mine_queries
from syneg_data.mining.guards import OpenGuards, find_echoes, find_twins
from syneg_data.records import Candidate, Echo, Generation, Twin
from syneg_data.spec import fingerprint

_QUERIES_PER_MINE = 512  # a chunk; dense search passes over the whole corpus for each


def load(line: Line) -> Collection:
    """The collection."""
    with line.timed("load"):
        return line.file.recipe.source.load(line.file.recipe.seed, line.file.recipe.limit)


def mine(line: Line, collection: Collection) -> tuple[list[Candidate], list[Twin], str]:
    """Candidates of all queries, refused ones included; and the documents that are none of their own."""
    recipe = line.file.recipe
    miners = recipe.mining
    models = [line.models.get(f"mining[{i}]") for i in range(len(miners))]
    digests = [model.digest if model else miner.digest() for miner, model in zip(miners, models, strict=True)]
    named = fingerprint("texts", __version__, collection.digest)
    key = fingerprint("mine", __version__, _QUERIES_PER_MINE, collection.digest, miners, recipe.guards, digests)
    stage = line.workspace.stage("mine", key, Candidate, _QUERIES_PER_MINE)

    @functools.cache
    def guards() -> OpenGuards:
        return recipe.guards.open(collection, twins, echoes)

    @functools.cache
    def sources() -> list[Source]:
        distinct = guards().distinct()
        opened = zip(miners, models, strict=True)
        return [Source(m.name, m.skip, m.depth, m.open(distinct, model, line.progress)) for m, model in opened]

    def compute(query_ids: Sequence[str]) -> list[Candidate]:
        return mine_queries(query_ids, sources(), guards())

    with line.timed("mine"):
        same = line.workspace.stage("twins", named, Twin, 1)
        twins = map_chunks("compare", "corpus", same, [collection], lambda _: find_twins(collection), line.progress)
        alike = line.workspace.stage("echoes", named, Echo, 1)
        echoes = map_chunks("compare", "queries", alike, [collection], lambda _: find_echoes(collection), line.progress)
        if not stage.complete(len(collection.queries)):
            sources()  # before the bar of this stage begins: encoding a corpus has one of its own
        rows = map_chunks("mine", "queries", stage, list(collection.queries), compute, line.progress)
    for part in (same, alike, stage):
        line.count(part)
    return rows, twins, key


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
