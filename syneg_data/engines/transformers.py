"""In-process generation with transformers, constrained by outlines (llguidance backend); runs on a plain CPU."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from syneg_data.engines.protocol import Completion, Finish, Finished, Request, unheard
from syneg_data.engines.weights import dense_weights
from syneg_data.errors import InputError
from syneg_data.loading import SAFE, SAFE_WEIGHTS, device, quiet_loading, render_chat, switch_off_outlines_cache
from syneg_data.references import Model, Resolved
from syneg_data.spec import RUNTIME, Spec

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


class Transformers(Spec):
    """A causal language model in this process: safetensors or GGUF, CPU or GPU, in batches."""

    kind: Literal["transformers"] = "transformers"
    model: Model = Field(description="an instruction-tuned model with a chat template")
    dtype: Literal["bfloat16", "float32"] = Field(default="bfloat16", description="arithmetic of the weights")
    batch_size: Annotated[int, RUNTIME] = Field(default=16, ge=1, description="requests decoded together")
    chunk: ClassVar[int] = 16  # pairs that are committed together: minutes of work on a CPU

    def model_reference(self) -> Model:
        """The model to have at hand."""
        return self.model

    def identity(self, digest: str | None) -> dict[str, Any]:
        """What decides a reply besides the request."""
        return {"engine": "transformers", "model": digest, "dtype": self.dtype, "backend": "llguidance", "version": 2}

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
        switch_off_outlines_cache()
        import outlines

        self._spec, self._label = spec, model.label
        logger.info("loading language model %s", model.label)
        with quiet_loading(model.label):
            self._tokenizer, self._model = _load(model.path, spec.dtype)
        if not getattr(self._tokenizer, "chat_template", None):
            raise InputError(f"model {model.label}: no chat template; choose an instruction-tuned model")
        self._outlines = outlines.from_transformers(self._model, self._tokenizer)
        self.context = int(getattr(self._model.config, "max_position_embeddings", 0)) or 1 << 20
        self._constraints: dict[str, Any] = {}

    def complete(self, requests: Sequence[Request], finished: Finished = unheard) -> list[Completion]:
        """One completion per request, in the same order.

        Neighbours whose prompts start alike form a family: what they share is computed once. Batches are cut from the
        families sorted by length, because a short row in a batch of long ones is mostly padding.
        """
        prompts = [self._prompt(request) for request in requests]
        encoded: list[list[int]] = self._tokenizer(prompts, add_special_tokens=False)["input_ids"] if prompts else []
        done: dict[int, Completion] = {}

        def settle(i: int, completion: Completion) -> None:
            done[i] = completion
            finished(i, completion)

        fitting = []
        for i, request in enumerate(requests):
            if len(encoded[i]) + request.max_tokens > self.context:
                detail = f"{len(encoded[i])} tokens of prompt and {request.max_tokens} to write exceed {self.context}"
                settle(i, Completion("", "too_long", len(encoded[i]), 0, detail=detail))
            else:
                fitting.append(i)
        families = _families(fitting, encoded, requests, self._spec.batch_size)
        families.sort(key=lambda family: (_kind(requests[family.rows[0]]), len(encoded[family.rows[0]]), family.rows))
        for batch in _batches(families, requests, self._spec.batch_size):
            rows = [i for family in batch for i in family.rows]
            replies = self._generate(batch, encoded, [requests[i] for i in rows])
            cached = [family.shared if i != family.rows[0] else 0 for family in batch for i in family.rows]
            for i, (text, finish, tokens_out), reused in zip(rows, replies, cached, strict=True):
                settle(i, Completion(text, finish, len(encoded[i]), tokens_out, reused))
        return [done[i] for i in range(len(requests))]

    def _prompt(self, request: Request) -> str:
        chat = [{"role": message.role, "content": message.content} for message in request.messages]
        return render_chat(self._tokenizer, chat, self._label)

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
        self, families: Sequence["_Family"], encoded: Sequence[list[int]], requests: list[Request]
    ) -> list[tuple[str, Finish, int]]:
        """Decode one batch; (text, finish, tokens) of each row.

        Not `model.generate`: that keeps decoding finished rows until the longest one ends, and masks row by row.
        """
        import torch

        constraint = self._constraint(requests[0].schema)
        with torch.inference_mode():
            replies = self._decode(*self._shared_prefixes(families, encoded), constraint, requests)
        return [
            (self._tokenizer.decode(tokens), finish, len(tokens) + (finish == "stop")) for tokens, finish in replies
        ]

    def _shared_prefixes(
        self, families: Sequence["_Family"], encoded: Sequence[list[int]]
    ) -> tuple[Any, "torch.Tensor", "torch.Tensor"]:
        """Keys and values of every row's shared tokens, computed once per family; the rest of each row, and the mask.

        Returns:
            The cache, one row per request; the remaining tokens, shape (rows, longest rest), padded on the left; and
            the attention mask over both, shape (rows, longest shared part + longest rest).
        """
        import torch
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)
        first, mask = self._padded([encoded[family.rows[0]][: family.shared] for family in families])
        self._model(
            input_ids=first, attention_mask=mask, position_ids=_positions(mask), past_key_values=cache, logits_to_keep=1
        )
        rows = [row for row, family in enumerate(families) for _ in family.rows]
        owner = torch.tensor(rows, device=mask.device)
        cache.batch_select_indices(owner)
        rest, rest_mask = self._padded([encoded[i][family.shared :] for family in families for i in family.rows])
        return cache, rest, torch.cat([mask[owner], rest_mask], dim=1)

    def _padded(self, rows: Sequence[list[int]]) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Token ids and attention mask, each of shape (rows, longest row), padded on the left."""
        import torch

        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self._tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, width - len(tokens) :] = torch.tensor(tokens)
            mask[row, width - len(tokens) :] = 1
        return ids.to(self._model.device), mask.to(self._model.device)

    def _decode(
        self,
        cache: Any,  # noqa: ANN401
        tokens: "torch.Tensor",
        attention: "torch.Tensor",
        constraint: Any,  # noqa: ANN401
        requests: list[Request],
    ) -> list[tuple[list[int], Finish]]:
        """New tokens of each row, and why it ended. A row that has ended leaves the batch."""
        import torch
        from llguidance import LLMatcher

        positions = _positions(attention)[:, -tokens.shape[1] :]
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


