"""JSON lines for Tevatron: a line per example, its passages with ids and titles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from syneg_data.export.finished import Finished
from syneg_data.export.jsonl import write_jsonl
from syneg_data.spec import Spec


class Tevatron(Spec):
    """Tevatron, `query_id, query, positive_passages, negative_passages` as JSON lines: a line per example."""

    kind: Literal["tevatron"] = "tevatron"

    what: ClassVar[str] = (
        "Tevatron's JSON lines (query_id, query, positive_passages, negative_passages, each passage with docid, title "
        "and text), as --dataset_name json --dataset_path"
    )
    uneven: ClassVar[bool] = True
    counted: ClassVar[str] = ""

    def write(self, folder: Path, finished: Finished) -> dict[str, int]:
        """Write the set below `folder`; lines of each file by its path there."""
        documents = finished.collection.documents

        def passage(doc_id: str) -> dict[str, str]:
            document = documents[doc_id]
            return {"docid": doc_id, "title": document.title, "text": document.text}

        def records() -> Iterator[dict[str, Any]]:
            for e in finished.examples:
                yield {
                    "query_id": e.query_id,
                    "query": finished.collection.queries[e.query_id],
                    "positive_passages": [passage(e.positive_id)],
                    "negative_passages": [passage(doc_id) for doc_id in e.negative_ids],
                }

        name = f"{finished.split}.jsonl"
        return {name: write_jsonl(folder / name, records())}

    def load(self, folder: str, split: str, even: bool) -> str:
        """Python that reads it as `train`, as Tevatron's TrainDataset does."""
        return (
            "from datasets import load_dataset\n\n"
            f'train = load_dataset("json", data_files="{folder}/{split}.jsonl", split="train")'
        )
