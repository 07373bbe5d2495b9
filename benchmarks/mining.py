"""Mining: our exact search, BM25 and cross-encoder beside sentence-transformers and rank_bm25, and how they grow."""

from collections.abc import Callable

from benchmarks.cases import dense, growth, lexical, reranking
from benchmarks.results import Row

CASES: dict[str, Callable[[bool], list[Row]]] = {
    "dense_mining": dense.run,
    "bm25": lexical.run,
    "growth": growth.run,
    "cross_encoder": reranking.run,
}
