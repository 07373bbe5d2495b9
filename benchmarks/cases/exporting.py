"""formats: time and memory to write a million examples in each format, beside `datasets` where it writes the same."""

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cases.growth import exponent
from benchmarks.measuring import apart, in_turn, median, peak_resident
from benchmarks.results import Row, row
from syneg_data.collection import Collection, Document
from syneg_data.export.finished import Finished
from syneg_data.records import Example

_SIZES, _RUNS = (100_000, 300_000, 1_000_000), 3
_QUICK_SIZES, _QUICK_RUNS = (10_000, 30_000, 100_000), 1
_NEGATIVES = 3
_SECONDS, _MEBIBYTES, _EXPONENT = 60.0, 1024.0, 1.1
_PEERS = {
    "sentence_transformers_triplet": "Dataset.from_generator + to_parquet",
    "sentence_transformers_n_tuple": "Dataset.from_generator + to_parquet",
    "flag_embedding": "Dataset.from_generator + to_json",
}
KINDS = (
    "sentence_transformers_triplet", "sentence_transformers_n_tuple", "sentence_transformers_labeled_list",
    "sentence_transformers_ids", "flag_embedding", "tevatron",
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What writing one format took.

    Attributes:
        seconds: with everything flushed to disk.
        mebibytes: resident at the peak, with interpreter, libraries, queries and documents.
    """

    seconds: float
    mebibytes: float


class Examples:
    """So many examples, made anew in each iteration: queries have two each, and negatives are drawn by place."""

    def __init__(self, n: int) -> None:
        self.n, self.documents = n, documents_of(n)

    def __iter__(self) -> Iterator[Example]:
        sources = ("synthetic:syneg", *["mined:bm25+dense"] * (_NEGATIVES - 1))
        scores = tuple(0.5 / (i + 1) for i in range(_NEGATIVES))
        for i in range(self.n):
            ids = [f"d{(i * 7919 + step * 104_729) % self.documents}" for step in range(_NEGATIVES + 1)]
            yield Example(f"q{i // 2}", ids[0], tuple(ids[1:]), sources, scores)


def documents_of(examples: int) -> int:
    """How many documents there are for so many examples."""
    return max(examples // 4, 10)


def world(n: int) -> Finished:
    """A set of `n` examples over texts of about 330 characters, as passages of MS MARCO have."""
    chance = random.Random(13)
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(30_000)]
    parts = [" ".join(chance.choices(words, k=9)) for _ in range(20_000)]
    documents = {f"d{i}": Document(f"d{i}", " ".join(chance.choices(parts, k=5))) for i in range(documents_of(n))}
    queries = {f"q{i}": chance.choice(parts) for i in range((n + 1) // 2)}
    examples = Examples(n)
    scores = {(e.query_id, e.positive_id): 0.875 for e in examples}
    return Finished(Collection(documents, queries, {}, "benchmark"), examples, positive_scores=scores)


def run(quick: bool) -> list[Row]:
    """Time, memory and growth of every format."""
    sizes, runs = (_QUICK_SIZES, _QUICK_RUNS) if quick else (_SIZES, _RUNS)
    rows: list[Row] = []
    for kind in KINDS:
        jobs = [partial(apart, ours, kind, n) for n in sizes]
        if kind in _PEERS:
            jobs.append(partial(apart, peers, kind, sizes[-1]))
        taken = in_turn(runs, *jobs)
        costs = [Cost(median([c.seconds for c in t]), median([c.mebibytes for c in t])) for t in taken]
        rows += _rows(kind, sizes, costs, runs)
    return rows


def _rows(kind: str, sizes: tuple[int, ...], costs: list[Cost], runs: int) -> list[Row]:
    largest = costs[len(sizes) - 1]
    peer = costs[len(sizes)] if len(costs) > len(sizes) else None
    name = _PEERS[kind] if peer else ""
    what = f"formats: {kind}, {sizes[-1]:,} examples of {_NEGATIVES} negatives"
    growth = exponent((sizes[0], costs[0].seconds), (sizes[-1], largest.seconds))
    return [
        row(
            what, "time", "s", largest.seconds, peer.seconds if peer else None, name, runs,
            f"under {_SECONDS:g} s", largest.seconds < _SECONDS,
        ),
        row(
            what, "peak memory of the process", "MiB", largest.mebibytes, peer.mebibytes if peer else None, name, runs,
            f"under {_MEBIBYTES:g} MiB", largest.mebibytes < _MEBIBYTES,
        ),
        row(
            f"formats: {kind}, {sizes[0]:,} to {sizes[-1]:,} examples", "growth of time", "exponent", growth, None, "",
            runs, f"at most {_EXPONENT:g}", growth <= _EXPONENT,
        ),
    ]  # fmt: skip


def ours(kind: str, n: int) -> Cost:
    """Our format, in this process."""
    # Loaded before the clock starts, as `datasets` is for the peer: it would hide in small sets how time grows.
    import pyarrow.parquet  # noqa: F401
    from pydantic import TypeAdapter

    from syneg_data.export.formats import Format

    format = TypeAdapter[Any](Format).validate_python({"kind": kind})
    finished = world(n)
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        format.write(Path(folder), finished)
        return Cost(time.monotonic() - started, peak_resident())


def peers(kind: str, n: int) -> Cost:
    """What the documentation of `datasets` shows for rows that are made one by one, with the same texts and columns."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    finished = world(n)
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        # With a fingerprint it need not make one out of all the texts that the generator can see.
        rows = Dataset.from_generator(lambda: _records(kind, finished), cache_dir=folder, fingerprint=f"{kind}-{n}")
        if kind == "flag_embedding":
            rows.to_json(f"{folder}/train.jsonl", force_ascii=False)
        else:
            rows.to_parquet(f"{folder}/train.parquet")
        return Cost(time.monotonic() - started, peak_resident())


def _records(kind: str, finished: Finished) -> Iterator[dict[str, Any]]:
    queries, text = finished.collection.queries, finished.collection.text
    for e in finished.examples:
        query, positive = queries[e.query_id], text(e.positive_id)
        negatives = [text(doc_id) for doc_id in e.negative_ids]
        if kind == "flag_embedding":
            scores = {"pos_scores": [finished.score_of_positive(e)], "neg_scores": list(e.scores)}
            yield {"query": query, "pos": [positive], "neg": negatives, **scores}
        elif kind == "sentence_transformers_n_tuple":
            yield {"anchor": query, "positive": positive, **{f"negative_{i + 1}": t for i, t in enumerate(negatives)}}
        else:
            yield from ({"anchor": query, "positive": positive, "negative": negative} for negative in negatives)
