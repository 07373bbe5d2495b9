"""Rerankers: who judges the relevance of (query, document) pairs."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field

from syneg_data.encoders.bi_encoder import BiEncoder
from syneg_data.encoders.cross_encoder import CrossEncoder
from syneg_data.references import Model, Resolved
from syneg_data.spec import RUNTIME, Spec


class Judge(Protocol):
    """A reranker that is ready to score; models are loaded when a score is missing from the stores."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Relevance of each (query text, document text); higher is more relevant."""


class BiEncoderReranker(Spec):
    """The cosine of a bi-encoder's vectors: a teacher that is stronger than, or other than, the miner."""

    kind: Literal["bi_encoder"]
    name: str = Field("bi_encoder", description="name in scores and reports", pattern=r"^[\w.-]+$")
    model: Model = Field(description="a sentence-transformers bi-encoder")
    max_length: int = Field(256, ge=8, description="tokens of a text that the model reads")
    batch_size: Annotated[int, RUNTIME] = Field(32, ge=1, description="texts encoded at once")
    allow_same_model: bool = Field(False, description="accept the model that also mined the candidates")
    cost: ClassVar[int] = 1

    def open(self, model: Resolved) -> Judge:
        """A judge behind the vector store."""
        return _CosineJudge(BiEncoder(model, self.max_length, self.batch_size))


class CrossEncoderReranker(Spec):
    """A cross-encoder that reads query and document together; slower, and usually the better judge."""

    kind: Literal["cross_encoder"]
    name: str = Field("cross_encoder", description="name in scores and reports", pattern=r"^[\w.-]+$")
    model: Model = Field(description="a sentence-transformers cross-encoder with one output")
    max_length: int = Field(512, ge=8, description="tokens of query and document together that the model reads")
    batch_size: Annotated[int, RUNTIME] = Field(32, ge=1, description="pairs scored at once")
    allow_same_model: bool = Field(False, description="accept the model that also mined the candidates")
    cost: ClassVar[int] = 10

    def open(self, model: Resolved) -> Judge:
        """A judge behind the score store."""
        return CrossEncoder(model, self.max_length, self.batch_size)


class _CosineJudge:
    def __init__(self, encoder: BiEncoder) -> None:
        self._encoder = encoder

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        import numpy as np

        if not pairs:
            return []
        queries = list(dict.fromkeys(query for query, _ in pairs))
        texts = list(dict.fromkeys(text for _, text in pairs))
        query_rows = {text: row for row, text in enumerate(queries)}
        text_rows = {text: row for row, text in enumerate(texts)}
        left = self._encoder.encode(queries, "query").astype(np.float64)[[query_rows[query] for query, _ in pairs]]
        right = self._encoder.encode(texts, "document").astype(np.float64)[[text_rows[text] for _, text in pairs]]
        return [float(value) for value in np.einsum("ij,ij->i", left, right)]
