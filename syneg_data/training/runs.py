"""TREC run files: what a retriever ranked for each query, exchanged with other tools."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from syneg_data.collection import Collection
from syneg_data.durable import write_text
from syneg_data.errors import InputError

Scored = Sequence[tuple[str, float]]


def is_ranked(ranking: Scored) -> bool:
    """Whether the (doc_id, score) are in the project's one order: score descending, then doc_id ascending."""
    return all((-a[1], a[0]) < (-b[1], b[0]) for a, b in pairwise(ranking))


def write_run(path: Path, run: Mapping[str, Scored], tag: str) -> None:
    """Durably write `query_id Q0 doc_id rank score tag` lines, ranks from 1, scores to the last digit.

    A query without documents has no line; a reader of the file does not know of it.

    Raises:
        InputError: an id or the tag is empty or holds white space, which the format cannot say.
        ValueError: a ranking is not in order, or a score is not finite.
    """
    _require_word(path, "tag", tag, "name the run in one word")
    lines = []
    for query_id, ranking in run.items():
        _require_word(path, "query id", query_id, "rename it in the queries")
        if not is_ranked(ranking) or not all(math.isfinite(score) for _, score in ranking):
            raise ValueError(f"the ranking of query {query_id!r} is not by (score desc, doc_id asc) of finite scores")
        for rank, (doc_id, score) in enumerate(ranking, start=1):
            _require_word(path, "document id", doc_id, "rename it in the corpus")
            lines.append(f"{query_id} Q0 {doc_id} {rank} {float(score)!r} {tag}\n")
    write_text(path, "".join(lines))


def require_words(place: str, split: Collection) -> None:
    """Refuse ids that a run file cannot say, before hours are spent on the run.

    Raises:
        InputError: an id of a query or document is empty or holds white space.
    """
    for query_id in split.queries:
        _require_word(place, "query id", query_id, "rename it in the queries")
    for doc_id in split.documents:
        _require_word(place, "document id", doc_id, "rename it in the corpus")


def read_run(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Rankings by (score desc, doc_id asc), queries as they first appear; as in trec_eval, ranks decide nothing.

    Raises:
        InputError: the file is missing or empty, or a line is not what the format says, named by file and line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a readable TREC run file") from error
    found: dict[str, dict[str, tuple[float, int]]] = {}
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if raw.strip():
            query_id, doc_id, score = _row(path, number, raw)
            ranking = found.setdefault(query_id, {})
            if doc_id in ranking:
                what = f"document {doc_id!r} of query {query_id!r} again, first in line {ranking[doc_id][1]}"
                _fail(path, number, what, "keep one of the two lines")
            ranking[doc_id] = (score, number)
    if not found:
        raise InputError(f"{path}: the run is empty; write it again")
    return {query_id: _in_order((d, score) for d, (score, _) in ranking.items()) for query_id, ranking in found.items()}


def _in_order(rows: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def _row(path: Path, number: int, raw: bytes) -> tuple[str, str, float]:
    """Query, document and score of one line."""
    try:
        fields = raw.decode("utf-8").split()
    except UnicodeDecodeError as error:
        _fail(path, number, f"not UTF-8 (byte {error.start})", "convert the file to UTF-8")
    if len(fields) != 6:
        _fail(path, number, f"{len(fields)} fields, not 6", "write query_id Q0 doc_id rank score tag")
    query_id, q0, doc_id, rank, score, _ = fields
    if q0 != "Q0":
        _fail(path, number, f"the second field is {q0!r}, not Q0", "write query_id Q0 doc_id rank score tag")
    if not (rank.isascii() and rank.isdigit()):
        _fail(path, number, f"rank {rank!r} is not a whole number", "ranks count from 1")
    return query_id, doc_id, _score(path, number, score)


def _score(path: Path, number: int, text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score) or "_" in text:
        _fail(path, number, f"score {text!r} is not a finite number", "write it in digits, such as 12.5")
    return score


def _require_word(path: Path | str, what: str, word: str, mend: str) -> None:
    if word.split() != [word]:
        raise InputError(f"{path}: {what} {word!r} is empty or holds white space, which ends a TREC field; {mend}")


def _fail(path: Path, number: int, what: str, mend: str) -> NoReturn:
    raise InputError(f"{path}:{number}: {what}; {mend}")
