"""Dense mining: exact inner-product search over a bi-encoder's vectors."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from syneg_data.collection import Collection
from syneg_data.encoders.bi_encoder import BiEncoder, Precision, Prompts
from syneg_data.encoders.nearest import nearest
from syneg_data.execution import Progress
from syneg_data.ranking import Index, Ranked, TieRanks
from syneg_data.references import Model, Resolved
from syneg_data.spec import RUNTIME, Spec

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _bytes(value: object) -> object:
    """`4GB` as a number of bytes."""
    if not isinstance(value, str):
        return value
    unit = value[-2:].upper()
    try:
        return int(float(value[:-2]) * _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        raise ValueError(f"'{value}' is no amount of memory; write a number and KB, MB, GB or TB, as in 4GB") from None


Memory = Annotated[int, BeforeValidator(_bytes)]


class Dense(Spec):
    """The nearest documents by cosine in a bi-encoder's space, exactly."""

    kind: Literal["dense"] = "dense"
    name: str = Field(default="dense", description="name of this source in the rows", pattern=r"^[\w.-]+$")
    depth: int = Field(default=50, ge=1, description="ranks that are read, positives among them counted")
    skip: int = Field(default=0, ge=0, description="ranks at the top that are left out, before any filter")
    model: Model = Field(description="a sentence-transformers bi-encoder")
    prompts: Prompts = Field(default=Prompts(), description="what stands before every text; default: the model's own")
    max_length: int = Field(default=256, ge=8, description="tokens of a text that the model reads")
    dtype: Precision = Field(default="float32", description="number format of the weights while they work")
    batch_size: Annotated[int, RUNTIME] = Field(default=32, ge=1, description="texts encoded at once")
    max_memory: Annotated[Memory, RUNTIME] = Field(
        default=4 * 10**9, ge=10**6, description="what the search may take, as in 4GB; the vectors stay on disk"
    )

    def model_reference(self) -> Model:
        """The bi-encoder."""
        return self.model

    def digest(self) -> None:
        """The model's digest says it all."""

    def open(self, collection: Collection, model: Resolved | None, progress: Progress | None = None) -> Index:
        """Encode the corpus, or find its vectors in the store."""
        assert model is not None
        encoder = BiEncoder(model, self.max_length, self.batch_size, self.prompts.given(), self.dtype)
        return DenseIndex(encoder, collection, self.max_memory, progress)


class DenseIndex:
    """A corpus searched by a bi-encoder's vectors, which are encoded, or found in the store, when this is made."""

    def __init__(
        self,
        encoder: BiEncoder,
        collection: Collection,
        max_memory: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Args: the model, the corpus and queries, bytes that a search may take, and who hears of the encoding."""
        self._encoder, self._max_memory, self._queries = encoder, max_memory, collection.queries
        doc_ids = list(collection.documents)
        self._vectors = encoder.vectors([collection.text(doc_id) for doc_id in doc_ids], "document", progress)
        self._ranks = TieRanks(doc_ids)

    def search(self, query_ids: Sequence[str], k: int) -> list[Ranked]:
        """The nearest `k` documents of each query."""
        texts = [self._queries[query_id] for query_id in query_ids]
        asked = self._encoder.vectors(texts, "query").read(0, len(texts))
        return nearest(asked, self._vectors, self._ranks, k, self._max_memory)
