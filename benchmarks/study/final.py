"""Tables of stage 4, each from the rows; an empty text where there are none yet."""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.study.analysis import beside_alone, difference
from benchmarks.study.markdown import UNSEEN, points, section, signed
from benchmarks.study.protocol import CONDITIONS, GENERATORS
from benchmarks.study.rows import Cell, cells, mean, read_scores
from syneg_data.judge.arms import ARMS


def tested(folder: Path, cell: Cell) -> str:
    """Stage 4, one cell: every arm, over all queries and over those with new positives."""
    scores, main = read_scores(folder, cell), CONDITIONS[cell.condition].arm
    lines = []
    for arm in (name for name in ARMS if name in cell.rates):
        line = [arm, ARMS[arm].what, _rate(cell, arm), points(cell.dev[arm])]
        for unseen in (False, True) if cell.seen else (False,):
            line.append(points(mean(scores, arm, cell.seen if unseen else ())))
            line.append("" if arm == main else signed(difference(folder, cell, main, arm, unseen=unseen).interval))
        lines.append(line)
    head = ["arm", "hard negatives", "rate", "nDCG@10 on dev", "nDCG@10", f"{main} less this"]
    head += [UNSEEN, f"{main} less this"] if cell.seen else []
    who = f"{GENERATORS[cell.generator].title}, {cell.condition}, student {cell.student}"
    served = ", ".join(f"{name} {cell.served[name]:,}" for name in ARMS if name in cell.served)
    note = (
        f"{cell.pairs:,} pairs that all arms can serve ({served}); the best mined-only arm on dev was {cell.rival}; "
        f"{len(cell.seen)} test queries have a positive that was trained on. A star: the lowest or highest one tried."
    )
    return section(f"Stage 4: test, {cell.ground}, {who}", head, lines, note)


def _rate(cell: Cell, arm: str) -> str:
    rate, tried = cell.rates[arm], [float(one) for one in cell.tried[arm]]
    if not rate:
        return "-"
    return f"{rate:g}{'*' if len(tried) > 1 and rate in (min(tried), max(tried)) else ''}"


def alone(folder: Path, tested: Sequence[Cell]) -> str:
    """What is tested beside mined negatives for all the pairs that they can serve by themselves."""
    lines = []
    for cell in cells(folder, "alone"):
        for one in (beside_alone(folder, other, cell) for other in tested if _same_student(other, cell)):
            lines.append(
                [
                    *(cell.ground, GENERATORS[one.cell.generator].title, one.cell.condition),
                    *(f"{one.cell.pairs:,}", f"{cell.pairs:,}", points(one.ours), points(one.theirs)),
                    *(signed(one.interval), points(mean(read_scores(folder, cell), "none"))),
                ]
            )
    head = ["collection", "written by", "condition", "pairs", "pairs of mining alone", "with synthetic"]
    head += ["mining alone", "difference", "no training"]
    note = (
        "The gate's mined negatives for every pair that has three of them, whether or not a generator could serve it: "
        "what somebody would train on who has no generator. nDCG@10 on test in points."
    )
    return section("Stage 4: mining alone, on all its pairs", head, lines, note)


def _same_student(one: Cell, other: Cell) -> bool:
    return (one.ground, one.student) == (other.ground, other.student)


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
