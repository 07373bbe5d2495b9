"""Attributes: the axes along which drafts vary, drawn by a balanced design, or proposed by the model itself."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from syneg_data.collection import Collection, normalise
from syneg_data.engines.chats import as_data, chat
from syneg_data.engines.protocol import Completion, Request
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import InputError, UnavailableError
from syneg_data.generation.prompts import first_words
from syneg_data.records import Attribute
from syneg_data.spec import fingerprint, seed_of

AUTO: Literal["auto"] = "auto"
PROPOSAL_SAMPLE, PROPOSAL_ATTEMPTS, PROPOSAL_TOKENS = 16, 3, 32  # documents at a time, times, tokens of each reply
_VALUE, _MOST_WORDS = re.compile(r"\w[\w &/()'-]*"), 4
_SAMPLE_WORDS, _FEWEST_VALUES, _MOST_VALUES, _LONGEST_VALUE = 80, 2, 8, 40


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


class Proposal(BaseModel):
    """What the model proposed for one axis, and what asking for it took; it goes into the lock of the build."""

    model_config = ConfigDict(frozen=True)
    strategy: str
    axis: str
    values: tuple[str, ...]
    requests: int
    tokens_in: int
    tokens_out: int


def propose(name: str, axis: str, collection: Collection, engine: StoredEngine, seed: int) -> Proposal:
    """Values of an `auto` axis, proposed once per data set from a seeded sample of the corpus.

    The model is asked for the value of one document at a time, which small models can do, and the values named most
    often are taken.

    Raises:
        InputError: no sample gave two usable values.
        UnavailableError: the engine does not answer now.
    """
    documents = sorted(collection.documents)
    random.Random(seed_of("proposal", seed, axis)).shuffle(documents)
    found: dict[str, list[str]] = {}
    tokens_in = tokens_out = asked = 0
    reason = ""
    for attempt in range(PROPOSAL_ATTEMPTS):
        sample = documents[attempt * PROPOSAL_SAMPLE : (attempt + 1) * PROPOSAL_SAMPLE]
        requests = [_question(name, axis, doc_id, collection.text(doc_id), seed) for doc_id in sample]
        for reply in engine.complete(requests):
            if reply.finish == "unavailable":
                raise UnavailableError(f"the engine cannot propose {axis}: {reply.detail}; the same command resumes")
            tokens_in, tokens_out, asked = tokens_in + reply.tokens_in, tokens_out + reply.tokens_out, asked + 1
            reason = reply.detail or reason
            if value := _usable(reply, axis):
                found.setdefault(normalise(value), []).append(value)
        if len(found) >= _FEWEST_VALUES:
            ranked = sorted(found.values(), key=len, reverse=True)[:_MOST_VALUES]
            return Proposal(
                strategy=name,
                axis=axis,
                values=tuple(spellings[0] for spellings in ranked),
                requests=asked,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
            )
    raise InputError(
        f"generation.strategies: {name}: attributes.{axis}: the model proposed no usable values; asked about {asked} "
        f"documents{f' ({reason})' if reason else ''}; list them yourself"
    )


def _question(name: str, axis: str, doc_id: str, text: str, seed: int) -> Request:
    request_id = fingerprint("proposal", name, axis, doc_id)[:24]
    schema = {"type": "object", "properties": {axis: {"type": "string"}}, "required": [axis]}
    return Request(
        request_id=request_id,
        messages=chat(
            "You catalogue documents.",
            as_data({"document": first_words(text, _SAMPLE_WORDS)}) + "\n",
            f"What is the {axis} of this document? Answer in one to four words.",
        ),
        schema=json.dumps({**schema, "additionalProperties": False}),
        temperature=0.7,
        top_p=1.0,
        max_tokens=PROPOSAL_TOKENS,
        seed=seed_of("request", seed, request_id),
    )


def _usable(reply: Completion, axis: str) -> str:
    """The value that a reply names, on one line; empty if it is none that a prompt could hold."""
    try:
        value = json.loads(reply.text)[axis]
        flat = " ".join(value.split()).rstrip(".")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""
    # It will stand among our own words in prompts, so it must not be able to say anything: a few words, no sentence.
    fits = len(flat) <= _LONGEST_VALUE and len(flat.split()) <= _MOST_WORDS and _VALUE.fullmatch(flat)
    return flat if fits and normalise(flat) not in ("", normalise(axis)) else ""


def with_proposals(name: str, axes: Mapping[str, Any], proposals: Sequence[Proposal]) -> dict[str, Any]:
    """The axes of a strategy with its `auto` axes filled in."""
    proposed = {proposal.axis: proposal.values for proposal in proposals if proposal.strategy == name}
    return {axis: proposed.get(axis, values) for axis, values in axes.items()}
