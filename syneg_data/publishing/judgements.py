"""What a release says of its candidates, read back as the rows of the gate."""

from collections.abc import Iterable
from typing import Any

from syneg_data.collection import Collection
from syneg_data.publishing.release import Release
from syneg_data.records import Hit, Scored, Verdict


def verdicts_of(release: Release, stages: Iterable[str] = ("validate", "mix")) -> list[Verdict]:
    """The verdicts of candidates whose way ended in one of `stages`, in the order of the gate.

    Scores are not among them: `scores_of` has those.
    """
    wanted = set(stages)
    rows = release.table("candidates").to_pylist()
    with release.reading("candidates"):
        return [_verdict(row) for row in rows if row["stage"] in wanted]


def _verdict(row: dict[str, Any]) -> Verdict:
    hits = tuple(Hit(hit["source"], hit["rank"], hit["score"]) for hit in row["sources"])
    reason = "" if row["verdict"] == "keep" else row["reason"]
    return Verdict(
        row["query_id"], row["positive_id"], row["doc_id"], row["origin"], hits, row["relevance"],
        row["positive_relevance"], (), row["verdict"], reason,
    )  # fmt: skip


def scores_of(release: Release) -> list[Scored]:
    """Everything that rerankers said."""
    return [Scored(**row) for row in release.table("scores").to_pylist()]


def judged_collection(release: Release) -> Collection:
    """Queries and judgements of the split that was built on, as the source had them; documents without their texts.

    What a model wrote, or the gate relabelled, is not among the judgements.
    """
    rows = release.table("candidates").to_pylist()
    added = {
        (row["query_id"], row["doc_id"])
        for row in rows
        if row["origin"] == "synthetic" or row["reason"] == "relabelled"
    }
    queries, qrels = release.judgements(release.split, without=added)
    return Collection({}, queries, qrels, release.digest)
