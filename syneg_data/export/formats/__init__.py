"""Formats: the finished set as each consumer reads it. The union below is the registry of its kinds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from syneg_data.export.finished import Finished
from syneg_data.export.formats.beir import BeirLayout
from syneg_data.export.formats.flag_embedding import FlagEmbedding
from syneg_data.export.formats.mteb import MtebLayout
from syneg_data.export.formats.sentence_transformers_ids import SentenceTransformersIds
from syneg_data.export.formats.sentence_transformers_labeled_list import SentenceTransformersLabeledList
from syneg_data.export.formats.sentence_transformers_n_tuple import SentenceTransformersNTuple
from syneg_data.export.formats.sentence_transformers_triplet import SentenceTransformersTriplet
from syneg_data.export.formats.tevatron import Tevatron
from syneg_data.spec import Spec

Format = Annotated[
    SentenceTransformersTriplet
    | SentenceTransformersNTuple
    | SentenceTransformersLabeledList
    | SentenceTransformersIds
    | FlagEmbedding
    | Tevatron
    | BeirLayout
    | MtebLayout,
    Field(discriminator="kind"),
]


class Export(Spec):
    """The export section of a recipe."""

    formats: tuple[Format, ...] = Field(min_length=1, description="each is written to `exports/<kind>`")


def write_exports(
    folder: Path, formats: Sequence[Format], finished: Finished, *, even: bool
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Write the set in each of these formats to `<folder>/exports/<kind>`.

    Args:
        folder: of the build.
        formats: of different kinds.
        finished: the set.
        even: whether all examples have the same number of negatives.

    Returns:
        What report.json says of each export, and the rows of every file by its path in `folder`.
    """
    entries: list[dict[str, Any]] = []
    rows: dict[str, int] = {}
    for format in formats:
        path = f"exports/{format.kind}"
        written = {f"{path}/{name}": n for name, n in format.write(folder / path, finished).items()}
        rows |= written
        entries.append(
            {
                "kind": format.kind,
                "path": path,
                "files": sorted(f.relative_to(folder).as_posix() for f in (folder / path).rglob("*") if f.is_file()),
                "rows": sum(n for name, n in written.items() if name.startswith(f"{path}/{format.counted}")),
                "what": format.what,
                "load": format.load(f"FOLDER/{path}", finished.split, even),
            }
        )
    return entries, rows


__all__ = [
    "BeirLayout",
    "Export",
    "FlagEmbedding",
    "Format",
    "MtebLayout",
    "SentenceTransformersIds",
    "SentenceTransformersLabeledList",
    "SentenceTransformersNTuple",
    "SentenceTransformersTriplet",
    "Tevatron",
    "write_exports",
]
