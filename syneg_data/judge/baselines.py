"""What a retriever has to be held against besides its own base: BM25 over the same corpus, measured in the same way."""

from collections.abc import Mapping
from typing import Any

from syneg_data.collection import Collection
from syneg_data.execution import Progress
from syneg_data.judge.measuring import Measured, gains, only, rounded, unseen
from syneg_data.mining import Bm25
from syneg_data.publishing.release import Release
from syneg_data.training.evaluation import DEPTH, Run
from syneg_data.training.metrics import means, score_run

_AT_ONCE = 256  # queries searched between two signs of progress


def bm25_of(release: Release) -> Bm25:
    """BM25 as the release's recipe mined with it, or else as it is by default.

    Raises:
        InputError: the recipe in the release is broken.
    """
    with release.reading("recipe.lock.yaml"):
        miners = [Bm25.model_validate(entry) for entry in release.recipe["mining"] if entry["kind"] == "bm25"]
    # The plain reference engine gives the same order, hundreds of times slower.
    return miners[0].model_copy(update={"engine": "bm25s"}) if miners else Bm25()


def measure_bm25(spec: Bm25, splits: Mapping[str, Collection], progress: Progress) -> Measured:
    """BM25 on every split, indexed once.

    Args:
        spec: its settings.
        splits: over the same documents.
        progress: hears of queries.
    """
    if not splits:
        return Measured()
    asked = [(split, query_id) for split, part in splits.items() for query_id in part.queries]
    documents = next(iter(splits.values())).documents
    queries = {str(n): splits[split].queries[query_id] for n, (split, query_id) in enumerate(asked)}
    index = spec.open(Collection(documents, queries, {}, ""), None)
    runs: dict[str, Run] = {split: {} for split in splits}
    progress.start("bm25", len(asked), "queries")
    for start in range(0, len(asked), _AT_ONCE):
        some = [str(n) for n in range(start, min(start + _AT_ONCE, len(asked)))]
        # One more than needed: a document whose id is the query's own does not count.
        for n, ranked in zip(some, index.search(some, DEPTH + 1), strict=True):
            split, query_id = asked[int(n)]
            runs[split][query_id] = [hit for hit in ranked if hit[0] != query_id][:DEPTH]
        progress.advance(len(some))
    progress.finish()
    return Measured(runs, {split: score_run(run, splits[split].qrels) for split, run in runs.items()})


def against_bm25(
    spec: Bm25, splits: Mapping[str, Collection], bm25: Measured, after: Measured, trained: set[str]
) -> dict[str, Any]:
    """What training.json says of it: settings, metrics, and what the trained model gains over it, in both readings."""
    found: dict[str, Any] = {
        "settings": {"k1": spec.k1, "b": spec.b, "stopwords": spec.stopwords},
        "metrics": bm25.averages(),
        "gain": {split: gains(bm25.scores[split], after.scores[split], part) for split, part in splits.items()},
        "unseen": {},
    }
    for split, part in splits.items():
        if new := unseen(part, trained):
            found["unseen"][split] = {
                "metrics": rounded(means(only(bm25.scores[split], new))),
                "gain": gains(bm25.scores[split], after.scores[split], part, set(new)),
            }
    return found
