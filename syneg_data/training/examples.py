"""Examples: what a model is trained on, and whether an objective can do anything with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from syneg_data.errors import InputError
from syneg_data.training import Training


@dataclass(frozen=True)
class Examples:
    """What is trained on, in columns of one length.

    Attributes:
        queries: query texts.
        positives: a relevant document each.
        negatives: one list of documents per negative of an example.
        scores: for every example the teacher's relevance of its positive and its negatives; None without a teacher.
    """

    queries: Sequence[str]
    positives: Sequence[str]
    negatives: Sequence[Sequence[str]]
    scores: Sequence[Sequence[float]] | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def columns(self) -> dict[str, list[str]]:
        """The texts as sentence-transformers takes them: the order of the columns is their meaning."""
        hard = {f"negative_{n}": list(texts) for n, texts in enumerate(self.negatives, start=1)}
        return {"query": list(self.queries), "positive": list(self.positives), **hard}


def refuse_unfit(spec: Training, examples: Examples) -> None:
    """Refuse examples that the objective can do nothing with.

    Raises:
        InputError: there are none, or they have too few negatives or no scores.
    """
    least = spec.objective.least_negatives()
    if len(examples) < 2:
        raise InputError(f"training: {len(examples)} examples; at least 2 are needed")
    if len(examples.negatives) < least:
        raise InputError(
            f"training.objective: {spec.objective.kind} needs at least {least} hard negative per example, there are "
            f"{len(examples.negatives)}; build with negatives, or choose kind: ranking with in_batch: true"
        )
    if spec.objective.needs_scores and examples.scores is None:
        raise InputError(
            f"training.objective: {spec.objective.kind} needs the rerankers' scores of every example and some are "
            "missing; build with rerankers, or choose kind: ranking"
        )
