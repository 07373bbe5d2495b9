"""A measure: one figure of the audit, with its interval and a sentence that says what it means."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of the audit.

    Attributes:
        name: unique in a report, as gates and `diff` name it: `query_blind_auc`, `near_duplicates`.
        group: the table that it stands in: `source shortcut`, `query-blind shortcut`, `hardness`, `texts`,
            `contamination`, `secrets`.
        value: the figure, rounded; None where it could not be measured, and then `sentence` says why.
        low: lower end of its 95 % interval; None for a plain count.
        high: upper end of it.
        n: of how many rows.
        sentence: what it means, in plain language, without markup.
    """

    name: str
    group: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    sentence: str

    def record(self) -> dict[str, Any]:
        """As report.json has it."""
        return asdict(self)
