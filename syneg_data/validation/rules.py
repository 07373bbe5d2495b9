"""Rules: from the positives' relevance to the threshold above which a candidate is a false negative. Pure."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from syneg_data.spec import Spec


class Relative(Spec):
    """A margin below the positive's relevance (NV-Retriever's positive-aware threshold), safe for negative scores."""

    kind: Literal["relative"]
    margin: float = Field(0.05, ge=0, lt=1, description="share of the positive's relevance left as a safety margin")
    positive: Literal["min", "mean", "max", "own"] = Field(
        "min", description="which positive of the query counts; `own` is the pair's own for synthetic candidates"
    )

    def reference(self, positives: Mapping[str, float], own: str | None) -> float:
        """The relevance of the positive that counts."""
        values = list(positives.values())
        if self.positive == "own" and own is not None:
            return positives[own]
        if self.positive == "mean":
            return sum(values) / len(values)
        return max(values) if self.positive == "max" else min(values)

    def threshold(self, reference: float) -> float:
        """Highest relevance that is still a negative; `reference - margin * |reference|` falls for either sign."""
        return reference - self.margin * abs(reference)


class Absolute(Spec):
    """One relevance for all queries; means something only for the reranker it was chosen for."""

    kind: Literal["absolute"]
    maximum: float = Field(description="highest relevance that is still a negative")

    def reference(self, positives: Mapping[str, float], own: str | None) -> float:
        """The lowest positive, for the record; the threshold does not depend on it."""
        return min(positives.values())

    def threshold(self, reference: float) -> float:
        """The maximum."""
        return self.maximum
