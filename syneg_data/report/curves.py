"""Curves of a training run: loss, learning rate and the metric on dev, as one SVG."""

import io
from collections.abc import Sequence
from typing import Protocol


class Point(Protocol):
    """A step of a run."""

    @property
    def step(self) -> int:
        """Steps done, from 1."""

    @property
    def loss(self) -> float:
        """Of that step's batch."""

    @property
    def learning_rate(self) -> float:
        """At that step."""

    @property
    def dev(self) -> float | None:
        """nDCG@10 on dev where it was measured."""


def draw_curves(points: Sequence[Point]) -> str:
    """Three panels over the steps; the same points give the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    steps = [point.step for point in points]
    checks = [(point.step, point.dev) for point in points if point.dev is not None]
    panels: list[tuple[str, Sequence[float], Sequence[float]]] = [
        ("loss", steps, [point.loss for point in points]),
        ("nDCG@10 on dev", [step for step, _ in checks], [value for _, value in checks]),
        ("learning rate", steps, [point.learning_rate for point in points]),
    ]
    sink = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "syneg-data", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10, 3), layout="constrained")
        for axes, (title, x, y) in zip(figure.subplots(1, 3), panels, strict=True):
            axes.plot(x, y, marker="o" if title.startswith("nDCG") else "", linewidth=1.2)
            axes.set_title(title)
            axes.set_xlabel("step")
            axes.grid(alpha=0.3)
        figure.savefig(sink, format="svg", metadata={"Date": None})
    return sink.getvalue()
