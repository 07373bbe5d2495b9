"""backends: what holding one reply to our schema costs with each of the libraries that vLLM can use for it."""

import importlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.cases import world
from benchmarks.measuring import PeakMemory, apart, in_turn, median
from benchmarks.results import Row, row
from syneg_data.engines.vllm import Vllm
from syneg_data.engines.weights import folder_of

_OURS, _PEERS = "llguidance", ("xgrammar", "outlines_core")
_RUNS, _QUICK_RUNS = 3, 2
_COMPILED, _REPLAYED = 5, 20  # times in each run
# A reply of usual length, as the prompt asks for it.
_REPLY = {
    "reasoning": "The query asks whether a drug lowers blood pressure; the passage covers its effect on sleep.",
    "passage": "In a randomised trial of 412 adults aged 50 to 75, participants received either the drug or a placebo "
    "each evening for twelve weeks. Sleep quality, measured by actigraphy and a validated questionnaire, improved "
    'modestly in the treated group ("mild benefit", as the authors put it), while daytime drowsiness was reported by '
    "9 % of participants. No difference was found in body weight or fasting glucose. The study was too short to tell "
    "whether these changes last.",
}


@dataclass(frozen=True)
class _Cost:
    start: float  # ms, once per engine: the vocabulary
    compile: float  # ms, once per schema
    token: float  # microseconds: one mask, and the step to the next state
    memory: float  # MiB at the peak, beyond the tokenizer


@dataclass(frozen=True)
class _Matcher:
    """One reply in progress."""

    mask: Callable[[], Any]
    advance: Callable[[int], bool]


def run(quick: bool) -> list[Row]:
    """Four figures for each library."""
    world.need_vllm()
    runs = _QUICK_RUNS if quick else _RUNS
    names = (_OURS, *_PEERS)
    taken = dict(zip(names, in_turn(runs, *[lambda n=name: apart(_measure, n) for name in names]), strict=True))
    what = "backends: our reply schema, SmolLM2's vocabulary of 49,152, one reply at a time"
    rows = []
    for metric, unit, field in (
        ("start, once per engine", "ms", "start"),
        ("compile, once per schema", "ms", "compile"),
        ("mask and step, per token", "us", "token"),
        ("peak memory", "MiB", "memory"),
    ):
        middle = {name: median([getattr(cost, field) for cost in costs]) for name, costs in taken.items()}
        for peer in _PEERS:
            holds = middle[_OURS] <= middle[peer]
            rows.append(row(what, metric, unit, middle[_OURS], middle[peer], peer, runs, "no more", holds))
    return rows


def _measure(name: str) -> _Cost:
    """In a process of its own, whose libraries and tokenizer are loaded before the measuring starts."""
    import torch
    from transformers import AutoTokenizer

    file = world.recipe(1)
    engine = world.generation_of(file).engine
    assert isinstance(engine, Vllm)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder_of(engine.model.resolve(), "bfloat16")))
    schema = json.dumps(world.compact_schema(file))
    tokens: list[int] = tokenizer(json.dumps(_REPLY, separators=(",", ":")), add_special_tokens=False)["input_ids"]
    library: Any = {"llguidance": _Llguidance, "xgrammar": _Xgrammar, "outlines_core": _OutlinesCore}[name]
    modules = [importlib.import_module(module) for module in library.needs]
    bits = torch.zeros((1, (len(tokenizer) + 31) // 32), dtype=torch.int32)
    torch.set_num_threads(1)

    peak, started = PeakMemory(), time.perf_counter()
    made = library(modules, tokenizer, schema, bits)
    start = time.perf_counter() - started
    compiled = [_timed(made.compile) for _ in range(_COMPILED)]
    tokens_seconds = [_replay(made.compile(), bits, tokens) for _ in range(_REPLAYED)]
    memory = peak.kib()
    return _Cost(start * 1e3, median(compiled) * 1e3, median(tokens_seconds) * 1e6, memory / 1024)


def _timed(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _replay(matcher: _Matcher, bits: Any, tokens: list[int]) -> float:  # noqa: ANN401
    """Seconds per token of a reply that is replayed; each of its tokens must be one that the mask allows."""
    seconds = 0.0
    for token in tokens:
        started = time.perf_counter()
        matcher.mask()
        seconds += time.perf_counter() - started
        assert int(bits[0, token // 32]) >> (token % 32) & 1, "the mask forbids a token of a valid reply"
        started = time.perf_counter()
        assert matcher.advance(token), "a valid reply is refused"
        seconds += time.perf_counter() - started
    return seconds / len(tokens)


class _Llguidance:
    """As vLLM's backend `guidance` uses it."""

    needs = ("llguidance", "llguidance.hf", "llguidance.torch")

    def __init__(self, modules: Sequence[Any], tokenizer: Any, schema: str, bits: Any) -> None:  # noqa: ANN401
        self._library, hf, self._torch = modules
        self._bits, self._schema = bits, schema
        self._vocabulary = hf.from_tokenizer(tokenizer, len(tokenizer))

    def compile(self) -> _Matcher:
        """A grammar and a matcher; they are one here."""
        matchers = self._library.LLMatcher
        grammar = matchers.grammar_from_json_schema(self._schema, defaults={"whitespace_flexible": False})
        matcher = matchers(self._vocabulary, grammar)
        assert not matcher.get_error()
        fill, bits = self._torch.fill_next_token_bitmask, self._bits
        return _Matcher(lambda: fill(matcher, bits, 0), matcher.consume_token)


class _Xgrammar:
    """As vLLM's backend `xgrammar` uses it, without the cache, which would make the second compilation free."""

    needs = ("xgrammar",)

    def __init__(self, modules: Sequence[Any], tokenizer: Any, schema: str, bits: Any) -> None:  # noqa: ANN401
        (self._library,) = modules
        self._bits, self._schema = bits, schema
        vocabulary = self._library.TokenizerInfo.from_huggingface(tokenizer, vocab_size=len(tokenizer))
        self._compiler = self._library.GrammarCompiler(vocabulary, max_threads=8, cache_enabled=False)

    def compile(self) -> _Matcher:
        """A grammar and a matcher."""
        grammar = self._compiler.compile_json_schema(self._schema, any_whitespace=False, separators=(",", ":"))
        matcher, bits = self._library.GrammarMatcher(grammar), self._bits
        return _Matcher(lambda: matcher.fill_next_token_bitmask(bits, 0), matcher.accept_token)


class _OutlinesCore:
    """As vLLM's backend `outlines` uses it, without its cache on disk."""

    needs = ("outlines_core", "outlines_core.json_schema", "vllm.v1.structured_output.utils")

    def __init__(self, modules: Sequence[Any], tokenizer: Any, schema: str, bits: Any) -> None:  # noqa: ANN401
        self._library, self._json, utils = modules
        self._bits, self._schema = bits, schema
        self._vocabulary = utils.get_outlines_vocabulary(tokenizer).inner

    def compile(self) -> _Matcher:
        """A regular expression, its automaton over the vocabulary, and a guide through it."""
        pattern = self._json.build_regex_from_schema(self._schema)
        guide, row = self._library.Guide(self._library.Index(pattern, self._vocabulary)), self._bits[0]

        def mask() -> None:
            guide.write_mask_into(row.data_ptr(), row.numel(), row.element_size())

        def advance(token: int) -> bool:
            guide.advance(token, return_tokens=False)
            return True

        return _Matcher(mask, advance)
