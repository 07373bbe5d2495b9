"""From pairs to drafts: assignments sent, replies judged, criticised, revised and retried; every request is a row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from syneg_data.collection import Collection
from syneg_data.engines.protocol import Completion, Message, Request
from syneg_data.engines.replies import StoredEngine
from syneg_data.generation import Generation
from syneg_data.generation.assignments import Assignment, Pair, Passage, Texts
from syneg_data.generation.attributes import Proposal, with_proposals
from syneg_data.generation.critic import OBJECTIONS, objections, opinion_request, read_opinion, revision
from syneg_data.generation.prompts import instructions_in
from syneg_data.generation.reflection import Critique, schema_of
from syneg_data.generation.replies import (
    COPY_SHARE,
    RETRYABLE,
    UNAVAILABLE,
    Judged,
    Other,
    judge_text,
    parse_reply,
    storable,
)
from syneg_data.records import Candidate
from syneg_data.records import Generation as Row
from syneg_data.spec import fingerprint, seed_of

CRITIQUE = "critique"  # role of the rows that hold the critic's word
_MORE_TOKENS = 0.5  # a retry after a truncated reply may be longer by this share of max_tokens

DraftKey = tuple[str, str, str, int]


def draft_key(row: Row) -> DraftKey:
    """What names a draft: (query_id, positive_id, strategy, slot)."""
    return row.query_id, row.positive_id, row.strategy, row.slot


def pairs_of(collection: Collection, candidates: Iterable[Candidate] = ()) -> list[Pair]:
    """The (query, positive) pairs in working order, with the near-misses that mining found.

    Args:
        collection: queries and judgements.
        candidates: from mining; refused ones are passed over.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for candidate in candidates:
        if not candidate.reason:
            rank = min(hit.rank for hit in candidate.sources)
            found.setdefault(candidate.query_id, []).append((rank, candidate.doc_id))
    near = {query_id: tuple(doc_id for _, doc_id in sorted(ranked)) for query_id, ranked in found.items()}
    return [
        Pair(query_id, positive_id, collection.qrels[query_id][positive_id], near.get(query_id, ()), position)
        for position, (query_id, positive_id) in enumerate(collection.pairs())
    ]


def settled(spec: Generation, proposals: Sequence[Proposal]) -> Generation:
    """The section with every `auto` axis filled in by what the model proposed."""
    strategies = tuple(
        strategy.model_copy(update={"attributes": with_proposals(strategy.name, strategy.attributes, proposals)})
        for strategy in spec.strategies
    )
    return spec.model_copy(update={"strategies": strategies})


def plan_assignments(spec: Generation, pairs: Sequence[Pair], seed: int) -> list[list[Assignment]]:
    """What is asked for each pair, with attributes drawn; the requests of a pair share the start of their prompts."""
    return [[job for strategy in spec.strategies for job in strategy.assignments(pair, seed)] for pair in pairs]


def texts_of(collection: Collection, job: Assignment) -> Texts:
    """The texts that an assignment is about."""
    base = collection.text(job.base_id) if job.base_id is not None else ""
    return Texts(collection.queries[job.pair.query_id], collection.text(job.pair.positive_id), base)


def request_for(
    spec: Generation, job: Assignment, messages: tuple[Message, ...], seed: int, round_: int, attempt: int, longer: int
) -> Request:
    """The request of one attempt; between attempts only the seed differs, and the room after truncated replies.

    Args:
        spec: the generation section.
        job: what is asked.
        messages: the chat.
        seed: of the recipe.
        round_: 0 for the first version, then one more for each revision.
        attempt: from 0.
        longer: truncated replies so far.
    """
    pair = job.pair
    request_id = fingerprint(pair.query_id, pair.positive_id, job.strategy.name, job.slot, round_, attempt)[:24]
    return Request(
        request_id=request_id,
        messages=messages,
        schema=schema_of(job.strategy.reply_type(reasoned=spec.reflection.reasoned)),
        temperature=spec.sampling.temperature,
        top_p=spec.sampling.top_p,
        max_tokens=attempt_tokens(spec, longer),
        seed=seed_of("request", seed, request_id),
    )


def attempt_tokens(spec: Generation, truncated: int) -> int:
    """Bound of a reply after so many that were cut off."""
    return spec.sampling.max_tokens + int(truncated * _MORE_TOKENS * spec.sampling.max_tokens)


def first_messages(spec: Generation, job: Assignment, texts: Texts) -> tuple[Message, ...]:
    """The chat that asks for the first version."""
    return job.strategy.messages(job, texts, spec.reflection.instruction())


@dataclass
class _Work:
    """An assignment on the desk in one round: its chat, the passages that are due, and what has come of them."""

    job: Assignment
    texts: Texts
    first: tuple[Message, ...]
    due: tuple[Passage, ...]
    messages: tuple[Message, ...]
    states: dict[int, str] = field(default_factory=dict)
    truncated: int = 0

    def open_passages(self) -> list[Passage]:
        return [passage for passage in self.due if self.states.get(passage.slot) != "ok"]


