"""Mixing: which kept candidates become whose negatives; pure, no model. The union below registers the kinds."""

from typing import Annotated

from pydantic import Field

from syneg_data.mixing.ambiguous import Ambiguous
from syneg_data.mixing.graded import GradedLists
from syneg_data.mixing.hybrid import Hybrid
from syneg_data.mixing.mined_only import MinedOnly
from syneg_data.mixing.pooled import Pooled
from syneg_data.mixing.quota import Quota
from syneg_data.mixing.synthetic_only import SyntheticOnly

Mixing = Annotated[
    Hybrid | Pooled | SyntheticOnly | MinedOnly | Quota | Ambiguous | GradedLists, Field(discriminator="kind")
]

__all__ = [
    "Ambiguous",
    "GradedLists",
    "Hybrid",
    "MinedOnly",
    "Mixing",
    "Pooled",
    "Quota",
    "SyntheticOnly",
]
