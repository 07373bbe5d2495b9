"""The funnel as one drawing: where every candidate came from, and where its way ended."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from syneg_data.report.page.charts import svg, tag, text
from syneg_data.report.page.tally import FATES, Tally

WIDTH = 1080
_COLUMNS = (0.0, 300.0, 590.0, 880.0)
_NODE = 13.0
_TALL = 300.0  # of the first column, without gaps
_GAP, _APART = 26.0, 52.0  # below a main node, and between those that rows start from
_ROW = 17.0  # least height of an exit, so that its label has a line of its own
_EXITS = 6  # of a column; smaller ones share one

Amounts = Mapping[str, int]  # origin -> candidates


@dataclass
class Node:
    """A place where rows are, with how many of each origin."""

    label: str
    amounts: Amounts
    css: str = ""
    column: int = 0
    y: float = 0.0
    entered: dict[str, float] = field(default_factory=dict)  # origin -> where its next ribbon arrives
    left: dict[str, float] = field(default_factory=dict)  # origin -> where its next ribbon starts

    @property
    def total(self) -> int:
        """Rows of any origin."""
        return sum(self.amounts.values())


def funnel(tally: Tally, drafts: Amounts) -> Markup:
    """Ribbons from mining and generation to the training set, each loss leaving downwards where it happened.

    Args:
        tally: of the candidates.
        drafts: drafts that came to nothing, by state.
    """
    by_stage: dict[str, dict[str, Counter[str]]] = {}
    for (origin, stage, fate), count in tally.fates.items():
        if stage != "restyle":
            by_stage.setdefault(stage, {}).setdefault(fate, Counter())[origin] += count
    mix, gate = by_stage.get("mix", {}), by_stage.get("validate", {})
    used = Node("negatives in the training set", mix.get("used", Counter()), "used", 3)
    idle = [Node(FATES["not_selected"], mix["not_selected"], "not_selected", 3)] if "not_selected" in mix else []
    kept = Node("kept by the gate", _sum([used, *idle]), "kept", 2)
    judged_exits = [Node(FATES.get(fate, fate), amounts, fate, 2) for fate, amounts in gate.items()]
    judged = Node("judged by the gate", _sum([kept, *judged_exits]), "judged", 1)
    guards = [Node(f"guard: {reason}", amounts, "duplicate", 1) for reason, amounts in by_stage.get("mine", {}).items()]
    failed = [Node(f"draft: {state}", {"synthetic": count}, "failed", 1) for state, count in drafts.items() if count]
    started = _sum([judged, *guards, *failed])
    starts = {
        "mined": Node("mined", {"mined": started.get("mined", 0)}, "mined", 0),
        "synthetic": Node("drafts asked for", {"synthetic": started.get("synthetic", 0)}, "synthetic", 0),
    }
    sources = [node for node in starts.values() if node.total]
    scale = _TALL / max(sum(node.total for node in sources), 1)
    columns = [
        sources,
        [judged, *_few([*guards, *failed], 1)],
        [kept, *_few(judged_exits, 2)],
        [used, *_few(idle, 3)],
    ]
    height = max(_place(column, scale, exits=i > 0) for i, column in enumerate(columns)) + 10
    ribbons: list[Markup] = []
    for origin, node in starts.items():
        ribbons += [_ribbon(node, target, origin, scale) for target in columns[1]]
    for source, targets in ((judged, columns[2]), (kept, columns[3])):
        ribbons += [_ribbon(source, target, origin, scale) for origin in starts for target in targets]
    nodes = [part for i, column in enumerate(columns) for node in column for part in _drawn(node, scale, exit_=i > 0)]
    title = (
        f"{sum(node.total for node in sources):,} candidates mined or drafted, {judged.total:,} judged, "
        f"{kept.total:,} kept, {used.total:,} used"
    )
    return svg(WIDTH, int(height), title, [*ribbons, *nodes], "chart flow")


def _sum(nodes: Sequence[Node]) -> Counter[str]:
    total: Counter[str] = Counter()
    for node in nodes:
        total.update(node.amounts)
    return total


def _few(exits: Sequence[Node], column: int) -> list[Node]:
    """The largest exits, and the others as one."""
    ordered = sorted(exits, key=lambda node: (-node.total, node.label))
    if len(ordered) <= _EXITS:
        return ordered
    rest = ordered[_EXITS - 1 :]
    return [*ordered[: _EXITS - 1], Node(f"{len(rest)} other reasons", _sum(rest), "failed", column)]


def _place(column: Sequence[Node], scale: float, *, exits: bool) -> float:
    """Give the nodes of a column their places; the first of a later column is the main one. Returns where it ends."""
    y = end = 40.0
    for i, node in enumerate(column):
        node.y = y
        at = y
        for origin in ("mined", "synthetic"):
            node.entered[origin] = node.left[origin] = at
            at += node.amounts.get(origin, 0) * scale
        tall = max(node.total * scale, _ROW if exits and i else 4.0)
        end = y + tall
        y = end + (_APART if not exits else _GAP if i == 0 else 7.0)
    return end


def _ribbon(source: Node, target: Node, origin: str, scale: float) -> Markup:
    count = target.amounts.get(origin, 0)
    if not count:
        return Markup("")
    tall = max(count * scale, 0.6)
    x0, x1 = _COLUMNS[source.column] + _NODE, _COLUMNS[target.column]
    y0, y1 = source.left[origin], target.entered[origin]
    source.left[origin] += count * scale
    target.entered[origin] += count * scale
    bend = (x0 + x1) / 2
    path = (
        f"M{x0:.1f},{y0:.1f} C{bend:.1f},{y0:.1f} {bend:.1f},{y1:.1f} {x1:.1f},{y1:.1f} "
        f"L{x1:.1f},{y1 + tall:.1f} C{bend:.1f},{y1 + tall:.1f} {bend:.1f},{y0 + tall:.1f} {x0:.1f},{y0 + tall:.1f} Z"
    )
    return tag("path", f"ribbon o-{origin}", f"{count:,} {origin}: {source.label} → {target.label}", d=path)


def _drawn(node: Node, scale: float, *, exit_: bool) -> list[Markup]:
    x, tall = _COLUMNS[node.column], max(node.total * scale, 2.0)
    main = not exit_ or node.css in ("judged", "kept", "used")
    parts = [tag("rect", f"node n-{node.css}", x=x, y=node.y, width=_NODE, height=tall, rx=2)]
    if main:
        parts.append(text(x, node.y - 25, node.label, "label"))
        parts.append(text(x, node.y - 7, f"{node.total:,}", "count"))
    else:
        y = node.y + min(max(tall, _ROW), 40) / 2 + 4
        parts.append(text(x + _NODE + 6, y, f"{node.label}  {node.total:,}", "exit"))
    return parts
