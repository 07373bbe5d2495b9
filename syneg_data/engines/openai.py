"""Generation by an OpenAI-style server over HTTP, constrained by the JSON schema that outlines hands to it."""

import asyncio
import importlib.util
import logging
import os
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from syneg_data.engines.addresses import BaseUrl
from syneg_data.engines.chat_completions import body_of, read_completion, read_refusal
from syneg_data.engines.connection import open_session, read_body, reason
from syneg_data.engines.pacing import Fault, Pacer
from syneg_data.engines.protocol import Completion, Finished, Message, Request, unheard
from syneg_data.errors import InputError, UnavailableError
from syneg_data.loading import switch_off_outlines_cache
from syneg_data.references import Resolved
from syneg_data.spec import RUNTIME, Spec

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

logger = logging.getLogger(__name__)

_SHORTEST_SECRET = 8  # people set keys such as "EMPTY" for servers that want none


class OpenAI(Spec):
    """A model behind an OpenAI-style HTTP server (vLLM, llama.cpp, SGLang, a hosted one), many requests at a time."""

    kind: Literal["openai"] = "openai"
    base_url: Annotated[BaseUrl, RUNTIME] = Field(description="http(s)://host[:port]/v1; redirects are not followed")
    model: str = Field(min_length=1, description="the name under which the server serves the model")
    revision: str = Field(
        min_length=1,
        description="what the server serves under that name: a commit, a digest or a date; you state it, since a "
        "server does not",
    )
    api_key_env: Annotated[str, RUNTIME] = Field(
        default="OPENAI_API_KEY",
        # A recipe from elsewhere must not be able to send just any variable to a server of its choice.
        pattern=r"^[A-Z][A-Z0-9_]*_API_KEY$",
        description="environment variable with the key, its name ends in _API_KEY; if it is not set, no key is sent",
    )
    concurrency: Annotated[int, RUNTIME] = Field(
        default=32, ge=1, le=1024, description="most requests in flight; fewer while the server is slow or overloaded"
    )
    retries: Annotated[int, RUNTIME] = Field(
        default=5, ge=0, le=100, description="how often a request is tried again after a fault that may pass"
    )
    timeout: Annotated[float, RUNTIME] = Field(default=120.0, gt=0, le=86400, description="seconds for one whole reply")
    breaker: Annotated[int, RUNTIME] = Field(
        default=12,
        ge=1,
        le=1000,
        description="faults in a row, with no reply in between, after which the run stops and can be resumed; those "
        "that come at once count as one",
    )

    # Pairs per chunk: enough requests to keep a server busy to the end of the chunk.
    chunk: ClassVar[int] = 64

    def model_reference(self) -> None:
        """Nothing to fetch: the server has the model."""

    def identity(self, digest: str | None) -> dict[str, Any]:
        """What decides a reply besides the request; where the server stands is no part of it."""
        return {"engine": "openai", "model": self.model, "revision": self.revision, "version": 1}

    def open(self, model: Resolved | None) -> "OpenAIEngine":
        """Get ready to connect; nothing is sent yet.

        Raises:
            InputError: the key cannot be sent.
        """
        return OpenAIEngine(self)


