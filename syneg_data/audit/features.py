"""Features of texts that a probe may look at: length, word n-grams, character n-grams, and frozen embeddings."""

import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORD = re.compile(r"\w+|[^\w\s]")  # punctuation gives writers away too
_BITS = 18  # of a column's number; features that fall together cost a probe little (Weinberger et al. 2009)
_RARE = 3  # a feature of fewer texts says nothing about others
_ROWS = 1000  # texts counted at once, which bounds memory
_BINS, _PER_BIN = 16, 20  # of a length, and the texts that a bin needs


def lengths(texts: Sequence[str]) -> Any:  # noqa: ANN401
    """Words and characters of each text, each as one of up to 16 bins with equally many texts; sparse, a row a text.

    Bins, because a model that always writes a hundred words is known by that, though others write both less and more.
    """
    import numpy as np
    from scipy import sparse

    bins = min(_BINS, max(2, len(texts) // _PER_BIN))
    parts = []
    for values in (np.array([len(text.split()) for text in texts]), np.array([len(text) for text in texts])):
        edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
        at = np.searchsorted(edges, values, side="right")
        parts.append(sparse.csr_matrix((np.ones(len(texts)), (np.arange(len(texts)), at)), (len(texts), bins)))
    return sparse.hstack(parts, format="csr")


def words(texts: Sequence[str]) -> Any:  # noqa: ANN401
    """Words, punctuation marks, and pairs of them, case kept; hashed, weighted by TF-IDF, rows of length 1."""
    import numpy as np

    known: dict[str, int] = {}

    def numbers(text: str) -> list["NDArray[np.uint64]"]:
        tokens = WORD.findall(text)
        for token in tokens:
            if token not in known:  # two checksums make one number, the same on every machine
                data = token.encode("utf-8", "surrogatepass")
                known[token] = zlib.crc32(data) << 32 | zlib.adler32(data)
        single = np.array([known[token] for token in tokens], np.uint64)
        return [single, _joined(single[:-1], single[1:])]

    return _weighted(_hashed(texts, numbers))


def characters(texts: Sequence[str]) -> Any:  # noqa: ANN401
    """Sequences of two to four characters, case kept; hashed, weighted by TF-IDF, rows of length 1."""
    import numpy as np

    def numbers(text: str) -> list["NDArray[np.uint64]"]:
        single = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        pairs = _joined(single[:-1], single[1:])
        triples = _joined(pairs[:-1], single[2:])
        return [pairs, triples, _joined(triples[:-1], single[3:])]

    return _weighted(_hashed(texts, numbers))


def _joined(left: "NDArray[np.uint64]", right: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """A number for each pair of numbers, by wrapping multiplication."""
    import numpy as np

    return left[: len(right)] * np.uint64(0x9E3779B97F4A7C15) + right + np.uint64(1)


def _hashed(texts: Sequence[str], numbers: Callable[[str], Iterable["NDArray[np.uint64]"]]) -> Any:  # noqa: ANN401
    """How often each text has each feature, shape (len(texts), 2**18), sparse.

    scikit-learn's HashingVectorizer says the same of words; of character n-grams it makes Python strings, one by one,
    which takes twenty times as long.
    """
    import numpy as np
    from scipy import sparse

    parts = []
    for start in range(0, len(texts), _ROWS):
        columns, ends = [], [0]
        for text in texts[start : start + _ROWS]:
            found = np.concatenate(list(numbers(text)))
            found = (found ^ (found >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
            columns.append((found >> np.uint64(64 - _BITS)).astype(np.int32))
            ends.append(ends[-1] + len(found))
        flat = np.concatenate(columns)
        part = sparse.csr_matrix(
            (np.ones(len(flat), np.float32), flat, np.array(ends, np.int32)), (len(columns), 2**_BITS)
        )
        part.sum_duplicates()
        parts.append(part)
    return sparse.vstack(parts, format="csr", dtype=np.float32)


def _weighted(counts: Any) -> Any:  # noqa: ANN401
    """Counts as (1 + log count) * inverse document frequency, rows of length 1, without features of very few texts.

    Document frequencies are taken over all texts: they know nothing of labels.
    """
    import numpy as np
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfTransformer

    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = counts[:, np.flatnonzero(frequency >= _RARE)]
    if not kept.shape[1]:  # of a few texts, or of texts without a word: nothing to go by, which is no error
        return sparse.csr_matrix((counts.shape[0], 1), dtype=np.float32)
    return TfidfTransformer(sublinear_tf=True).fit(kept).transform(kept, copy=False)
