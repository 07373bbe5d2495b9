"""Evaluation: one model over one corpus that is encoded once, searched exactly for any number of query sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from syneg_data.collection import Collection
from syneg_data.encoders.bi_encoder import Role
from syneg_data.encoders.nearest import nearest
from syneg_data.encoders.vectors import Vectors
from syneg_data.errors import InputError
from syneg_data.execution import Progress, Silence
from syneg_data.ranking import TieRanks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEPTH = 100  # documents ranked per query: as deep as the deepest metric looks
_COMMIT = 1024  # documents encoded between two commits to the vector store

Run = dict[str, list[tuple[str, float]]]


class Embedder(Protocol):
    """Whatever turns texts into unit vectors."""

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Unit vectors, shape (len(texts), dimension)."""


@dataclass(frozen=True)
class InTraining:
    """A model that is being trained: nothing of it is stored, for its weights have no name yet."""

    model: Any
    batch_size: int

    def encode(self, texts: Sequence[str], role: Role) -> "NDArray[np.float32]":
        """Unit vectors, shape (len(texts), dimension)."""
        import numpy as np

        encode = self.model.encode_query if role == "query" else self.model.encode_document
        vectors = encode(list(texts), batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)


class Searcher:
    """A model's vectors of a corpus, encoded when this is made."""

    def __init__(
        self, embedder: Embedder, documents: Mapping[str, str], label: str, progress: Progress | None = None
    ) -> None:
        """Encode the corpus.

        Args:
            embedder: the model.
            documents: doc_id -> text.
            label: the model in messages.
            progress: hears how many documents are encoded.

        Raises:
            InputError: the model gives vectors that are not finite.
        """
        import numpy as np

        self._embedder, self._label = embedder, label
        texts, hearer, parts = list(documents.values()), progress or Silence(), []
        hearer.start("encode", len(texts), "documents")
        for start in range(0, len(texts), _COMMIT):
            parts.append(embedder.encode(texts[start : start + _COMMIT], "document"))
            hearer.advance(len(parts[-1]))
        hearer.finish()
        self._vectors = Vectors.of(self._finite(np.concatenate(parts)))
        self._ranks = TieRanks(list(documents))

    def run(self, queries: Mapping[str, str], depth: int = DEPTH) -> Run:
        """The best `depth` documents of every query by (cosine desc, doc_id asc).

        A document whose id is the query's own is left out, as in BEIR.
        """
        vectors = self._finite(self._embedder.encode(list(queries.values()), "query"))
        found = nearest(vectors, self._vectors, self._ranks, depth + 1)
        return {
            query_id: [hit for hit in ranked if hit[0] != query_id][:depth]
            for query_id, ranked in zip(queries, found, strict=True)
        }

    def _finite(self, vectors: "NDArray[np.float32]") -> "NDArray[np.float32]":
        import numpy as np

        if not np.isfinite(vectors).all():
            raise InputError(f"model {self._label}: gives vectors that are not finite; its weights are broken")
        return vectors


def texts_of(collection: Collection, doc_ids: Sequence[str] | None = None) -> dict[str, str]:
    """doc_id -> text, of the whole corpus or of some documents."""
    return {doc_id: collection.text(doc_id) for doc_id in (collection.documents if doc_ids is None else doc_ids)}


def small_corpus(dev: Collection, run: Run, depth: int) -> dict[str, str]:
    """The documents that a check during training searches: the first `depth` of each query in `run`, and all judged."""
    chosen = {doc_id for ranked in run.values() for doc_id, _ in ranked[:depth]}
    chosen |= {doc_id for grades in dev.qrels.values() for doc_id in grades}
    return texts_of(dev, sorted(chosen))
