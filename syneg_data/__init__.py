"""Training sets for dense retrieval with mined and LLM-written hard negatives, and the evidence for each of them.

What is used from Python stands here and is loaded when it is first asked for; docs/python.md shows it at work. The
parts of a recipe are in their rooms: `syneg_data.sources`, `.mining`, `.generation`, `.engines`, `.validation`,
`.mixing`; errors are in `syneg_data.errors`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from syneg_data.api import examine, generate, mine, mix, training_tables, validate
    from syneg_data.collection import Collection, Document
    from syneg_data.errors import SynegError
    from syneg_data.line import Judged, Mined, Written
    from syneg_data.mixing.selection import Mixed
    from syneg_data.pipeline import Build, build
    from syneg_data.recipe import Recipe, RecipeFile, load_recipe
    from syneg_data.records import Candidate, Example, Hit, Score, Scored, Verdict
    from syneg_data.references import HubModel, PackageModel, PathModel
    from syneg_data.remixing import PastBuild, read_build
    from syneg_data.report.terminal import TerminalProgress

__all__ = [
    "Build",
    "Candidate",
    "Collection",
    "Document",
    "Example",
    "Hit",
    "HubModel",
    "Judged",
    "Mined",
    "Mixed",
    "PackageModel",
    "PastBuild",
    "PathModel",
    "Recipe",
    "RecipeFile",
    "Score",
    "Scored",
    "SynegError",
    "TerminalProgress",
    "Verdict",
    "Written",
    "build",
    "examine",
    "generate",
    "load_recipe",
    "mine",
    "mix",
    "read_build",
    "training_tables",
    "validate",
]

_ROOMS = {
    "api": ("examine", "generate", "mine", "mix", "training_tables", "validate"),
    "collection": ("Collection", "Document"),
    "errors": ("SynegError",),
    "line": ("Judged", "Mined", "Written"),
    "mixing.selection": ("Mixed",),
    "pipeline": ("Build", "build"),
    "recipe": ("Recipe", "RecipeFile", "load_recipe"),
    "records": ("Candidate", "Example", "Hit", "Score", "Scored", "Verdict"),
    "references": ("HubModel", "PackageModel", "PathModel"),
    "remixing": ("PastBuild", "read_build"),
    "report.terminal": ("TerminalProgress",),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """A public name, from the room that it is in."""
    for room, names in _ROOMS.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{room}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is public."""
    return sorted([*__all__, "__version__"])