def write_drafts(
    spec: Generation,
    jobs: Sequence[Assignment],
    collection: Collection,
    engine: StoredEngine,
    seed: int,
    *,
    heed: frozenset[str] = OBJECTIONS,
) -> list[Row]:
    """Rows of all requests for `jobs`, by draft, then in the order of asking.

    A passage is asked for again, with a new seed, while its state is one that chance may mend and attempts are left.

    Args:
        spec: the generation section, its `auto` axes filled in.
        jobs: from plan_assignments.
        collection: the texts.
        engine: writes, and judges its own drafts where the recipe says so.
        seed: of the recipe.
        heed: the objections of the critic that count, by what its exam was worth; with none it is not asked.
    """
    desk = _Desk(spec, collection, engine, seed, heed)
    works = []
    for job in jobs:
        texts = texts_of(collection, job)
        messages = first_messages(spec, job, texts)
        works.append(_Work(job, texts, messages, job.passages, messages))
    desk.write(works, 0)
    if heed and isinstance(spec.reflection, Critique):
        for round_ in range(spec.reflection.rounds + 1):
            works = desk.criticise(works, round_)
            if round_ == spec.reflection.rounds or not works:
                break
            desk.write(works, round_ + 1)
    return [row for rows in desk.rows.values() for row in rows]


class _Desk:
    """Where one chunk's drafts are written."""

    def __init__(
        self, spec: Generation, collection: Collection, engine: StoredEngine, seed: int, heed: frozenset[str]
    ) -> None:
        self._spec = spec
        self._collection = collection
        self._engine = engine
        self._seed = seed
        self._heed = heed
        # Per pair, the texts that stand: (strategy, slot) -> text and the document that it was made from.
        self._accepted: dict[tuple[str, str], dict[tuple[str, int], tuple[str, str | None]]] = {}
        self.rows: dict[DraftKey, list[Row]] = {}

    def write(self, works: Sequence[_Work], round_: int) -> None:
        """Ask for every work, again where that may help, and file a row for each passage of each reply."""
        waiting = list(works)
        for attempt in range(self._spec.sampling.attempts):
            if not waiting:
                return
            requests = [
                request_for(self._spec, work.job, work.messages, self._seed, round_, attempt, work.truncated)
                for work in waiting
            ]
            again = []
            for work, request, completion in zip(waiting, requests, self._engine.complete(requests), strict=True):
                if self._judge(work, request, completion, round_, attempt):
                    again.append(work)
            waiting = again

    def _judge(self, work: _Work, request: Request, completion: Completion, round_: int, attempt: int) -> bool:
        """File the rows of one reply; whether it should be asked for again."""
        job, passages = work.job, work.open_passages()
        reply = parse_reply(completion, job.strategy.reply_type(reasoned=self._spec.reflection.reasoned))
        shares = _split(completion, len(passages))
        retry = False
        for passage, tokens in zip(passages, shares, strict=True):
            judged = reply if isinstance(reply, Judged) else self._judge_passage(work, passage, reply)
            reflection = "" if isinstance(reply, Judged) or judged.state != "ok" else _reflection(job, reply)
            self._file(work, passage, request, completion, tokens, judged, reflection, round_, attempt)
            work.states[passage.slot] = judged.state
            retry |= judged.state in RETRYABLE or judged.detail.startswith(UNAVAILABLE)
        work.truncated += isinstance(reply, Judged) and reply.state == "truncated"
        return retry

    def _judge_passage(self, work: _Work, passage: Passage, reply: BaseModel) -> Judged:
        job, texts = work.job, work.texts
        others = (
            [] if job.base_id is None else [Other("the text it was made from", texts.base, job.strategy.copy_share)]
        )
        if job.base_id != job.pair.positive_id:
            others.append(Other("the positive", texts.positive))
        accepted = self._accepted.setdefault((job.pair.query_id, job.pair.positive_id), {})
        mine = (job.strategy.name, passage.slot)
        for place, (text, base_id) in accepted.items():
            if place != mine:
                alike = base_id == job.base_id or place[0] == job.strategy.name
                share = job.strategy.copy_share if alike else COPY_SHARE
                others.append(Other("another draft for the same pair", text, share))
        raw = getattr(reply, passage.key)
        judged = judge_text(raw, texts.query, texts.positive, others, instructions_in(work.messages))
        if judged.state == "ok":
            accepted[mine] = judged.text, job.base_id
        return judged

    def criticise(self, works: Sequence[_Work], round_: int) -> list[_Work]:
        """Have every draft of this round that stands judged; the works for the next round, made of those that fail."""
        asked = [(work, p) for work in works for p in work.due if work.states.get(p.slot) == "ok"]
        requests = []
        for work, passage in asked:
            pair, strategy = (work.job.pair.query_id, work.job.pair.positive_id), work.job.strategy.name
            request_id = fingerprint(*pair, strategy, passage.slot, CRITIQUE, round_)[:24]
            text, _ = self._accepted[pair][strategy, passage.slot]
            requests.append(
                opinion_request(
                    request_id, work.texts.query, work.texts.positive, text, work.job.attributes, self._seed
                )
            )
        wrong: dict[int, list[tuple[Passage, tuple[str, ...]]]] = {}
        for (work, passage), request, completion in zip(asked, requests, self._engine.complete(requests), strict=True):
            opinion = read_opinion(completion, work.job.attributes)
            found = () if isinstance(opinion, Judged) else objections(opinion, passage.role, self._heed)
            judged = opinion if isinstance(opinion, Judged) else Judged("ok", ",".join(found))
            tokens = (completion.tokens_in, completion.tokens_out, completion.tokens_cached)
            self._file(work, passage, request, completion, tokens, judged, "", round_, 0, role=CRITIQUE)
            if found:
                wrong.setdefault(id(work), []).append((passage, found))
        return [self._revised(work, wrong[id(work)]) for work in works if id(work) in wrong]

    def _revised(self, work: _Work, wrong: Sequence[tuple[Passage, tuple[str, ...]]]) -> _Work:
        """The same assignment for another round, in which only the passages that were objected to are due."""
        job = work.job
        accepted = self._accepted[job.pair.query_id, job.pair.positive_id]
        places = {passage.key: (job.strategy.name, passage.slot) for passage in job.passages}
        draft = {key: accepted[place][0] for key, place in places.items() if place in accepted}
        messages = revision(work.first, draft, {passage.key: found for passage, found in wrong}, job.attributes)
        return _Work(job, work.texts, work.first, tuple(passage for passage, _ in wrong), messages)

    def _file(
        self,
        work: _Work,
        passage: Passage,
        request: Request,
        completion: Completion,
        tokens: tuple[int, int, int],
        judged: Judged,
        reflection: str,
        round_: int,
        attempt: int,
        role: str = "",
    ) -> None:
        pair, strategy = work.job.pair, work.job.strategy.name
        key = (pair.query_id, pair.positive_id, strategy, passage.slot)
        row = Row(
            request_id=request.request_id,
            doc_id=f"synthetic-{fingerprint(*key, judged.text)[:16]}" if judged.text else "",
            query_id=pair.query_id,
            positive_id=pair.positive_id,
            seed_doc_id=work.job.base_id,
            slot=passage.slot,
            strategy=strategy,
            attributes=work.job.attributes,
            role=role or passage.role,
            grade=passage.grade,
            round=round_,
            attempt=attempt,
            state=judged.state,
            detail=judged.detail,
            text=judged.text,
            reflection=reflection,
            tokens_in=tokens[0],
            tokens_out=tokens[1],
            tokens_cached=tokens[2],
            seed=request.seed,
            reply=storable(completion.text),
        )
        self.rows.setdefault(key, []).append(row)


