"""vllm_throughput: our engine with store, rows and chunks, against a bare `LLM.chat` on the very same vLLM."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from benchmarks.cases import world
from benchmarks.measuring import apart, fresh_store, in_turn, median
from benchmarks.results import Row, row
from syneg_data.collection import Collection
from syneg_data.engines.protocol import Completion, CompletionEngine, Finished, Request, unheard
from syneg_data.engines.vllm import Vllm, VllmEngine
from syneg_data.line import Line, Mined
from syneg_data.recipe import RecipeFile
from syneg_data.references import Resolved
from syneg_data.stages import generate
from syneg_data.workspace import Workspace

_PAIRS, _SLOTS, _RUNS = 64, 2, 3
_QUICK_PAIRS, _QUICK_RUNS = 16, 2
_GOAL = 0.97


def run(quick: bool) -> list[Row]:
    """Output tokens per second of both."""
    world.need_vllm()
    pairs, runs = (_QUICK_PAIRS, _QUICK_RUNS) if quick else (_PAIRS, _RUNS)
    ours, peer = apart(_measure, pairs, runs)
    what = f"vllm_throughput: {pairs} pairs x {_SLOTS} slots, {world.LABEL}"
    goal = f">= {_GOAL} of its tokens/s"
    holds = ours >= _GOAL * peer
    return [row(what, "output tokens", "tokens/s", ours, peer, "bare LLM.chat", runs, goal, holds)]


class _Started:
    """An engine that has been started; it notes what it was asked, and the time of its canary."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine
        self.context: int | None = engine.context
        self.asked: list[Request] = []
        self.written = 0
        self.canary_seconds = 0.0

    def complete(self, requests: Sequence[Request], finished: Finished = unheard) -> list[Completion]:
        """Ask the engine."""
        started = time.monotonic()
        done = self._engine.complete(requests, finished)
        if [request.request_id for request in requests] == ["canary"]:
            self.canary_seconds += time.monotonic() - started
        else:
            self.asked += requests
            self.written += sum(completion.tokens_out for completion in done)
        return done


_STARTED: list[_Started] = []


class _Opened(Vllm):
    """The recipe's engine, whose vLLM runs already: loading a model is no part of the comparison."""

    kind: Literal["vllm"]

    def open(self, model: Resolved) -> CompletionEngine:  # type: ignore[override]
        """The one that runs."""
        return _STARTED[-1]


def _measure(pairs: int, runs: int) -> tuple[float, float]:
    file = world.recipe(_SLOTS)
    spec = world.generation_of(file).engine
    assert isinstance(spec, Vllm)
    model = spec.model.resolve()
    engine = spec.open(model)
    opened = world.generation_of(file).model_copy(update={"engine": _Opened(**dict(spec))})
    file = replace(file, recipe=file.recipe.model_copy(update={"generation": opened}))
    collection = world.load(file, pairs)
    requests = world.requests_of(file, collection, world.assignments(file, collection))
    llm: Any = engine._llm
    _bare(llm, requests[:4])  # whatever the first request costs is no one's
    ours, peer = in_turn(runs, lambda: _stage(file, collection, model, engine, requests), lambda: _bare(llm, requests))
    return median(ours), median(peer)


def _stage(
    file: RecipeFile, collection: Collection, model: Resolved, engine: VllmEngine, requests: list[Request]
) -> float:
    """Tokens/s of the whole stage: prompts, replies, states, store, rows, committed chunks; without the canary."""
    _STARTED[:] = [_Started(engine)]
    with fresh_store() as scratch:
        line = Line(file=file, workspace=Workspace(scratch / "work"), models={"generation.engine": model})
        started = time.monotonic()
        generate(line, file.recipe.generation, collection, Mined(), file.recipe.seed)
        seconds = time.monotonic() - started
    (noted,) = _STARTED
    assert noted.asked == requests, "both sides must be asked the same"
    return noted.written / (seconds - noted.canary_seconds)


def _bare(llm: Any, requests: list[Request]) -> float:  # noqa: ANN401
    """Tokens/s of one call with all requests, nothing kept; the prefix cache starts empty, as it does for ours."""
    llm.reset_prefix_cache()
    started = time.monotonic()
    chats, sampling = world.bare_chats(requests)
    outputs = llm.chat(chats, sampling, use_tqdm=False)
    return float(sum(len(output.outputs[0].token_ids) for output in outputs) / (time.monotonic() - started))
