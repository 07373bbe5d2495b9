"""Exact nearest neighbours in bounded memory: a fast search that proves its own result, and a slow one where it cannot.

A matrix product in float32 is fast but rounds, and how it rounds depends on the shape of the blocks, hence on memory,
threads and hardware. So the fast pass only makes a shortlist, a few documents longer than what is wanted; their scores
are then computed in float64. The result is exact if the last of the shortlist, with float32's worst error added, is
below the last that is wanted. Where that cannot be shown (many documents are all but equally near), the query is
searched again in float64 from end to end.
"""

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from syneg_data.encoders.vectors import Vectors
from syneg_data.loading import device
from syneg_data.ranking import SCORE_DECIMALS, Ranked, TieRanks

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

SLACK = 14  # documents on the shortlist beyond those wanted
_CELLS = 1 << 23  # scores in memory at once; more would only leave the processor's caches
_QUERIES = 1024  # queries in a block of scores; from some 64 on the product is bound by arithmetic, not by memory
_EPSILON = 2.0**-24


def nearest(
    queries: "NDArray[np.float32]", corpus: Vectors, ranks: TieRanks, k: int, max_memory: int | None = None
) -> list[Ranked]:
    """The best `k` documents of every query by (inner product desc, doc_id asc), scores rounded.

    The same vectors give the same result for any memory, block size, thread count and device.

    Args:
        queries: shape (n, dimension), finite.
        corpus: the documents' vectors, in the order of `ranks`, finite.
        ranks: the documents' ids.
        k: documents per query; fewer come back only where there are fewer.
        max_memory: bytes that the working arrays may take; the vectors of the corpus are mapped, not held.
    """
    import numpy as np

    k = min(k, len(corpus))
    if k == 0 or not len(queries):
        return [[] for _ in queries]
    width = min(len(corpus), k + SLACK)
    block, chunk = _blocks(len(queries), len(corpus), corpus.dimension, width, max_memory)
    found: list[Ranked] = []
    for start in range(0, len(queries), block):
        part = queries[start : start + block]
        rough, rows, longest = _shortlists(part, corpus, width, chunk)
        # The worst error of a sum of products in float32, in whatever order it is summed (Higham 2002, section 3.1).
        error = 2 * corpus.dimension * _EPSILON * np.linalg.norm(part, axis=1) * longest
        found += _exact(part, corpus, ranks, k, rough[:, -1].astype(np.float64) + error, rows, chunk)
    return found


def _blocks(n: int, documents: int, dimension: int, width: int, max_memory: int | None) -> tuple[int, int]:
    """Queries in a block and documents in a chunk, such that the working arrays fit into the budget, roughly.

    A score takes 4 bytes, and as many while the best are picked; a chunk's vectors take 4 a dimension, and 8 more where
    a shortlist's are scored again; each place of a shortlist takes some 64 while lists are united.
    """
    block, chunk = min(n, _QUERIES), min(documents, max(width, _CELLS // min(n, _QUERIES)))
    if max_memory is None:
        return block, chunk
    while chunk > 2 * width and chunk * (8 * block + 12 * dimension) > max_memory:
        chunk //= 2
    while block > 1 and block * (8 * chunk + 64 * width) + 12 * chunk * dimension > max_memory:
        block //= 2
    return block, max(chunk, width)


def _shortlists(
    queries: "NDArray[np.float32]", corpus: Vectors, width: int, chunk: int
) -> tuple["NDArray[np.float32]", "NDArray[np.int64]", float]:
    """The `width` best documents of every query by float32 scores, best first.

    Returns:
        Scores and rows, both of shape (n, width), and the length of the longest vector of the corpus.
    """
    import torch

    place = device()
    with torch.inference_mode(), _in_full():
        asked = _tensor(queries).to(place)
        best = torch.empty((len(queries), 0), device=place)
        rows = torch.empty((len(queries), 0), dtype=torch.int64, device=place)
        longest = 0.0
        for start in range(0, len(corpus), chunk):
            part = _tensor(corpus.read(start, min(start + chunk, len(corpus)))).to(place)
            longest = max(longest, float(part.norm(dim=1).max()))
            scores, columns = (asked @ part.T).topk(min(width, len(part)), sorted=False)
            best, rows = torch.cat([best, scores], 1), torch.cat([rows, columns + start], 1)
            best, order = best.topk(min(width, best.shape[1]))
            rows = rows.gather(1, order)
        return best.cpu().numpy(), rows.cpu().numpy(), longest


@contextlib.contextmanager
def _in_full() -> Iterator[None]:
    """Float32 products computed in float32 in the body, whatever the process was told.

    TF32 on a GPU and bfloat16 on a CPU keep 11 and 8 bits of every factor, not 24: with errors a thousand times those
    that are allowed for, a shortlist would pass as proven that lacks documents. Each place is asked and set by itself;
    `torch.get_float32_matmul_precision` refuses to answer once somebody has set only one of them.
    """
    import torch

    backends: Any = torch.backends  # whose types lack some of its parts
    places = (backends.cuda.matmul, backends.mkldnn.matmul)
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = "ieee"
    try:
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


def _tensor(array: "NDArray[np.float32]") -> "torch.Tensor":
    """The same memory as a tensor, without the warning that mapped memory may not be written to: nobody does."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def _exact(
    queries: "NDArray[np.float32]",
    corpus: Vectors,
    ranks: TieRanks,
    k: int,
    most: "NDArray[np.float64]",
    rows: "NDArray[np.int64]",
    chunk: int,
) -> list[Ranked]:
    """The true order of each shortlist, or a search from end to end where a shortlist may lack a document.

    Args:
        queries: shape (n, dimension).
        corpus: all vectors.
        ranks: the documents' ids.
        k: documents per query.
        most: what a document that is not on the shortlist can score at most, shape (n,).
        rows: the shortlists, shape (n, width).
        chunk: documents that are held at once.
    """
    import numpy as np

    n, width = rows.shape
    found: list[Ranked] = []
    step = max(1, chunk // width)  # as many vectors at once as a chunk holds
    for start in range(0, n, step):
        part, near = queries[start : start + step].astype(np.float64), rows[start : start + step]
        vectors = corpus.take(near.reshape(-1)).reshape(*near.shape, -1).astype(np.float64)
        scores = np.round(np.matmul(vectors, part[:, :, None])[:, :, 0], SCORE_DECIMALS)
        order = np.lexsort((ranks.rank[near], -scores), axis=-1)[:, :k]
        scores, near = np.take_along_axis(scores, order, 1), np.take_along_axis(near, order, 1)
        last = np.round(most[start : start + step], SCORE_DECIMALS)
        sure = (last < scores[:, -1]) | (width == len(corpus))
        for i in range(len(part)):
            if sure[i]:
                ids = [ranks.doc_ids[row] for row in near[i].tolist()]
                found.append(list(zip(ids, scores[i].tolist(), strict=True)))
            else:
                found.append(_from_end_to_end(part[i], corpus, ranks, k, chunk))
    return found


def _from_end_to_end(query: "NDArray[np.float64]", corpus: Vectors, ranks: TieRanks, k: int, chunk: int) -> Ranked:
    import numpy as np

    parts = [
        corpus.read(start, min(start + chunk, len(corpus))).astype(np.float64) @ query
        for start in range(0, len(corpus), chunk)
    ]
    return ranks.top(np.concatenate(parts), k)
