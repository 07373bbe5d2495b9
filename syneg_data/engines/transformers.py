"""In-process generation with transformers, constrained by outlines (llguidance backend); runs on a plain CPU."""

import itertools
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

from syneg_data.engines.protocol import Completion, Request
from syneg_data.errors import InputError
from syneg_data.loading import SAFE, SAFE_WEIGHTS, device, quiet_loading
from syneg_data.references import Model, Resolved
from syneg_data.spec import RUNTIME, Spec

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


class Transformers(Spec):
    """A causal language model in this process: safetensors or GGUF, CPU or GPU, in batches."""

    kind: Literal["transformers"]
    model: Model = Field(description="an instruction-tuned model with a chat template")
    dtype: Literal["bfloat16", "float32"] = Field("bfloat16", description="arithmetic of the weights")
    batch_size: Annotated[int, RUNTIME] = Field(16, ge=1, description="requests decoded together")

    def identity(self, digest: str) -> dict[str, Any]:
        """What decides a reply besides the request."""
        return {"engine": "transformers", "model": digest, "dtype": self.dtype, "backend": "llguidance", "version": 1}

    def open(self, model: Resolved) -> "TransformersEngine":
        """Load the model.

        Raises:
            InputError: it cannot be loaded, or has no chat template.
        """
        return TransformersEngine(self, model)


class TransformersEngine:
    """A loaded model. Every request has noise of its own, so a reply does not depend on its place in the batch."""

    def __init__(self, spec: Transformers, model: Resolved) -> None:
        # outlines 1.3 pulls in diskcache, which unpickles what it reads; nothing here may ever use that cache.
        import outlines
        import torch
        from outlines import caching

        cast(Any, caching).disable_cache()
        # llguidance compiles its mask kernel at first use: 15 s and a C++ compiler for a kernel that is not the cost.
        torch.compiler.set_stance("force_eager")
        self._spec = spec
        logger.info("loading language model %s", model.label)
        with quiet_loading(model.label):
            self._tokenizer, self._model = _load(model.path, spec.dtype)
        if not getattr(self._tokenizer, "chat_template", None):
            raise InputError(f"model {model.label}: no chat template; choose an instruction-tuned model")
        self._outlines = outlines.from_transformers(self._model, self._tokenizer)
        self._context = int(getattr(self._model.config, "max_position_embeddings", 0)) or 1 << 20
        self._constraints: dict[str, Any] = {}

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in the same order; batches are cut from the requests sorted by prompt length."""
        prompts = [self._prompt(request) for request in requests]
        lengths = [len(ids) for ids in self._tokenizer(prompts, add_special_tokens=False)["input_ids"]]
        done: dict[int, Completion] = {}
        fitting = []
        for i, request in enumerate(requests):
            if lengths[i] + request.max_tokens > self._context:
                detail = f"prompt of {lengths[i]} tokens and {request.max_tokens} to write exceed {self._context}"
                done[i] = Completion("", "too_long", lengths[i], 0, detail=detail)
            else:
                fitting.append(i)
        # One schema and one way of sampling per batch; within that, neighbours in length waste the least padding.
        fitting.sort(key=lambda i: (_kind(requests[i]), lengths[i], i))
        for _, group in itertools.groupby(fitting, key=lambda i: _kind(requests[i])):
            members = list(group)
            for start in range(0, len(members), self._spec.batch_size):
                batch = members[start : start + self._spec.batch_size]
                replies = self._generate([prompts[i] for i in batch], [requests[i] for i in batch])
                for i, (text, finish, tokens_out) in zip(batch, replies, strict=True):
                    done[i] = Completion(text, finish, lengths[i], tokens_out)
        return [done[i] for i in range(len(requests))]

    def _prompt(self, request: Request) -> str:
        chat = [{"role": message.role, "content": message.content} for message in request.messages]
        return str(self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))

    def _constraint(self, schema: str) -> Any:  # noqa: ANN401
        """Outlines' logits processor for a schema, with the grammar's free white space switched off."""
        import outlines
        from outlines.types import JsonSchema

        if schema not in self._constraints:
            compact = json.dumps({**json.loads(schema), "x-guidance": {"whitespace_flexible": False}})
            generator: Any = outlines.Generator(self._outlines, JsonSchema(compact), backend="llguidance")
            self._constraints[schema] = generator.logits_processor
        return self._constraints[schema]

    def _generate(
        self, prompts: list[str], requests: list[Request]
    ) -> list[tuple[str, Literal["stop", "length"], int]]:
        """Decode one batch; (text, finish, tokens) of each prompt."""
        import torch
        from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

        first = requests[0]
        constraint = self._constraint(first.schema)
        constraint.reset()
        processors = [constraint, TemperatureLogitsWarper(first.temperature)]
        if first.top_p < 1.0:
            processors.append(TopPLogitsWarper(first.top_p))
        processors.append(_GumbelNoise([request.seed for request in requests]))
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        prompt_length = inputs["input_ids"].shape[1]
        with torch.inference_mode(), warnings.catch_warnings():
            # A finished row is fed padding until the batch ends; its matcher complains about every pad.
            warnings.filterwarnings("ignore", message="Error in LLMatcher")
            output = self._model.generate(
                input_ids=inputs["input_ids"].to(self._model.device),
                attention_mask=inputs["attention_mask"].to(self._model.device),
                logits_processor=LogitsProcessorList(processors),
                do_sample=False,
                max_new_tokens=first.max_tokens,
                eos_token_id=self._tokenizer.eos_token_id,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        return [self._cut(row) for row in output[:, prompt_length:].tolist()]

    def _cut(self, tokens: list[int]) -> tuple[str, Literal["stop", "length"], int]:
        end = self._tokenizer.eos_token_id
        if end in tokens:
            length = tokens.index(end)
            return self._tokenizer.decode(tokens[:length]), "stop", length + 1
        return self._tokenizer.decode(tokens), "length", len(tokens)


class _GumbelNoise:
    """Adds Gumbel noise to masked logits, so that their argmax is a sample (the Gumbel-max trick).

    Each row draws from a generator of its own: its noise does not depend on which rows share the batch.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        import torch

        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """Noisy scores, shape (rows, vocabulary)."""
        import torch

        noise = torch.stack([torch.empty(scores.shape[1]).exponential_(generator=g) for g in self._generators])
        return scores.float() - noise.log().to(scores.device)


def _kind(request: Request) -> tuple[str, int, float, float]:
    return request.schema, request.max_tokens, request.temperature, request.top_p


def _load(path: Path, dtype: str) -> tuple[Any, Any]:
    """Tokenizer and model of a safetensors folder or a GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where: dict[str, Any] = {"pretrained_model_name_or_path": str(path), **SAFE}
    options: dict[str, Any] = dict(SAFE_WEIGHTS)
    if path.is_file():
        where = {**where, "pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        options = _dense_weights()
    tokenizer = AutoTokenizer.from_pretrained(**where, padding_side="left")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = tokenizer.eos_token_id
    model = AutoModelForCausalLM.from_pretrained(**where, **options, dtype=getattr(torch, dtype))
    return tokenizer, cast(Any, model).to(device()).eval()


def _dense_weights() -> dict[str, Any]:
    """From transformers 5.20 or so GGUF weights stay packed unless told otherwise; unpacked they run twice as fast."""
    import transformers

    config = getattr(transformers, "GgufConfig", None)
    return {} if config is None else {"quantization_config": config(dequantize=True)}
