"""Triplets for a SentenceTransformerTrainer: a row per negative."""

from pathlib import Path
from typing import ClassVar, Literal

from syneg_data.export.finished import Finished
from syneg_data.export.parquet import write_split
from syneg_data.export.streams import triplets
from syneg_data.spec import Spec


class SentenceTransformersTriplet(Spec):
    """Sentence Transformers, `(anchor, positive, negative)` as Parquet: a row per negative."""

    kind: Literal["sentence_transformers_triplet"] = "sentence_transformers_triplet"

    what: ClassVar[str] = (
        "Sentence Transformers triplets (anchor, positive, negative; a row per negative), for "
        "MultipleNegativesRankingLoss, its cached and guided kin, and TripletLoss"
    )
    uneven: ClassVar[bool] = True
    counted: ClassVar[str] = ""

    def write(self, folder: Path, finished: Finished) -> dict[str, int]:
        """Write the set below `folder`; rows of each file by its path there."""
        names = ("anchor", "positive", "negative")
        return write_split(folder, finished.split, triplets(finished.collection, finished.examples, names))

    def load(self, folder: str, split: str, even: bool) -> str:
        """Python that reads it as `train`."""
        return (
            "from datasets import load_dataset\n\n"
            f'train = load_dataset("parquet", data_files="{folder}/{split}-*.parquet", split="train")'
        )
