"""What two builds teach: negatives by source, pairs whose negatives are other, queries that came and went."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from syneg_data.difference.rows import Row, balance, batches, digests, named, unique
from syneg_data.publishing.release import Release

_SHOWN = 5  # ids to name


def compare_negatives(before: Release, after: Release) -> dict[str, Any]:
    """Counted from the rows of `ids`.

    Returns:
        `sources`: source, before, after (negatives of each); `pairs`: (query, positive) that both have, and how many of
        these have other negatives; `queries`: trained on before and after, gained and lost, and some of their ids.

    Raises:
        InputError: a build has no `ids`, or others.
    """
    sources = [_sources(release) for release in (before, after)]
    pairs = [
        digests(
            release, "ids", release.split, ("query_id", "positive_id", "negative_ids"),
            lambda row: (row[:2], sorted(row[2])),
        )
        for release in (before, after)
    ]  # fmt: skip
    _, _, other, same = balance(*pairs)
    return {
        "sources": [
            {"source": name, "before": sources[0][name], "after": sources[1][name]}
            for name in sorted(sources[0] | sources[1])
        ],
        "pairs": {"in_both": other + same, "with_other_negatives": other},
        "queries": _queries(before, after),
    }


def _sources(release: Release) -> Counter[str]:
    found: Counter[str] = Counter()
    with release.reading("ids"):
        for batch in _examples(release, "sources"):
            for (sources,) in batch:
                found.update(sources)
    return found


def _queries(before: Release, after: Release) -> dict[str, Any]:
    """Queries that are trained on, by their ids."""
    import numpy as np

    key = ("query_id",)
    found = [
        unique(digests(release, "ids", release.split, key, lambda row: (row, None))) for release in (before, after)
    ]
    counts: dict[str, Any] = {"before": len(found[0][0]), "after": len(found[1][0])}
    examples = {}
    for what, release, (mine, places), (others, _) in (
        ("gained", after, found[1], found[0]),
        ("lost", before, found[0], found[1]),
    ):
        alone = np.sort(places[~np.isin(mine, others)])
        rows = named(release, "ids", release.split, key, {int(place) for place in alone[:_SHOWN]})
        counts[what] = len(alone)
        examples[what] = [query_id for _, (query_id,) in sorted(rows.items())]
    return {**counts, "examples": examples}


def _examples(release: Release, *columns: str) -> Iterator[list[Row]]:
    return batches(release, "ids", release.split, columns)
