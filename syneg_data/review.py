"""review: a sample of a build's candidates for a person to judge, and what the judgements say of the gate."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
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

COLUMNS = ("query_id", "doc_id", "query", "positive", "document", "relevant")
_YES, _NO = ("yes", "y", "true", "1"), ("no", "n", "false", "0")


def export_sample(folder: Path, path: Path, size: int, seed: int | None) -> dict[str, int]:
    """Write a sample for review, blind: neither the gate's verdict nor the source stands beside a document.

    Args:
        folder: a build folder.
        path: a `.csv` or `.jsonl` file; its column `relevant` is left empty, to be filled with yes or no.
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


def _rows(release: Release, verdicts: list[Verdict], drawn: list[Drawn]) -> Iterator[dict[str, str]]:
    collection = judged_collection(release)
    texts = {row["_id"]: f"{row['title']} {row['text']}".strip() for row in release.table("corpus").to_pylist()}
    written = written_texts(release.table("generations").to_pylist())
    sources = {(verdict.query_id, verdict.doc_id): verdict.sources[0] for verdict in verdicts}
    for row in drawn:
        text = texts.get(row.doc_id)
        if text is None:
            hit = sources[row.query_id, row.doc_id]  # of a draft: its strategy, and its slot counted from 1
            text = written[row.query_id, str(row.positive_id), hit.source, hit.rank - 1]
        positive = row.positive_id or collection.positives(row.query_id)[0]
        yield {
            "query_id": row.query_id,
            "doc_id": row.doc_id,
            "query": collection.queries[row.query_id],
            "positive": texts[positive],
            "document": text,
            "relevant": "",
        }


def import_judgements(folder: Path, path: Path) -> dict[str, Any]:
    """Read a reviewed sample, work out what it says, and keep that beside the build as `<BUILD>.review.json`.

    Args:
        folder: the build folder that the sample was drawn from.
        path: the file with `relevant` filled in: yes or no; rows that are left empty are not judged.

    Returns:
        As `validation.review.estimate`, with `file`, `build` (digest of its manifest) and `not_judged`.

    Raises:
        InputError: a row is not of this build, stands twice, or says neither yes nor no; or none is judged.
    """
    release = open_release(str(folder))
    known = {(v.query_id, v.doc_id): v for v in verdicts_of(release) if v.verdict in ("keep", "false_negative")}
    judged: dict[tuple[str, str], bool] = {}
    empty = 0
    for number, row in _read(path):
        pair = (row["query_id"], row["doc_id"])
        said = row["relevant"].strip().lower()
        if pair not in known:
            fail(path, number, f"{pair[1]!r} is no candidate for query {pair[0]!r} here", "name the build it is from")
        if pair in judged:
            fail(path, number, f"{pair[1]!r} for query {pair[0]!r} stands twice", "keep one row")
        if not said:
            empty += 1
        elif said in (*_YES, *_NO):
            judged[pair] = said in _YES
        else:
            fail(path, number, f"relevant is {row['relevant']!r}", "write yes or no, or leave it empty")
    if not judged:
        raise InputError(f"{shown(path)}: no row is judged; fill the column `relevant` with yes or no")
    found = [(_drawn(known[pair]), relevant) for pair, relevant in judged.items()]
    result = {
        **estimate(found, "person", populations(verdicts_of(release))),
        "not_judged": empty,
        "build": release.digest,
    }
    write_json(folder.absolute().with_name(f"{folder.absolute().name}.review.json"), result)
    return result


def _drawn(verdict: Verdict) -> Drawn:
    kept = verdict.verdict == "keep"
    return Drawn(verdict.query_id, verdict.positive_id, verdict.doc_id, source_of(verdict), kept)


def _read(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Line number and cells of every row."""
    if path.suffix not in (".csv", ".jsonl"):
        raise InputError(f"{shown(path)}: neither .csv nor .jsonl; name the file that `review export` wrote")
    if not path.is_file():
        raise InputError(f"{shown(path)}: no such file; name the file that `review export` wrote")
    if path.suffix == ".jsonl":
        for number, line in numbered_lines(path):
            try:
                row = json.loads(line) if line.strip() else None
            except ValueError as error:
                fail(path, number, f"broken JSON ({error})", "mend the line")
            if line.strip():
                if not isinstance(row, dict):
                    fail(path, number, "no JSON object", "mend the line")
                yield number, _needed(path, number, row)
        return
    # A cell may hold line breaks, so lines are joined again before they are parsed.
    reader = csv.DictReader(io.StringIO("".join(f"{line}\n" for _, line in numbered_lines(path)), newline=""))
    for cells in reader:
        row = _needed(path, reader.line_num, cells)
        yield reader.line_num, {name: _plain(row[name]) for name in row}


def _needed(path: Path, number: int, row: Mapping[str, Any]) -> dict[str, str]:
    for name in ("query_id", "doc_id", "relevant"):
        if not isinstance(row.get(name), str):
            fail(path, number, f"has no text in `{name}`", "keep the columns that `review export` wrote")
    return {name: row[name] for name in ("query_id", "doc_id", "relevant")}


def _plain(text: str) -> str:
    """A cell without the mark that keeps a spreadsheet from reading it as a formula."""
    return text[1:] if text[:1] == "'" and cell(text[1:]) == text else text
