"""Mixing: which kept candidates become whose negatives; pure, no model. The union below registers the kinds."""

from typing import Annotated

from pydantic import Field

from syneg_data.mixing.hybrid import Hybrid
from syneg_data.mixing.mined_only import MinedOnly

Mixing = Annotated[Hybrid | MinedOnly, Field(discriminator="kind")]

__all__ = ["Hybrid", "MinedOnly", "Mixing"]
