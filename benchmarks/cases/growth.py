"""growth: how time and memory of our dense and BM25 search grow with the corpus, as rows and as a drawing."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import corpora, lexical
from benchmarks.measuring import PeakMemory, apart, in_turn, median
from benchmarks.results import FOLDER, Row, row
from syneg_data.encoders.nearest import nearest
from syneg_data.encoders.vectors import Vectors
from syneg_data.mining import Dense
from syneg_data.ranking import TieRanks

_SIZES, _RUNS = (5_000, 20_000, 50_000, 200_000), 3
_QUICK_SIZES, _QUICK_RUNS = (1_000, 4_000, 16_000), 1
_QUERIES, _DEPTH = 512, 100
_MEMORY: int = Dense.model_fields["max_memory"].default
DRAWING = FOLDER / "mining-growth.png"
_MARKS = {"dense": ("o", 5), "BM25": ("s", -11)}  # of a line: its points, and where their figures stand, above or below


@dataclass(frozen=True)
class Point:
    """What a search over a corpus of one size cost."""

    documents: int
    milliseconds: float  # per query
    mebibytes: float  # at the peak, beyond what is searched: embeddings, or texts


def run(quick: bool) -> list[Row]:
    """Figures at the largest size, and exponents of growth from the smallest to the largest."""
    sizes, runs = (_QUICK_SIZES, _QUICK_RUNS) if quick else (_SIZES, _RUNS)
    lines = measure(sizes, runs)
    draw(lines, DRAWING)
    what = f"growth: {sizes[0]:,} to {sizes[-1]:,} documents, {_QUERIES} queries, top {_DEPTH}"
    return [entry for name, points in lines.items() for entry in _rows(what, name, points, runs)]


def measure(sizes: Sequence[int], runs: int) -> dict[str, list[Point]]:
    """The medians for every size, of both searches."""
    jobs = [(name, size) for name in _COSTS for size in sizes]
    taken = in_turn(runs, *[lambda n=name, s=size: apart(_COSTS[n], s) for name, size in jobs])
    lines: dict[str, list[Point]] = {name: [] for name in _COSTS}
    for (name, size), points in zip(jobs, taken, strict=True):
        middle = median([point.milliseconds for point in points]), median([point.mebibytes for point in points])
        lines[name].append(Point(size, *middle))
    return lines


def exponent(first: tuple[float, float], last: tuple[float, float]) -> float:
    """The b of y = a * x ** b through two points (x, y); 0 where y is not above 0, as memory can be that fits in."""
    (x0, y0), (x1, y1) = first, last
    return math.log(y1 / y0) / math.log(x1 / x0) if y0 > 0 and y1 > 0 else 0.0


def draw(lines: dict[str, list[Point]], path: Path) -> None:
    """Two panels over the number of documents, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    titles = ("search, ms per query", "peak memory, MiB")
    for axes, title, field in zip(figure.subplots(1, 2), titles, ("milliseconds", "mebibytes"), strict=True):
        for name, points in lines.items():
            mark, place = _MARKS[name]
            x, y = [point.documents for point in points], [getattr(point, field) for point in points]
            grown = exponent((x[0], y[0]), (x[-1], y[-1]))
            axes.loglog(x, y, marker=mark, linewidth=1.2, label=f"{name}, exponent {grown:.2f}")
            for at in zip(x, y, strict=True):
                axes.annotate(
                    f"{at[1]:.3g}", at, xytext=(0, place), textcoords="offset points", ha="center", fontsize=7
                )
        axes.set_title(title)
        axes.set_xlabel("documents")
        axes.set_xticks(x, [f"{size:,}" for size in x])
        axes.minorticks_off()
        axes.set_yticklabels([])  # every point says its own figure
        axes.margins(x=0.08, y=0.15)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _rows(what: str, name: str, points: Sequence[Point], runs: int) -> list[Row]:
    first, last = points[0], points[-1]
    times = exponent((first.documents, first.milliseconds), (last.documents, last.milliseconds))
    memory = exponent((first.documents, first.mebibytes), (last.documents, last.mebibytes))
    figures = (
        (f"{name} search at the largest size", "ms per query", last.milliseconds),
        (f"{name} search, exponent of growth", "power", times),
        (f"{name} peak memory at the largest size", "MiB", last.mebibytes),
        (f"{name} peak memory, exponent of growth", "power", memory),
    )
    return [row(what, metric, unit, value, None, "", runs, "for the record", True) for metric, unit, value in figures]


def _dense(documents: int) -> Point:
    """Memory is what the search takes beyond the embeddings."""
    made = corpora.embedded(documents, _QUERIES)
    ids = [f"d{i}" for i in range(documents)]
    nearest(made.queries[:8], Vectors.of(made.documents[:1000]), TieRanks(ids[:1000]), _DEPTH, _MEMORY)
    peak = PeakMemory()
    vectors, ranks = Vectors.of(made.documents), TieRanks(ids)
    started = time.perf_counter()
    nearest(made.queries, vectors, ranks, _DEPTH, _MEMORY)
    seconds = time.perf_counter() - started
    return Point(documents, seconds * 1e3 / _QUERIES, peak.kib() / 1024)


def _bm25(documents: int) -> Point:
    """Memory is that of indexing and searching, beyond the texts."""
    collection = corpora.worded(documents, _QUERIES)
    query_ids = list(collection.queries)
    lexical.opened(corpora.worded(100, 8)).search(["q0", "q1"], _DEPTH)
    peak = PeakMemory()
    index = lexical.opened(collection)
    started = time.perf_counter()
    index.search(query_ids, _DEPTH)
    seconds = time.perf_counter() - started
    return Point(documents, seconds * 1e3 / _QUERIES, peak.kib() / 1024)


_COSTS = {"dense": _dense, "BM25": _bm25}
