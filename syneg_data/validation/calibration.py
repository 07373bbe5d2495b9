"""Calibration: a probability of relevance, fitted to the scores of documents whose relevance is known. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field

from syneg_data.spec import Spec
from syneg_data.validation.rules import DOUBT, Bar, Evidence, Relative


class Calibrated(Spec):
    """A probability of relevance, fitted on known positives against mined and random documents of the build itself.

    One threshold so means the same for every reranker. Where known scores are too few, `relative` takes its place,
    and the report says so.
    """

    kind: Literal["calibrated"] = "calibrated"
    maximum: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="highest probability of relevance that is still a negative, for an average query; 1: whatever is "
        "fitted, nothing is a false negative, which shows what the gate is worth",
    )
    lean: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="how far a query's own positive moves its threshold from the average query's, in log-odds: 0 not "
        "at all, 1 all the way",
    )
    doubt: float = Field(default=0.0, ge=0, lt=1, description=DOUBT)
    least: int = Field(
        default=100, ge=10, description="known positives, and documents of either other kind, that a fit needs"
    )
    otherwise: Relative = Field(default=Relative(kind="relative"), description="the rule where they are fewer")

    def fit(self, evidence: Evidence) -> Bar:
        """Fit a logistic curve (Platt 1999): positives weigh as much as the others, mined as much as random ones.

        Returns:
            The fitted bar, or that of `otherwise`.
        """
        parts = [[(score,) for score in part] for part in (evidence.positives, evidence.mined, evidence.random)]
        joint = self.fit_joint(parts, (evidence.bounded,), evidence.queries)
        if joint is None:
            return self.otherwise.model_copy(update={"doubt": self.otherwise.doubt or self.doubt}).fit(evidence)
        return Curve(joint)

    def fit_joint(
        self, parts: Sequence[Sequence[tuple[float, ...]]], bounded: tuple[bool, ...], queries: Sequence[str] = ()
    ) -> "Joint | None":
        """One logistic curve over the scores of several rerankers; None where known scores are too few.

        A reranker that the others make worse than useless (its slope is negative) is left out, with a slope of 0.

        Args:
            parts: scores of positives, of mined and of random documents; each document a tuple, a score per reranker.
            bounded: whether each reranker's scores are probabilities.
            queries: the query of each positive; left out: each is the only one of a query.
        """
        if min(map(len, parts)) < self.least:
            return None
        used = list(range(len(bounded)))
        while True:
            slopes, intercept = fit_logistic([[_features(row, bounded, used) for row in part] for part in parts])
            worst = min(range(len(used)), key=slopes.__getitem__)
            if slopes[worst] >= 0 or len(used) == 1:
                break  # one alone with a negative slope is refused by whoever asked for the fit
            del used[worst]
        all_slopes = tuple(slopes[used.index(i)] if i in used else 0.0 for i in range(len(bounded)))
        plain = Joint(all_slopes, intercept, bounded, self.maximum, self.doubt)
        lowest: dict[str, float] = {}
        for query_id, scores in zip(queries or map(str, range(len(parts[0]))), parts[0], strict=True):
            lowest[query_id] = min(log_odds(plain.relevance(scores)), lowest.get(query_id, math.inf))
        middle = sum(lowest.values()) / len(lowest)
        return replace(plain, lean=self.lean, middle=float(f"{middle:.6g}"))


@dataclass(frozen=True, slots=True)
class Joint:
    """A logistic curve over the scores of one or more rerankers, or over their log-odds where they are bounded.

    Some queries suit a reranker: all that is relevant to them scores high, and for others nothing does. What it says of
    a query's known positive tells which, so the threshold goes part of the way with that, and never above it. With
    a maximum of 1 it is 1.

    Attributes:
        slopes: one per reranker.
        intercept: of the line whose logistic function is the probability.
        bounded: whether each reranker's scores are probabilities.
        maximum: the threshold of an average query.
        doubt: width of the band below it.
        lean: part of the way, in log-odds, that a threshold goes with its query's positive.
        middle: mean over queries of the log-odds of their lowest positive.
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
        return min(self.enough(reference), reference) if self.maximum < 1 else 1.0

    def enough(self, reference: float) -> float:
        """Probability above which a document is as good as a positive, however poorly the query's own one scores."""
        if self.maximum == 1:  # its log-odds are only as large as stored digits let them be
            return 1.0
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
        """The maximum, moved with the query's positive, and never above it."""
        return self.joint.threshold(reference)

    def enough(self, reference: float) -> float:
        """The maximum, moved with the query's positive."""
        return self.joint.enough(reference)

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
