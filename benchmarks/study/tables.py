"""Tables of the study's page, each from the rows; an empty text where there are none yet."""

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from benchmarks.study.analysis import FIGURES, Difference, correlations, difference, powers, rival
from benchmarks.study.choosing import ranking, rate_of, rated
from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS, LEAST_PAIRS
from benchmarks.study.rows import Cell, cells, mean, read_scores
from syneg_data.judge.arms import ARMS
from syneg_data.training.statistics import Interval

_STAGES = ("rates", "ablations", "test")


def rates(folder: Path) -> str:
    """Stage 1."""
    found = list(rated(folder))
    grid = sorted({rate for cell in found for rate in GROUNDS[cell.ground].rates})
    lines = [
        [
            cell.ground,
            arm,
            str(cell.pairs),
            *(_tried(tried[str(rate)]) if str(rate) in tried else "-" for rate in grid),
            f"{rate_of(folder, cell.ground):g}",
        ]
        for cell in found
        for arm, tried in cell.tried.items()
    ]
    head = ["collection", "arm", "pairs", *(f"{rate:g}" for rate in grid), "taken for the collection"]
    return section("Stage 1: rates, nDCG@10 of the check on dev in points", head, lines)


def _tried(value: float | None) -> str:
    return "ran away" if value is None else points(value)


def conditions(folder: Path, found: Sequence[Difference]) -> str:
    """Stage 2."""
    places = {
        (generator, condition, ground): place
        for place, (generator, condition, ground) in enumerate(
            (generator, condition, ground) for generator in GENERATORS for condition in CONDITIONS for ground in GROUNDS
        )
    }
    lines = []
    for one in sorted(found, key=lambda one: places[one.cell.generator, one.cell.condition, one.cell.ground]):
        cell, condition = one.cell, CONDITIONS[one.cell.condition]
        what = f"{condition.factor}: {condition.level}" if condition.factor else condition.level
        audited = [cell.audit.get(figure, [None])[0] for figure in FIGURES]
        lines.append(
            [
                *(GENERATORS[cell.generator].title, what, cell.ground, str(cell.pairs)),
                *(points(one.ours), points(one.theirs), signed(one.interval), without_seen(folder, one)),
                *("-" if value is None else f"{value:.3f}" for value in audited),
            ]
        )
    head = ["written by", "condition", "collection", "pairs", "with synthetic", "mined only", "difference"]
    return section("Stage 2: ablations on dev, nDCG@10 in points", [*head, _UNSEEN, *FIGURES], lines)


_UNSEEN = "without seen positives"


def without_seen(folder: Path, one: Difference) -> str:
    """The same difference over the queries none of whose positives was trained on; a dash where that is all."""
    if not one.cell.seen:
        return "-"
    return signed(difference(folder, one.cell, one.arm, one.other, unseen=True).interval)


def failed(folder: Path) -> str:
    """What could not be trained, and why."""
    lines = [
        [cell.ground, cell.generator, cell.condition, cell.failure]
        for cell in cells(folder, "ablations")
        if cell.failure
    ]
    return section("Stage 2: not trained", ["collection", "written by", "condition", "why"], lines)


def ranked(folder: Path, generator: str) -> str:
    """Stage 3: what was measured on every collection, the best first."""
    lines = [
        [row["condition"], *(f"{100 * value:+.2f}" for value in (row["mean"], *row["by_collection"].values()))]
        for row in ranking(folder, generator)
    ]
    title = f"Stage 3: conditions of {GENERATORS[generator].title} by their mean difference on dev, in points"
    return section(title, ["condition", "mean", *GROUNDS], lines)


def untested(chosen: Collection[str]) -> str:
    """Generators with whose texts no condition can be tested."""
    left_out = [GENERATORS[name].title for name in GENERATORS if name not in chosen]
    why = f"no condition leaves {LEAST_PAIRS} pairs on every collection"
    return "\n".join(f"With {title} nothing is tested: {why}." for title in left_out)


def correlated(found: Sequence[Difference]) -> str:
    """Whether the audit's figures go with the outcome."""
    lines = [
        [c.figure, c.strata, f"{c.rho:+.2f}", f"{c.low:+.2f} to {c.high:+.2f}", str(c.cells)]
        for c in correlations(found)
    ]
    head = ["figure of the audit", "over", "Spearman's rho with the difference on dev", "95 % interval", "cells"]
    return section("Does the audit predict the outcome?", head, lines)


