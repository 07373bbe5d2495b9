"""The BEIR layout: corpus.jsonl, queries.jsonl (either gzipped) and qrels/<split>.tsv, read strictly."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from syneg_data.collection import Collection
from syneg_data.errors import InputError
from syneg_data.licenses import License
from syneg_data.lines import shown
from syneg_data.references import ExistingPath
from syneg_data.sources.judged import Judged
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
        return self._judged().load(self.split, seed, limit)

    def held_out(self, collection: Collection, seed: int) -> dict[str, Collection]:
        """The splits to evaluate on, whole, over the documents of `collection`, which `load` has read.

        Raises:
            InputError: as `load`, or `evaluation` names the split to build on.
        """
        return self._judged().held_out(self.split, self.evaluation, collection, seed)

    def _judged(self) -> Judged:
        folder = Path(self.path)
        return Judged(
            kind="beir",
            corpus=[_layout_file(folder, "corpus.jsonl")],
            queries=[_layout_file(folder, "queries.jsonl")],
            qrels={path.stem: [path] for path in (folder / "qrels").glob("*.tsv") if path.is_file()},
            place=lambda split: shown(folder / "qrels" / f"{split}.tsv"),
            dev=self.dev,
        )


def _layout_file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"{shown(folder)}: no {name} or {name}.gz; the BEIR layout needs it")
