"""Tables of stages 1 to 3 and of what all of it cost, each from the rows; an empty text where there are none yet."""

from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks.study.analysis import FIGURES, Difference, beyond_base, correlations, foretells, powers
from benchmarks.study.choosing import ranking, rate_of, rated
from benchmarks.study.markdown import UNSEEN, points, section, signed, without_seen
from benchmarks.study.protocol import CONDITIONS, GENERATORS, GROUNDS, LEAST_PAIRS, RIVALS
from benchmarks.study.rows import Cell, cells

_STAGES = ("rates", "ablations", "test", "alone")


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
    lines = []
    for one in found:
        cell, beyond = one.cell, beyond_base(folder, found, one)
        audited = [cell.audit.get(figure, [None])[0] for figure in FIGURES]
        lines.append(
            [
                *(GENERATORS[cell.generator].title, _level(cell), cell.ground, str(cell.pairs)),
                *(points(one.ours), *(_reached(cell, arm) for arm in RIVALS), signed(one.interval)),
                *("-" if beyond is None else signed(beyond), without_seen(folder, one)),
                *("-" if value is None else f"{value:.3f}" for value in audited),
            ]
        )
    head = ["written by", "condition", "collection", "pairs", "with synthetic", *RIVALS, "difference", "less base"]
    note = (
        "`difference` is that to the better of the two columns before it; `less base` is that difference less base's, "
        "which also has other pairs behind it. A dash under `without seen positives`: no query has one, so it is the "
        "difference."
    )
    return section("Stage 2: ablations on dev, nDCG@10 in points", [*head, UNSEEN, *FIGURES], lines, note)


def _reached(cell: Cell, arm: str) -> str:
    return points(cell.dev[arm]) if arm in cell.dev else "-"


def _level(cell: Cell) -> str:
    condition = CONDITIONS[cell.condition]
    return f"{condition.factor}: {condition.level}" if condition.factor else condition.level


def yields(found: Sequence[Difference]) -> str:
    """What became of the drafts, and how many pairs they could serve."""
    lines = []
    for one in found:
        cell, drafts = one.cell, one.cell.ledger["generate"]
        lines.append(
            [
                *(GENERATORS[cell.generator].title, _level(cell), cell.ground),
                *(f"{n:,}" for n in (drafts["in"], drafts["kept"])),
                *(f"{n:,}" for n in (cell.pairs, cell.served["gated"], cell.tokens["out"])),
            ]
        )
    head = ["written by", "condition", "collection", "drafts", "well-formed", "pairs", "mined alone", "tokens written"]
    note = (
        "`pairs` have enough written and enough mined negatives after the gate, and every arm is trained on them; "
        "`mined alone` could have been trained on so many."
    )
    return section("Stage 2: what was written", head, lines, note)


def failed(folder: Path) -> str:
    """What could not be trained, and why."""
    lines = [
        [cell.ground, cell.generator, cell.condition, cell.failure]
        for cell in cells(folder, "ablations")
        if cell.failure
    ]
    return section("Stage 2: not trained", ["collection", "written by", "condition", "why"], lines)


def ranked(folder: Path, generator: str) -> str:
    """Stage 3: what was measured on every collection, the best first; nothing before all of it is there."""
    try:
        found = ranking(folder, generator)
    except ValueError:
        return ""
    lines = [
        [row["condition"], *(f"{100 * value:+.2f}" for value in (row["mean"], *row["by_collection"].values()))]
        for row in found
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
    return section("Does the audit predict the outcome?", head, lines, foretells(correlations(found)))


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


def cost(folder: Path) -> str:
    """Tokens and hours."""
    lines, machines, commits = [], set(), set()
    written = set[tuple[str, str, int, int]]()
    for stage in _STAGES:
        done = list(cells(folder, stage))
        if not done:
            continue
        machines |= {cell.machine for cell in done}
        commits |= {cell.made_by["commit"] for cell in done}
        # Who has the same generator, collection and numbers of tokens has the same drafts, from the store.
        drafts = {(c.generator, c.ground, c.tokens.get("in") or 0, c.tokens.get("out") or 0) for c in done} - written
        written |= drafts
        tokens = [sum(one[2] for one in drafts), sum(one[3] for one in drafts)]
        hours = [sum(cell.seconds[kind] for cell in done) / 3600 for kind in ("build", "train", "all")]
        lines.append([stage, str(len(done)), *(f"{n:,}" for n in tokens), *(f"{n:.1f}" for n in hours)])
    head = ["stage", "cells", "tokens read", "tokens written", "hours building", "hours training", "hours in all"]
    note = (
        "Replies, scores and vectors are kept: tokens that several cells share were read and written once, and count "
        "in the first stage that has them. Hours building and in all are those of a cell's last call: what was written "
        "in an earlier one (before it was interrupted, or measured anew with another rival) is not in them, so "
        "they are far too few; hours of training are those of all runs. Machine: "
        f"{'; '.join(sorted(machines))}. Commits: {', '.join(sorted(commits))}."
    )
    return section("What it cost", head, lines, note)