def _reflection(job: Assignment, reply: Any) -> str:  # noqa: ANN401
    """What the model thought: its reasoning, and what the strategy notes of the reply, one line each."""
    notes = [getattr(reply, "reasoning", ""), *job.strategy.notes(reply)]
    return storable("\n".join(" ".join(note.split()) for note in notes if note.strip()))


def _split(completion: Completion, parts: int) -> list[tuple[int, int, int]]:
    """The tokens of a reply dealt evenly to its passages, so that sums over rows are sums over requests."""
    counts = (completion.tokens_in, completion.tokens_out, completion.tokens_cached)
    columns = [[n // parts + (i < n % parts) for i in range(parts)] for n in counts]
    return [(a, b, c) for a, b, c in zip(*columns, strict=True)]


def is_final(rows: Iterable[Row]) -> bool:
    """Whether no draft or critique is missing for want of an engine, so that a later run need not ask again."""
    kept = list(rows)
    deciding = [*final_rows(kept), *(row for row in kept if row.role == CRITIQUE)]
    return not any(row.detail.startswith(UNAVAILABLE) for row in deciding)


def final_rows(rows: Sequence[Row]) -> list[Row]:
    """The row that decides the fate of each draft: its last version that is `ok`, else its last attempt.

    So a draft whose revision came to nothing stands as it was, with what the critic held against it.
    """
    last: dict[DraftKey, Row] = {}
    for row in rows:
        key = draft_key(row)
        if row.role != CRITIQUE and (row.state == "ok" or key not in last or last[key].state != "ok"):
            last[key] = row
    return list(last.values())


def last_objections(rows: Sequence[Row]) -> Mapping[DraftKey, tuple[str, ...]]:
    """What the critic still held against each draft in the last round in which it judged it."""
    last = {draft_key(row): row for row in rows if row.role == CRITIQUE}
    return {key: tuple(row.detail.split(",")) for key, row in last.items() if row.state == "ok" and row.detail}
