"""Rules: from scores whose truth is known to the bar above which a candidate is a false negative. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field

from syneg_data.spec import Spec

_DOUBT = "how far below the threshold a candidate is still `ambiguous`; 0: no such band"
Aggregate = Literal["min", "mean", "max", "own"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Scores of one reranker, finite ones, by what is known of the documents; queries stand as often as they have any.

    Attributes:
        positives: of known positives.
        mined: of mined candidates, of which a few may be relevant.
        random: of random documents.
        bounded: whether the reranker's scores are probabilities of its own, hence squeezed together near 0 and 1.
    """

    positives: Sequence[float]
    mined: Sequence[float]
    random: Sequence[float]
    bounded: bool = False


class Bar(Protocol):
    """A rule, fitted to one reranker."""

    def relevance(self, score: float) -> float:
        """What a score means on the scale that thresholds are on."""

    def reference(self, positives: Mapping[str, float], own: str | None) -> float:
        """The relevance of the positive that counts, of doc_id -> relevance."""

    def threshold(self, reference: float) -> float:
        """Highest relevance that is no false negative."""

    def doubtful(self, reference: float) -> float:
        """Highest relevance that is not even ambiguous."""

    def describe(self) -> dict[str, float | str]:
        """What was fitted, for the report."""


class Relative(Spec):
    """A margin below the positive's relevance (NV-Retriever's positive-aware threshold), safe for negative scores."""

    kind: Literal["relative"]
    margin: float = Field(0.05, ge=0, lt=1, description="share of the positive's relevance left as a safety margin")
    positive: Aggregate = Field(
        "min", description="which positive of the query counts; `own` is the pair's own for synthetic candidates"
    )
    doubt: float = Field(0.0, ge=0, description=_DOUBT)

    def fit(self, evidence: Evidence) -> Bar:
        """Nothing to fit: scores stand as they are."""
        return _RelativeBar(self)


@dataclass(frozen=True, slots=True)
class _RelativeBar:
    spec: Relative

    def relevance(self, score: float) -> float:
        return score

    def reference(self, positives: Mapping[str, float], own: str | None) -> float:
        values = list(positives.values())
        if self.spec.positive == "own" and own is not None:
            return positives[own]
        if self.spec.positive == "mean":
            return sum(values) / len(values)
        return max(values) if self.spec.positive == "max" else min(values)

    def threshold(self, reference: float) -> float:
        """`reference - margin * |reference|` falls for either sign."""
        return reference - self.spec.margin * abs(reference)

    def doubtful(self, reference: float) -> float:
        return self.threshold(reference) - self.spec.doubt

    def describe(self) -> dict[str, float | str]:
        return {"rule": "relative", "margin": self.spec.margin}


class Absolute(Spec):
    """One relevance for all queries; means something only for the reranker it was chosen for."""

    kind: Literal["absolute"]
    maximum: float = Field(description="highest relevance that is still a negative")
    doubt: float = Field(0.0, ge=0, description=_DOUBT)

    def fit(self, evidence: Evidence) -> Bar:
        """Nothing to fit: scores stand as they are."""
        return _LevelBar("absolute", self.maximum, self.maximum - self.doubt)


class Percentile(Spec):
    """One relevance for all queries, which all but a few of the known positives exceed."""

    kind: Literal["percentile"]
    percentile: float = Field(5.0, ge=0, le=100, description="percent of the known positives that score below it")
    doubt: float = Field(0.0, ge=0, description=_DOUBT)

    def fit(self, evidence: Evidence) -> Bar:
        """Find the percentile (linear interpolation) of the positives' scores."""
        values = sorted(evidence.positives)
        if not values:
            return _LevelBar("percentile", math.nan, math.nan)
        place = self.percentile / 100 * (len(values) - 1)
        low, high = values[math.floor(place)], values[math.ceil(place)]
        level = low + (high - low) * (place - math.floor(place))
        return _LevelBar("percentile", level, level - self.doubt)


