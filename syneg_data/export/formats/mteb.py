"""MTEB's layout: the collection to evaluate on as the configs `default`, `corpus` and `queries` of a data set."""

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml

from syneg_data.durable import write_text
from syneg_data.export.finished import Finished
from syneg_data.export.formats.beir import judgements, queries_of
from syneg_data.export.parquet import write_split
from syneg_data.export.streams import stream, strings
from syneg_data.spec import Spec


class MtebLayout(Spec):
    """MTEB, configs `default` (judgements), `corpus` and `queries` as Parquet: the collection to evaluate on."""

    kind: Literal["mteb"] = "mteb"

    what: ClassVar[str] = (
        "the collection as MTEB's retrieval tasks read it (configs default, corpus, queries), to evaluate on: all "
        "documents that no model wrote, and queries and the source's judgements of every split"
    )
    uneven: ClassVar[bool] = True
    counted: ClassVar[str] = "qrels/"

    def write(self, folder: Path, finished: Finished) -> dict[str, int]:
        """Write the collection below `folder`; rows of each file by its path there.

        Raises:
            InputError: two splits have a query of the same id and different text.
        """
        import pyarrow as pa

        def documents() -> Any:  # noqa: ANN401
            return ((d.doc_id, d.title, d.text) for d in finished.real_documents())

        texts = queries_of(finished)
        written = _below(
            "corpus", write_split(folder / "corpus", "corpus", strings(("_id", "title", "text"), documents))
        )
        queries = strings(("_id", "text"), texts.items)
        written |= _below("queries", write_split(folder / "queries", "queries", queries))
        columns = {"query-id": pa.string(), "corpus-id": pa.string(), "score": pa.int64()}
        for split, collection in finished.splits().items():
            rows = stream(columns, partial(judgements, collection))
            written |= _below("qrels", write_split(folder / "qrels", split, rows))
        places = {"default": ("qrels", list(finished.splits())), "corpus": ("corpus", ["corpus"])}
        places["queries"] = ("queries", ["queries"])
        front = yaml.safe_dump({"configs": [_config(name, *place) for name, place in places.items()]}, sort_keys=False)
        write_text(folder / "README.md", f"---\n{front}---\n")
        return written

    def load(self, folder: str, split: str, even: bool) -> str:
        """Python that reads one of its splits."""
        return (
            "from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader\n\n"
            f'data = RetrievalDatasetLoader("{folder}", revision=None, split="{split}").load()'
        )


def _below(name: str, rows: dict[str, int]) -> dict[str, int]:
    return {f"{name}/{file}": n for file, n in rows.items()}


def _config(name: str, folder: str, splits: list[str]) -> dict[str, Any]:
    files = [{"split": split, "path": f"{folder}/{split}-*.parquet"} for split in splits]
    return {"config_name": name, "data_files": files}
