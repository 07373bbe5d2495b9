"""What the gates of two builds said: bars, and verdicts that flipped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syneg_data.difference.facts import changed
from syneg_data.difference.rows import batches, digests, matched, named
from syneg_data.publishing.release import Release

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SHOWN = 3  # candidates to name for each kind of flip
_KEY = ("query_id", "doc_id")


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
    flipped = (old[left] != new[right]).nonzero()[0]
    return {
        "bars": list(changed(_bars(before), _bars(after))),
        "judged_by_both": len(left),
        "flips": _counted(before, list(codes), left[flipped], old[left[flipped]], new[right[flipped]]),
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


def _counted(
    release: Release,
    words: Sequence[str],
    places: "npt.NDArray[np.int64]",
    old: "npt.NDArray[np.int32]",
    new: "npt.NDArray[np.int32]",
) -> list[dict[str, Any]]:
    """How often each flip is there, the most frequent first, with some of its candidates.

    Args:
        release: the earlier build.
        words: the fates by number.
        places: of the candidates that flipped, among its rows.
        old: their fates in it.
        new: their fates in the later build.
    """
    kinds = sorted({*zip(old.tolist(), new.tolist(), strict=True)})
    at = {kind: places[(old == kind[0]) & (new == kind[1])] for kind in kinds}
    shown = {int(place) for found in at.values() for place in found[:_SHOWN]}
    rows = named(release, "candidates", release.split, _KEY, shown)
    flips = [
        {
            "from": words[kind[0]],
            "to": words[kind[1]],
            "count": len(found),
            "examples": [dict(zip(_KEY, rows[int(place)], strict=True)) for place in found[:_SHOWN]],
        }
        for kind, found in at.items()
    ]
    return sorted(flips, key=lambda flip: (-flip["count"], flip["from"], flip["to"]))


def _bars(release: Release) -> dict[str, Any]:
    """What was fitted, by reranker."""
    with release.reading("report.json"):
        found = release.json("report.json").get("validation", {})
        bars = {entry["name"]: entry["bar"] for entry in found.get("rerankers", ())}
        return {"agree": found.get("agree"), "joint": found.get("joint"), **bars}
