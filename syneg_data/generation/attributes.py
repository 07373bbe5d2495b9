"""Attributes: the axes along which drafts vary, drawn by a balanced design, or proposed by the model itself."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from syneg_data.collection import Collection, normalise
from syneg_data.engines.protocol import Completion, Request
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import InputError, UnavailableError
from syneg_data.generation.prompts import as_data, chat, has_mark
from syneg_data.records import Attribute
from syneg_data.spec import fingerprint, seed_of

AUTO: Literal["auto"] = "auto"
PROPOSAL_TOKENS, PROPOSAL_ATTEMPTS = 256, 5
_SAMPLE, _SAMPLE_WORDS, _MOST_VALUES, _LONGEST_VALUE = 8, 40, 10, 60


def _have_values(axes: Mapping[str, Any]) -> Mapping[str, Any]:
    for axis, values in axes.items():
        if values == AUTO:
            continue
        if not values or len(set(values)) != len(values) or not all(v.strip() for v in values):
            raise PydanticCustomError(
                "attribute_values",
                "axis '{axis}' needs values, each once and none empty; list them, or write `auto`",
                {"axis": axis},
            )
    return axes


Axes = Annotated[Mapping[str, tuple[str, ...] | Literal["auto"]], AfterValidator(_have_values)]


def draw(name: str, axes: Mapping[str, Any], seed: int, position: int) -> tuple[Attribute, ...]:
    """The attributes of the draft at `position` (counted over all pairs and slots of a strategy, in working order).

    Balanced: on every axis each run of len(values) consecutive drafts holds every value once, in an order drawn anew
    for each run. Axes are drawn independently of each other.

    Args:
        name: of the strategy.
        axes: axis -> values; an axis that is still `auto` is left out.
        seed: of the recipe.
        position: of the draft.
    """
    drawn = []
    for axis, values in axes.items():
        if values == AUTO:
            continue
        block, offset = divmod(position, len(values))
        order = list(values)
        random.Random(seed_of("attributes", seed, name, axis, block)).shuffle(order)
        drawn.append(Attribute(axis, order[offset]))
    return tuple(drawn)


class _Proposal(BaseModel):
    model_config = ConfigDict(extra="forbid")
    values: list[str] = Field(min_length=3, max_length=_MOST_VALUES)


class Proposal(BaseModel):
    """What the model proposed for one axis, and what asking for it took; it goes into the lock of the build."""

    model_config = ConfigDict(frozen=True)
    strategy: str
    axis: str
    values: tuple[str, ...]
    attempts: int
    tokens_in: int
    tokens_out: int


def propose(
    name: str, axis: str, collection: Collection, engine: StoredEngine, seed: int, attempts: int = PROPOSAL_ATTEMPTS
) -> Proposal:
    """Values of an `auto` axis, proposed once per data set from a seeded sample of the corpus.

    Raises:
        InputError: no attempt gave two usable values.
        UnavailableError: the engine does not answer now.
    """
    documents = sorted(collection.documents)
    chosen = random.Random(seed_of("proposal", seed, axis)).sample(documents, min(_SAMPLE, len(documents)))
    texts = [" ".join(collection.text(doc_id).split()[:_SAMPLE_WORDS]) for doc_id in chosen]
    messages = chat(
        "You catalogue collections of documents.",
        as_data({"documents": texts}),
        f"These documents were drawn at random from one collection. Name five to eight values of `{axis}` that tell "
        "its documents apart. Each value is one to four words.",
    )
    schema = json.dumps(_Proposal.model_json_schema())
    tokens_in = tokens_out = 0
    for attempt in range(attempts):
        request_id = fingerprint("proposal", name, axis, attempt)[:24]
        request = Request(request_id, messages, schema, 0.7, 1.0, PROPOSAL_TOKENS, seed_of("request", seed, request_id))
        (reply,) = engine.complete([request])
        if reply.finish == "unavailable":
            raise UnavailableError(f"the engine cannot propose {axis}: {reply.detail}; the same command resumes")
        if reply.finish in ("too_long", "rejected"):
            break
        tokens_in, tokens_out = tokens_in + reply.tokens_in, tokens_out + reply.tokens_out
        values = _usable(reply)
        if len(values) >= 2:
            return Proposal(
                strategy=name,
                axis=axis,
                values=values,
                attempts=attempt + 1,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
            )
    raise InputError(
        f"generation.strategies: {name}: attributes.{axis}: the model proposed no usable values; asked "
        f"{attempt + 1} times{f' ({reply.detail})' if reply.detail else ''}; list them yourself"
    )


def _usable(reply: Completion) -> tuple[str, ...]:
    """The distinct, short values of a proposal; none if it is not one."""
    try:
        proposed = _Proposal.model_validate(json.loads(reply.text)).values
    except (ValidationError, ValueError, RecursionError):
        return ()
    values: dict[str, str] = {}
    for value in proposed:
        flat = " ".join(value.split())
        if flat and len(flat) <= _LONGEST_VALUE and flat.isprintable() and not has_mark(flat):
            values.setdefault(normalise(flat), flat)
    values.pop("", None)
    return tuple(values.values())


def with_proposals(name: str, axes: Mapping[str, Any], proposals: Sequence[Proposal]) -> dict[str, Any]:
    """The axes of a strategy with its `auto` axes filled in."""
    proposed = {proposal.axis: proposal.values for proposal in proposals if proposal.strategy == name}
    return {axis: proposed.get(axis, values) for axis, values in axes.items()}
