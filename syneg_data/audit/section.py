"""The audit section of a recipe: which figures must keep within which bounds, and what else is looked at."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from syneg_data.audit.registry import MEASURES
from syneg_data.references import ExistingPath
from syneg_data.spec import Spec


class Bound(Spec):
    """The bounds of one figure of the audit; one that could not be measured is within none."""

    max: float | None = Field(default=None, description="the highest value that passes")
    min: float | None = Field(default=None, description="the lowest value that passes")

    @model_validator(mode="after")
    def _bounds_something(self) -> "Bound":
        if self.max is None and self.min is None:
            raise PydanticCustomError("no_bound", "bounds nothing; give it `max`, `min` or both")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise PydanticCustomError("no_room", "nothing is within it; `min` must not be above `max`")
        return self


# A key for every figure there is, so that a gate on one that nobody measures is refused like any other unknown key.
_KEYS: dict[str, Any] = {
    name: (Bound | None, Field(default=None, description=f"bounds of {name.replace('_', ' ')}")) for name in MEASURES
}
if TYPE_CHECKING:

    class Gates(Spec):
        """For mypy, which cannot see what is made at run time."""
else:
    Gates = create_model("Gates", __base__=Spec, __module__=__name__, **_KEYS)
    Gates.__doc__ = "Bounds by name of the figure; docs/audit.md says what each of them means."


class Audit(Spec):
    """The audit section of a recipe: without it everything is measured, and nothing is asked of the figures."""

    gates: Gates = Field(default=Gates(), description="what figures must keep within")
    on_fail: Literal["warn", "fail"] = Field(
        default="fail",
        description="what comes of a figure beyond its gate: the build ends before it is published, or says so",
    )
    evaluation: tuple[ExistingPath, ...] = Field(
        default=(),
        description="files whose texts must not be in the set: JSON lines with `text` (or `query`), or a text a line; "
        "the splits that the source brings along are looked at anyway",
    )
    sample: int = Field(
        default=10_000, ge=100, description="most texts that a costly measure looks at; drawn by the seed"
    )

    def bounds(self) -> dict[str, Bound]:
        """Name of a figure -> its bounds, of those that have any."""
        return {name: bound for name in MEASURES if (bound := getattr(self.gates, name)) is not None}
