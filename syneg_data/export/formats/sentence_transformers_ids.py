"""Ids with the texts beside, for sentence-transformers' `resolve_ids`: no text stands twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from syneg_data.export.finished import Finished
from syneg_data.export.parquet import write_split
from syneg_data.export.streams import stream, strings
from syneg_data.spec import Spec


class SentenceTransformersIds(Spec):
    """Sentence Transformers, `(query_id, document_ids, scores)` with tables of queries and documents, as Parquet."""

    kind: Literal["sentence_transformers_ids"] = "sentence_transformers_ids"

    what: ClassVar[str] = (
        "ids for Sentence Transformers' resolve_ids (query_id, document_ids, scores; the positive first) with the "
        "texts in tables of their own, for DistillKLDivLoss and MarginMSELoss, or listwise for a cross-encoder"
    )
    uneven: ClassVar[bool] = True
    counted: ClassVar[str] = "train/"

    def write(self, folder: Path, finished: Finished) -> dict[str, int]:
        """Write the set below `folder`; rows of each file by its path there.

        The tables hold the queries and documents that examples name. The score of a positive is null if nothing scored
        it.
        """
        import pyarrow as pa

        collection = finished.collection
        queries: set[str] = set()
        documents: set[str] = set()

        def rows() -> Iterator[tuple[Any, ...]]:
            for e in finished.examples:
                doc_ids = [e.positive_id, *e.negative_ids]
                queries.add(e.query_id)
                documents.update(doc_ids)
                yield e.query_id, doc_ids, [finished.score_of_positive(e), *e.scores]

        columns = {
            "query_id": pa.string(),
            "document_ids": pa.list_(pa.string()),
            "scores": pa.list_(pa.float64()),
        }
        tables = {
            "train": stream(columns, rows),  # first: the others hold what it names
            "queries": strings(
                ("query_id", "text"), lambda: (row for row in collection.queries.items() if row[0] in queries)
            ),
            "documents": strings(
                ("document_id", "text"),
                lambda: ((d, collection.text(d)) for d in collection.documents if d in documents),
            ),
        }
        written: dict[str, int] = {}
        for name, table in tables.items():
            parts = write_split(folder / name, finished.split, table)
            written |= {f"{name}/{part}": n for part, n in parts.items()}
        return written

    def load(self, folder: str, split: str, even: bool) -> str:
        """Python that reads it as `train`: texts in columns where all lists are of one length, else in lists."""
        shape = "columns" if even else "lists"
        return (
            "from datasets import load_dataset\n"
            "from sentence_transformers.util import resolve_ids\n\n"
            f'files = "{folder}/{{}}/{split}-*.parquet"\n'
            'queries = load_dataset("parquet", data_files=files.format("queries"), split="train")\n'
            'documents = load_dataset("parquet", data_files=files.format("documents"), split="train")\n'
            'train = load_dataset("parquet", data_files=files.format("train"), split="train")\n'
            'lookups = {"query_id": queries, "document_ids": documents}\n'
            f'train.set_transform(resolve_ids(lookups, output_format="{shape}"))'
        )
