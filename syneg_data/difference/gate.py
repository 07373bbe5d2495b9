"""What the gates of two builds said: bars, and verdicts that flipped."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syneg_data.difference.facts import changed
from syneg_data.difference.rows import batches, digests, matched
from syneg_data.publishing.release import Release

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SHOWN = 3  # candidates to name for each kind of flip
_KEY = ("query_id", "doc_id")

Flip = tuple[str, str]


def compare_gates(before: Release, after: Release) -> dict[str, Any]:
    """Bars from the reports, verdicts from the rows of `candidates`.

    Returns:
        `bars`: path, before, after of what was fitted; `judged_by_both`: candidates, by (query, document); `flips`:
        from, to, count and some of the candidates, the most frequent first.

    Raises:
        InputError: a build has no `candidates`, or others.
    """
    halves = [
        digests(release, "candidates", release.split, _KEY, lambda row: (row, None)) for release in (before, after)
    ]
    left, right = matched(*halves)
    codes: dict[str, int] = {}
    old, new = (_fates(release, codes) for release in (before, after))
    names = list(codes)
    other = (old[left] != new[right]).nonzero()[0]
    flips = {
        int(place): (names[old[place]], names[new[to]]) for place, to in zip(left[other], right[other], strict=True)
    }
    return {
        "bars": list(changed(_bars(before), _bars(after))),
        "judged_by_both": len(left),
        "flips": _counted(before, flips),
    }


def _fates(release: Release, codes: dict[str, int]) -> "npt.NDArray[np.int32]":
    """What became of every candidate, as its number in `codes`; new words get one."""
    import numpy as np

    found: list[npt.NDArray[np.int32]] = []
    with release.reading("candidates"):
        for batch in batches(release, "candidates", release.split, ("verdict", "reason")):
            words = ("relabelled" if reason == "relabelled" else str(verdict) for verdict, reason in batch)
            found.append(np.asarray([codes.setdefault(word, len(codes)) for word in words], dtype=np.int32))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int32)


def _counted(release: Release, flips: Mapping[int, Flip]) -> list[dict[str, Any]]:
    """How often each flip is there, the most frequent first, with some of its candidates.

    Args:
        release: the earlier build.
        flips: of the candidates at these places of its rows.
    """
    counts = Counter(flips.values())
    examples: dict[Flip, list[dict[str, str]]] = {flip: [] for flip in counts}
    start = 0
    for batch in batches(release, "candidates", release.split, _KEY) if flips else ():
        for place, (query_id, doc_id) in enumerate(batch, start):
            if place in flips and len(examples[flips[place]]) < _SHOWN:
                examples[flips[place]].append({"query_id": query_id, "doc_id": doc_id})
        start += len(batch)
    return [
        {"from": flip[0], "to": flip[1], "count": count, "examples": examples[flip]}
        for flip, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    ]


def _bars(release: Release) -> dict[str, Any]:
    """What was fitted, by reranker."""
    with release.reading("report.json"):
        found = release.json("report.json").get("validation", {})
        bars = {entry["name"]: entry["bar"] for entry in found.get("rerankers", ())}
        return {"agree": found.get("agree"), "joint": found.get("joint"), **bars}
