"""A run file: what any search engine found, in the format of TREC, as candidates."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from syneg_data.collection import Collection
from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.execution import Progress
from syneg_data.lines import fail, numbered_lines, shown
from syneg_data.ranking import SCORE_DECIMALS, Index, Ranked
from syneg_data.references import ExistingPath, Resolved
from syneg_data.spec import Spec


class RunFile(Spec):
    """What another search engine found, as a TREC run: query, Q0, document, rank, score, tag; may be gzipped."""

    kind: Literal["run_file"] = "run_file"
    name: str = Field(default="run_file", description="name of this source in the rows", pattern=r"^[\w.-]+$")
    depth: int = Field(default=50, ge=1, description="ranks that are read, positives among them counted")
    skip: int = Field(default=0, ge=0, description="ranks at the top that are left out, before any filter")
    path: ExistingPath = Field(description="the run; as in trec_eval its scores say the order, not its ranks")

    def model_reference(self) -> None:
        """A run has no model."""

    def digest(self) -> str:
        """Of the file's bytes.

        Raises:
            InputError: it is a folder.
        """
        return sha256_file(self._file())

    def open(self, collection: Collection, model: Resolved | None, progress: Progress | None = None) -> Index:
        """Read the run.

        Raises:
            InputError: it is a folder or empty, a line is broken or names a document that the corpus lacks, or no query
                is the collection's.
        """
        return _RunIndex(self._file(), collection)

    def _file(self) -> Path:
        path = Path(self.path)
        if not path.is_file():
            raise InputError(f"{shown(path)}: not a file; name a TREC run")
        return path


class _RunIndex:
    """A run as it stands: what has no text, or a text that another id has too, takes its rank like any other."""

    def __init__(self, path: Path, collection: Collection) -> None:
        runs: dict[str, dict[str, float]] = {query_id: {} for query_id in collection.queries}
        number = 0
        for number, query_id, doc_id, score in _rows(path):
            if query_id not in runs:
                continue
            if doc_id in runs[query_id]:
                fail(path, number, f"document {doc_id!r} stands twice for query {query_id!r}", "keep one line")
            if doc_id not in collection.documents and doc_id not in collection.aliases:
                fail(path, number, f"document {doc_id!r} is not in the corpus", "name a run over this corpus")
            runs[query_id][doc_id] = score
        if not number:
            raise InputError(f"{shown(path)}: the run is empty; name one that has lines")
        if not any(runs.values()):
            raise InputError(f"{shown(path)}: none of its queries is one of this split's; name a run of this split")
        self._runs = {query_id: _ranked(scores) for query_id, scores in runs.items()}

    def search(self, query_ids: Sequence[str], k: int) -> list[Ranked]:
        return [self._runs[query_id][:k] for query_id in query_ids]


def _ranked(scores: dict[str, float]) -> Ranked:
    """Documents by (score desc, doc_id asc); scores are rounded once the order is clear."""
    ordered = sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))
    return [(doc_id, round(score, SCORE_DECIMALS)) for doc_id, score in ordered]


def _rows(path: Path) -> Iterator[tuple[int, str, str, float]]:
    """Line number, query_id, doc_id and score of every line."""
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        fields = line.split()
        if len(fields) != 6:
            mend = "write query Q0 document rank score tag"
            if len(fields) > 6:
                mend += "; an id or tag with a space in it must lose it, an id in the collection's files too"
            fail(path, number, f"{len(fields)} columns, not 6", mend)
        try:
            score = math.nan if "_" in fields[4] else float(fields[4])
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            fail(path, number, f"score {fields[4]!r} is not a finite number", "mend the line")
        yield number, fields[0], fields[2], score
