"""Bi-encoder: texts to unit vectors, each computed once ever."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from syneg_data.encoders.beginnings import of_tokenizer
from syneg_data.encoders.vectors import Vectors, VectorStore
from syneg_data.errors import InputError
from syneg_data.execution import Progress, Silence
from syneg_data.loading import (
    SAFE,
    SAFE_WEIGHTS,
    device,
    halving,
    limit_length,
    quiet_loading,
    refuse_cross_encoder,
    refuse_missing,
    refuse_without_tokenizer,
)
from syneg_data.references import Resolved
from syneg_data.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Role = Literal["query", "document"]
Precision = Literal["float32", "bfloat16", "float16"]
_COMMIT = 1024  # texts encoded between two commits to the vector store


class Prompts(Spec):
    """Text before every query and every document, in place of what the model brings along."""

    query: str | None = Field(default=None, description="before queries; left out: the model's own")
    document: str | None = Field(default=None, description="before documents; left out: the model's own")

    def given(self) -> dict[str, str]:
        """Role -> prompt, of those that were set."""
        return {role: text for role, text in (("query", self.query), ("document", self.document)) if text is not None}


class BiEncoder:
    """A sentence-transformers model behind the vector store; the model is loaded when the first vector is missing."""

    def __init__(
        self,
        model: Resolved,
        max_length: int,
        batch_size: int,
        prompts: Mapping[str, str] | None = None,
        dtype: Precision = "float32",
    ) -> None:
        """Remember what to load.

        Args:
            model: where it is.
            max_length: tokens of a text that it reads; fewer where it has not so many positions.
            batch_size: texts encoded at once; halved for good where memory runs out.
            prompts: role -> text before every text, in place of the model's own.
            dtype: number format of the weights while they work; vectors are float32 in any case.
        """
        self.label = model.label
        self._resolved = model
        self._prompts = dict(prompts or {})
        self._max_length = max_length
        self._batch_size = batch_size
        self._dtype = dtype
        self._model: Any = None
        self._stores: dict[Role, VectorStore] = {}
        self.encoded = 0

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Unit vectors, shape (len(texts), dimension); new ones are committed before this returns.

        Texts are encoded with the model's own prompt for the role. Vectors that are not finite are returned but not
        stored; whoever compares scores must refuse them.
        """
        import numpy as np

        if not texts:
            return np.empty((0, 0), np.float32)
        store = self._store(role)
        known = dict(zip(texts, store.get(texts), strict=True))
        missing = [text for text, vector in known.items() if vector is None]
        if missing:
            known |= dict(zip(missing, self._encode_and_keep(missing, role), strict=True))
        return np.stack([vector for text in texts if (vector := known[text]) is not None])

    def vectors(self, texts: Sequence[str], role: Role, progress: Progress | None = None) -> Vectors:
        """Unit vectors of texts of any number, on disk and mapped; what is missing is encoded first.

        Raises:
            InputError: the model gives a vector that is not finite.
        """
        if wrong := self.fill(texts, role, progress):
            raise InputError(
                f"model {self.label}: its vector of {wrong[0][:60]!r} is not finite ({len(wrong)} of {len(texts)} "
                "texts are like that); choose another model, or dtype: float32"
            )
        return self._store(role).matrix(texts)

    def fill(self, texts: Sequence[str], role: Role, progress: Progress | None = None) -> list[str]:
        """Encode the texts that have no vector yet, and say which of them got none that is finite.

        Longest first over everything that is missing: texts of a batch need little padding, and a batch that does not
        fit into memory comes at once, not after hours.
        """
        import numpy as np

        hearer = progress or Silence()
        wrong: list[str] = []
        missing = sorted(self._store(role).missing(texts), key=lambda text: (-len(text), text))
        if not missing:
            return wrong
        hearer.start(f"encode {'queries' if role == 'query' else 'documents'}", len(missing), "texts")
        try:
            for start in range(0, len(missing), _COMMIT):
                part = missing[start : start + _COMMIT]
                broken = np.flatnonzero(~np.isfinite(self._encode_and_keep(part, role)).all(axis=1))
                wrong += [part[row] for row in broken.tolist()]
                hearer.advance(len(part))
        finally:
            hearer.finish()
        return wrong

    def _encode_and_keep(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Vectors computed now; those that are finite are in the store when this returns."""
        import numpy as np

        model = self._load()
        encode = model.encode_query if role == "query" else model.encode_document
        vectors, self._batch_size = halving(
            self.label,
            self._batch_size,
            "texts",
            lambda size: encode(
                self._beginnings(texts, role), batch_size=size, normalize_embeddings=True, show_progress_bar=False
            ),
        )
        fresh = np.asarray(vectors, dtype=np.float32)
        if fresh.ndim != 2 or len(fresh) != len(texts):
            raise InputError(
                f"model {self.label}: gave vectors of shape {fresh.shape} for {len(texts)} texts; it is no bi-encoder"
            )
        if self._dtype != "float32":  # the library makes them unit vectors before it widens them
            with np.errstate(invalid="ignore", divide="ignore"):
                fresh = fresh / np.maximum(np.linalg.norm(fresh, axis=1, keepdims=True), 1e-12)
        # A vector that is not finite is a fault of this run, not a fact about the text: never stored.
        sound = np.flatnonzero(np.isfinite(fresh).all(axis=1))
        if len(sound):
            self._store(role).put([texts[row] for row in sound.tolist()], fresh[sound])
        self.encoded += len(texts)
        return fresh

    def _beginnings(self, texts: Sequence[str], role: Role) -> list[str]:
        """As much of each text as decides its vector, which may be all of it."""
        model = self._model
        first = model[0]
        # Without a network (a table of vectors) all of a text counts; the rest is how the library can be told to treat
        # texts in a way of the model's own, of which nothing is known here.
        own = ("processing_kwargs", "query_length", "document_length", "query_expansion")
        if getattr(first, "model", None) is None or any(getattr(first, name, None) for name in own):
            return list(texts)
        if "message" in getattr(first, "modality_config", {}):
            return list(texts)
        names = ("query",) if role == "query" else ("document", "passage", "corpus")
        name = next((name for name in names if name in model.prompts), model.default_prompt_name)
        prompt = model.prompts.get(name) or ""
        begin = of_tokenizer(model.tokenizer, model.max_seq_length)
        # The prompt is tokenised with the text, and its last word may be one with the text's first.
        cut = [begin(prompt + text)[len(prompt) :] for text in texts]
        return [short or text for short, text in zip(cut, texts, strict=True)]

    def _store(self, role: Role) -> VectorStore:
        if role not in self._stores:
            space: dict[str, Any] = {
                "model": self._resolved.digest,
                "role": role,
                "max_length": self._max_length,
                "dtype": self._dtype,
            }
            if self._dtype != "float32":
                space["unit"] = True  # vectors of an earlier version were not quite
            if role in self._prompts:
                space["prompt"] = self._prompts[role]
            self._stores[role] = VectorStore(space)
        return self._stores[role]

    def _load(self) -> Any:  # noqa: ANN401
        if self._model is None:
            with quiet_loading(self.label):
                from sentence_transformers import SentenceTransformer

                logger.info("loading bi-encoder %s", self.label)
                refuse_cross_encoder(self._resolved.path)
                refuse_without_tokenizer(self._resolved.path)
                self._model = SentenceTransformer(
                    str(self._resolved.path),
                    device=device(),
                    model_kwargs={"dtype": self._dtype, **SAFE_WEIGHTS},
                    **SAFE,
                )
                if (network := getattr(self._model[0], "model", None)) is not None:  # static embeddings have none
                    refuse_missing(network, self._resolved.path)
                    limit_length(self._model, self._max_length)
                self._model.prompts = {**self._model.prompts, **self._prompts}
        return self._model
