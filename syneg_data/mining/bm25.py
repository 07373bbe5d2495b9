"""Lexical mining with BM25 (Robertson and Zaragoza 2009), by bm25s, or by rank-bm25 as the reference."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from syneg_data.collection import Collection
from syneg_data.execution import Progress
from syneg_data.ranking import Index, Ranked, TieRanks
from syneg_data.references import Resolved
from syneg_data.spec import Spec


class Bm25(Spec):
    """BM25 over title and text; documents that do not score above 0 are never candidates."""

    kind: Literal["bm25"] = "bm25"
    name: str = Field(default="bm25", description="name of this source in the rows", pattern=r"^[\w.-]+$")
    depth: int = Field(default=50, ge=1, description="ranks that are read, positives among them counted")
    skip: int = Field(default=0, ge=0, description="ranks at the top that are left out, before any filter")
    engine: Literal["bm25s", "rank-bm25"] = Field(
        default="bm25s", description="rank-bm25 is the plain reference, hundreds of times slower, for small corpora"
    )
    k1: float = Field(default=1.5, gt=0, description="term frequency saturation")
    b: float = Field(default=0.75, ge=0, le=1, description="length normalisation")
    stopwords: Literal["english", "none"] = Field(default="english", description="words left out of the index")

    def model_reference(self) -> None:
        """BM25 has no model."""

    def digest(self) -> None:
        """BM25 reads no file of its own."""

    def open(self, collection: Collection, model: Resolved | None, progress: Progress | None = None) -> Index:
        """Index the corpus in memory."""
        return _Bm25Index(self, collection)


class _Bm25Index:
    def __init__(self, spec: Bm25, collection: Collection) -> None:
        import bm25s

        self._bm25s: Any = bm25s
        self._stopwords = "en" if spec.stopwords == "english" else []
        self._queries = collection.queries
        doc_ids = list(collection.documents)
        self._ranks = TieRanks(doc_ids)
        texts = [collection.text(doc_id) for doc_id in doc_ids]
        self._known: Any = ()
        if spec.engine == "bm25s":
            tokens = self._tokens(texts, return_ids=True)
            if any(len(ids) for ids in tokens.ids):
                index = bm25s.BM25(k1=spec.k1, b=spec.b, method="lucene")
                index.index(tokens, show_progress=False)
                self._known, self._scores = index.vocab_dict, index.get_scores
        else:
            words = self._tokens(texts, return_ids=False)
            if any(words):
                from rank_bm25 import BM25Okapi

                okapi = BM25Okapi(words, k1=spec.k1, b=spec.b)
                self._known, self._scores = okapi.idf, okapi.get_scores

    def search(self, query_ids: Sequence[str], k: int) -> list[Ranked]:
        asked = self._tokens([self._queries[query_id] for query_id in query_ids], return_ids=False)
        found: list[Ranked] = []
        for words in asked:
            known = [word for word in words if word in self._known]
            found.append(self._ranks.top(self._scores(known), k, above=0.0) if known else [])
        return found

    def _tokens(self, texts: Sequence[str], *, return_ids: bool) -> Any:  # noqa: ANN401
        return self._bm25s.tokenize(list(texts), stopwords=self._stopwords, return_ids=return_ids, show_progress=False)