@dataclass(frozen=True, slots=True)
class _LevelBar:
    rule: str
    level: float
    doubt_from: float

    def relevance(self, score: float) -> float:
        return score

    def reference(self, positives: Mapping[str, float], own: str | None) -> float:
        """The lowest positive, for the record; the threshold does not depend on it."""
        return min(positives.values())

    def threshold(self, reference: float) -> float:
        return self.level

    def doubtful(self, reference: float) -> float:
        return self.doubt_from

    def describe(self) -> dict[str, float | str]:
        return {"rule": self.rule, "maximum": self.level}


class Calibrated(Spec):
    """A probability of relevance, fitted on known positives against mined and random documents of the build itself.

    One threshold so means the same for every reranker. Where known scores are too few, `relative` takes its place,
    and the report says so.
    """

    kind: Literal["calibrated"]
    maximum: float = Field(0.5, gt=0, lt=1, description="highest probability of relevance that is still a negative")
    doubt: float = Field(0.0, ge=0, lt=1, description=_DOUBT)
    least: int = Field(100, ge=10, description="known positives, and documents of either other kind, that a fit needs")
    otherwise: Relative = Field(Relative(kind="relative"), description="the rule where they are fewer")

    def fit(self, evidence: Evidence) -> Bar:
        """Fit a logistic curve (Platt 1999): positives weigh as much as the others, mined as much as random ones.

        Returns:
            The fitted bar, or that of `otherwise`.
        """
        if min(len(evidence.positives), len(evidence.mined), len(evidence.random)) < self.least:
            return self.otherwise.fit(evidence)
        slope, intercept = fit_logistic(evidence)
        return Curve(slope, intercept, evidence.bounded, self.maximum, self.maximum - self.doubt)


@dataclass(frozen=True, slots=True)
class Curve:
    """A logistic curve over scores, or over their log-odds where they are bounded."""

    slope: float
    intercept: float
    bounded: bool
    maximum: float
    doubt_from: float

    def relevance(self, score: float) -> float:
        """The probability, if as many documents were relevant as not."""
        if not math.isfinite(score):
            return math.nan
        x = log_odds(score) if self.bounded else score
        return 1 / (1 + math.exp(-min(max(self.slope * x + self.intercept, -50.0), 50.0)))

    def reference(self, positives: Mapping[str, float], own: str | None) -> float:
        """The lowest positive, for the record; the threshold does not depend on it."""
        return min(positives.values())

    def threshold(self, reference: float) -> float:
        """The maximum."""
        return self.maximum

    def doubtful(self, reference: float) -> float:
        """The maximum less the band of doubt."""
        return self.doubt_from

    def describe(self) -> dict[str, float | str]:
        """Slope and intercept."""
        return {"rule": "calibrated", "maximum": self.maximum, "slope": self.slope, "intercept": self.intercept}


def log_odds(score: float) -> float:
    """log(p / (1 - p)), with p kept where scores are stored to: five decimals."""
    p = min(max(score, 1e-5), 1 - 1e-5)
    return math.log(p / (1 - p))


def fit_logistic(evidence: Evidence) -> tuple[float, float]:
    """Slope and intercept, rounded to six digits so that they do not depend on the machine."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    parts = [(evidence.positives, 1, 2.0), (evidence.mined, 0, 1.0), (evidence.random, 0, 1.0)]
    scores = [log_odds(score) if evidence.bounded else score for part, _, _ in parts for score in part]
    truth = [label for part, label, _ in parts for _ in part]
    weights = [weight / len(part) for part, _, weight in parts for _ in part]
    x = np.array(scores)
    middle, spread = float(np.mean(x)), float(np.std(x)) or 1.0  # the solver likes numbers near 1
    weight = np.array(weights) * (len(weights) / sum(weights))
    model = LogisticRegression(C=1e4, tol=1e-8, max_iter=1000)
    model.fit(((x - middle) / spread)[:, None], truth, sample_weight=weight)
    slope = float(model.coef_[0, 0]) / spread
    intercept = float(model.intercept_[0]) - slope * middle
    return float(f"{slope:.6g}"), float(f"{intercept:.6g}")


def auc(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """Chance that one of `higher` scores above one of `lower`, ties counted half (Mann and Whitney 1947), or None."""
    if not higher or not lower:
        return None
    from sklearn.metrics import roc_auc_score

    truth = [1] * len(higher) + [0] * len(lower)
    return round(float(roc_auc_score(truth, [*higher, *lower])), 4)
