"""Engines: LLMs behind one protocol, and the store of their replies. The union below is the registry of kinds."""

from typing import Annotated

from pydantic import Field

from syneg_data.engines.openai import OpenAI
from syneg_data.engines.transformers import Transformers
from syneg_data.engines.vllm import Vllm

Engine = Annotated[Vllm | OpenAI | Transformers, Field(discriminator="kind")]

__all__ = ["Engine", "OpenAI", "Transformers", "Vllm"]
