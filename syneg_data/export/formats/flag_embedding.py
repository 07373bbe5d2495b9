"""JSON lines for FlagEmbedding: a line per example."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from syneg_data.export.finished import Finished
from syneg_data.export.jsonl import write_jsonl
from syneg_data.spec import Spec


class FlagEmbedding(Spec):
    """FlagEmbedding (BGE), `query, pos, neg, pos_scores, neg_scores` as JSON lines: a line per example."""

    kind: Literal["flag_embedding"] = "flag_embedding"

    what: ClassVar[str] = (
        "FlagEmbedding's JSON lines (query, pos, neg, pos_scores, neg_scores), as --train_data of its embedders and "
        "rerankers; the scores are for --knowledge_distillation True"
    )
    uneven: ClassVar[bool] = True
    counted: ClassVar[str] = ""

    def write(self, folder: Path, finished: Finished) -> dict[str, int]:
        """Write the set below `folder`; lines of each file by its path there.

        The score of a positive is null if nothing scored it.
        """
        text = finished.collection.text

        def records() -> Iterator[dict[str, Any]]:
            for e in finished.examples:
                yield {
                    "query": finished.collection.queries[e.query_id],
                    "pos": [text(e.positive_id)],
                    "neg": [text(doc_id) for doc_id in e.negative_ids],
                    "pos_scores": [finished.score_of_positive(e)],
                    "neg_scores": list(e.scores),
                }

        name = f"{finished.split}.jsonl"
        return {name: write_jsonl(folder / name, records())}

    def load(self, folder: str, split: str, even: bool) -> str:
        """Python that reads it as `train`, as FlagEmbedding's own trainers do."""
        return (
            "from FlagEmbedding.abc.finetune.embedder import AbsEmbedderDataArguments, AbsEmbedderTrainDataset\n\n"
            f'arguments = AbsEmbedderDataArguments(train_data=["{folder}/{split}.jsonl"])\n'
            "train = AbsEmbedderTrainDataset(arguments, tokenizer=None)  # a runner passes its model's tokenizer"
        )
