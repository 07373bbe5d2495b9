"""The estimated rate of false negatives: a stratified sample judged by somebody else, with an honest interval. Pure."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syneg_data.records import Verdict
from syneg_data.spec import seed_of

_Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True, slots=True)
class Drawn:
    """A candidate that was drawn for review; `source` is its origin and miners, `kept` the gate's word."""

    query_id: str
    positive_id: str | None
    doc_id: str
    source: str
    kept: bool


def source_of(verdict: Verdict) -> str:
    """Where a candidate comes from, as training examples have it: `mined:bm25+dense`, `synthetic:syneg`."""
    return f"{verdict.origin}:{'+'.join(hit.source for hit in verdict.sources)}"


def draw(verdicts: Sequence[Verdict], size: int, seed: int) -> list[Drawn]:
    """A seeded sample of what the gate kept and of what it called false negatives, in random order.

    Both halves get up to `size / 2`, and within each every source as many as its share of the half, by the largest
    remainder; so rates of a half need no weights. What one half lacks the other gets.
    """
    halves: dict[bool, list[Drawn]] = {True: [], False: []}
    for verdict in verdicts:
        if verdict.verdict in ("keep", "false_negative"):
            kept = verdict.verdict == "keep"
            row = Drawn(verdict.query_id, verdict.positive_id, verdict.doc_id, source_of(verdict), kept)
            halves[kept].append(row)
    refused = min(len(halves[False]), size // 2)
    kept_share = min(len(halves[True]), size - refused)
    refused = min(len(halves[False]), size - kept_share)
    chance = random.Random(seed_of("review", seed))
    drawn = [*_proportional(halves[True], kept_share, chance), *_proportional(halves[False], refused, chance)]
    chance.shuffle(drawn)
    return drawn


def _proportional(rows: Sequence[Drawn], size: int, chance: random.Random) -> list[Drawn]:
    strata: dict[str, list[Drawn]] = {}
    for row in rows:
        strata.setdefault(row.source, []).append(row)
    shares = {source: size * len(members) / max(1, len(rows)) for source, members in sorted(strata.items())}
    counts = {source: math.floor(share) for source, share in shares.items()}
    rest = sorted(shares, key=lambda source: (counts[source] - shares[source], source))
    for source in rest[: size - sum(counts.values())]:
        counts[source] += 1
    return [row for source, members in sorted(strata.items()) for row in chance.sample(members, counts[source])]


def estimate(judged: Sequence[tuple[Drawn, bool]], by: str) -> dict[str, Any]:
    """The rate of false negatives among what was kept, per source, and how far judge and gate agree.

    Args:
        judged: drawn candidates with whether the judge finds them relevant.
        by: who judged, for the report.

    Returns:
        `kept`: judged, relevant, rate, low, high (Wilson 1927, 95 %); `sources`: the same per source; `refused`: the
        same of what the gate called false negatives, where `relevant` means that the gate was right; `kappa` (Cohen
        1960) of judge and gate, null where chance alone would agree fully.
    """
    kept = [(row, relevant) for row, relevant in judged if row.kept]
    sources = sorted({row.source for row, _ in kept})
    return {
        "by": by,
        "kept": rate([relevant for _, relevant in kept]),
        "sources": {name: rate([relevant for row, relevant in kept if row.source == name]) for name in sources},
        "refused": rate([relevant for row, relevant in judged if not row.kept]),
        "kappa": kappa([(not row.kept, relevant) for row, relevant in judged]),
    }


def rate(relevant: Sequence[bool]) -> dict[str, Any]:
    """Count, share and interval of the relevant ones; share and interval null of none."""
    n, hits = len(relevant), sum(relevant)
    low, high = wilson(hits, n)
    share = round(hits / n, 4) if n else None
    return {"judged": n, "relevant": hits, "rate": share, "low": low, "high": high}


def wilson(hits: int, n: int) -> tuple[float | None, float | None]:
    """The 95 % score interval of a share (Wilson 1927), rounded to four decimals; (None, None) of nothing."""
    if n == 0:
        return None, None
    p, z2 = hits / n, _Z**2
    middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)


def kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Agreement beyond chance of two yes/no judges (Cohen 1960); None where chance alone agrees fully."""
    n = len(pairs)
    if n == 0:
        return None
    observed = sum(left == right for left, right in pairs) / n
    left, right = (sum(pair[side] for pair in pairs) / n for side in (0, 1))
    expected = left * right + (1 - left) * (1 - right)
    return None if expected == 1 else round((observed - expected) / (1 - expected), 4)
