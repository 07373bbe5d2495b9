"""Rerankers: who judges the relevance of (query, document) pairs."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Protocol, Self

from pydantic import Field, model_validator

from syneg_data.encoders.bi_encoder import BiEncoder, Precision, Prompts
from syneg_data.encoders.cross_encoder import CrossEncoder
from syneg_data.encoders.networks import NUMBERS, Backend, Number
from syneg_data.execution import Progress
from syneg_data.references import Model, Resolved
from syneg_data.spec import RUNTIME, Spec


class Judge(Protocol):
    """A reranker that is ready to score; models are loaded when a score is missing from the stores."""

    def prepare(self, pairs: Sequence[tuple[str, str]], progress: Progress) -> None:
        """Have whatever `score` needs for these pairs in the stores, in the order that is fastest."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Relevance of each (query text, document text); higher is more relevant, NaN where there is none."""

    def words(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Why, in the reranker's own words; empty for one that has none."""


class BiEncoderReranker(Spec):
    """The cosine of a bi-encoder's vectors: a teacher that is stronger than, or other than, the miner."""

    kind: Literal["bi_encoder"] = "bi_encoder"
    name: str = Field(default="bi_encoder", description="name in scores and reports", pattern=r"^[\w.-]+$")
    model: Model = Field(description="a sentence-transformers bi-encoder")
    prompts: Prompts = Field(default=Prompts(), description="what stands before every text; default: the model's own")
    max_length: int = Field(default=256, ge=8, description="tokens of a text that the model reads")
    dtype: Precision = Field(default="float32", description="number format of the weights while they work")
    batch_size: Annotated[int, RUNTIME] = Field(default=32, ge=1, description="texts encoded at once")
    allow_same_model: bool = Field(default=False, description="accept the model that also mined the candidates")
    cost: ClassVar[int] = 1
    bounded: ClassVar[bool] = False
    absolute: ClassVar[float | None] = None

    def model_reference(self) -> Model:
        """The bi-encoder."""
        return self.model

    def open(self, model: Resolved | None) -> Judge:
        """A judge behind the vector store."""
        assert model is not None
        encoder = BiEncoder(model, self.max_length, self.batch_size, self.prompts.given(), self.dtype)
        return CosineJudge(encoder)


class CrossEncoderReranker(Spec):
    """A cross-encoder that reads query and document together; slower, and usually the better judge."""

    kind: Literal["cross_encoder"] = "cross_encoder"
    name: str = Field(default="cross_encoder", description="name in scores and reports", pattern=r"^[\w.-]+$")
    model: Model = Field(description="a sentence-transformers cross-encoder with one output")
    max_length: int = Field(default=512, ge=8, description="tokens of query and document together that the model reads")
    backend: Backend = Field(
        default="torch", description="what runs it; onnx and openvino need an extra, and suit CPUs"
    )
    dtype: Number = Field(
        default="float32",
        description="number format: int8 with onnx, where a sample shows that verdicts agree; bfloat16 with the others",
    )
    batch_tokens: Annotated[int, RUNTIME] = Field(
        default=4096, ge=64, description="tokens scored at once, padding included"
    )
    allow_same_model: bool = Field(default=False, description="accept the model that also mined the candidates")
    cost: ClassVar[int] = 10
    bounded: ClassVar[bool] = True
    absolute: ClassVar[float | None] = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.dtype not in NUMBERS[self.backend]:
            raise ValueError(
                f"dtype {self.dtype} is not to be had with backend {self.backend}, which offers "
                f"{' and '.join(NUMBERS[self.backend])}; change one of the two"
            )
        return self

    def model_reference(self) -> Model:
        """The cross-encoder."""
        return self.model

    def open(self, model: Resolved | None) -> Judge:
        """A judge behind the score store."""
        assert model is not None
        return PairJudge(CrossEncoder(model, self.max_length, self.batch_tokens, self.backend, self.dtype))


class CosineJudge:
    """A bi-encoder as a judge."""

    def __init__(self, encoder: BiEncoder) -> None:
        self._encoder = encoder

    def prepare(self, pairs: Sequence[tuple[str, str]], progress: Progress) -> None:
        """Encode what has no vector yet."""
        self._encoder.fill([query for query, _ in pairs], "query")
        self._encoder.fill([text for _, text in pairs], "document", progress)

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Cosines; NaN where a vector is not finite."""
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

    def words(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """None."""
        return [""] * len(pairs)


class PairJudge:
    """A cross-encoder as a judge."""

    def __init__(self, encoder: CrossEncoder) -> None:
        self._encoder = encoder

    def prepare(self, pairs: Sequence[tuple[str, str]], progress: Progress) -> None:
        """Score what has no score yet."""
        self._encoder.score(pairs, progress)

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Sigmoids of the model's logits."""
        return self._encoder.score(pairs)

    def words(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """None."""
        return [""] * len(pairs)
