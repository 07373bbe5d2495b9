"""Drawings as SVG, by hand: no library, no inline style, so that the page's policy can forbid all but its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 380, 190  # of a histogram, in its own units; it scales with the page
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 20, 34
_TICKS = 5


def histogram(
    title: str,
    edges: Sequence[float],
    stacks: Mapping[str, Sequence[int]],
    labels: Mapping[str, str],
    *,
    axis: str = "",
    lines: Sequence[float] = (),
    band: tuple[float, float] | None = None,
) -> Markup:
    """Bars of counts, one colour class `f-<key>` above the other.

    Args:
        title: read out in place of the drawing.
        edges: of the bins, one more than bins.
        stacks: key -> counts by bin, from the lowest up.
        labels: key -> what it means.
        axis: what the horizontal axis shows.
        lines: where thresholds stand.
        band: from where to where they move.
    """
    top = max(max((sum(counts) for counts in zip(*stacks.values(), strict=True)), default=0), 1)
    scale = _Scale(edges[0], edges[-1], _LEFT, WIDTH - _RIGHT)
    rises = _Scale(0, _nice(top), HEIGHT - _BOTTOM, _TOP)
    parts = [_axes(scale, rises, axis)]
    if band:
        x = scale(band[0])
        parts.append(_tag("rect", "band", x=x, y=_TOP, width=scale(band[1]) - x, height=HEIGHT - _BOTTOM - _TOP))
    for i in range(len(edges) - 1):
        x, below = scale(edges[i]) + 0.5, 0
        for key, counts in stacks.items():
            if counts[i]:
                y, base = rises(below + counts[i]), rises(below)
                told = f"{labels[key]}: {counts[i]:,} from {number(edges[i])} to {number(edges[i + 1])}"
                box = {"x": x, "y": y, "width": max(scale(edges[i + 1]) - x - 0.5, 0.5), "height": base - y}
                parts.append(_tag("rect", f"f-{key}", told, **box))
                below += counts[i]
    for place in lines:
        x = scale(place)
        parts.append(_tag("line", "threshold", x1=x, x2=x, y1=_TOP - 6, y2=HEIGHT - _BOTTOM))
        anchor = "end" if x > WIDTH - 60 else "middle"
        parts.append(_text(x, _TOP - 9, number(place), "tick strong", anchor))
    return _svg(WIDTH, HEIGHT, title, parts)


def interval(
    title: str,
    value: float,
    low: float | None,
    high: float | None,
    ends: tuple[float, float],
    *,
    chance: float | None = None,
    bounds: Sequence[float] = (),
    bad: bool = False,
) -> Markup:
    """One figure on a line: a dot with whiskers, where chance is, and the bounds of a gate."""
    width, height = 420, 36
    scale = _Scale(*ends, 8, width - 8)
    middle = 13
    parts = [_tag("line", "axis", x1=8, x2=width - 8, y1=middle, y2=middle)]
    for end, anchor in zip(ends, ("start", "end"), strict=True):
        parts.append(_text(scale(end), height - 2, number(end), "tick", anchor))
    if chance is not None:
        parts.append(_tag("line", "chance", x1=scale(chance), x2=scale(chance), y1=1, y2=height - 12))
        parts.append(_text(scale(chance), height - 2, f"{number(chance)} chance", "tick", "middle"))
    for bound in bounds:
        parts.append(_tag("line", "threshold", f"gate {number(bound)}", x1=scale(bound), x2=scale(bound), y1=1, y2=23))
    dot = "dot bad" if bad else "dot"
    if low is not None and high is not None:
        parts.append(_tag("line", f"whisker {dot}", x1=scale(low), x2=scale(high), y1=middle, y2=middle))
        for end in (low, high):
            parts.append(_tag("line", f"whisker {dot}", x1=scale(end), x2=scale(end), y1=middle - 5, y2=middle + 5))
    parts.append(_tag("circle", dot, cx=scale(value), cy=middle, r=5.5))
    return _svg(width, height, title, parts)


def dot(title: str, value: float, ends: tuple[float, float], reference: float | None) -> Markup:
    """One figure on a line without numbers, for a cell of a table, and what it is compared with."""
    width, height = 150, 16
    scale = _Scale(*ends, 7, width - 7)
    parts = [_tag("line", "axis", x1=7, x2=width - 7, y1=8, y2=8)]
    if reference is not None:
        told = f"compared with {number(reference)}"
        parts.append(_tag("line", "threshold", told, x1=scale(reference), x2=scale(reference), y1=0, y2=height))
    parts.append(_tag("circle", "dot", cx=scale(value), cy=8, r=5))
    return _svg(width, height, title, parts)


def stacked_bar(title: str, parts: Sequence[tuple[str, str, float]], total: float) -> Markup:
    """One bar of (colour class, label, amount); what is missing to `total` stays empty."""
    width, height, at, drawn = 600.0, 14, 0.0, []
    for name, label, amount in parts:
        share = amount / total * width if total else 0.0
        if share:
            drawn.append(_tag("rect", name, f"{label}: {amount:,}", x=at, y=0, width=share, height=height))
            at += share
    return _svg(int(width), height, title, drawn, "bar")


def number(value: float) -> str:
    """A figure for people: up to three decimals, none where it is large."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3f}".rstrip("0").rstrip(".")


