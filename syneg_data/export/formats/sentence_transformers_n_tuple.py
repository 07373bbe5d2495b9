"""Tuples for a SentenceTransformerTrainer: a row per example."""

from pathlib import Path
from typing import ClassVar, Literal

from syneg_data.errors import InputError
from syneg_data.export.finished import Finished
from syneg_data.export.parquet import write_split
from syneg_data.export.streams import tuples
from syneg_data.spec import Spec


class SentenceTransformersNTuple(Spec):
    """Sentence Transformers, `(anchor, positive, negative_1, ...)` as Parquet: a row per example."""

    kind: Literal["sentence_transformers_n_tuple"] = "sentence_transformers_n_tuple"

    what: ClassVar[str] = (
        "Sentence Transformers tuples (anchor, positive, negative_1 ...; a row per example), for "
        "MultipleNegativesRankingLoss and its cached and guided kin"
    )
    uneven: ClassVar[bool] = False
    counted: ClassVar[str] = ""

    def write(self, folder: Path, finished: Finished) -> dict[str, int]:
        """Write the set below `folder`; rows of each file by its path there.

        Raises:
            InputError: the examples have different numbers of negatives.
        """
        first = next(iter(finished.examples), None)
        negatives = len(first.negative_ids) if first is not None else 0
        for example in finished.examples:
            if len(example.negative_ids) != negatives:
                raise InputError(
                    f"{self.kind}: query {example.query_id!r} has {len(example.negative_ids)} negatives and another "
                    f"example {negatives}; every row needs as many, so choose another format"
                )
        names = ("anchor", "positive", "negative")
        return write_split(folder, finished.split, tuples(finished.collection, finished.examples, negatives, names))

    def load(self, folder: str, split: str, even: bool) -> str:
        """Python that reads it as `train`."""
        return (
            "from datasets import load_dataset\n\n"
            f'train = load_dataset("parquet", data_files="{folder}/{split}-*.parquet", split="train")'
        )
