"""Mining: candidates from the corpus for every query, by any number of miners, united per (query, document)."""

from typing import Annotated

from pydantic import Field

from syneg_data.mining.bm25 import Bm25
from syneg_data.mining.dense import Dense
from syneg_data.mining.guards import Guards
from syneg_data.mining.run_file import RunFile

Miner = Annotated[Bm25 | Dense | RunFile, Field(discriminator="kind")]

__all__ = ["Bm25", "Dense", "Guards", "Miner", "RunFile"]
