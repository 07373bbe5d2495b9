"""Pairs of query and relevant text in one file, with or without a corpus beside; read strictly."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from syneg_data.collection import Collection, Document, normalise
from syneg_data.durable import sha256_file
from syneg_data.licenses import License
from syneg_data.lines import fail, shown
from syneg_data.references import ExistingPath
from syneg_data.sources.selection import refuse_changed, select
from syneg_data.sources.tables import text_rows
from syneg_data.spec import Spec

_DIGITS = 20  # hex digits of an id made from content; two of ten million documents share one with a chance of 4e-11


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
        if self.split != "train" and not self._share(self.split):
            raise PydanticCustomError(
                "no_part", "there is no {split}: set source.{split} to a share such as 0.1", {"split": self.split}
            )
        return self

    def load(self, seed: int, limit: int | None = None) -> Collection:
        """Read the split; with `limit`, only the queries whose sha256 of `seed:query_id` is smallest.

        Raises:
            InputError: a line is not what its format says, named by file and line.
        """
        return self._select(self._read(), self.split, seed, limit)

    def held_out(self, collection: Collection, seed: int) -> dict[str, Collection]:
        """The splits that were set aside, whole, over the documents of `collection`, which `load` has read.

        Raises:
            InputError: as `load`.
        """
        names: Sequence[Literal["dev", "test"]] = ("dev", "test")
        wanted = [name for name in names if self._share(name) > 0 and name != self.split]
        content = self._read() if wanted else _Content()
        return {name: self._select(content, name, seed, None) for name in wanted}

    def _share(self, split: Literal["dev", "test"]) -> float:
        return self.dev if split == "dev" else self.test

    def _part(self, query: str) -> str:
        """The split of a query; depends on its normalised text alone, so equal queries are never apart."""
        place = int(hashlib.sha256(f"held out:{normalise(query)}".encode()).hexdigest()[:12], 16) / 16**12
        return "test" if place < self.test else "dev" if place < self.test + self.dev else "train"

    def _select(self, content: "_Content", split: str, seed: int, limit: int | None) -> Collection:
        qrels = {q: grades for q, grades in content.qrels.items() if self._part(content.queries[q]) == split}
        columns = [self.query, self.positive, self.title, self.query_id, self.positive_id]
        if self.corpus is not None:
            columns += [self.corpus.text, self.corpus.title, self.corpus.id]
        what = "no row; add some"
        if content.qrels and (self.dev or self.test):
            what = f"no query with text is in split {split!r}; make its share larger"
        elif content.qrels:
            what = "no row has both query and text; name other columns in the recipe's source, or fill them"
        return select(
            content.documents, content.queries, qrels, [*content.files, *map(str, columns)], seed, limit, "pairs",
            f"{shown(Path(self.path))}: {what}",
        )  # fmt: skip

    def _read(self) -> "_Content":
        """Everything in the files, with documents in the order of the corpus, then of the pairs."""
        content = _Content()
        corpus, path = self.corpus, Path(self.path)
        if corpus is not None:
            file = Path(corpus.path)
            columns = {"text": corpus.text, "title": corpus.title, "id": corpus.id}
            for number, row in content.rows(file, columns):
                content.document(file, number, row["text"], row.get("title", ""), row.get("id"))
        columns = {
            "query": self.query,
            "positive": self.positive,
            "title": self.title,
            "query_id": self.query_id,
            "positive_id": self.positive_id,
        }
        for number, row in content.rows(path, columns):
            doc_id = content.document(path, number, row["positive"], row.get("title", ""), row.get("positive_id"))
            query_id = content.query(path, number, row["query"], row.get("query_id"))
            content.qrels.setdefault(query_id, {})[doc_id] = 1
        return content


@dataclass
class _Content:
    """What the files hold.

    Attributes:
        documents: doc_id -> document.
        queries: query_id -> text.
        qrels: query_id -> {doc_id: 1}.
        files: sha256 of each file.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    qrels: dict[str, dict[str, int]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    _by_text: dict[tuple[str, str], str] = field(default_factory=dict)

    def rows(self, path: Path, columns: Mapping[str, str | None]) -> Iterator[tuple[int, dict[str, str]]]:
        """Number and named values of every row of a file, which must not change meanwhile."""
        digest = sha256_file(path) if path.is_file() else ""
        named = {name: column for name, column in columns.items() if column is not None}
        for number, row in text_rows(path, list(named.values())):
            yield number, {name: row[column] for name, column in named.items()}
        refuse_changed(path, digest)
        self.files.append(digest)

    def document(self, path: Path, number: int, text: str, title: str, doc_id: str | None) -> str:
        """The id of a document, which is new or known with this content."""
        if doc_id is None:
            known = self._by_text.get((title, text))
            doc_id = known if known is not None else content_id("d", title, text)
        _refuse_odd(path, number, doc_id)
        there = self.documents.setdefault(doc_id, Document(doc_id, text, title))
        if (there.text, there.title) != (text, title):
            fail(path, number, f"document {doc_id!r} had another text before", "give each text an id of its own")
        self._by_text.setdefault((title, text), doc_id)
        return doc_id

    def query(self, path: Path, number: int, text: str, query_id: str | None) -> str:
        """The id of a query, which is new or known with this text."""
        if query_id is None:
            query_id = content_id("q", text)
        _refuse_odd(path, number, query_id)
        if self.queries.setdefault(query_id, text) != text:
            fail(path, number, f"query {query_id!r} had another text before", "give each query an id of its own")
        return query_id


def content_id(prefix: str, *texts: str) -> str:
    """An id that follows from the content alone: a letter and the beginning of the sha256 of the texts.

    Each text is preceded by its length in bytes, so that no two divisions of the same characters are alike.
    """
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8")
        digest.update(f"{len(data)}:".encode() + data)
    return f"{prefix}{digest.hexdigest()[:_DIGITS]}"


def _refuse_odd(path: Path, number: int, name: str) -> None:
    if not name or any(char in name for char in "\t\r\n\0"):
        fail(path, number, f"id {name!r} is empty or holds a tab or line break", "choose another id")
