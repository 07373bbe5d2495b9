"""reply_schema: our compact reply against a verbose one, in tokens written per accepted draft."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from benchmarks.cases import world
from benchmarks.measuring import apart, in_turn, median
from benchmarks.results import Row, row
from syneg_data.collection import Collection
from syneg_data.engines.protocol import Completion, Message, Request
from syneg_data.engines.vllm import Vllm, VllmEngine
from syneg_data.generation.assignments import Assignment
from syneg_data.generation.drafts import texts_of
from syneg_data.generation.replies import Judged, Other, judge_text, parse_reply

_PAIRS, _QUICK_PAIRS, _RUNS, _QUICK_RUNS = 32, 16, 3, 2
_TOKENS = 512  # room enough that a reply is not cut off for its form


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _SelfReflection(_Closed):
    does_the_passage_answer_the_query: bool
    does_the_passage_stay_on_topic: bool
    explanation: str


class _GeneratedPassage(_Closed):
    reasoning_process: str
    attributes_of_the_passage: BaseModel
    generated_negative_passage: str
    self_reflection: _SelfReflection


def _verbose(axes: Sequence[str]) -> type[BaseModel]:
    """The reply as tools without a token budget ask for it: long names, the attributes echoed, thoughts twice."""
    echoed: dict[str, Any] = {f"{axis}_attribute": (str, ...) for axis in axes}
    echo = create_model("AttributesOfThePassage", __base__=_Closed, **echoed)
    passage = create_model("GeneratedPassage", __base__=_GeneratedPassage, attributes_of_the_passage=(echo, ...))
    passages: Any = list[passage]
    return create_model(
        "Reply", __base__=_Closed, generated_negative_passages=(passages, Field(min_length=1, max_length=1))
    )


def run(quick: bool) -> list[Row]:
    """Tokens written per accepted draft, and the share of drafts that is accepted."""
    world.need_vllm()
    pairs, runs = (_QUICK_PAIRS, _QUICK_RUNS) if quick else (_PAIRS, _RUNS)
    ours, peer = apart(_measure, pairs, runs)
    what = f"reply_schema: {pairs} pairs x 1 slot, up to {_TOKENS} tokens, {world.LABEL}"
    name = "a verbose reply: long keys, attributes echoed, reasoning and self-reflection per passage"
    cost, peer_cost = (median([side.tokens / max(1, side.accepted) for side in sides]) for sides in (ours, peer))
    share, peer_share = (median([100 * side.accepted / pairs for side in sides]) for sides in (ours, peer))
    return [
        row(what, "written per accepted draft", "tokens", cost, peer_cost, name, runs, "fewer", cost < peer_cost),
        row(what, "drafts accepted", "%", share, peer_share, name, runs, "no fewer", share >= peer_share),
    ]


@dataclass(frozen=True)
class _Taken:
    tokens: int
    accepted: int


def _measure(pairs: int, runs: int) -> tuple[list[_Taken], list[_Taken]]:
    file = world.recipe(1)
    spec = world.generation_of(file).engine
    assert isinstance(spec, Vllm)
    engine = spec.open(spec.model.resolve())
    collection = world.load(file, pairs)
    jobs = world.assignments(file, collection)
    reply_type = _verbose([attribute.axis for attribute in jobs[0].attributes])
    attempts = {"compact": iter(range(runs)), "verbose": iter(range(runs))}

    def compact() -> _Taken:
        requests = world.requests_of(file, collection, jobs, next(attempts["compact"]))
        own = jobs[0].strategy.reply_type(reasoned=True)
        return _taken(engine, collection, jobs, [replace(r, max_tokens=_TOKENS) for r in requests], own)

    def verbose() -> _Taken:
        requests = world.requests_of(file, collection, jobs, next(attempts["verbose"]))
        return _taken(engine, collection, jobs, [_asked_verbosely(r, reply_type) for r in requests], reply_type)

    ours, peer = in_turn(runs, compact, verbose)
    return ours, peer


def _asked_verbosely(request: Request, reply_type: type[BaseModel]) -> Request:
    """The same request with the other form; its prompt says what the keys are, as such tools do."""
    system, user = request.messages
    form = (
        "Reply with the reasoning process, the attributes of the passage, the generated negative passage, and a "
        "self-reflection on it."
    )
    messages = (system, Message("user", f"{user.content}\n{form}"))
    return replace(request, messages=messages, schema=json.dumps(reply_type.model_json_schema()), max_tokens=_TOKENS)


def _taken(
    engine: VllmEngine,
    collection: Collection,
    jobs: Sequence[Assignment],
    requests: Sequence[Request],
    reply_type: type[BaseModel],
) -> _Taken:
    completions = engine.complete(requests)
    accepted = sum(
        _accepted(collection, job, completion, reply_type) for job, completion in zip(jobs, completions, strict=True)
    )
    return _Taken(sum(completion.tokens_out for completion in completions), accepted)


def _accepted(collection: Collection, job: Assignment, completion: Completion, reply_type: type[BaseModel]) -> bool:
    """Whether the reply holds a passage that our pipeline would keep."""
    reply: Any = parse_reply(completion, reply_type)
    if isinstance(reply, Judged):
        return False
    passage = (
        reply.passage if hasattr(reply, "passage") else reply.generated_negative_passages[0].generated_negative_passage
    )
    texts = texts_of(collection, job)
    return judge_text(passage, texts.query, texts.positive, [Other("the positive", texts.positive)]).state == "ok"
