"""Cross-encoder: the relevance of (query, document) pairs, each scored once ever."""

import logging
import math
from collections.abc import Sequence
from typing import Any

from syneg_data.durable import KeyValueStore, cache_root
from syneg_data.errors import InputError
from syneg_data.loading import SAFE, SAFE_WEIGHTS, device, limit_length, quiet_loading, refuse_missing
from syneg_data.references import Resolved
from syneg_data.spec import fingerprint

logger = logging.getLogger(__name__)


class CrossEncoder:
    """A sequence-pair model with one output, behind the score store; loaded when the first score is missing."""

    def __init__(self, model: Resolved, max_length: int, batch_size: int) -> None:
        self._resolved = model
        self._max_length = max_length
        self._batch_size = batch_size
        self._model: Any = None
        self._store = KeyValueStore(cache_root() / "scores.sqlite")
        self.scored = 0

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Relevance in [0, 1] (sigmoid of the model's logit) of each (query text, document text).

        Raises:
            InputError: the model cannot be loaded or has more than one output.
        """
        keys = [self._key(*pair) for pair in pairs]
        known = self._store.get_many(keys)
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
        if missing:
            import torch

            model = self._load()
            logits = model.predict(
                list(missing.values()),
                batch_size=self._batch_size,
                activation_fn=torch.nn.Sigmoid(),
                show_progress_bar=False,
            )
            fresh = {key: float(value) for key, value in zip(missing, logits, strict=True)}
            # A score that is not a number is a fault of this run, not a fact about the pair: never stored.
            self._store.put_many({key: value for key, value in fresh.items() if math.isfinite(value)})
            self.scored += len(fresh)
            known |= fresh
        return [known[key] for key in keys]

    def _key(self, query: str, text: str) -> str:
        return fingerprint("cross_encoder", self._resolved.digest, self._max_length, "float32", query, text)

    def _load(self) -> Any:  # noqa: ANN401
        if self._model is None:
            with quiet_loading(self._resolved.label):
                from sentence_transformers import CrossEncoder as Model

                logger.info("loading cross-encoder %s", self._resolved.label)
                self._model = Model(
                    str(self._resolved.path),
                    device=device(),
                    model_kwargs={"dtype": "float32", **SAFE_WEIGHTS},
                    **SAFE,
                )
                refuse_missing(self._model[0].model, self._resolved.path)
                limit_length(self._model, self._max_length)
        if self._model.num_labels != 1:
            raise InputError(
                f"model {self._resolved.label}: {self._model.num_labels} outputs, a reranker has one; "
                "choose a cross-encoder trained for relevance"
            )
        return self._model
