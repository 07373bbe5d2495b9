"""Hardness: how near the negatives of either kind come to the positive of their query, by the gate's own relevance."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syneg_data.audit.intervals import interval, mean, median
from syneg_data.audit.measures import Measure
from syneg_data.audit.subject import ORIGINS, Origin, Subject
from syneg_data.spec import seed_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUP = "hardness"
NAMES = tuple(f"{what}_{origin}" for what in ("hardness", "near_positive") for origin in ORIGINS)
NEAR = 0.05  # a share of the positive's relevance; less below it than this is near
_BINS = 20


@dataclass(frozen=True)
class Nearness:
    """The negatives of one kind beside the positive that the gate held them against.

    Attributes:
        relevance: of each negative.
        positive: of that positive.
        query: number of each negative's query.
    """

    relevance: "NDArray[np.float64]"
    positive: "NDArray[np.float64]"
    query: "NDArray[np.int64]"

    def __len__(self) -> int:
        return len(self.relevance)

    @property
    def near(self) -> "NDArray[np.bool_]":
        """Which are less than 5 % of the positive's relevance below it, or above it; for scores of either sign."""
        import numpy as np

        return self.relevance > self.positive - NEAR * np.abs(self.positive)

    def ratios(self) -> "NDArray[np.float64]":
        """Relevance over the positive's, which means something on a scale from 0 to 1 only."""
        import numpy as np

        return self.relevance / np.maximum(self.positive, 1e-5)  # scores are stored to five decimals

    def differences(self) -> "NDArray[np.float64]":
        """Relevance less the positive's."""
        return self.relevance - self.positive


def measure(subject: Subject) -> list[Measure]:
    """The figures; see `examine` for the histograms."""
    return examine(subject)[0]


def examine(subject: Subject) -> tuple[list[Measure], dict[str, Any]]:
    """Medians and shares near the positive by source, and the histogram and quartiles of each source."""
    import numpy as np

    found = {origin: nearness(subject, origin) for origin in ORIGINS}
    every = np.concatenate([part for one in found.values() for part in (one.relevance, one.positive)])
    by_ratio = bool(len(every)) and every.min() >= 0 and every.max() <= 1
    values = {origin: one.ratios() if by_ratio else one.differences() for origin, one in found.items()}
    measures = [_median(origin, found[origin], values[origin], by_ratio, subject.seed) for origin in ORIGINS]
    measures += [_near(origin, found[origin], subject.seed) for origin in ORIGINS]
    together = np.concatenate(list(values.values()))
    if not len(together):
        return measures, {}
    # One scale for all sources. A ratio beside a positive that scored next to nothing would stretch it for nobody.
    edges = np.linspace(0, 1.5, _BINS + 1) if by_ratio else _edges(together)
    details: dict[str, Any] = {
        origin: {
            "edges": [round(edge, 4) for edge in edges.tolist()],
            "counts": np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0].tolist(),
            "quartiles": [round(q, 4) for q in np.quantile(part, [0.25, 0.5, 0.75]).tolist()],
            "unit": "ratio" if by_ratio else "difference",
        }
        for origin, part in values.items()
        if len(part)
    }
    return measures, details


def nearness(subject: Subject, origin: Origin) -> Nearness:
    """The negatives from there that have a verdict with scores, each as often as it is used."""
    import numpy as np

    exact, by_query = {}, {}
    for verdict in subject.verdicts:
        if verdict.relevance is not None and verdict.positive_relevance is not None:
            pair = (verdict.relevance, verdict.positive_relevance)
            exact[verdict.query_id, verdict.positive_id, verdict.doc_id] = pair
            by_query[verdict.query_id, verdict.doc_id] = pair
    number = {query_id: i for i, query_id in enumerate(subject.query_ids)}
    rows = []
    for row in subject.negatives:
        pair_of = exact.get((row.query_id, row.positive_id, row.doc_id)) or by_query.get((row.query_id, row.doc_id))
        if row.origin == origin and pair_of is not None:
            rows.append((*pair_of, number[row.query_id]))
    relevance, positive, query = zip(*rows, strict=True) if rows else ((), (), ())
    return Nearness(np.array(relevance, float), np.array(positive, float), np.array(query, np.int64))


def _edges(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    import numpy as np

    low, high = float(values.min()), float(values.max())
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _median(origin: Origin, found: Nearness, values: "NDArray[np.float64]", by_ratio: bool, seed: int) -> Measure:
    import numpy as np

    name = f"hardness_{origin}"
    if not len(found):
        return _none(name, origin)
    low, high = interval(values, found.query, median, seed_of(name, seed))
    first, middle, third = (round(q, 4) for q in np.quantile(values, [0.25, 0.5, 0.75]).tolist())
    if by_ratio:
        said = f"has {100 * middle:.0f} % of the relevance of its query's positive"
        between = f"{100 * first:.0f} and {100 * third:.0f} %"
    else:
        said = f"is {abs(middle):.3g} {'above' if middle > 0 else 'below'} its query's positive in relevance"
        between = f"{first:+.3g} and {third:+.3g}"
    return Measure(
        name, GROUP, middle, low, high, len(found),
        f"Half of the {origin} negatives lie below and half above this: one that {said}; the middle half lies between "
        f"{between}.",
    )  # fmt: skip


def _near(origin: Origin, found: Nearness, seed: int) -> Measure:
    name = f"near_positive_{origin}"
    if not len(found):
        return _none(name, origin)
    near = found.near.astype(float)
    low, high = interval(near, found.query, mean, seed_of(name, seed))
    share = round(float(near.mean()), 4)
    return Measure(
        name, GROUP, share, low, high, len(found),
        f"{100 * share:.1f} % of the {origin} negatives come within 5 % of their positive's relevance, or above it, "
        "where a false negative is likeliest.",
    )  # fmt: skip


def _none(name: str, origin: Origin) -> Measure:
    return Measure(name, GROUP, None, None, None, 0, f"Not measured: there are no {origin} negatives with scores.")
