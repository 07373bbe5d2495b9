"""Labelled lists for a CrossEncoderTrainer: a row per example."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from syneg_data.errors import InputError
from syneg_data.export.finished import Finished
from syneg_data.export.parquet import write_split
from syneg_data.export.streams import stream
from syneg_data.records import Example
from syneg_data.spec import Spec


class SentenceTransformersLabeledList(Spec):
    """Sentence Transformers, `(query, documents, scores)` as Parquet, the positive first: a row per example."""

    kind: Literal["sentence_transformers_labeled_list"] = "sentence_transformers_labeled_list"
    labels: Literal["scores", "binary"] = Field(
        default="scores",
        description="`scores`: the gate's relevance of each document, to distil; `binary`: 1 for the positive, 0 else",
    )

    what: ClassVar[str] = (
        "Sentence Transformers labelled lists (query, documents, and scores or labels; the positive first), for the "
        "listwise losses of a cross-encoder: LambdaLoss, ListNetLoss, ListMLELoss, RankNetLoss, ADRMSELoss"
    )
    uneven: ClassVar[bool] = True
    counted: ClassVar[str] = ""

    def write(self, folder: Path, finished: Finished) -> dict[str, int]:
        """Write the set below `folder`; rows of each file by its path there.

        Raises:
            InputError: `scores` are asked for, and that of a positive is not known.
        """
        import pyarrow as pa

        scored = self.labels == "scores"
        text = finished.collection.text

        def rows() -> Iterator[tuple[Any, ...]]:
            for e in finished.examples:
                labels = [_score(finished, e), *e.scores] if scored else [1, *[0] * len(e.negative_ids)]
                yield (
                    finished.collection.queries[e.query_id],
                    [text(d) for d in (e.positive_id, *e.negative_ids)],
                    labels,
                )

        last, number = ("scores", pa.float64()) if scored else ("labels", pa.int64())
        columns = {"query": pa.string(), "documents": pa.list_(pa.string()), last: pa.list_(number)}
        return write_split(folder, finished.split, stream(columns, rows))

    def load(self, folder: str, split: str, even: bool) -> str:
        """Python that reads it as `train`."""
        return (
            "from datasets import load_dataset\n\n"
            f'train = load_dataset("parquet", data_files="{folder}/{split}-*.parquet", split="train")'
        )


def _score(finished: Finished, example: Example) -> float:
    score = finished.score_of_positive(example)
    if score is None:
        raise InputError(
            f"sentence_transformers_labeled_list: nothing scored the positive {example.positive_id!r} of query "
            f"{example.query_id!r}; give its score, or set labels: binary"
        )
    return score
