"""Rules: from scores whose truth is known to the bar above which a candidate is a false negative. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import Field

from syneg_data.spec import Spec

DOUBT = "how far below the threshold a candidate is still `ambiguous`; 0: no such band"
Aggregate = Literal["min", "mean", "max", "own"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Scores of one reranker, finite ones, by what is known of the documents; queries stand as often as they have any.

    Attributes:
        positives: of known positives.
        queries: the query of each of them; left out: each is the only one of a query.
        mined: of mined candidates, of which a few may be relevant.
        random: of random documents.
        bounded: whether the reranker's scores are probabilities of its own, hence squeezed together near 0 and 1.
    """

    positives: Sequence[float]
    mined: Sequence[float]
    random: Sequence[float]
    bounded: bool = False
    queries: Sequence[str] = ()


class Bar(Protocol):
    """A rule, fitted to one reranker."""

    def relevance(self, score: float) -> float:
        """What a score means on the scale that thresholds are on."""

    def reference(self, positives: Mapping[str, float], own: str | None) -> float:
        """The relevance of the positive that counts, of doc_id -> relevance."""

    def threshold(self, reference: float) -> float:
        """Highest relevance that is no false negative."""

    def enough(self, reference: float) -> float:
        """Relevance above which a document may be a positive; no lower than the threshold."""

    def doubtful(self, reference: float) -> float:
        """Highest relevance that is not even ambiguous."""

    def describe(self) -> dict[str, float | str]:
        """What was fitted, for the report."""


class Relative(Spec):
    """A margin below the positive's relevance (NV-Retriever's positive-aware threshold), safe for negative scores."""

    kind: Literal["relative"] = "relative"
    margin: float = Field(
        default=0.05, ge=0, lt=1, description="share of the positive's relevance left as a safety margin"
    )
    positive: Aggregate = Field(
        default="min",
        description="which positive of the query counts; `own` is the pair's own for synthetic candidates",
    )
    doubt: float = Field(default=0.0, ge=0, description=DOUBT)

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

    def enough(self, reference: float) -> float:
        return self.threshold(reference)

    def doubtful(self, reference: float) -> float:
        return self.threshold(reference) - self.spec.doubt

    def describe(self) -> dict[str, float | str]:
        return {"rule": "relative", "margin": self.spec.margin}


class Absolute(Spec):
    """One relevance for all queries; means something only for the reranker it was chosen for."""

    kind: Literal["absolute"] = "absolute"
    maximum: float = Field(description="highest relevance that is still a negative")
    doubt: float = Field(default=0.0, ge=0, description=DOUBT)

    def fit(self, evidence: Evidence) -> Bar:
        """Nothing to fit: scores stand as they are."""
        return _LevelBar("absolute", self.maximum, self.maximum - self.doubt)


class Percentile(Spec):
    """One relevance for all queries, which all but a few of the known positives exceed."""

    kind: Literal["percentile"] = "percentile"
    percentile: float = Field(
        default=5.0, ge=0, le=100, description="percent of the known positives that score below it"
    )
    doubt: float = Field(default=0.0, ge=0, description=DOUBT)

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

    def enough(self, reference: float) -> float:
        return self.level

    def doubtful(self, reference: float) -> float:
        return self.doubt_from

    def describe(self) -> dict[str, float | str]:
        return {"rule": self.rule, "maximum": self.level}
