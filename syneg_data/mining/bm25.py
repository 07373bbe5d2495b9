"""Lexical mining with BM25 (Robertson and Zaragoza 2009), by bm25s."""

from typing import Literal

from pydantic import Field

from syneg_data.collection import Collection
from syneg_data.ranking import Index, TieRanks
from syneg_data.references import Resolved
from syneg_data.spec import Spec


class Bm25(Spec):
    """BM25 over title and text; documents that share no term with the query are never candidates."""

    kind: Literal["bm25"]
    name: str = Field("bm25", description="name of this source in the rows", pattern=r"^[\w.-]+$")
    depth: int = Field(50, ge=1, description="candidates per query")
    k1: float = Field(1.5, gt=0, description="term frequency saturation")
    b: float = Field(0.75, ge=0, le=1, description="length normalisation")
    stopwords: Literal["english", "none"] = Field("english", description="words left out of the index")

    def model_reference(self) -> None:
        """BM25 has no model."""

    def open(self, collection: Collection, model: Resolved | None) -> Index:
        """Index the corpus in memory."""
        return _Bm25Index(self, collection)


class _Bm25Index:
    def __init__(self, spec: Bm25, collection: Collection) -> None:
        import bm25s

        self._bm25s = bm25s
        self._stopwords = "en" if spec.stopwords == "english" else []
        doc_ids = list(collection.documents)
        tokens = bm25s.tokenize(
            [collection.text(doc_id) for doc_id in doc_ids], stopwords=self._stopwords, show_progress=False
        )
        self._empty = not any(len(ids) for ids in tokens.ids)
        self._index = bm25s.BM25(k1=spec.k1, b=spec.b, method="lucene")
        if not self._empty:
            self._index.index(tokens, show_progress=False)
        self._ranks = TieRanks(doc_ids)

    def search(self, query: str, k: int) -> list[tuple[str, float]]:
        (terms,) = self._bm25s.tokenize(query, stopwords=self._stopwords, return_ids=False, show_progress=False)
        known = [] if self._empty else [term for term in terms if term in self._index.vocab_dict]
        if not known:
            return []
        return self._ranks.top(self._index.get_scores(known), k, above=0.0)
