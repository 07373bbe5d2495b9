"""Dense mining: exact inner-product search over a bi-encoder's vectors."""

from typing import Annotated, Literal

from pydantic import Field

from syneg_data.collection import Collection
from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.ranking import Index, TieRanks
from syneg_data.references import Model, Resolved
from syneg_data.spec import RUNTIME, Spec

_COMMIT = 1024  # documents encoded between two commits to the vector store


class Dense(Spec):
    """The nearest documents by cosine in a bi-encoder's space, exactly."""

    kind: Literal["dense"]
    name: str = Field("dense", description="name of this source in the rows", pattern=r"^[\w.-]+$")
    depth: int = Field(50, ge=1, description="candidates per query")
    model: Model = Field(description="a sentence-transformers bi-encoder")
    max_length: int = Field(256, ge=8, description="tokens of a text that the model reads")
    batch_size: Annotated[int, RUNTIME] = Field(32, ge=1, description="texts encoded at once")

    def model_reference(self) -> Model:
        """The bi-encoder."""
        return self.model

    def open(self, collection: Collection, model: Resolved | None) -> Index:
        """Encode the corpus, or read its vectors from the store."""
        assert model is not None
        return _DenseIndex(BiEncoder(model, self.max_length, self.batch_size), collection)


class _DenseIndex:
    def __init__(self, encoder: BiEncoder, collection: Collection) -> None:
        import numpy as np

        self._encoder = encoder
        doc_ids = list(collection.documents)
        texts = [collection.text(doc_id) for doc_id in doc_ids]
        parts = [encoder.encode(texts[i : i + _COMMIT], "document") for i in range(0, len(texts), _COMMIT)]
        self._vectors = np.concatenate(parts)
        self._ranks = TieRanks(doc_ids)

    def search(self, query: str, k: int) -> list[tuple[str, float]]:
        return self._ranks.top(self._vectors @ self._encoder.encode([query], "query")[0], k)
