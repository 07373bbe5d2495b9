"""Made-up collections of any size: embeddings that have neighbours, and texts with the word frequencies of language."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syneg_data.collection import Collection, Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIMENSION = 384
_PER_CLUSTER = 100  # documents
_SPREAD, _NEAR = 0.8, 0.7  # lengths of what is added to a centre for a document, to a document for its query
_VOCABULARY = 150_000
_WORDS = (30, 207)  # of a document, fewest and one more than most: 118 in the middle
_ASKED = 8  # words of a query


@dataclass(frozen=True)
class Embedded:
    """Unit vectors of documents and queries, and each query's positive.

    Attributes:
        documents: shape (documents, 384), float32.
        queries: shape (queries, 384), float32.
        positives: row of a document for each query.
    """

    documents: "NDArray[np.float32]"
    queries: "NDArray[np.float32]"
    positives: "NDArray[np.int64]"

    def collection(self) -> Collection:
        """The collection that they are the vectors of: short texts, no two alike."""
        documents = {f"d{i}": Document(f"d{i}", f"document number {i}") for i in range(len(self.documents))}
        queries = {f"q{i}": f"query number {i}" for i in range(len(self.queries))}
        qrels = {f"q{i}": {f"d{row}": 1} for i, row in enumerate(self.positives.tolist())}
        return Collection(documents, queries, qrels, "")


def row_of(doc_id: str) -> int:
    """The row of a document's vector."""
    return int(doc_id[1:])


def embedded(documents: int, queries: int, seed: int = 13) -> Embedded:
    """Documents in clusters of about a hundred, and queries each of which lies near a document, its positive."""
    import numpy as np

    source = np.random.default_rng(seed)
    centres = _unit(_noise(source, max(1, documents // _PER_CLUSTER)))
    corpus = _noise(source, documents)
    corpus *= _SPREAD
    corpus += centres[source.integers(0, len(centres), documents)]
    corpus = _unit(corpus)
    positives = source.integers(0, documents, queries)
    return Embedded(corpus, _unit(corpus[positives] + _NEAR * _noise(source, queries)), positives)


def worded(documents: int, queries: int, seed: int = 13) -> Collection:
    """Texts of 30 to 206 words drawn by Zipf's law, and queries of eight different words of a document.

    The commonest words are in almost every document, so that most queries have some that say nothing: stop words.
    """
    import numpy as np

    source = np.random.default_rng(seed)
    share = np.cumsum(1 / np.arange(1, _VOCABULARY + 1))
    words = [f"w{i}" for i in range(_VOCABULARY)]
    texts = []
    for length in source.integers(*_WORDS, documents).tolist():
        drawn = np.searchsorted(share, source.random(length) * share[-1])
        texts.append(" ".join([words[i] for i in drawn.tolist()]))
    asked = {}
    for i, row in enumerate(source.integers(0, documents, queries).tolist()):
        known = list(dict.fromkeys(texts[row].split()))
        asked[f"q{i}"] = " ".join([known[n] for n in source.permutation(len(known))[:_ASKED]])
    return Collection({f"d{i}": Document(f"d{i}", text) for i, text in enumerate(texts)}, asked, {}, "")


def _noise(source: "np.random.Generator", rows: int) -> "NDArray[np.float32]":
    """Random directions of length about 1."""
    import numpy as np

    found = source.standard_normal((rows, DIMENSION), dtype=np.float32)
    found *= DIMENSION**-0.5
    return found


def _unit(rows: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np

    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
