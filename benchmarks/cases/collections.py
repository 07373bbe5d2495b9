"""The collections that a retriever is trained on here, and the student: folders that the environment names."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import Skipped

_STUDENT = "SYNEG_STUDENT"


@dataclass(frozen=True)
class Collection:
    """What is the same in every recipe over a collection.

    Attributes:
        variable: of the environment; names the folder, in the BEIR layout.
        license: of the collection.
        genre: what a document of it is.
        domains: for the attribute of that name.
    """

    variable: str
    license: str
    genre: str
    domains: tuple[str, ...]

    def folder(self) -> str:
        """Where it lies.

        Raises:
            Skipped: it is not here.
        """
        return _folder(self.variable, "qrels", "a collection in the BEIR layout")


SCIFACT = Collection(
    "SYNEG_SCIFACT", "cc-by-4.0", "study",
    ("Epidemiology", "Virology", "Biostatistics", "Molecular Biology", "Medical Research"),
)  # fmt: skip
MEDQUAD = Collection(
    "SYNEG_MEDQUAD_SMALL", "cc-by-4.0", "health information page",
    ("Genetics", "Pharmacology", "Public Health", "Clinical Medicine"),
)  # fmt: skip
SQUAD = Collection(
    "SYNEG_SQUAD_SMALL", "cc-by-sa-4.0", "paragraph of an encyclopedia",
    ("History", "Geography", "Science", "Arts and Culture", "Society"),
)  # fmt: skip


def student() -> str:
    """Folder of the small bi-encoder to train.

    Raises:
        Skipped: it is not here.
    """
    return _folder(_STUDENT, "modules.json", "a small bi-encoder to train")


def _folder(variable: str, inside: str, what: str) -> str:
    folder = os.environ.get(variable, "")
    if not folder or not (Path(folder) / inside).exists():
        raise Skipped(f"set {variable} to the folder of {what}")
    return folder
