"""The teacher: what the gate said of the documents of examples, which distillation learns from."""

from collections.abc import Sequence

from syneg_data.export.finished import positive_scores
from syneg_data.judge.arms import Chosen, Pair, Versions
from syneg_data.line import Judged
from syneg_data.records import Example, Verdict


def relevances(
    examples: Sequence[Example], verdicts: Sequence[Verdict], restyled: Sequence[Verdict]
) -> list[list[float]] | None:
    """The gate's relevance of each example's positive and then of its negatives; None if one of them has none.

    With several rerankers it is that of the one which decided, as the release has it.

    Args:
        examples: of one set; only their ids count.
        verdicts: on candidates.
        restyled: on written positives.
    """
    relevance = {(v.query_id, v.doc_id): v.relevance for v in verdicts}
    positives = positive_scores(examples, verdicts, restyled)
    found = []
    for e in examples:
        scores = [positives.get((e.query_id, e.positive_id)), *(relevance.get((e.query_id, d)) for d in e.negative_ids)]
        known = [score for score in scores if score is not None]
        if len(known) < len(scores) or not e.negative_ids:
            return None
        found.append(known)
    return found


def taught(
    judged: Judged, pairs: Sequence[Pair], negatives: Chosen, versions: Versions
) -> dict[Pair, list[float]] | None:
    """What an arm of a comparison is taught: the `relevances` of each of its pairs; None if one has none.

    Args:
        judged: what the gate said.
        pairs: what all arms train on.
        negatives: of the arm.
        versions: of the arm, in place of positives.
    """
    examples = [Example(pair[0], versions.get(pair, pair[1]), negatives[pair], (), ()) for pair in pairs]
    found = relevances(examples, judged.verdicts, judged.restyled)
    return None if found is None else dict(zip(pairs, found, strict=True))
