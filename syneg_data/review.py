"""review: a sample of a build's candidates for a person to judge, and what the judgements say of the gate."""

import csv
import functools
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syneg_data.durable import write_json, write_text
from syneg_data.errors import InputError
from syneg_data.lines import cell, fail, numbered_lines, shown
from syneg_data.publishing.judgements import judged_collection, verdicts_of
from syneg_data.publishing.release import Release, open_release
from syneg_data.records import Verdict
from syneg_data.report.story import written_texts
from syneg_data.validation.review import Drawn, draw, estimate, populations, source_of

COLUMNS = ("row", "query_id", "query", "positive", "document", "relevant")
_NEEDED = ("row", "relevant")  # of the columns, to read a judgement
_KEEP = "keep the columns that `review export` wrote"
_YES, _NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")


def export_sample(folder: Path, path: Path, size: int, seed: int | None) -> dict[str, int]:
    """Write a sample for review, blind: neither the gate's verdict nor the source stands beside a document.

    Nor does the document's id, which says whether a model wrote it: a row is named by a key of its own (`row_key`).

    Args:
        folder: a build folder.
        path: a `.csv` or `.jsonl` file; its column `relevant` is left empty, to be filled with yes or no. In CSV, text
            that a spreadsheet would take for a formula has an apostrophe before it (`lines.cell`).
        size: candidates.
        seed: of the sample; None: the recipe's.

    Returns:
        How many were written, and how many there were to draw from.

    Raises:
        InputError: it is no build, or the file exists or has another ending.
    """
    if path.suffix not in (".csv", ".jsonl"):
        raise InputError(f"{path}: neither .csv nor .jsonl; choose one of the two")
    if path.exists():
        raise InputError(f"{path}: exists, and may hold judgements; name another file")
    release = open_release(str(folder))
    verdicts = verdicts_of(release)
    drawn = draw(verdicts, size, release.recipe["seed"] if seed is None else seed)
    rows = list(_rows(release, verdicts, drawn))
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        sink = io.StringIO()
        writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
        text = sink.getvalue()
    write_text(path, text)
    return {"written": len(rows), "candidates": sum(v.verdict in ("keep", "false_negative") for v in verdicts)}


def row_key(build: str, query_id: str, doc_id: str) -> str:
    """What names a candidate in a sample of one build and says nothing of it; in another build it has another.

    Args:
        build: digest of the build's manifest.
        query_id: of the candidate.
        doc_id: of the candidate.

    Returns:
        16 hex digits of a sha256, after a letter: else a spreadsheet would take some of them for numbers.
    """
    text = json.dumps([build, query_id, doc_id])
    return f"r{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _rows(release: Release, verdicts: list[Verdict], drawn: list[Drawn]) -> Iterator[dict[str, str]]:
    collection = judged_collection(release)
    texts = {row["_id"]: f"{row['title']} {row['text']}".strip() for row in release.table("corpus").to_pylist()}
    with release.reading("generations"):
        written = written_texts(release.table("generations").to_pylist())
    sources = {(v.query_id, v.doc_id): v.sources[0] for v in verdicts if v.sources}
    for row in drawn:
        with release.reading("candidates"):  # it may name what is nowhere else
            text = texts.get(row.doc_id)
            if text is None:
                hit = sources[row.query_id, row.doc_id]  # of a draft: its strategy, and its slot counted from 1
                text = written[row.query_id, str(row.positive_id), hit.source, hit.rank - 1]
            positive = row.positive_id or collection.positives(row.query_id)[0]
            found = {
                "row": row_key(release.digest, row.query_id, row.doc_id),
                "query_id": row.query_id,
                "query": collection.queries[row.query_id],
                "positive": texts[positive],
                "document": text,
                "relevant": "",
            }
        yield found


