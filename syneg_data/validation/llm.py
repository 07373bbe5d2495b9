"""The llm reranker: a language model's constrained verdict on a (query, document) pair, with its reason."""

import json
import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syneg_data.engines import Engine
from syneg_data.engines.chats import as_data, chat
from syneg_data.engines.protocol import Completion, Request
from syneg_data.engines.replies import StoredEngine
from syneg_data.errors import UnavailableError
from syneg_data.execution import Progress
from syneg_data.references import Model, Resolved
from syneg_data.spec import Spec, fingerprint, seed_of

_ROLE = "You judge search results."
_QUESTION = (
    "Does the document answer the query? Say in one sentence what the document tells about the query (reason). Then "
    "decide (verdict): answers, if a reader with this query finds the answer in it; related, if it is on the topic but "
    "the answer is not in it; unrelated, if it is on another topic."
)
_RELEVANCE = {"answers": 1.0, "related": 0.5, "unrelated": 0.0}
_BATCH = 1024  # requests handed to the engine at once


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str
    verdict: Literal["answers", "related", "unrelated"]


_SCHEMA = json.dumps(_Reply.model_json_schema())


class LlmReranker(Spec):
    """A language model that reads query and document and says, with a reason, whether the one answers the other."""

    kind: Literal["llm"] = "llm"
    name: str = Field(default="llm", description="name in scores and reports", pattern=r"^[\w.-]+$")
    engine: Engine = Field(description="what runs the model")
    words: int = Field(default=200, ge=20, description="words of a document that it reads")
    max_tokens: int = Field(default=96, ge=48, description="bound of its reply")
    cost: ClassVar[int] = 1000
    bounded: ClassVar[bool] = True
    absolute: ClassVar[float | None] = 0.5

    def model_reference(self) -> Model | None:
        """The engine's model."""
        return self.engine.model_reference()

    def open(self, model: Resolved | None) -> "LlmJudge":
        """A judge behind the reply store."""
        return LlmJudge(self, model)


class LlmJudge:
    """A judge behind the reply store; the engine is opened when the first reply is missing."""

    def __init__(self, spec: LlmReranker, model: Resolved | None) -> None:
        """Args: the reranker, and the engine's model where it is on this machine."""
        self._spec = spec
        self._engine = StoredEngine(
            spec.engine.identity(model.digest if model else None), lambda: spec.engine.open(model), spec.max_tokens
        )
        # Replies that cannot be stored (cut off by a filter, say) are asked for once in a run, not for every use.
        self._seen: dict[tuple[str, str], _Reply | None] = {}

    def prepare(self, pairs: Sequence[tuple[str, str]], progress: Progress) -> None:
        """Have every reply in the store."""
        distinct = list(dict.fromkeys(pairs))
        progress.start("judge", len(distinct), "pairs")
        try:
            for start in range(0, len(distinct), _BATCH):
                self._replies(distinct[start : start + _BATCH])
                progress.advance(min(_BATCH, len(distinct) - start))
        finally:
            progress.finish()

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """1 for answers, 0.5 for related, 0 for unrelated; NaN where the reply is none."""
        return [math.nan if reply is None else _RELEVANCE[reply.verdict] for reply in self._replies(pairs)]

    def words(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """The reason of each verdict."""
        return ["" if reply is None else reply.reason for reply in self._replies(pairs)]

    def _replies(self, pairs: Sequence[tuple[str, str]]) -> list[_Reply | None]:
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._seen]
        completions = self._engine.complete([self._request(*pair) for pair in new])
        for completion in completions:
            if completion.finish == "unavailable":
                raise UnavailableError(f"reranker {self._spec.name}: {completion.detail}; the same command resumes")
        self._seen |= {pair: _parsed(completion) for pair, completion in zip(new, completions, strict=True)}
        return [self._seen[pair] for pair in pairs]

    def _request(self, query: str, text: str) -> Request:
        """The likeliest tokens are taken, so a verdict depends on the texts alone."""
        request_id = fingerprint("verdict", query, text)[:24]
        document = " ".join(text.split()[: self._spec.words])
        return Request(
            request_id=request_id,
            messages=chat(_ROLE, as_data({"document": document}), as_data({"query": query}), _QUESTION),
            schema=_SCHEMA,
            temperature=0.0,
            top_p=1.0,
            max_tokens=self._spec.max_tokens,
            seed=seed_of("verdict", request_id),
        )


def _parsed(completion: Completion) -> _Reply | None:
    """The verdict in a completion; None for a reply that was cut off, refused or is no JSON."""
    if completion.finish != "stop":
        return None
    try:
        return _Reply.model_validate(json.loads(completion.text))
    except (ValueError, ValidationError, RecursionError):
        return None
