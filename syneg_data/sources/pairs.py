"""Pairs of query and relevant text in one file, with or without a corpus beside; read strictly."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from syneg_data.collection import Collection
from syneg_data.licenses import License
from syneg_data.references import ExistingPath
from syneg_data.sources.pairing import Columns, Content, Paired
from syneg_data.spec import Spec


class Documents(Spec):
    """A file of documents to mine from besides those of the pairs: JSON lines, CSV, TSV or Parquet."""

    path: ExistingPath = Field(description="the file, plain or gzipped (.gz); relative to the recipe")
    text: str = Field(default="text", description="column with the text")
    title: str | None = Field(default=None, description="column with the title; left out: none")
    id: str | None = Field(default=None, description="column with the id; left out: made from title and text")


class Pairs(Spec):
    """A file of (query, relevant text), as JSON lines, CSV, TSV or Parquet; its texts are the corpus."""

    kind: Literal["pairs"] = "pairs"
    path: ExistingPath = Field(description="the file, plain or gzipped (.gz); relative to the recipe")
    query: str = Field(default="query", description="column with the query")
    positive: str = Field(default="positive", description="column with the text that is relevant to it")
    title: str | None = Field(default=None, description="column with the title of that text; left out: none")
    query_id: str | None = Field(default=None, description="column with the query's id; left out: made from the query")
    positive_id: str | None = Field(
        default=None,
        description="column with the text's id; left out: made from title and text, or that of the same in `corpus`",
    )
    corpus: Documents | None = Field(default=None, description="documents to mine from in addition; left out: none")
    split: Literal["train", "dev", "test"] = Field(default="train", description="which part of the queries to build on")
    dev: float = Field(default=0.0, ge=0.0, lt=1.0, description="share of the queries set aside as split `dev`")
    test: float = Field(default=0.0, ge=0.0, lt=1.0, description="share of the queries set aside as split `test`")
    license: License = Field(description="licence of queries and texts")

    @model_validator(mode="after")
    def _parts(self) -> "Pairs":
        """The split to build on exists, and a query is not its own positive.

        Raises:
            PydanticCustomError: it does not, or it is.
        """
        if self.query == self.positive:
            raise PydanticCustomError(
                "one_column", "query and positive are one column, {name}; name two", {"name": self.query}
            )
        if self.dev + self.test >= 1:
            raise PydanticCustomError("shares", "dev and test take all queries; make them smaller")
        if self.split != "train" and not self._shares()[self.split]:
            raise PydanticCustomError(
                "no_part", "there is no {split}: set source.{split} to a share such as 0.1", {"split": self.split}
            )
        return self

    def load(self, seed: int, limit: int | None = None) -> Collection:
        """Read the split; with `limit`, only the queries whose sha256 of `seed:query_id` is smallest.

        Raises:
            InputError: a line is not what its format says, named by file and line.
        """
        return self._paired().load(self._read(), self.split, seed, limit)

    def held_out(self, collection: Collection, seed: int) -> dict[str, Collection]:
        """The splits that were set aside, whole, over the documents of `collection`, which `load` has read.

        Raises:
            InputError: as `load`.
        """
        paired = self._paired()
        content = self._read() if paired.set_aside(self.split) else Content()
        return paired.held_out(content, self.split, seed)

    def _shares(self) -> dict[str, float]:
        return {"dev": self.dev, "test": self.test}

    def _paired(self) -> Paired:
        names: list[str | None] = [self.query, self.positive, self.title, self.query_id, self.positive_id]
        if self.corpus is not None:
            names += [self.corpus.text, self.corpus.title, self.corpus.id]
        return Paired("pairs", Path(self.path), self._shares(), tuple(map(str, names)))

    def _read(self) -> Content:
        """Everything in the files, with documents in the order of the corpus, then of the pairs."""
        content = Content()
        if (corpus := self.corpus) is not None:
            content.read_documents(Path(corpus.path), corpus.text, corpus.title, corpus.id)
        columns = Columns(self.query, self.positive, self.title, self.query_id, self.positive_id)
        content.read_pairs([Path(self.path)], columns)
        return content
