"""request_order: requests of a pair next to each other, as we send them, against the same requests shuffled."""

import os
import random
import time
from typing import Any

from benchmarks.cases import world
from benchmarks.measuring import apart, in_turn, median
from benchmarks.results import Row, row
from syneg_data.engines.protocol import Request
from syneg_data.engines.vllm import _ENVIRONMENT, Vllm
from syneg_data.engines.weights import folder_of

_PAIRS, _QUICK_PAIRS, _SLOTS = 64, 32, 4
_RUNS, _QUICK_RUNS = 3, 2
_TOKENS = 16  # replies are cut here: what differs is the reading of prompts
_BLOCK = 32  # tokens
_DECODED = 4  # requests at once
_CONTEXT, _WORDS = 1024, 200


def run(quick: bool) -> list[Row]:
    """Cached share of the prompts' tokens, and the time that all requests take."""
    world.need_vllm()
    pairs, runs = (_QUICK_PAIRS, _QUICK_RUNS) if quick else (_PAIRS, _RUNS)
    (share, seconds), (peer_share, peer_seconds), part = apart(_measure, pairs, runs)
    what = (
        f"request_order: {pairs} pairs x {_SLOTS} slots, replies cut at {_TOKENS} tokens, a prefix cache for "
        f"{part:.0%} of the pairs, {world.LABEL}"
    )
    name = "the same requests, shuffled"
    return [
        row(what, "prompt tokens cached", "%", share, peer_share, name, runs, "more than shuffled", share > peer_share),
        row(what, "time", "s", seconds, peer_seconds, name, runs, "less than shuffled", seconds < peer_seconds),
    ]


def _measure(pairs: int, runs: int) -> tuple[tuple[float, float], tuple[float, float], float]:
    file = world.recipe(_SLOTS, positive_words=_WORDS)
    spec = world.generation_of(file).engine
    assert isinstance(spec, Vllm)
    collection = world.load(file, pairs)
    ordered = world.requests_of(file, collection, world.assignments(file, collection))
    shuffled = random.Random(13).sample(ordered, len(ordered))
    # A build has far more pairs than the cache holds; so has this one, with a cache of its size.
    blocks = pairs * 3
    llm = _small_cache(str(folder_of(spec.model.resolve(), spec.dtype)), blocks)
    _ask(llm, ordered[:_SLOTS])
    ours, peer = in_turn(runs, lambda: _ask(llm, ordered), lambda: _ask(llm, shuffled))
    prompts = ours[0][2] / _SLOTS
    return _medians(ours), _medians(peer), blocks * _BLOCK / prompts


def _small_cache(folder: str, blocks: int) -> Any:  # noqa: ANN401
    """A vLLM like our engine's, with a cache as small as this build asks for."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import vllm

    return vllm.LLM(
        folder,
        trust_remote_code=False,
        dtype="bfloat16",
        max_model_len=_CONTEXT,
        max_num_seqs=_DECODED,
        enable_prefix_caching=True,
        enable_chunked_prefill=False,
        enforce_eager=True,
        block_size=_BLOCK,
        num_gpu_blocks_override=blocks,
        structured_outputs_config={"backend": "guidance", "disable_any_whitespace": True},
    )


def _ask(llm: Any, requests: list[Request]) -> tuple[float, float, float]:  # noqa: ANN401
    """Cached share in percent, seconds, and tokens of all prompts."""
    chats, sampling = world.bare_chats(requests)
    for parameters in sampling:
        parameters.max_tokens = _TOKENS
    llm.reset_prefix_cache()
    started = time.monotonic()
    outputs = llm.chat(chats, sampling, use_tqdm=False)
    seconds = time.monotonic() - started
    prompts = sum(len(output.prompt_token_ids) for output in outputs)
    return 100 * sum(output.num_cached_tokens or 0 for output in outputs) / prompts, seconds, prompts


def _medians(taken: list[tuple[float, float, float]]) -> tuple[float, float]:
    return median([share for share, _, _ in taken]), median([seconds for _, seconds, _ in taken])
