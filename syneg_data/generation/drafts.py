"""From (query, positive) pairs to drafts: requests built, sent, judged and retried, each attempt a row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from syneg_data.collection import Collection
from syneg_data.engines.protocol import Completion, Request
from syneg_data.engines.replies import StoredEngine
from syneg_data.generation import Generation
from syneg_data.generation.prompts import syneg_messages
from syneg_data.generation.replies import RETRYABLE, judge_reply, storable
from syneg_data.generation.strategies import Syneg
from syneg_data.records import Attribute
from syneg_data.records import Generation as Row
from syneg_data.spec import fingerprint, seed_of


@dataclass(frozen=True, slots=True)
class Draft:
    """One negative to be written."""

    query_id: str
    positive_id: str
    strategy: Syneg
    slot: int
    attributes: tuple[Attribute, ...]

    @property
    def doc_id(self) -> str:
        """Id of the synthetic document that this draft becomes."""
        return f"synthetic-{fingerprint(self.query_id, self.positive_id, self.strategy.name, self.slot)[:16]}"


def plan_drafts(spec: Generation, pairs: Sequence[tuple[str, str]], seed: int) -> list[list[Draft]]:
    """The drafts of each pair (their prompts share a prefix), with their attributes drawn."""
    return [
        [
            Draft(query_id, positive_id, strategy, slot, strategy.draw(seed, pair * strategy.per_pair + slot))
            for strategy in spec.strategies
            for slot in range(strategy.per_pair)
        ]
        for pair, (query_id, positive_id) in enumerate(pairs)
    ]


def request_for(spec: Generation, draft: Draft, collection: Collection, seed: int, attempt: int) -> Request:
    """The request of one attempt at a draft; only its seed differs between attempts."""
    reply_type = spec.reflection.reply_type()
    # Round 0: there is no critique yet that would ask for a revision.
    request_id = fingerprint(draft.query_id, draft.positive_id, draft.strategy.name, draft.slot, 0, attempt)[:24]
    return Request(
        request_id=request_id,
        messages=syneg_messages(
            collection.queries[draft.query_id],
            _first_words(collection.text(draft.positive_id), draft.strategy.positive_words),
            draft.attributes,
            draft.strategy.genre,
            spec.reflection.instruction(),
        ),
        schema=json.dumps(reply_type.model_json_schema()),
        temperature=spec.sampling.temperature,
        top_p=spec.sampling.top_p,
        max_tokens=spec.sampling.max_tokens,
        seed=seed_of("request", seed, request_id),
    )


def _first_words(text: str, limit: int | None) -> str:
    words = text.split()
    return text if limit is None or len(words) <= limit else " ".join(words[:limit])


def write_drafts(
    spec: Generation, drafts: Sequence[Draft], collection: Collection, engine: StoredEngine, seed: int
) -> list[Row]:
    """Rows of all attempts at `drafts`, by draft, then attempt.

    A draft is tried again, with a new seed, while its state is one that chance may mend and attempts are left.
    """
    rows: dict[int, list[Row]] = {i: [] for i in range(len(drafts))}
    accepted: dict[tuple[str, str], list[str]] = {}
    open_drafts = list(range(len(drafts)))
    for attempt in range(spec.sampling.attempts):
        requests = [request_for(spec, drafts[i], collection, seed, attempt) for i in open_drafts]
        if not requests:
            break
        again = []
        for i, request, completion in zip(open_drafts, requests, engine.complete(requests), strict=True):
            siblings = accepted.setdefault((drafts[i].query_id, drafts[i].positive_id), [])
            row = _row(spec, drafts[i], request, completion, collection, siblings, attempt)
            rows[i].append(row)
            if row.state == "ok":
                siblings.append(row.text)
            elif row.state in RETRYABLE:
                again.append(i)
        open_drafts = again
    return [row for i in range(len(drafts)) for row in rows[i]]


def _row(
    spec: Generation,
    draft: Draft,
    request: Request,
    completion: Completion,
    collection: Collection,
    siblings: Sequence[str],
    attempt: int,
) -> Row:
    query, positive = collection.queries[draft.query_id], collection.text(draft.positive_id)
    state, detail, text, reflection = judge_reply(completion, spec.reflection.reply_type(), query, positive, siblings)
    return Row(
        request_id=request.request_id,
        doc_id=draft.doc_id,
        query_id=draft.query_id,
        positive_id=draft.positive_id,
        seed_doc_id=None,
        slot=draft.slot,
        strategy=draft.strategy.name,
        attributes=draft.attributes,
        role="negative",
        grade=0,
        round=0,
        attempt=attempt,
        state=state,
        detail=detail,
        text=text,
        reflection=reflection,
        tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out,
        tokens_cached=completion.tokens_cached,
        seed=request.seed,
        reply=storable(completion.text),
    )


def final_rows(rows: Sequence[Row]) -> list[Row]:
    """The last attempt of every draft: the one that decides its fate."""
    last: dict[str, Row] = {}
    for row in rows:
        last[row.doc_id] = row
    return list(last.values())
