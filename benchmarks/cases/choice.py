"""choice: the gate's own defaults, on MedQuAD's dev split, where they may be chosen; `planted` reads the test split."""

from dataclasses import replace

from benchmarks.cases import planted
from benchmarks.cases.planted import Point
from benchmarks.results import Row, row
from syneg_data.validation.calibration import log_odds

_LEANS = (0.0, 0.25, 0.5, 0.75, 1.0)
_MAXIMA = (0.5, 0.6, 0.7, 0.8, 0.9)
_LEVELS = (0.05, 0.1, 0.2)


def run(quick: bool) -> list[Row]:
    """What each lean misses at equal losses, beside a lean of 0, and where each maximum lies on the default's curve."""
    pool, cosines, _ = planted.make_pool(planted.medquad(), "dev", quick)
    scores = {"bi-encoder": cosines, "cross-encoder": planted.cross_scores(pool, cosines)}
    joint = planted.fit_joint(pool, scores)
    what = f"choice: {len(pool.planted)} of {pool.hidden} hidden answers and {len(pool.true):,} true negatives, dev"
    curves: dict[float, list[Point]] = {}
    for lean in _LEANS:
        leaning = replace(joint, lean=lean)
        curves[lean] = planted.sweep(
            pool, f"lean {lean}", {pair: planted.above(pool, leaning, scores, pair) for pair in pool.pairs()}
        )
    rows = []
    for level in _LEVELS:
        upright = planted.best_at(curves[0.0], level)
        for lean in _LEANS[1:]:
            mine = planted.best_at(curves[lean], level)
            if mine is not None and upright is not None:
                metric = f"missed at most {level:.0%} of true negatives lost, lean {lean}"
                figures = 100 * mine.missed, 100 * upright.missed
                rows.append(row(what, metric, "%", *figures, "lean 0", 1, "for the record", True))
    for maximum in _MAXIMA:
        measure = {pair: planted.above(pool, joint, scores, pair) for pair in pool.pairs()}
        found = planted.at_threshold(pool, "ours", "", measure, log_odds(maximum))
        for metric, value in (("planted ones missed", found.missed), ("true negatives lost", found.lost)):
            label = f"{metric}, maximum {maximum}, lean {joint.lean}"
            rows.append(row(what, label, "%", 100 * value, None, "", 1, "for the record", True))
    return rows
