"""Sources: where a collection comes from. The union below is the registry of its kinds."""

from typing import Annotated

from pydantic import Field

from syneg_data.sources.beir import Beir
from syneg_data.sources.hub import Hub, HubPairs
from syneg_data.sources.pairs import Documents, Pairs

Source = Annotated[Beir | Pairs | Hub, Field(discriminator="kind")]

__all__ = ["Beir", "Documents", "Hub", "HubPairs", "Pairs", "Source"]