def shown(value: Any) -> str:  # noqa: ANN401
    """A value of the report for people: a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return str(value)


def tag(name: str, css: str, told: str = "", /, **attributes: float | str) -> Markup:
    """An element of a drawing; `told` is shown where a pointer rests on it."""
    return _tag(name, css, told, **attributes)


def text(x: float, y: float, words: str, css: str, anchor: str = "start") -> Markup:
    """Words in a drawing."""
    return _text(x, y, words, css, anchor)


def svg(width: int, height: int, title: str, parts: Sequence[Markup], css: str = "") -> Markup:
    """A drawing that is read out as its title."""
    return _svg(width, height, title, parts, css)


class _Scale:
    """From values to places."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high, self._start, self._end = low, high, start, end

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return self._start + share * (self._end - self._start)


def _axes(scale: _Scale, rises: _Scale, axis: str) -> Markup:
    parts = []
    for i in range(3):
        value = rises.high * i / 2
        y = rises(value)
        parts.append(_tag("line", "grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y))
        parts.append(_text(_LEFT - 5, y + 3.5, number(value), "tick", "end"))
    for i in range(_TICKS + 1):
        value = scale.low + (scale.high - scale.low) * i / _TICKS
        anchor = "end" if i == _TICKS else "middle"
        parts.append(_text(scale(value), HEIGHT - _BOTTOM + 13, number(round(value, 3)), "tick", anchor))
    if axis:
        parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 5, axis, "tick", "middle"))
    return Markup("").join(parts)


def _nice(top: float) -> float:
    """The smallest of 2, 4, 6, 10 times a power of ten that holds `top`, so that its half is a whole number."""
    power = 1
    while True:
        for step in (2, 4, 6, 10):
            if step * power >= top:
                return step * power
        power *= 10


def _tag(name: str, css: str, told: str = "", /, **attributes: float | str) -> Markup:
    drawn = Markup("").join(
        Markup(' {}="{}"').format(key.replace("_", "-"), f"{value:.2f}" if isinstance(value, float) else value)
        for key, value in attributes.items()
    )
    inner = Markup("<title>{}</title>").format(told) if told else Markup("")
    return Markup('<{} class="{}"{}>{}</{}>').format(name, css, drawn, inner, name)


def _text(x: float, y: float, words: str, css: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        css, f"{x:.1f}", f"{y:.1f}", anchor, words
    )


def _svg(width: int, height: int, title: str, parts: Sequence[Markup], css: str = "") -> Markup:
    stretched = Markup(' preserveAspectRatio="none"') if css == "bar" else Markup("")
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}"{}>{}</svg>').format(
        css or "chart", width, height, escape(title), stretched, Markup("").join(parts)
    )
