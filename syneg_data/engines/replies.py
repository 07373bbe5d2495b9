"""Reply store: what was generated once is never generated again, in any recipe."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from syneg_data.durable import KeyValueStore, cache_root
from syneg_data.engines.canary import prove_constraint
from syneg_data.engines.protocol import Completion, CompletionEngine, Request
from syneg_data.errors import InputError
from syneg_data.spec import fingerprint

_FACTS = ("stop", "length")  # other finishes are faults of a run or depend on it, and are never stored
_COMMIT_ROWS, _COMMIT_SECONDS = 64, 1.0


class StoredEngine:
    """An engine behind the reply store; it is opened, and proves its constraint, when the first reply is missing."""

    def __init__(
        self, identity: dict[str, Any], open_engine: Callable[[], CompletionEngine], longest_reply: int = 0
    ) -> None:
        """An engine that is not open yet.

        Args:
            identity: what decides a reply besides the request.
            open_engine: loads it, or connects.
            longest_reply: tokens that a first attempt at the longest reply asks for; an engine without that much room
                is refused. A later attempt may ask for more, and become `too_long`.
        """
        self._identity = identity
        self._longest_reply = longest_reply
        self._open = open_engine
        self._engine: CompletionEngine | None = None
        self._store = KeyValueStore(cache_root() / "replies.sqlite")
        self.submitted = 0
        self.reused = 0
        self.tokens_written = 0

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in the same order; new ones are durable before this returns.

        Requests are submitted to the engine in the order given, so a batch that is asked again after a crash is the
        same batch. Replies are committed as they come, so an engine that dies takes none of them along.
        """
        keys = [self._key(request) for request in requests]
        known = {key: Completion(**row) for key, row in self._store.get_many(keys).items()}
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in known}
        self.reused += len(requests) - len(missing)
        if missing:
            if self._engine is None:
                self._engine = _ready(self._open(), self._longest_reply)
            self.submitted += len(missing)
            self._store.count("submitted", len(missing))
            pending = _Pending(self._store, list(missing))
            try:
                fresh = self._engine.complete(list(missing.values()), pending.add)
            finally:
                pending.commit()
            self.tokens_written += sum(completion.tokens_out for completion in fresh)
            known |= dict(zip(missing, fresh, strict=True))
        return [known[key] for key in keys]

    def _key(self, request: Request) -> str:
        messages = [[message.role, message.content] for message in request.messages]
        sampling = [request.temperature, request.top_p, request.max_tokens, request.seed]
        return fingerprint("reply", self._identity, messages, request.schema, sampling)


def _ready(engine: CompletionEngine, longest_reply: int) -> CompletionEngine:
    """The engine, once it is clear that it can do such work; nothing of the work has been spent on it yet.

    Raises:
        InputError: its context is too short for replies of this length, or it ignores the constraint.
        UnavailableError: it cannot be reached.
    """
    if engine.context is not None and longest_reply >= engine.context:
        raise InputError(
            f"max_tokens: {longest_reply} tokens of reply leave no room for a prompt in the "
            f"model's context of {engine.context}; ask for shorter replies, or choose another model"
        )
    return prove_constraint(engine)


class _Pending:
    """Finished replies on their way into the store, committed in small groups."""

    def __init__(self, store: KeyValueStore, keys: list[str]) -> None:
        self._store = store
        self._keys = keys
        self._rows: dict[str, Any] = {}
        self._since = time.monotonic()

    def add(self, index: int, completion: Completion) -> None:
        if completion.finish in _FACTS:
            self._rows[self._keys[index]] = asdict(completion)
        if len(self._rows) >= _COMMIT_ROWS or time.monotonic() - self._since > _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        if self._rows:
            self._store.put_many(self._rows)
        self._rows, self._since = {}, time.monotonic()
