"""In-process generation with vLLM; a constraint made by outlines holds every reply to its schema."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError

from syneg_data.engines.protocol import Completion, Finish, Finished, Request, unheard
from syneg_data.engines.weights import folder_of
from syneg_data.errors import InputError, UnavailableError
from syneg_data.loading import SAFE, quiet_loading, render_chat, switch_off_outlines_cache
from syneg_data.references import Model, Resolved
from syneg_data.spec import RUNTIME, Spec

logger = logging.getLogger(__name__)

# Whoever wants it otherwise sets the variable before.
_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # deterministic scheduling; no engine process survives a kill -9 of ours
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout is for results
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB; read on CPUs only
    # On a CPU that others use too, threads that wait by spinning make every step ten times slower. It has an effect
    # only if nothing has loaded torch before.
    "OMP_WAIT_POLICY": "PASSIVE",
}
_REASON_CHARACTERS = 240  # some reasons go on with a page of advice
# `error`: a token that the grammar rejects ends a request.
_FINISHES: dict[str | None, Finish] = {"stop": "stop", "length": "length", "error": "broken", "repetition": "broken"}


class Vllm(Spec):
    """A causal language model in this process, served by vLLM: continuous batches, shared prefixes computed once."""

    kind: Literal["vllm"] = "vllm"
    model: Model = Field(description="an instruction-tuned model with a chat template")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        default="bfloat16", description="arithmetic of the weights; auto takes the model's own"
    )
    max_model_len: int | None = Field(
        default=None, ge=16, description="context to reserve, in tokens of prompt and reply; null takes the model's own"
    )
    backend: Literal["guidance", "xgrammar", "outlines"] = Field(
        default="guidance", description="who holds replies to their schema; guidance is fast and safe"
    )
    max_num_seqs: Annotated[int, RUNTIME] = Field(default=256, ge=1, description="requests decoded together")
    gpu_memory_utilization: Annotated[float, RUNTIME] = Field(
        default=0.9, gt=0, le=1, description="share of the GPU's memory to use; CPUs ignore it"
    )
    tensor_parallel_size: Annotated[int, RUNTIME] = Field(
        default=1, ge=1, description="GPUs that share one copy of the model"
    )
    enforce_eager: Annotated[bool, RUNTIME] = Field(
        default=False, description="skip compilation: starts sooner, runs slower; CPUs always do"
    )

    # Pairs per chunk: a chunk ends with ever fewer requests in flight, so it should hold many times what is decoded
    # at once (max_num_seqs). Replies are kept as they finish, so a large chunk loses nothing in a crash.
    chunk: ClassVar[int] = 128

    def identity(self, digest: str | None) -> dict[str, Any]:
        """What decides a reply besides the request; the context does, for models that scale positions by it."""
        identity = {"engine": "vllm", "model": digest, "dtype": self.dtype, "backend": self.backend, "version": 1}
        return {**identity, "max_model_len": self.max_model_len}

    def model_reference(self) -> Model:
        """The model to have at hand."""
        return self.model

    def open(self, model: Resolved | None) -> "VllmEngine":
        """Start vLLM.

        Raises:
            InputError: vLLM is not installed, or cannot run this model with these settings.
            UnavailableError: there is not enough memory now.
        """
        assert model is not None, "resolved from model_reference"
        return VllmEngine(self, model)


class VllmEngine:
    """A started vLLM. Every request has a seed of its own; replies are told as they finish."""

    def __init__(self, spec: Vllm, model: Resolved) -> None:
        self._label, self._backend = model.label, spec.backend
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with _stdout_kept_clean(), warnings.catch_warnings(action="ignore"):
            try:
                import vllm
                from transformers import AutoTokenizer
            except ImportError as error:
                raise InputError(
                    f"engine vllm: {_reason(error)}; install the vllm extra: pip install 'syneg-data[vllm]'"
                ) from error
            switch_off_outlines_cache()
            folder = folder_of(model, "bfloat16" if spec.dtype == "auto" else spec.dtype)
            with quiet_loading(model.label):
                self._tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), **SAFE)
            if not getattr(self._tokenizer, "chat_template", None):
                raise InputError(f"model {model.label}: no chat template; choose an instruction-tuned model")
            logger.info("starting vLLM %s with %s", vllm.__version__, model.label)
            self._llm = _start(vllm, spec, str(folder), model.label)
        self.context = int(self._llm.model_config.max_model_len)
        self._constraints: dict[str, dict[str, Any]] = {}

    def complete(self, requests: Sequence[Request], finished: Finished = unheard) -> list[Completion]:
        """One completion per request, in the same order; requests that share a prefix are best adjacent.

        Raises:
            InputError: the backend cannot hold replies to a schema; nothing was generated.
            UnavailableError: vLLM died; what was finished has been told.
        """
        done: dict[int, Completion] = {}
        prompts = self._prompts(requests)
        for i, request in enumerate(requests):
            # vLLM would refuse the whole batch for one such prompt.
            if len(prompts[i]) + request.max_tokens > self.context:
                detail = f"prompt of {len(prompts[i])} tokens and {request.max_tokens} to write exceed {self.context}"
                done[i] = Completion("", "too_long", len(prompts[i]), 0, detail=detail)
                finished(i, done[i])
        fitting = [i for i in range(len(requests)) if i not in done]
        names = self._submit([prompts[i] for i in fitting], [requests[i] for i in fitting])
        # What vLLM hands out may carry a random tail that its outputs do not have.
        places = {name.partition("-")[0]: i for name, i in zip(names, fitting, strict=True)}
        # `LLM.generate` is this loop, but it tells of nothing before all have ended.
        while self._llm.llm_engine.has_unfinished_requests():
            for output in self._step():
                if output.finished:
                    i = places[output.request_id]
                    done[i] = _completion(output)
                    finished(i, done[i])
        silent = Completion("", "unavailable", 0, 0, detail="vLLM dropped it without a word")
        return [done.get(i, silent) for i in range(len(requests))]

    def _prompts(self, requests: Sequence[Request]) -> list[list[int]]:
        chats = [[{"role": m.role, "content": m.content} for m in request.messages] for request in requests]
        texts = [render_chat(self._tokenizer, chat, self._label) for chat in chats]
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        return ids

    def _submit(self, prompts: list[list[int]], requests: list[Request]) -> list[str]:
        """Hand all to vLLM, or none; its names for them."""
        # Whether a prefix is cached changes rounding: a batch should not depend on what was asked before it.
        self._llm.reset_prefix_cache()
        try:
            names: list[str] = self._llm.enqueue(
                [{"prompt_token_ids": prompt} for prompt in prompts],
                [self._sampling(request) for request in requests],
                use_tqdm=False,
            )
        except Exception as error:  # what vLLM and outlines raise for a schema has no base in common
            raise InputError(
                f"model {self._label}: vLLM's backend {self._backend} refuses a request ({_reason(error)}); "
                "choose another backend"
            ) from error
        return names

    def _sampling(self, request: Request) -> Any:  # noqa: ANN401
        from vllm.sampling_params import SamplingParams, StructuredOutputsParams

        return SamplingParams(
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            seed=request.seed,
            structured_outputs=StructuredOutputsParams(**self._constraint(request.schema)),
        )

    def _constraint(self, schema: str) -> dict[str, Any]:
        """A schema as outlines tells it to vLLM."""
        from outlines.models.vllm_offline import VLLMOfflineTypeAdapter
        from outlines.types import JsonSchema

        if schema not in self._constraints:
            self._constraints[schema] = VLLMOfflineTypeAdapter().format_output_type(JsonSchema(schema))
        return self._constraints[schema]

    def _step(self) -> list[Any]:
        try:
            outputs: list[Any] = self._llm.llm_engine.step()
        except Exception as error:  # whatever it is, this engine will not answer again
            raise UnavailableError(
                f"model {self._label}: vLLM died ({_reason(error)}); the same command resumes, with less "
                "max_num_seqs or max_model_len if memory ran out"
            ) from error
        return outputs


def _start(vllm: Any, spec: Vllm, folder: str, label: str) -> Any:  # noqa: ANN401
    import torch
    from vllm.platforms import current_platform

    constraint: dict[str, Any] = {"backend": spec.backend}
    if spec.backend != "outlines":  # whose grammar has no free white space to begin with
        constraint["disable_any_whitespace"] = True  # free white space is where small models get lost
    options: dict[str, Any] = {}
    if current_platform.is_cpu():
        # A prompt prefilled in parts crashes requests with seeds of their own. vLLM then reserves room for the longest.
        options = {"enable_chunked_prefill": False, "enforce_eager": True}
    try:
        with _hidden("llvmlite.binding.ffi"):
            return vllm.LLM(
                folder,
                trust_remote_code=False,
                dtype=spec.dtype,
                max_model_len=spec.max_model_len,
                max_num_seqs=spec.max_num_seqs,
                gpu_memory_utilization=spec.gpu_memory_utilization,
                tensor_parallel_size=spec.tensor_parallel_size,
                enable_prefix_caching=True,
                use_tqdm_on_load=False,
                structured_outputs_config=constraint,
                **{"enforce_eager": spec.enforce_eager, **options},
            )
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise UnavailableError(
            f"model {label}: not enough memory for vLLM ({_reason(error)}); free some, or lower max_model_len, "
            "max_num_seqs or gpu_memory_utilization"
        ) from error
    except Exception as error:
        raise InputError(
            f"model {label}: vLLM cannot start ({_reason(error)}); change the engine's settings or choose another model"
        ) from error


def _completion(output: Any) -> Completion:  # noqa: ANN401
    reply = output.outputs[0]
    finish = _FINISHES.get(reply.finish_reason, "unavailable")
    detail = f"vLLM ended it with {reply.finish_reason!r}" if finish in ("broken", "unavailable") else ""
    cached = output.num_cached_tokens or 0
    return Completion(reply.text, finish, len(output.prompt_token_ids), len(reply.token_ids), cached, detail)


def _reason(error: Exception) -> str:
    """The first line that says what is wrong; vLLM's settings are checked by pydantic, which puts a heading above."""
    text = error.errors()[0]["msg"].removeprefix("Value error, ") if isinstance(error, ValidationError) else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0][:_REASON_CHARACTERS]


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Keep a loaded module out of `sys.modules` for a while.

    On a CPU vLLM looks through the contents of every loaded module. numba, which bm25s loads where it is installed,
    brings in one whose table of functions answers to any name, `__dict__` too, and vLLM's start ends there.
    """
    module = sys.modules.pop(name, None)
    try:
        yield
    finally:
        if module is not None:
            sys.modules[name] = module


@contextlib.contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """What libraries, their C++ parts and processes started inside print to stdout goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
