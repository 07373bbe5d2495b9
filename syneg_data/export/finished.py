"""What an export format is given: the finished set, whichever way it came about."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from syneg_data.collection import Collection, Document
from syneg_data.errors import InputError
from syneg_data.records import Example, Verdict


@dataclass(frozen=True)
class Finished:
    """A training set.

    Attributes:
        collection: queries, judgements and documents, those included that a model wrote.
        examples: in the order in which they are written; iterated over more than once, so no iterator.
        split: what it is called; words and dots.
        synthetic: ids of the documents that a model wrote; they are nothing to evaluate on.
        positive_scores: (query_id, positive_id) -> relevance on the scale of the negatives' scores, where known.
        held_out: splits to evaluate on, over documents of `collection`.
    """

    collection: Collection
    examples: Iterable[Example]
    split: str = "train"
    synthetic: AbstractSet[str] = frozenset()
    positive_scores: Mapping[tuple[str, str], float] = field(default_factory=dict)
    held_out: Mapping[str, Collection] = field(default_factory=dict)

    def splits(self) -> dict[str, Collection]:
        """All splits with queries and judgements, the one that is trained on first.

        Raises:
            InputError: two of them have the same name.
        """
        if self.split in self.held_out:
            raise InputError(f"split {self.split!r} is trained on and held out; name them apart")
        return {self.split: self.collection, **self.held_out}

    def real_documents(self) -> Iterable[Document]:
        """The documents that no model wrote."""
        return (d for doc_id, d in self.collection.documents.items() if doc_id not in self.synthetic)

    def score_of_positive(self, example: Example) -> float | None:
        """The relevance of an example's positive; None where it is not known."""
        return self.positive_scores.get((example.query_id, example.positive_id))


def positive_scores(
    examples: Iterable[Example], verdicts: Sequence[Verdict], restyled: Sequence[Verdict] = ()
) -> dict[tuple[str, str], float]:
    """What the gate says of the positives of examples: (query_id, positive_id) -> relevance.

    Of a positive that was itself judged (a restyled one, or a relabelled candidate) it is its own relevance. Of another
    one it is the relevance of the positive that the gate held the example's negatives against, the highest if they
    differ: its own where its query has no other, or where the rule holds what was written for a pair against the pair's
    own; by default the lowest of its query where there are several.

    Args:
        examples: of one set.
        verdicts: on candidates.
        restyled: on written positives.
    """
    own = {(v.query_id, v.doc_id): v.relevance for v in restyled if v.relevance is not None}
    own |= {
        (v.query_id, v.doc_id): v.relevance for v in verdicts if v.reason == "relabelled" and v.relevance is not None
    }
    against: dict[tuple[str, str], float] = {}
    for v in verdicts:
        if v.positive_relevance is not None:
            pair = (v.query_id, v.doc_id)
            against[pair] = min(v.positive_relevance, against.get(pair, v.positive_relevance))
    found: dict[tuple[str, str], float] = {}
    for example in examples:
        pair = (example.query_id, example.positive_id)
        held = [against[key] for doc_id in example.negative_ids if (key := (example.query_id, doc_id)) in against]
        if pair in own:
            found[pair] = own[pair]
        elif held:
            found[pair] = max(held)
    return found
