"""Corpus, queries and judgements in files of BEIR's columns, be they JSON lines, TSV or Parquet; read strictly."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from syneg_data.collection import Collection, Document
from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.lines import fail, numbered_lines, shown
from syneg_data.sources.json_lines import TYPES, parse_object
from syneg_data.sources.selection import refuse_changed, select
from syneg_data.sources.tables import parquet_rows

_PAIR = ("query-id", "corpus-id")  # columns of a judgement, besides its score


@dataclass(frozen=True)
class Judged:
    """Where a collection with judgements lies.

    Attributes:
        kind: of the source; part of the digest.
        corpus: files with `_id`, `text` and possibly `title`.
        queries: files with `_id` and `text`.
        qrels: split -> files with `query-id`, `corpus-id` and `score`.
        place: how a message names the judgements of a split.
        dev: share of the train queries that are split `dev`.
        drop: whether judgements of what is not there are left out and counted; otherwise they are an error. None: they
            are, and the recipe has no say in it.
    """

    kind: str
    corpus: Sequence[Path]
    queries: Sequence[Path]
    qrels: Mapping[str, Sequence[Path]]
    place: Callable[[str], str]
    dev: float = 0.0
    drop: bool | None = None

    def load(self, split: str, seed: int, limit: int | None) -> Collection:
        """The corpus, and one split over it.

        Raises:
            InputError: a file is not what it should be, named by file and line.
        """
        digests = [sha256_file(path) for path in self.corpus]
        documents = read_documents(self.corpus)
        if not documents:
            raise InputError(f"{shown(self.corpus[0])}: the corpus is empty; it needs one JSON object per line")
        for path, digest in zip(self.corpus, digests, strict=True):
            refuse_changed(path, digest)
        return self._part(split, documents, digests, seed, limit)

    def held_out(
        self, split: str, evaluation: Sequence[str] | None, collection: Collection, seed: int
    ) -> dict[str, Collection]:
        """The splits to evaluate on, whole, over the documents of `collection`.

        Args:
            split: that is built on.
            evaluation: splits that are wanted; None: dev and test, where there are any.
            collection: from `load`.
            seed: of the recipe.

        Raises:
            InputError: as `load`, or `evaluation` names the split to build on.
        """
        names = evaluation
        if names is None:
            cut = ["dev"] if split == "train" and self.dev > 0 else []
            there = [name for name in ("dev", "test") if name in self.qrels]
            names = [name for name in dict.fromkeys([*cut, *there]) if name != split]
        if split in names:
            raise InputError(f"source.evaluation: {split!r} is the split to build on; name others")
        if not names:
            return {}
        digests = [sha256_file(path) for path in self.corpus]
        return {name: self._part(name, collection.documents, digests, seed, None) for name in names}

    def _part(
        self, split: str, documents: Mapping[str, Document], corpus: Sequence[str], seed: int, limit: int | None
    ) -> Collection:
        """One split over documents that are read already, whose files have the digests `corpus`."""
        files, cut = self._files(split)
        read = [*self.queries, *files]
        digests = [sha256_file(path) for path in read]
        texts = read_texts(self.queries)
        qrels, dropped = read_judgements(files, documents, texts, drop=self.drop)
        if cut is not None:
            qrels = {q: grades for q, grades in qrels.items() if _in_dev(q, self.dev) == (cut == "dev")}
            dropped = Counter({q: count for q, count in dropped.items() if _in_dev(q, self.dev) == (cut == "dev")})
        for path, digest in zip(read, digests, strict=True):
            refuse_changed(path, digest)
        return select(
            documents, texts, qrels, [*corpus, *digests], seed, limit, self.kind,
            f"{shown(files[0])}: no query has a relevant document (a score above 0) with text", dropped.total(),
        )  # fmt: skip

    def _files(self, split: str) -> tuple[Sequence[Path], str | None]:
        """The judgements of a split, and which part of train it is where dev is cut from train."""
        if split in ("train", "dev") and self.dev > 0:
            if "dev" in self.qrels:
                raise InputError(f"{self.place('dev')} exists; remove source.dev, which would cut another")
            return self._existing("train"), split
        if split == "dev" and "dev" not in self.qrels:
            raise InputError(f"{self.place('dev')}: no such file; set source.dev (such as 0.1) to cut dev from train")
        return self._existing(split), None

    def _existing(self, split: str) -> Sequence[Path]:
        if split not in self.qrels:
            splits = ", ".join(sorted(self.qrels)) or "none"
            raise InputError(f"{self.place(split)}: no such file; splits there: {splits}")
        return self.qrels[split]


def _in_dev(query_id: str, share: float) -> bool:
    """Whether a train query belongs to dev; depends on its id alone, so dev is the same for every seed."""
    return int(hashlib.sha256(f"dev:{query_id}".encode()).hexdigest()[:12], 16) / 16**12 < share


def read_documents(paths: Sequence[Path]) -> dict[str, Document]:
    """doc_id -> document, in the order of the files.

    Raises:
        InputError: a line is no document, or an id is there twice.
    """
    documents: dict[str, Document] = {}
    for path, number, row in _rows(paths):
        if row["_id"] in documents:
            _refuse_double(paths, path, number, row["_id"])
        documents[row["_id"]] = Document(row["_id"], row["text"], row["title"])
    return documents


def read_texts(paths: Sequence[Path]) -> dict[str, str]:
    """query_id -> text.

    Raises:
        InputError: a line is no query, or an id is there twice.
    """
    texts: dict[str, str] = {}
    for path, number, row in _rows(paths):
        if row["_id"] in texts:
            _refuse_double(paths, path, number, row["_id"])
        texts[row["_id"]] = row["text"]
    return texts


def read_judgements(
    paths: Sequence[Path], documents: Mapping[str, Document], texts: Mapping[str, str], *, drop: bool | None = None
) -> tuple[dict[str, dict[str, int]], Counter[str]]:
    """query_id -> {doc_id: grade}, and query_id -> relevant pairs left out because one of the two is not there.

    Args:
        paths: TSV with a header line, JSON lines or Parquet.
        documents: that may be judged.
        texts: of the queries that may be judged.
        drop: leave out judgements of what is not there; otherwise they are an error, and None says that the recipe
            cannot choose.

    Raises:
        InputError: a line is no judgement, or contradicts another.
    """
    qrels: dict[str, dict[str, int]] = {}
    dropped: Counter[str] = Counter()
    choice = "" if drop is None else ", or set source.dangling: drop to have such judgements counted and left out"
    for path in paths:
        for number, query_id, doc_id, grade in _judgements(path):
            if drop and (query_id not in texts or doc_id not in documents):
                dropped[query_id] += grade > 0
                continue
            if query_id not in texts:
                fail(
                    path,
                    number,
                    f"query {query_id!r} is not in the queries file",
                    f"add the query or remove the line{choice}",
                )
            if doc_id not in documents:
                fail(
                    path,
                    number,
                    f"document {doc_id!r} is not in the corpus",
                    f"add the document or remove the line{choice}",
                )
            grades = qrels.setdefault(query_id, {})
            if grades.get(doc_id, grade) != grade:
                fail(path, number, f"{query_id!r}, {doc_id!r} was {grades[doc_id]} before", "keep one of the two lines")
            grades[doc_id] = grade
    return qrels, dropped


def _rows(paths: Sequence[Path]) -> Iterator[tuple[Path, int, dict[str, str]]]:
    """Validated `_id`, `title`, `text` of every line, with its place."""
    for path in paths:
        for number, row in _raw_rows(path):
            for name in ("_id", "text"):
                if name not in row:
                    fail(path, number, f"no '{name}'", "every line needs '_id' and 'text'")
            for name in ("_id", "title", "text"):
                value = row.get(name, "")
                if not isinstance(value, str):
                    fail(path, number, f"'{name}' is {TYPES.get(type(value), 'null')}", "it must be text in quotes")
                if any("\ud800" <= char <= "\udfff" for char in value):
                    fail(path, number, f"'{name}' holds a lone surrogate", "remove the broken \\u escape")
            doc_id = str(row["_id"])
            if not doc_id or any(char in doc_id for char in "\t\r\n\0"):
                fail(path, number, f"id {doc_id!r} is empty or holds a tab or line break", "choose another id")
            yield path, number, {"_id": doc_id, "title": str(row.get("title", "")), "text": str(row["text"])}


def _raw_rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    if path.suffix == ".parquet":
        # A row of Parquet has every column, so null is how it leaves a title out.
        for number, row in parquet_rows(path, ("_id", "text"), optional=("title",)):
            yield number, {name: value for name, value in row.items() if name != "title" or value is not None}
        return
    for number, line in numbered_lines(path):
        if line.strip():
            yield number, parse_object(path, number, line)


def _refuse_double(paths: Sequence[Path], path: Path, number: int, name: str) -> None:
    """Refuse an id that was there before; where, is looked up only now, for millions of line numbers take memory.

    Raises:
        InputError: always.
    """
    first, line = next((first, line) for first, line, row in _rows(paths) if row["_id"] == name)
    where = f"line {line}" if first == path else f"{shown(first)}:{line}"
    fail(path, number, f"duplicate id {name!r}, first in {where}", "ids must be unique")


def _judgements(path: Path) -> Iterator[tuple[int, str, str, int]]:
    """Number of the line, query_id, doc_id and grade of every judgement of a file."""
    if path.suffix == ".parquet":
        for number, row in parquet_rows(path, _PAIR, numbers=("score",)):
            yield number, *_identified(path, number, row), _grade(path, number, row["score"])
    elif path.name.removesuffix(".gz").endswith(".jsonl"):
        for number, line in numbered_lines(path):
            if line.strip():
                row = parse_object(path, number, line)
                yield number, *_identified(path, number, row), _grade(path, number, row.get("score"))
    else:
        yield from _separated(path)


def _identified(path: Path, number: int, row: Mapping[str, object]) -> tuple[str, str]:
    found = []
    for name in _PAIR:
        value = row.get(name)
        if not isinstance(value, str):
            what = f"no '{name}'" if name not in row else f"'{name}' is {TYPES.get(type(value), 'null')}"
            fail(path, number, what, "every line needs 'query-id' and 'corpus-id', each text in quotes, and 'score'")
        found.append(value)
    return found[0], found[1]


def _separated(path: Path) -> Iterator[tuple[int, str, str, int]]:
    """Of `query-id<TAB>corpus-id<TAB>score` with a header line."""
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if number == 1:
            if [field.strip().lower() for field in fields] != ["query-id", "corpus-id", "score"]:
                fail(path, 1, f"header is {line!r}", "the first line must be query-id, corpus-id, score with tabs")
            continue
        if not line.strip():
            continue
        if len(fields) != 3:
            fail(path, number, f"{len(fields)} fields, not 3", "write query-id, corpus-id, score separated by tabs")
        yield number, fields[0], fields[1], _grade(path, number, fields[2])


def _grade(path: Path, number: int, score: object) -> int:
    try:
        if isinstance(score, str | int | float) and not isinstance(score, bool):
            value = float(score)
            if value == int(value) and abs(value) < 2**31 and "_" not in str(score):
                return int(value)
    except (ValueError, OverflowError):
        pass
    fail(path, number, f"score {score!r} is not a whole number", "grades are whole numbers; above 0 is relevant")
