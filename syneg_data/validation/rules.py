"""Rules: from scores whose truth is known to the bar above which a candidate is a false negative. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    maximum: float = Field(
        0.8, gt=0, lt=1, description="highest probability of relevance that is still a negative, for an average query"
    )
    lean: float = Field(
        0.5,
        ge=0,
        le=1,
        description="how far a query's own positive moves its threshold from the average query's, in log-odds: 0 not "
        "at all, 1 all the way",
    )
    doubt: float = Field(0.0, ge=0, lt=1, description=_DOUBT)
    least: int = Field(100, ge=10, description="known positives, and documents of either other kind, that a fit needs")
    otherwise: Relative = Field(Relative(kind="relative"), description="the rule where they are fewer")

    def fit(self, evidence: Evidence) -> Bar:
        """Fit a logistic curve (Platt 1999): positives weigh as much as the others, mined as much as random ones.

        Returns:
            The fitted bar, or that of `otherwise`.
        """
        parts = [[(score,) for score in part] for part in (evidence.positives, evidence.mined, evidence.random)]
        joint = self.fit_joint(parts, (evidence.bounded,))
        if joint is None:
            return self.otherwise.model_copy(update={"doubt": self.otherwise.doubt or self.doubt}).fit(evidence)
        return Curve(joint)

    def fit_joint(self, parts: Sequence[Sequence[tuple[float, ...]]], bounded: tuple[bool, ...]) -> "Joint | None":
        """One logistic curve over the scores of several rerankers; None where known scores are too few.

        A reranker that the others make worse than useless (its slope is negative) is left out, with a slope of 0.

        Args:
            parts: scores of positives, of mined and of random documents; each document a tuple, a score per reranker.
            bounded: whether each reranker's scores are probabilities.
        """
        if min(map(len, parts)) < self.least:
            return None
        used = list(range(len(bounded)))
        while True:
            slopes, intercept = fit_logistic([[_features(row, bounded, used) for row in part] for part in parts])
            lowest = min(range(len(used)), key=slopes.__getitem__)
            if slopes[lowest] >= 0 or len(used) == 1:
                break  # one alone with a negative slope is refused by whoever asked for the fit
            del used[lowest]
        all_slopes = tuple(slopes[used.index(i)] if i in used else 0.0 for i in range(len(bounded)))
        plain = Joint(all_slopes, intercept, bounded, self.maximum, self.doubt)
        middle = sum(log_odds(plain.relevance(scores)) for scores in parts[0]) / len(parts[0])
        return replace(plain, lean=self.lean, middle=float(f"{middle:.6g}"))


@dataclass(frozen=True, slots=True)
class Joint:
    """A logistic curve over the scores of one or more rerankers, or over their log-odds where they are bounded.

    Some queries suit a reranker: all that is relevant to them scores high, and for others nothing does. What it says of
    a query's known positive tells which, so the threshold goes part of the way with that.

    Attributes:
        slopes: one per reranker.
        intercept: of the line whose logistic function is the probability.
        bounded: whether each reranker's scores are probabilities.
        maximum: the threshold of an average query.
        doubt: width of the band below it.
        lean: part of the way, in log-odds, that a threshold goes with its query's positive.
        middle: mean log-odds of the known positives.
    """

    slopes: tuple[float, ...]
    intercept: float
    bounded: tuple[bool, ...]
    maximum: float
    doubt: float = 0.0
    lean: float = 0.0
    middle: float = 0.0

    def relevance(self, scores: Sequence[float]) -> float:
        """The probability, if as many documents were relevant as not; NaN if a score is not finite."""
        if not all(map(math.isfinite, scores)):
            return math.nan
        x = _features(scores, self.bounded, range(len(scores)))
        return _logistic(self.intercept + sum(slope * value for slope, value in zip(self.slopes, x, strict=True)))

    def threshold(self, reference: float) -> float:
        """Highest probability that is no false negative, where the query's positive has that of `reference`."""
        return _logistic(log_odds(self.maximum) + self.lean * (log_odds(reference) - self.middle))

    def describe(self, names: Sequence[str]) -> dict[str, float | str]:
        """What was fitted, for the report."""
        slopes = {f"slope {name}": slope for name, slope in zip(names, self.slopes, strict=True)}
        fitted = {**slopes, "intercept": self.intercept, "middle": self.middle}
        return {"rule": "calibrated", "maximum": self.maximum, "lean": self.lean, **fitted}


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve of one reranker as its bar."""

    joint: Joint

    def relevance(self, score: float) -> float:
        """The probability, if as many documents were relevant as not."""
        return self.joint.relevance([score])

    def reference(self, positives: Mapping[str, float], own: str | None) -> float:
        """The lowest positive."""
        return min(positives.values())

    def threshold(self, reference: float) -> float:
        """The maximum, moved with the query's positive."""
        return self.joint.threshold(reference)

    def doubtful(self, reference: float) -> float:
        """The threshold less the band of doubt."""
        return self.joint.threshold(reference) - self.joint.doubt

    def describe(self) -> dict[str, float | str]:
        """Slope and intercept."""
        found = self.joint.describe(["of it"])
        return {("slope" if name == "slope of it" else name): value for name, value in found.items()}


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(x, -50.0), 50.0)))


def log_odds(score: float) -> float:
    """log(p / (1 - p)), with p kept where scores are stored to: five decimals."""
    p = min(max(score, 1e-5), 1 - 1e-5)
    return math.log(p / (1 - p))


def _features(scores: Sequence[float], bounded: Sequence[bool], used: Sequence[int]) -> list[float]:
    return [log_odds(scores[i]) if bounded[i] else scores[i] for i in used]


def fit_logistic(parts: Sequence[Sequence[Sequence[float]]]) -> tuple[list[float], float]:
    """Slopes and intercept, rounded to six digits so that they do not depend on the machine.

    Args:
        parts: features of positives, mined and random documents; the first weigh as much as the others together, and
            those half each.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    x = np.array([row for part in parts for row in part], float)
    truth = [label for part, label in zip(parts, (1, 0, 0), strict=True) for _ in part]
    shares = np.array([share / len(part) for part, share in zip(parts, (2.0, 1.0, 1.0), strict=True) for _ in part])
    middle, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=1e4, tol=1e-8, max_iter=1000)  # its solver likes numbers near 1
    model.fit((x - middle) / spread, truth, sample_weight=shares * (len(shares) / shares.sum()))
    slopes = model.coef_[0] / spread
    intercept = float(model.intercept_[0] - slopes @ middle)
    return [float(f"{slope:.6g}") for slope in slopes], float(f"{intercept:.6g}")


def auc(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """Chance that one of `higher` scores above one of `lower`, ties counted half (Mann and Whitney 1947), or None."""
    if not higher or not lower:
        return None
    from sklearn.metrics import roc_auc_score

    truth = [1] * len(higher) + [0] * len(lower)
    return round(float(roc_auc_score(truth, [*higher, *lower])), 4)