@dataclass(frozen=True, slots=True)
class _Family:
    """Requests whose prompts start with the same `shared` tokens; every row keeps at least one token of its own."""

    rows: tuple[int, ...]
    shared: int


def _families(
    fitting: Sequence[int], encoded: Sequence[list[int]], requests: Sequence[Request], most: int
) -> list[_Family]:
    """Runs of neighbours of one kind in which each shares at least half of its prompt with the first."""
    families: list[_Family] = []
    for i in fitting:
        if families and len(families[-1].rows) < most:
            family = families[-1]
            head = family.rows[0]
            shared = min(family.shared, _common(encoded[head], encoded[i]), len(encoded[i]) - 1)
            if _kind(requests[head]) == _kind(requests[i]) and 2 * shared >= len(encoded[i]):
                families[-1] = _Family((*family.rows, i), shared)
                continue
        families.append(_Family((i,), len(encoded[i]) - 1))
    return families


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """Length of the common start."""
    return next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _batches(families: Sequence[_Family], requests: Sequence[Request], most: int) -> Iterator[list[_Family]]:
    """Families in the order given, `most` rows at a time at most, one schema and one way of sampling in each batch."""
    batch: list[_Family] = []
    for family in families:
        rows = sum(len(other.rows) for other in batch)
        if batch and (
            rows + len(family.rows) > most or _kind(requests[batch[0].rows[0]]) != _kind(requests[family.rows[0]])
        ):
            yield batch
            batch = []
        batch.append(family)
    if batch:
        yield batch


def _positions(mask: "torch.Tensor") -> "torch.Tensor":
    """Position of each token among those of its row that are not padding; shape of `mask`."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


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
        options = dense_weights()
    tokenizer = AutoTokenizer.from_pretrained(**where, padding_side="left")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = tokenizer.eos_token_id
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        **where, **options, dtype=getattr(torch, dtype), output_loading_info=True
    )
    model, loading = loaded
    if loading["missing_keys"]:  # transformers would make them up at random
        raise ValueError(f"the weights lack {sorted(loading['missing_keys'])[0]}")
    return tokenizer, model.to(device()).eval()