def power(folder: Path) -> str:
    """How small a difference could be found."""
    found = powers(folder)
    lines = [
        [GENERATORS[p.cell.generator].title, p.cell.ground, str(p.queries), *(points(d) for d in p.by_seeds.values())]
        for p in found
    ]
    head = (
        ["written by", "collection", "dev queries", *(f"{seeds} seeds" for seeds in found[0].by_seeds)] if found else []
    )
    title = "Power: the smallest true difference that dev finds four times out of five, in points (base condition)"
    return section(title, head, lines)


def tested(folder: Path, cell: Cell) -> str:
    """Stage 4, one cell: every arm, over all queries and over those with new positives."""
    scores, main = read_scores(folder, cell), CONDITIONS[cell.condition].arm
    lines = []
    for arm in (name for name in ARMS if name in cell.rates):
        rate = cell.rates[arm]
        line = [arm, ARMS[arm].what, f"{rate:g}" if rate else "-"]
        for unseen in (False, True) if cell.seen else (False,):
            line.append(points(mean(scores, arm, cell.seen if unseen else ())))
            line.append("" if arm == main else signed(difference(folder, cell, main, arm, unseen=unseen).interval))
        lines.append(line)
    head = ["arm", "hard negatives", "rate", "nDCG@10", f"{main} less this"]
    head += [_UNSEEN, f"{main} less this"] if cell.seen else []
    who = f"{GENERATORS[cell.generator].title}, {cell.condition}, student {cell.student}"
    served = ", ".join(f"{name} {cell.served[name]:,}" for name in ARMS if name in cell.served)
    note = (
        f"{cell.pairs:,} pairs that all arms can serve ({served}); the best mined-only arm on dev was {rival(cell)}; "
        f"{len(cell.seen)} test queries have a positive that was trained on."
    )
    return section(f"Stage 4: test, {cell.ground}, {who}", head, lines, note)


def repeated(folder: Path) -> str:
    """The same arms trained again."""
    path = folder / "repeat.json"
    if not path.exists():
        return ""
    found = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        [
            *(row["arm"], f"{100 * row['then']:.4f}", f"{100 * row['now']:.4f}"),
            f"{row['queries_that_differ']} of {row['queries']}",
            "yes" if row["holds"] else "no",
        ]
        for row in found["rows"]
    ]
    head = ["arm", "then", "again", "queries that differ", f"within {100 * found['tolerance']:g} points"]
    return section(f"The same again: {found['cell']}, seed {found['seed']}", head, lines)


def cost(folder: Path) -> str:
    """Tokens and hours."""
    lines, machines, commits = [], set(), set()
    for stage in _STAGES:
        done = list(cells(folder, stage))
        machines |= {cell.machine for cell in done}
        commits |= {cell.made_by["commit"] for cell in done}
        if done:
            tokens = [sum(cell.tokens.get(kind) or 0 for cell in done) for kind in ("in", "out")]
            hours = [sum(cell.seconds[kind] for cell in done) / 3600 for kind in ("build", "train", "all")]
            lines.append([stage, str(len(done)), *(f"{n:,}" for n in tokens), *(f"{n:.1f}" for n in hours)])
    head = ["stage", "cells", "tokens read", "tokens written", "hours building", "hours training", "hours in all"]
    note = (
        "Replies, scores and vectors are kept: tokens that several cells share were read and written once, and count "
        "for each. Of a cell that was interrupted the hours building are those of the last call. Machine: "
        f"{'; '.join(sorted(machines))}. Commits: {', '.join(sorted(commits))}."
    )
    return section("What it cost", head, lines, note)


def points(value: float) -> str:
    """nDCG@10 in points."""
    return f"{100 * value:.2f}"


def signed(interval: Interval) -> str:
    """A difference in points, with its interval."""
    return f"{100 * interval.mean:+.2f} ({100 * interval.low:+.2f} to {100 * interval.high:+.2f})"


def section(title: str, head: Sequence[str], lines: Sequence[Sequence[str]], note: str = "") -> str:
    """A heading, a note and a table; nothing without lines."""
    if not lines:
        return ""
    return "\n\n".join(part for part in (f"### {title}", note, table(head, lines)) if part)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
