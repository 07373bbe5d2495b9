"""The estimated rate of false negatives: a stratified sample judged by somebody else, with an honest interval. Pure."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
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


def populations(verdicts: Sequence[Verdict]) -> dict[bool, dict[str, int]]:
    """Whether the gate kept them -> source -> candidates, of those that a sample is drawn from."""
    found: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for row in _drawable(verdicts):
        found[row.kept][row.source] = found[row.kept].get(row.source, 0) + 1
    return found


def _drawable(verdicts: Sequence[Verdict]) -> Iterator[Drawn]:
    for verdict in verdicts:
        if verdict.verdict in ("keep", "false_negative"):
            kept = verdict.verdict == "keep"
            yield Drawn(verdict.query_id, verdict.positive_id, verdict.doc_id, source_of(verdict), kept)


def draw(verdicts: Sequence[Verdict], size: int, seed: int) -> list[Drawn]:
    """A seeded sample of what the gate kept and of what it called false negatives, in random order.

    Both halves get up to `size / 2`, and within each every source as many as its share of the half, by the largest
    remainder; so the rate of a half needs no weights. What one half lacks the other gets.
    """
    halves: dict[bool, list[Drawn]] = {True: [], False: []}
    for row in _drawable(verdicts):
        halves[row.kept].append(row)
    refused = min(len(halves[False]), size // 2)
    kept_share = min(len(halves[True]), size - refused)
    refused = min(len(halves[False]), size - kept_share)
    chance = random.Random(seed_of("review", seed))
    drawn = [*_proportional(halves[True], kept_share, chance), *_proportional(halves[False], refused, chance)]
    chance.shuffle(drawn)
    return drawn


def in_proportion(drawn: Sequence[Drawn], population: Mapping[bool, Mapping[str, int]]) -> list[Drawn]:
    """What was kept, and of what was refused the first ones: as many as make a sample of all candidates of it.

    Half of a sample is what the gate refused, far more than of all candidates; a rule that is fitted to it would take
    too much for irrelevant.
    """
    kept, refused = (sum(population[half].values()) for half in (True, False))
    left = math.ceil(sum(row.kept for row in drawn) * refused / kept) if kept else len(drawn)
    found = []
    for row in drawn:
        left -= not row.kept
        if row.kept or left >= 0:
            found.append(row)
    return found


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


def estimate(
    judged: Sequence[tuple[Drawn, bool]], by: str, population: Mapping[bool, Mapping[str, int]]
) -> dict[str, Any]:
    """The rate of false negatives among what was kept, per source, and how far judge and gate agree.

    Args:
        judged: drawn candidates with whether the judge finds them relevant.
        by: who judged, for the report.
        population: from `populations`, of all that the sample was drawn from.

    Returns:
        `kept`: of, judged, relevant, rate, low, high (Wilson 1927, 95 %), where `of` are all that the gate kept;
        `sources`: the same per source, also of one of which none was drawn; `refused`: the same of what the gate called
        false negatives, where `relevant` means that the gate was right; `kappa` (Cohen 1960) of judge and gate over
        all of them, to which the two halves are weighted back; null where chance alone would agree fully.
    """
    sizes = {half: sum(population[half].values()) for half in (True, False)}
    said = {half: [relevant for row, relevant in judged if row.kept is half] for half in (True, False)}
    weights = {half: sizes[half] / len(said[half]) for half in said if said[half]}
    by_source: dict[str, list[bool]] = {name: [] for name in sorted(population[True])}
    for row, relevant in judged:
        if row.kept:
            by_source[row.source].append(relevant)
    return {
        "by": by,
        "kept": {"of": sizes[True], **rate(said[True])},
        "sources": {name: {"of": population[True][name], **rate(part)} for name, part in by_source.items()},
        "refused": {"of": sizes[False], **rate(said[False])},
        "kappa": kappa([(not row.kept, relevant, weights[row.kept]) for row, relevant in judged]),
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


def kappa(pairs: Sequence[tuple[bool, bool, float]]) -> float | None:
    """Agreement of two yes/no judges beyond chance (Cohen 1960), pairs weighted; None where chance agrees fully."""
    total = sum(weight for _, _, weight in pairs)
    if not total:
        return None
    observed = sum(weight for left, right, weight in pairs if left == right) / total
    left = sum(weight for said, _, weight in pairs if said) / total
    right = sum(weight for _, said, weight in pairs if said) / total
    expected = left * right + (1 - left) * (1 - right)
    return None if math.isclose(expected, 1) else round((observed - expected) / (1 - expected), 4)