def import_judgements(folder: Path, path: Path) -> dict[str, Any]:
    """Read a reviewed sample, work out what it says, and keep that beside the build as `<BUILD>.review.json`.

    An earlier such file is replaced: it says what an earlier reading of the sample, or of another one, had found.

    Args:
        folder: the build folder that the sample was drawn from, as it was then.
        path: the file with `relevant` filled in: yes or no; rows that are left empty are not judged.

    Returns:
        As `validation.review.estimate`, with `build` (digest of its manifest) and `not_judged`, which is what the file
        holds; and with `file`, where that is, and `replaced`, whether there was one before.

    Raises:
        InputError: a row is not of this build, stands twice, or says neither yes nor no; or none is judged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no build folder; name the one that the sample was drawn from")
    release = open_release(str(folder))
    candidates = [v for v in verdicts_of(release) if v.verdict in ("keep", "false_negative")]
    known = {row_key(release.digest, v.query_id, v.doc_id): v for v in candidates}
    judged: dict[str, bool | None] = {}
    for number, row in _read(path):
        key, said = row["row"].strip(), row["relevant"].strip().lower()
        if key not in known:
            fail(
                path,
                number,
                f"row {key[:40]!r} is no candidate of {release.label} as it is now; the sample is of another build, or "
                "was drawn before another gate was applied to this one",
                "export a new sample, or name the build it is from",
            )
        if key in judged:
            fail(path, number, f"row {key[:40]!r} stands twice", "keep one row")
        if said not in ("", *_YES, *_NO):
            fail(path, number, f"relevant is {row['relevant'][:40]!r}", "write yes or no, or leave it empty")
        judged[key] = said in _YES if said else None
    found = [(_drawn(known[key]), relevant) for key, relevant in judged.items() if relevant is not None]
    if not found:
        raise InputError(f"{shown(path)}: no row is judged; fill the column `relevant` with yes or no")
    said_of_all = estimate(found, "person", populations(candidates))
    result = {**said_of_all, "not_judged": len(judged) - len(found), "build": release.digest}
    here = folder.resolve()  # `.` and `..` have no name to put a file beside
    file = here.with_name(f"{here.name}.review.json")
    replaced = file.exists()
    write_json(file, result)
    return {**result, "file": str(file), "replaced": replaced}


def _drawn(verdict: Verdict) -> Drawn:
    kept = verdict.verdict == "keep"
    return Drawn(verdict.query_id, verdict.positive_id, verdict.doc_id, source_of(verdict), kept)


def _read(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line number, and the cells `row` and `relevant`, of every row."""
    if path.suffix not in (".csv", ".jsonl"):
        raise InputError(f"{shown(path)}: neither .csv nor .jsonl; name the file that `review export` wrote")
    if not path.is_file():
        raise InputError(f"{shown(path)}: no such file; name the file that `review export` wrote")
    yield from _json_rows(path) if path.suffix == ".jsonl" else _csv_rows(path)


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=functools.partial(_object, path, number))
        except RecursionError:
            fail(path, number, "nested too deeply", "keep the objects that `review export` wrote")
        except ValueError as error:
            fail(path, number, f"broken JSON ({error})", "mend the line")
        if not isinstance(row, dict):
            fail(path, number, "no JSON object", "mend the line")
        for name in _NEEDED:
            if name not in row:
                fail(path, number, f"has no `{name}`", _KEEP)
        if row["relevant"] is None or isinstance(row["relevant"], bool):  # how else JSON says it
            row["relevant"] = {None: "", True: "yes", False: "no"}[row["relevant"]]
        for name in _NEEDED:
            if not isinstance(row[name], str):
                fail(path, number, f"`{name}` is no text", "write it in quotes")
        yield number, row


def _object(path: Path, number: int, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        fail(path, number, f"the key {twice!r} stands twice", "keep one")
    return row


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    # A cell may hold line breaks, so lines are joined again before they are parsed.
    text = "".join(f"{line}\n" for _, line in numbered_lines(path))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    while True:
        first = reader.line_num + 1
        try:
            with _cells_up_to(len(text)):
                cells = next(reader, None)
        except csv.Error as error:
            fail(path, max(first, reader.line_num), f"broken CSV ({error})", "save it as CSV again")
        if cells is None:
            return
        if not header:
            header = cells
            _check_header(path, header)
        elif cells:
            if len(cells) != len(header):
                what = f"has {len(cells)} cells, the first line names {len(header)} columns"
                fail(path, first, what, "put quotes around a cell with commas, and keep every column")
            yield first, dict(zip(header, cells, strict=True))


def _check_header(path: Path, header: list[str]) -> None:
    """Refuse a table that lacks what is needed, or whose cells are kept apart by something else than commas."""
    for name in _NEEDED:
        if header.count(name) == 1:
            continue
        if header.count(name) > 1:
            fail(path, 1, f"the column `{name}` stands twice", "keep one")
        for mark, word in ((";", "semicolons"), ("\t", "tabs")):
            if any(name in cell.split(mark) for cell in header):
                fail(path, 1, f"{word} stand between its columns", "save it as CSV with commas")
        fail(path, 1, f"has no column `{name}`", _KEEP)


@contextmanager
def _cells_up_to(length: int) -> Iterator[None]:
    """Read cells of any length: the module's own limit, which is the process's, is shorter than many a document."""
    before = csv.field_size_limit(max(length, csv.field_size_limit()))
    try:
        yield
    finally:
        csv.field_size_limit(before)