class OpenAIEngine:
    """A client of one server. It remembers between calls how much the server bears and which model it names.

    Args:
        spec: which server, and how to ask it.
        backoff: seconds before the first retry; later ones double it.
        resolver: who turns host names into addresses; the system by default.

    Attributes:
        context: None; servers do not tell.
    """

    context: int | None = None

    def __init__(self, spec: OpenAI, backoff: float = 0.5, resolver: "AbstractResolver | None" = None) -> None:
        if importlib.util.find_spec("aiohttp") is None:
            raise InputError("engine openai: aiohttp is not installed; pip install 'syneg-data[openai]'")
        switch_off_outlines_cache()
        from outlines.models.openai import OpenAITypeAdapter

        self._adapter: Any = OpenAITypeAdapter()
        self._spec = spec
        self._place = f"engine at {spec.base_url}"
        self._key = _key(spec.api_key_env)
        self._tls = ssl.create_default_context() if spec.base_url.startswith("https:") else None
        self._resolver = resolver
        self._pacer = Pacer(spec.concurrency, backoff)
        self._constraints: dict[str, dict[str, Any]] = {}
        self._served = ""

    def complete(self, requests: Sequence[Request], finished: Finished = unheard) -> list[Completion]:
        """One completion per request, in the same order; asked in that order, `concurrency` at a time.

        Raises:
            UnavailableError: the server is gone, or serves another model than before.
            InputError: the server refuses every request (key, model, URL), or its address may not be connected to.
        """
        return asyncio.run(self._complete(requests, finished)) if requests else []

    async def _complete(self, requests: Sequence[Request], finished: Finished) -> list[Completion]:
        asyncio.get_running_loop().set_exception_handler(_on_stray_exception)
        done: dict[int, Completion] = {}
        turns = enumerate(requests)
        self._pacer.reset()
        asking = asyncio.Lock()
        async with open_session(self._spec.timeout, self._key, self._tls, self._resolver) as session:

            async def work() -> None:
                for i, request in turns:
                    done[i] = await self._answer(session, request, asking)
                    finished(i, done[i])

            workers = [asyncio.create_task(work()) for _ in range(min(self._spec.concurrency, len(requests)))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        return [done[i] for i in range(len(requests))]

    async def _answer(self, session: "aiohttp.ClientSession", request: Request, asking: asyncio.Lock) -> Completion:
        """The completion of one request, after as many tries as it takes or is worth.

        A request is given up only if it fails although, since its first fault, the server has answered something; until
        then the fault is the server's, not the request's.
        """
        pacer, spec = self._pacer, self._spec
        tries, at_first_fault = 0, -1
        while True:
            tries += 1
            began = await pacer.enter()
            at_start = pacer.successes
            try:
                completion = await self._ask(session, request)
                pacer.succeeded()
                return completion
            except Fault as error:
                fault = error
                pacer.failed(began, fault)
            finally:
                pacer.leave()
            logger.debug("%s: %s, try %d", self._place, fault, tries)
            at_first_fault = pacer.successes if at_first_fault < 0 else at_first_fault
            spent = tries > spec.retries
            if spent and at_start > at_first_fault:
                return Completion("", "unavailable", 0, 0, detail=f"{fault} ({tries} tries)"[:200])
            if pacer.strikes >= spec.breaker or (spent and pacer.successes == at_first_fault):
                await self._ask_for_anything(session, request, asking, fault)
            await asyncio.sleep(pacer.delay(tries))

    async def _ask_for_anything(
        self, session: "aiohttp.ClientSession", request: Request, asking: asyncio.Lock, fault: Fault
    ) -> None:
        """Ask for one token, to tell a server that is gone from requests that it cannot answer.

        Raises:
            UnavailableError: there have been `breaker` strikes, and it does not answer this either.
        """
        small = Request("probe", (Message("user", "Hello."),), request.schema, 0.0, 1.0, 1, 0)
        before = self._pacer.successes
        async with asking:  # one at a time; who waited here takes the answer that came meanwhile
            if self._pacer.successes > before:
                return
            try:
                await self._ask(session, small)
                self._pacer.succeeded()
            except Fault:
                if self._pacer.strikes >= self._spec.breaker:
                    raise UnavailableError(
                        f"{self._place}: {self._pacer.strikes} faults in a row, the last: {fault}; "
                        "see to the server, then the same command resumes"
                    ) from None

    async def _ask(self, session: "aiohttp.ClientSession", request: Request) -> Completion:
        """Send one request once.

        Raises:
            Fault: another try may mend it.
        """
        import aiohttp

        body = body_of(request, self._spec.model, self._constraint(request.schema))
        url = f"{self._spec.base_url}/chat/completions"
        try:
            async with session.post(url, data=body, allow_redirects=False) as response:
                answer = self._without_key(await read_body(response))
        except aiohttp.ConnectionTimeoutError:
            raise Fault("connection: not made in time", overloaded=True) from None
        except TimeoutError:
            raise Fault("no whole reply in time", overloaded=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Fault(reason(error)) from None
        if response.status != 200:
            return read_refusal(response.status, response.headers, answer, request, self._place)
        completion, served = read_completion(answer, request)
        if served and served != self._served:
            if self._served:
                raise UnavailableError(
                    f"{self._place}: it now serves {served[:80]!r}, before it was {self._served[:80]!r}; rows of two "
                    "models must not mix: serve the first again, then the same command resumes, or state a new revision"
                )
            self._served = served
        return completion

    def _without_key(self, answer: bytes) -> bytes:
        """The answer, should the server repeat the key in it; what is shorter than a secret stays."""
        secret = self._key.encode()
        return answer.replace(secret, b"[hidden]") if len(secret) >= _SHORTEST_SECRET else answer

    def _constraint(self, schema: str) -> dict[str, Any]:
        """What outlines adds to a request so that a server holds its reply to the schema."""
        from outlines.types import JsonSchema

        if schema not in self._constraints:
            self._constraints[schema] = self._adapter.format_output_type(JsonSchema(schema))
        return self._constraints[schema]


def _on_stray_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say nothing of a signal that ends the run while a request is in flight: whoever ended it knows."""
    if not isinstance(context.get("exception"), SystemExit):
        loop.default_exception_handler(context)


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(
            f"environment variable {variable}: not a key, it holds control or non-ASCII characters; set it"
        )
    return key
