"""What two builds teach: negatives by source, pairs whose negatives are other, queries that came and went."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from syneg_data.difference.rows import Row, balance, batches, digests
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
    queries = [_queries(release) for release in (before, after)]
    gained, lost = sorted(queries[1] - queries[0]), sorted(queries[0] - queries[1])
    return {
        "sources": [
            {"source": name, "before": sources[0][name], "after": sources[1][name]}
            for name in sorted(sources[0] | sources[1])
        ],
        "pairs": {"in_both": other + same, "with_other_negatives": other},
        "queries": {
            "before": len(queries[0]),
            "after": len(queries[1]),
            "gained": len(gained),
            "lost": len(lost),
            "examples": {"gained": gained[:_SHOWN], "lost": lost[:_SHOWN]},
        },
    }


def _sources(release: Release) -> Counter[str]:
    found: Counter[str] = Counter()
    with release.reading("ids"):
        for batch in _examples(release, "sources"):
            for (sources,) in batch:
                found.update(sources)
    return found


def _queries(release: Release) -> set[str]:
    return {query_id for batch in _examples(release, "query_id") for (query_id,) in batch}


def _examples(release: Release, *columns: str) -> Iterator[list[Row]]:
    return batches(release, "ids", release.split, columns)
