"""In-process generation with transformers, constrained by outlines (llguidance backend); runs on a plain CPU."""

import itertools
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import Field

from syneg_data.engines.protocol import Completion, Finish, Finished, Request, unheard
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
    chunk: ClassVar[int] = 16  # pairs that are committed together: minutes of work on a CPU

    def model_reference(self) -> Model:
        """The model to have at hand."""
        return self.model

    def identity(self, digest: str | None) -> dict[str, Any]:
        """What decides a reply besides the request."""
        return {"engine": "transformers", "model": digest, "dtype": self.dtype, "backend": "llguidance", "version": 1}

    def open(self, model: Resolved | None) -> "TransformersEngine":
        """Load the model.

        Raises:
            InputError: it cannot be loaded, or has no chat template.
        """
        assert model is not None, "resolved from model_reference"
        return TransformersEngine(self, model)


class TransformersEngine:
    """A loaded model. Every request has noise of its own, so a reply does not depend on its place in the batch."""

    def __init__(self, spec: Transformers, model: Resolved) -> None:
        # outlines 1.3 pulls in diskcache, which unpickles what it reads; nothing here may ever use that cache.
        import outlines
        from outlines import caching

        cast(Any, caching).disable_cache()
        self._spec = spec
        logger.info("loading language model %s", model.label)
        with quiet_loading(model.label):
            self._tokenizer, self._model = _load(model.path, spec.dtype)
        if not getattr(self._tokenizer, "chat_template", None):
            raise InputError(f"model {model.label}: no chat template; choose an instruction-tuned model")
        self._outlines = outlines.from_transformers(self._model, self._tokenizer)
        self._context = int(getattr(self._model.config, "max_position_embeddings", 0)) or 1 << 20
        self._constraints: dict[str, Any] = {}

    def complete(self, requests: Sequence[Request], finished: Finished = unheard) -> list[Completion]:
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
                    finished(i, done[i])
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

    def _generate(self, prompts: list[str], requests: list[Request]) -> list[tuple[str, Finish, int]]:
        """Decode one batch; (text, finish, tokens) of each prompt.

        Not `model.generate`: that keeps decoding finished rows until the longest one ends, and masks row by row.
        """
        import torch

        constraint = self._constraint(requests[0].schema)
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        inputs = inputs.to(self._model.device)
        with torch.inference_mode():
            replies = self._decode(inputs["input_ids"], inputs["attention_mask"], constraint, requests)
        return [
            (self._tokenizer.decode(tokens), finish, len(tokens) + (finish == "stop")) for tokens, finish in replies
        ]

    def _decode(
        self,
        tokens: "torch.Tensor",
        attention: "torch.Tensor",
        constraint: Any,  # noqa: ANN401
        requests: list[Request],
    ) -> list[tuple[list[int], Finish]]:
        """New tokens of each row, and why it ended. A row that has ended leaves the batch."""
        import torch
        from llguidance import LLMatcher
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)
        positions = (attention.cumsum(-1) - 1).clamp(min=0)
        written: list[list[int]] = [[] for _ in requests]
        finished = ["length"] * len(requests)
        rows = list(range(len(requests)))
        matchers = [LLMatcher(constraint.llg_tokenizer, constraint.grammar) for _ in rows]
        noise = [torch.Generator().manual_seed(request.seed) for request in requests]
        for _ in range(requests[0].max_tokens):
            output = self._model(
                input_ids=tokens,
                attention_mask=attention,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits = _allowed_only(output.logits[:, -1].float().cpu(), matchers)
            chosen = _sample(logits, requests[0], [noise[row] for row in rows])
            going = []
            for at, token in enumerate(chosen.tolist()):
                if token == self._tokenizer.eos_token_id:
                    finished[rows[at]] = "stop"
                else:
                    written[rows[at]].append(token)
                    matchers[at].consume_token(token)
                    going.append(at)
            if not going:
                break
            if len(going) < len(rows):
                keep = torch.tensor(going, device=attention.device)
                cache.batch_select_indices(keep)
                attention, positions, chosen = attention[keep], positions[keep], chosen[going]
                rows, matchers = [rows[at] for at in going], [matchers[at] for at in going]
            tokens = chosen[:, None].to(attention.device)
            attention = torch.cat([attention, attention.new_ones(len(rows), 1)], dim=1)
            positions = positions[:, -1:] + 1
        return [(written[row], "stop" if finished[row] == "stop" else "length") for row in range(len(requests))]


def _allowed_only(logits: "torch.Tensor", matchers: Sequence[Any]) -> "torch.Tensor":
    """Logits, shape (rows, vocabulary), with minus infinity wherever a row's grammar forbids the token."""
    import torch
    from llguidance.torch import allocate_token_bitmask, fill_next_token_bitmask

    bits = allocate_token_bitmask(len(matchers), logits.shape[1])
    for row, matcher in enumerate(matchers):
        fill_next_token_bitmask(matcher, bits, row)
    allowed = (bits[:, :, None] >> torch.arange(32, dtype=torch.int32)) & 1
    return logits.masked_fill(allowed.view(len(matchers), -1)[:, : logits.shape[1]] == 0, -torch.inf)


def _sample(logits: "torch.Tensor", request: Request, noise: Sequence["torch.Generator"]) -> "torch.Tensor":
    """One token per row by the Gumbel-max trick: argmax of logits plus noise is a sample.

    Each row's noise comes from a generator of its own, so it does not depend on which rows share the batch.
    """
    import torch
    from transformers import TopPLogitsWarper

    if request.temperature == 0.0:
        return logits.argmax(dim=-1)
    logits = logits / request.temperature
    if request.top_p < 1.0:
        logits = TopPLogitsWarper(request.top_p)(None, logits)
    exponential = torch.stack([torch.empty(logits.shape[1]).exponential_(generator=g) for g in noise])
    return (logits - exponential.log()).argmax(dim=-1)


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
