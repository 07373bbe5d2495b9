"""Cross-encoder: the relevance of (query, document) pairs, each scored once ever."""

import math
from collections.abc import Iterator, Sequence

from syneg_data.durable import KeyValueStore, cache_root
from syneg_data.encoders.networks import Backend, Number, PairNetwork, open_network
from syneg_data.errors import InputError
from syneg_data.execution import Progress, Silence
from syneg_data.loading import halving, naming
from syneg_data.references import Resolved
from syneg_data.spec import fingerprint

_WINDOW = 2048  # pairs tokenised together, and committed together once they are scored


class CrossEncoder:
    """A sequence-pair model with one output, behind the score store; loaded when the first score is missing."""

    def __init__(
        self,
        model: Resolved,
        max_length: int,
        batch_tokens: int,
        backend: Backend = "torch",
        dtype: Number = "float32",
    ) -> None:
        """Remember what to load.

        Args:
            model: where it is.
            max_length: tokens of query and document together that it reads; fewer where it has not so many positions.
            batch_tokens: tokens in a batch, padding included; halved for good where memory runs out.
            backend: what runs it.
            dtype: number format that it computes in.
        """
        self._resolved = model
        self._max_length = max_length
        self._batch_tokens = batch_tokens
        self._backend, self._dtype = backend, dtype
        self._network: PairNetwork | None = None
        self._store = KeyValueStore(cache_root() / "scores.sqlite")
        self.scored = 0

    def score(self, pairs: Sequence[tuple[str, str]], progress: Progress | None = None) -> list[float]:
        """Relevance in [0, 1] (sigmoid of the model's logit) of each (query text, document text).

        Pairs that are not in the store are scored once each, longest first, in batches of like length, and committed a
        window at a time.

        Raises:
            InputError: the model cannot be loaded or run, or has more than one output.
        """
        hearer = progress or Silence()
        keys = [self._key(*pair) for pair in pairs]
        known = self._store.get_many(keys)
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
        if missing:
            hearer.start("score", len(missing), "pairs")
            order = sorted(missing, key=lambda key: (-len(missing[key][0]) - len(missing[key][1]), key))
            try:
                for start in range(0, len(order), _WINDOW):
                    window = order[start : start + _WINDOW]
                    fresh = dict(zip(window, self._score([missing[key] for key in window]), strict=True))
                    # A score that is not a number is a fault of this run, not a fact about the pair: never stored.
                    self._store.put_many({key: value for key, value in fresh.items() if math.isfinite(value)})
                    self.scored += len(fresh)
                    known |= fresh
                    hearer.advance(len(fresh))
            finally:
                hearer.finish()
        return [known[key] for key in keys]

    def _score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        import numpy as np

        if self._network is None:
            self._network = open_network(self._resolved, self._max_length, self._backend, self._dtype)
        network, label = self._network, self._resolved.label
        with naming(label):
            tokens = network.tokenise(pairs)
        lengths = [len(ids) for ids in tokens["input_ids"]]
        if len(lengths) != len(pairs):
            raise InputError(f"model {label}: its tokenizer made {len(lengths)} rows of {len(pairs)} pairs")

        def run(budget: int) -> list[float]:
            scores = [math.nan] * len(pairs)
            for batch in _batches(lengths, budget):
                logits = network.logits({name: [rows[i] for i in batch] for name, rows in tokens.items()})
                if logits.shape != (len(batch), 1):
                    raise InputError(f"model {label}: gave an output of shape {logits.shape} for {len(batch)} pairs")
                with np.errstate(over="ignore"):  # a logit of -800 is a relevance of 0
                    relevance = 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))
                for i, value in zip(batch, relevance.tolist(), strict=True):
                    scores[i] = value
            return scores

        # With a budget of the longest pair, each long one is alone already; a smaller budget would change nothing.
        scores, self._batch_tokens = halving(label, self._batch_tokens, "tokens", run, max(lengths))
        return scores

    def _key(self, query: str, text: str) -> str:
        return fingerprint(
            "cross_encoder", self._resolved.digest, self._max_length, self._backend, self._dtype, query, text
        )


def _batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions in batches of like length, longest first, none with more than `budget` tokens unless it is alone."""
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
