"""Sources: where a collection comes from. The union below is the registry of its kinds."""

from syneg_data.sources.beir import Beir

Source = Beir

__all__ = ["Beir", "Source"]
