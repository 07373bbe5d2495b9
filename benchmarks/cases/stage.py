"""stage_overhead: what the whole generate stage adds to its HTTP requests, and whether its memory stays flat."""

import asyncio
import contextlib
import gzip
import multiprocessing
import resource
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import PeakMemory, apart, fresh_store, in_turn, median
from benchmarks.results import Row, row
from syneg_data.engines.chat_completions import body_of
from syneg_data.engines.openai import OpenAI
from syneg_data.engines.scripted import ScriptedServer, honest
from syneg_data.generation.drafts import first_messages, pairs_of, plan_assignments, request_for, texts_of
from syneg_data.line import Line, Mined
from syneg_data.recipe import RecipeFile, load_recipe
from syneg_data.stages import generate
from syneg_data.texts.language import language_of
from syneg_data.workspace import Workspace

_SCIFACT = Path(__file__).resolve().parents[2] / "recipes" / "data" / "scifact"
_PAIRS, _SLOTS, _RUNS = 1000, 16, 3
_QUICK_PAIRS, _QUICK_SLOTS, _QUICK_RUNS = 250, 16, 2
_OVERHEAD_MS, _KIB = 1.0, 8.0

Cost = tuple[float, float, float]  # seconds, seconds of processor time, KiB that the peak of memory rose by


def run(quick: bool) -> list[Row]:
    """Time, processor time and memory per row."""
    pairs, slots, runs = (_QUICK_PAIRS, _QUICK_SLOTS, _QUICK_RUNS) if quick else (_PAIRS, _SLOTS, _RUNS)
    with fresh_store() as scratch, _server() as base_url:
        whole, part = (_recipe(scratch / f"{n}", n, slots, base_url) for n in (pairs, pairs // 4))
        stage, client, small = in_turn(
            runs,
            lambda: apart(_stage, whole),
            lambda: apart(_client, whole),
            lambda: apart(_stage, part),
        )
    rows = pairs * slots
    wall, bare = (median([cost[0] for cost in side]) * 1e3 / rows for side in (stage, client))
    busy, bare_busy = (median([cost[1] for cost in side]) * 1e3 / rows for side in (stage, client))
    grown = median([cost[2] for cost in stage]) - median([cost[2] for cost in small])
    memory = grown / (rows - rows // 4)
    what = f"stage_overhead: {pairs:,} pairs x {slots} slots, scripted server in a process of its own"
    name = "bare aiohttp client, the same requests, as many at once"
    goal = f"under {_OVERHEAD_MS:g} ms more than the peer"
    return [
        row(what, "time per row", "ms", wall, bare, name, runs, goal, wall - bare < _OVERHEAD_MS),
        row(what, "processor time per row", "ms", busy, bare_busy, name, runs, goal, busy - bare_busy < _OVERHEAD_MS),
        row(
            what,
            "peak memory per row, beyond a run of a quarter of the size",
            "KiB",
            memory,
            None,
            "",
            runs,
            f"under {_KIB:g} KiB: the rows themselves, and no more than that again",
            memory < _KIB,
        ),
    ]


def _recipe(folder: Path, pairs: int, slots: int, base_url: str) -> Path:
    """A recipe for exactly `pairs` pairs: SciFact with the judgements of train and test together, cut off there."""
    data = folder / "data" / "scifact"
    (data / "qrels").mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl"):
        with gzip.open(_SCIFACT / f"{name}.gz") as packed:
            (data / name).write_bytes(packed.read())
    files = [(_SCIFACT / "qrels" / f"{split}.tsv").read_text().splitlines() for split in ("train", "test")]
    judged = [line for lines in files for line in lines[1:]][:pairs]
    assert len(judged) == pairs
    (data / "qrels" / "train.tsv").write_text("\n".join([files[0][0], *judged]) + "\n")
    written: dict[str, Any] = yaml.safe_load((_SCIFACT.parents[1] / "vllm.yaml").read_text())
    del written["limit"], written["source"]["dev"]
    generation = written["generation"]
    generation["engine"] = {"kind": "openai", "base_url": base_url, "model": "scripted", "revision": "1"}
    generation["strategies"][0] |= {"per_pair": slots}
    generation["strategies"][0]["attributes"]["domain"] = ["medicine", "biology", "chemistry"]
    generation["sampling"]["attempts"] = 1  # so that both sides make the same requests
    path = folder / "vllm.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return path


def _stage(path: Path) -> Cost:
    """The stage as a build runs it, over HTTP, with store, states, rows and committed chunks."""
    file = load_recipe(path)
    with fresh_store() as scratch:
        line = Line(file=file, workspace=Workspace(scratch / "work"))
        collection = file.recipe.source.load(file.recipe.seed)
        _warm_up()
        memory, started, busy = PeakMemory(), time.monotonic(), _processor_seconds()
        written = generate(line, file.recipe.generation, collection, Mined(), file.recipe.seed)
        cost = time.monotonic() - started, _processor_seconds() - busy, memory.kib()
        states = {row.state for row in written.rows}
    assert "failed" not in states, states
    return cost


def _client(path: Path) -> Cost:
    """The same requests by a loop that keeps nothing; their bodies are ready before the clock starts."""
    file = load_recipe(path)
    assert file.recipe.generation is not None
    engine = file.recipe.generation.engine
    assert isinstance(engine, OpenAI)
    bodies = _bodies(file, engine)
    _warm_up()
    memory, started, busy = PeakMemory(), time.monotonic(), _processor_seconds()
    asyncio.run(_post_all(f"{engine.base_url}/chat/completions", bodies, engine.concurrency))
    return time.monotonic() - started, _processor_seconds() - busy, memory.kib()


def _bodies(file: RecipeFile, engine: OpenAI) -> list[bytes]:
    from outlines.models.openai import OpenAITypeAdapter
    from outlines.types import JsonSchema

    spec, seed = file.recipe.generation, file.recipe.seed
    assert spec is not None
    collection = file.recipe.source.load(seed)
    jobs = [job for pair in plan_assignments(spec, pairs_of(collection), seed) for job in pair]
    requests = [
        request_for(spec, job, first_messages(spec, job, texts_of(collection, job)), seed, 0, 0, 0) for job in jobs
    ]
    constraint: dict[str, Any] = OpenAITypeAdapter().format_output_type(JsonSchema(requests[0].schema))
    return [body_of(request, engine.model, constraint) for request in requests]


async def _post_all(url: str, bodies: list[bytes], concurrency: int) -> None:
    import aiohttp

    turns, answers = iter(bodies), list[int]()
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def work() -> None:
            for body in turns:
                async with session.post(url, data=body) as response:
                    assert response.status == 200
                    answers.append(len(await response.read()))

        await asyncio.gather(*(work() for _ in range(concurrency)))
    assert len(answers) == len(bodies) and min(answers) > 0


def _warm_up() -> None:
    """Load what either side needs once per process, so that no row is charged for it."""
    import importlib

    language_of("Load the model that tells languages apart; it is read from its package by the first text.")
    for name in ("aiohttp", "outlines.models.openai", "pyarrow.parquet"):
        importlib.import_module(name)


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """The scripted server in a process of its own; where it listens."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,))
    process.start()
    try:
        yield here.recv()
        here.send(None)
    finally:
        process.join(5)
        process.kill()


def _serve(pipe: Connection) -> None:
    with ScriptedServer(lambda serial, body: honest(body)) as server:
        pipe.send(server.base_url)
        pipe.recv()
