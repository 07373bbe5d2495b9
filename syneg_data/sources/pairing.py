"""Queries with a text that is relevant to each, from files with one such pair in a row; read strictly."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from syneg_data.collection import Collection, Document, normalise
from syneg_data.durable import sha256_file
from syneg_data.lines import fail, shown
from syneg_data.sources.selection import refuse_changed, select
from syneg_data.sources.tables import text_rows

_DIGITS = 20  # hex digits of an id made from content; two of ten million documents share one with a chance of 4e-11


@dataclass(frozen=True)
class Columns:
    """Where in a row a pair stands; None: the row does not say, so an id is made from content and a title is empty."""

    query: str
    positive: str
    title: str | None = None
    query_id: str | None = None
    positive_id: str | None = None


@dataclass(frozen=True)
class Paired:
    """How pairs become a collection with parts.

    Attributes:
        kind: of the source; part of the digest.
        path: what a message names: the file of the pairs, or the first of them.
        shares: dev and test -> share of the queries that is set aside as that split; the rest is train.
        settings: what else the digest is made from: the names of columns.
    """

    kind: str
    path: Path
    shares: Mapping[str, float]
    settings: tuple[str, ...]

    def load(self, content: "Content", split: str, seed: int, limit: int | None) -> Collection:
        """One split of what was read.

        Raises:
            InputError: it has no pair.
        """
        qrels = {q: grades for q, grades in content.qrels.items() if self._part(content.queries[q]) == split}
        what = "no row; add some"
        if content.qrels and any(self.shares.values()):
            what = f"no query with text is in split {split!r}; make its share larger"
        elif content.qrels:
            what = "no row has both query and text; name other columns in the recipe's source, or fill them"
        return select(
            content.documents, content.queries, qrels, [*content.files, *self.settings], seed, limit, self.kind,
            f"{shown(self.path)}: {what}",
        )  # fmt: skip

    def set_aside(self, split: str) -> list[str]:
        """The splits to evaluate on where `split` is built on."""
        return [name for name in ("dev", "test") if self.shares[name] > 0 and name != split]

    def held_out(self, content: "Content", split: str, seed: int) -> dict[str, Collection]:
        """The splits that were set aside, whole.

        Raises:
            InputError: one has no pair.
        """
        return {name: self.load(content, name, seed, None) for name in self.set_aside(split)}

    def _part(self, query: str) -> str:
        """The split of a query; depends on its normalised text alone, so equal queries are never apart."""
        place = int(hashlib.sha256(f"held out:{normalise(query)}".encode()).hexdigest()[:12], 16) / 16**12
        test, dev = self.shares["test"], self.shares["dev"]
        return "test" if place < test else "dev" if place < test + dev else "train"


@dataclass
class Content:
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

    def read_documents(self, path: Path, text: str, title: str | None, doc_id: str | None) -> None:
        """Add the documents of a file, whose columns are these.

        Raises:
            InputError: a line is not what its format says.
        """
        for number, row in self._rows(path, {"text": text, "title": title, "id": doc_id}):
            self._document(path, number, row["text"], row.get("title", ""), row.get("id"))

    def read_pairs(self, paths: Sequence[Path], columns: Columns) -> None:
        """Add the pairs of these files.

        Raises:
            InputError: a line is not what its format says.
        """
        for path in paths:
            for number, row in self._rows(path, asdict(columns)):
                doc_id = self._document(path, number, row["positive"], row.get("title", ""), row.get("positive_id"))
                query_id = self._query(path, number, row["query"], row.get("query_id"))
                self.qrels.setdefault(query_id, {})[doc_id] = 1

    def _rows(self, path: Path, columns: Mapping[str, str | None]) -> Iterator[tuple[int, dict[str, str]]]:
        """Number and named values of every row of a file, which must not change meanwhile."""
        digest = sha256_file(path) if path.is_file() else ""
        named = {name: column for name, column in columns.items() if column is not None}
        for number, row in text_rows(path, list(named.values())):
            yield number, {name: row[column] for name, column in named.items()}
        refuse_changed(path, digest)
        self.files.append(digest)

    def _document(self, path: Path, number: int, text: str, title: str, doc_id: str | None) -> str:
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

    def _query(self, path: Path, number: int, text: str, query_id: str | None) -> str:
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
