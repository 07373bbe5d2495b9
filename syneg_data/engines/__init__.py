"""Engines: LLMs behind one protocol, and the store of their replies. The union below is the registry of kinds."""

from syneg_data.engines.transformers import Transformers

Engine = Transformers

__all__ = ["Engine", "Transformers"]
