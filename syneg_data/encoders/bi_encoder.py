"""Bi-encoder: texts to unit vectors, each computed once ever."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from syneg_data.encoders.vectors import VectorStore
from syneg_data.loading import SAFE, SAFE_WEIGHTS, device, limit_length, quiet_loading, refuse_missing
from syneg_data.references import Resolved

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Role = Literal["query", "document"]


class BiEncoder:
    """A sentence-transformers model behind the vector store; the model is loaded when the first vector is missing."""

    def __init__(
        self, model: Resolved, max_length: int, batch_size: int, prompts: Mapping[str, str] | None = None
    ) -> None:
        """Remember what to load.

        Args:
            model: where it is.
            max_length: tokens of a text that it reads; fewer where it has not so many positions.
            batch_size: texts encoded at once.
            prompts: role -> text before every text, in place of the model's own.
        """
        self._resolved = model
        self._prompts = dict(prompts or {})
        self._max_length = max_length
        self._batch_size = batch_size
        self._model: Any = None
        self._stores: dict[Role, VectorStore] = {}
        self.encoded = 0

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Unit vectors, shape (len(texts), dimension); new ones are committed before this returns.

        Texts are encoded with the model's own prompt for the role. Vectors that are not finite are returned but not
        stored; whoever compares scores must refuse them.
        """
        import numpy as np

        store = self._store(role)
        known = dict(zip(texts, store.get(texts), strict=True))
        missing = [text for text, vector in known.items() if vector is None]
        if missing:
            model = self._load()
            encode = model.encode_query if role == "query" else model.encode_document
            fresh = np.asarray(
                encode(missing, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False),
                dtype=np.float32,
            )
            # A vector that is not finite is a fault of this run, not a fact about the text: never stored.
            sound = np.atleast_1d(np.isfinite(fresh).all(axis=1))
            if sound.any():
                store.put([text for text, good in zip(missing, sound, strict=True) if good], fresh[sound])
            self.encoded += len(missing)
            known |= dict(zip(missing, fresh, strict=True))
        return np.stack([vector for text in texts if (vector := known[text]) is not None])

    def _store(self, role: Role) -> VectorStore:
        if role not in self._stores:
            space: dict[str, Any] = {
                "model": self._resolved.digest,
                "role": role,
                "max_length": self._max_length,
                "dtype": "float32",
            }
            if role in self._prompts:
                space["prompt"] = self._prompts[role]
            self._stores[role] = VectorStore(space)
        return self._stores[role]

    def _load(self) -> Any:  # noqa: ANN401
        if self._model is None:
            with quiet_loading(self._resolved.label):
                from sentence_transformers import SentenceTransformer

                logger.info("loading bi-encoder %s", self._resolved.label)
                self._model = SentenceTransformer(
                    str(self._resolved.path),
                    device=device(),
                    model_kwargs={"dtype": "float32", **SAFE_WEIGHTS},
                    **SAFE,
                )
                refuse_missing(self._model[0].model, self._resolved.path)
                self._model.prompts = {**self._model.prompts, **self._prompts}
                limit_length(self._model, self._max_length)
        return self._model
