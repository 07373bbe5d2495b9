"""The BEIR layout: corpus.jsonl, queries.jsonl (either gzipped) and qrels/<split>.tsv, read strictly."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from syneg_data.collection import Collection, Document
from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.licenses import License
from syneg_data.lines import fail, numbered_lines, shown
from syneg_data.references import ExistingPath
from syneg_data.sources.json_lines import TYPES, parse_object
from syneg_data.sources.selection import refuse_changed, select
from syneg_data.spec import Spec


class Beir(Spec):
    """A folder in the BEIR layout, plain or gzipped; one document or query per JSON line, judgements as TSV."""

    kind: Literal["beir"] = "beir"
    path: ExistingPath = Field(description="the folder; relative to the recipe")
    split: str = Field(description="which qrels to build on: qrels/<split>.tsv", pattern=r"^\w+(\.\w+)*$")
    dev: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="share of the train queries set aside as split `dev`; 0 leaves train whole",
    )
    evaluation: tuple[Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")], ...] | None = Field(
        default=None,
        description="splits that the data set brings along to evaluate on; left out: dev and test, where there are any",
    )
    license: License = Field(description="licence of corpus, queries and judgements")

    def load(self, seed: int, limit: int | None = None) -> Collection:
        """Read the split; with `limit`, only the queries whose sha256 of `seed:query_id` is smallest.

        Raises:
            InputError: a file is missing or a line is not what the layout says, named by file and line.
        """
        corpus_path = _layout_file(Path(self.path), "corpus.jsonl")
        digest = sha256_file(corpus_path)
        documents = {row["_id"]: Document(row["_id"], row["text"], row["title"]) for row in _rows(corpus_path)}
        if not documents:
            raise InputError(f"{shown(corpus_path)}: the corpus is empty; it needs one JSON object per line")
        refuse_changed(corpus_path, digest)
        return self._read(self.split, documents, digest, seed, limit)

    def held_out(self, collection: Collection, seed: int) -> dict[str, Collection]:
        """The splits to evaluate on, whole, over the documents of `collection`, which `load` has read.

        Raises:
            InputError: as `load`, or `evaluation` names the split to build on.
        """
        folder = Path(self.path)
        names = self.evaluation
        if names is None:
            cut = ["dev"] if self.split == "train" and self.dev > 0 else []
            there = [name for name in ("dev", "test") if (folder / "qrels" / f"{name}.tsv").exists()]
            names = tuple(name for name in dict.fromkeys([*cut, *there]) if name != self.split)
        if self.split in names:
            raise InputError(f"source.evaluation: {self.split!r} is the split to build on; name others")
        digest = sha256_file(_layout_file(folder, "corpus.jsonl"))
        return {name: self._read(name, collection.documents, digest, seed, None) for name in names}

    def _read(
        self, split: str, documents: Mapping[str, Document], corpus_digest: str, seed: int, limit: int | None
    ) -> Collection:
        """One split over documents that are read already."""
        folder = Path(self.path)
        queries_path = _layout_file(folder, "queries.jsonl")
        qrels_path, cut = self._qrels_file(folder, split)
        files = [sha256_file(path) for path in (queries_path, qrels_path)]
        texts = {row["_id"]: row["text"] for row in _rows(queries_path)}
        qrels = _qrels(qrels_path, documents, texts)
        if cut is not None:
            qrels = {q: grades for q, grades in qrels.items() if _in_dev(q, self.dev) == (cut == "dev")}
        for path, digest in zip((queries_path, qrels_path), files, strict=True):
            refuse_changed(path, digest)
        return select(
            documents, texts, qrels, [corpus_digest, *files], seed, limit, "beir",
            f"{shown(qrels_path)}: no query has a relevant document (a score above 0) with text",
        )  # fmt: skip

    def _qrels_file(self, folder: Path, split: str) -> tuple[Path, str | None]:
        """The judgements of a split, and which part of train it is where dev is cut from train."""
        path = folder / "qrels" / f"{split}.tsv"
        has_dev = (folder / "qrels" / "dev.tsv").exists()
        if split in ("train", "dev") and self.dev > 0:
            if has_dev:
                raise InputError(f"{shown(folder)}/qrels/dev.tsv exists; remove source.dev, which would cut another")
            return _existing(folder / "qrels" / "train.tsv"), split
        if split == "dev" and not has_dev:
            raise InputError(f"{shown(path)}: no such file; set source.dev (such as 0.1) to cut dev from train")
        return _existing(path), None


def _in_dev(query_id: str, share: float) -> bool:
    """Whether a train query belongs to dev; depends on its id alone, so dev is the same for every seed."""
    return int(hashlib.sha256(f"dev:{query_id}".encode()).hexdigest()[:12], 16) / 16**12 < share


def _layout_file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"{shown(folder)}: no {name} or {name}.gz; the BEIR layout needs it")


def _existing(path: Path) -> Path:
    if not path.is_file():
        splits = ", ".join(sorted(p.stem for p in path.parent.glob("*.tsv"))) or "none"
        raise InputError(f"{shown(path)}: no such file; splits there: {splits}")
    return path


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Validated `_id`, `title`, `text` of every line."""
    first_seen: dict[str, int] = {}
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        row = parse_object(path, number, line)
        for name in ("_id", "text"):
            if name not in row:
                fail(path, number, f"no '{name}'", "every line needs '_id' and 'text'")
        for name in ("_id", "title", "text"):
            value = row.get(name, "")
            if not isinstance(value, str):
                fail(path, number, f"'{name}' is {TYPES.get(type(value), 'null')}", "it must be text in quotes")
            if any("\ud800" <= char <= "\udfff" for char in value):
                fail(path, number, f"'{name}' holds a lone surrogate", "remove the broken \\u escape")
        doc_id = row["_id"]
        if not doc_id or any(char in doc_id for char in "\t\r\n\0"):
            fail(path, number, f"id {doc_id!r} is empty or holds a tab or line break", "choose another id")
        if doc_id in first_seen:
            fail(path, number, f"duplicate id {doc_id!r}, first in line {first_seen[doc_id]}", "ids must be unique")
        first_seen[doc_id] = number
        yield {"_id": doc_id, "title": row.get("title", ""), "text": row["text"]}


def _qrels(path: Path, documents: Mapping[str, Document], texts: dict[str, str]) -> dict[str, dict[str, int]]:
    """query_id -> {doc_id: grade} from `query-id<TAB>corpus-id<TAB>score` with a header line."""
    qrels: dict[str, dict[str, int]] = {}
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
        query_id, doc_id, score = fields
        grade = _grade(path, number, score)
        if query_id not in texts:
            fail(path, number, f"query {query_id!r} is not in the queries file", "add the query or remove the line")
        if doc_id not in documents:
            fail(path, number, f"document {doc_id!r} is not in the corpus", "add the document or remove the line")
        grades = qrels.setdefault(query_id, {})
        if grades.get(doc_id, grade) != grade:
            fail(path, number, f"{query_id!r}, {doc_id!r} was {grades[doc_id]} before", "keep one of the two lines")
        grades[doc_id] = grade
    return qrels


def _grade(path: Path, number: int, score: str) -> int:
    try:
        value = float(score)
        if value == int(value) and abs(value) < 2**31 and "_" not in score:
            return int(value)
    except (ValueError, OverflowError):
        pass
    fail(path, number, f"score {score!r} is not a whole number", "grades are whole numbers; above 0 is relevant")
