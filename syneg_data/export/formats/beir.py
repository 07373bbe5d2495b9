"""The BEIR layout: the collection to evaluate on, without what a model wrote."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from syneg_data.collection import Collection
from syneg_data.durable import write_lines
from syneg_data.errors import InputError
from syneg_data.export.finished import Finished
from syneg_data.export.jsonl import write_jsonl
from syneg_data.spec import Spec


class BeirLayout(Spec):
    """BEIR, `corpus.jsonl, queries.jsonl, qrels/<split>.tsv`: the collection to evaluate on, no hard negatives."""

    kind: Literal["beir"] = "beir"

    what: ClassVar[str] = (
        "the collection in the BEIR layout, to evaluate on: all documents that no model wrote, and queries and the "
        "source's judgements of every split; hard negatives have no place in it"
    )
    uneven: ClassVar[bool] = True
    counted: ClassVar[str] = "qrels/"

    def write(self, folder: Path, finished: Finished) -> dict[str, int]:
        """Write the collection below `folder`; lines (without headers) of each file by its path there.

        Raises:
            InputError: two splits have a query of the same id and different text.
        """
        documents = ({"_id": d.doc_id, "title": d.title, "text": d.text} for d in finished.real_documents())
        written = {"corpus.jsonl": write_jsonl(folder / "corpus.jsonl", documents)}
        queries = ({"_id": query_id, "text": text} for query_id, text in queries_of(finished).items())
        written["queries.jsonl"] = write_jsonl(folder / "queries.jsonl", queries)
        for split, collection in finished.splits().items():
            name = f"qrels/{split}.tsv"
            written[name] = write_lines(folder / name, _lines(collection)) - 1
        return written

    def load(self, folder: str, split: str, even: bool) -> str:
        """Python that reads one of its splits."""
        return (
            "from beir.datasets.data_loader import GenericDataLoader\n\n"
            f'corpus, queries, qrels = GenericDataLoader("{folder}").load(split="{split}")'
        )


def queries_of(finished: Finished) -> dict[str, str]:
    """query_id -> text over all splits.

    Raises:
        InputError: two splits have a query of the same id and different text.
    """
    texts: dict[str, str] = {}
    for split, collection in finished.splits().items():
        for query_id, text in collection.queries.items():
            if texts.setdefault(query_id, text) != text:
                raise InputError(
                    f"query {query_id!r} of split {split!r} has another text elsewhere; rename one of them"
                )
    return texts


def judgements(collection: Collection) -> Iterator[tuple[str, str, int]]:
    """query_id, doc_id, grade of every judgement, in working order and by doc_id."""
    for query_id in collection.queries:
        yield from ((query_id, doc_id, grade) for doc_id, grade in sorted(collection.qrels[query_id].items()))


def _lines(collection: Collection) -> Iterator[str]:
    """The lines of a qrels file; an id that begins with a quotation mark is quoted, as readers of CSV expect."""
    yield "query-id\tcorpus-id\tscore"
    for query_id, doc_id, grade in judgements(collection):
        yield "\t".join((_cell(query_id), _cell(doc_id), str(grade)))


def _cell(text: str) -> str:
    if not text.startswith('"'):
        return text
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", lineterminator="").writerow([text])
    return buffer.getvalue()
