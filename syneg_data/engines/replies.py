"""Reply store: what was generated once is never generated again, in any recipe."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from syneg_data.durable import KeyValueStore, cache_root
from syneg_data.engines.protocol import Completion, CompletionEngine, Request
from syneg_data.spec import fingerprint

_FACTS = ("stop", "length")  # other finishes are faults of a run or depend on it, and are never stored


class StoredEngine:
    """An engine behind the reply store; it is opened when the first reply is missing."""

    def __init__(self, identity: dict[str, Any], open_engine: Callable[[], CompletionEngine]) -> None:
        self._identity = identity
        self._open = open_engine
        self._engine: CompletionEngine | None = None
        self._store = KeyValueStore(cache_root() / "replies.sqlite")
        self.submitted = 0
        self.reused = 0

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in the same order; new ones are committed together before this returns.

        Requests are submitted to the engine in the order given, so a batch that is asked again after a crash is the
        same batch.
        """
        keys = [self._key(request) for request in requests]
        known = {key: Completion(**row) for key, row in self._store.get_many(keys).items()}
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in known}
        self.reused += len(requests) - len(missing)
        if missing:
            if self._engine is None:
                self._engine = self._open()
            self.submitted += len(missing)
            self._store.count("submitted", len(missing))
            fresh = dict(zip(missing, self._engine.complete(list(missing.values())), strict=True))
            self._store.put_many({key: asdict(done) for key, done in fresh.items() if done.finish in _FACTS})
            known |= fresh
        return [known[key] for key in keys]

    def _key(self, request: Request) -> str:
        messages = [[message.role, message.content] for message in request.messages]
        sampling = [request.temperature, request.top_p, request.max_tokens, request.seed]
        return fingerprint("reply", self._identity, messages, request.schema, sampling)
