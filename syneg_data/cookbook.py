"""The cookbook: recipes of a folder, by what their header comments say of them."""

import re
from pathlib import Path
from typing import TypedDict

from syneg_data.errors import InputError

_FIELDS = ("what", "time", "hardware", "command")
_FIELD = re.compile(rf"# *({'|'.join(_FIELDS)}): *(.*)", re.IGNORECASE)


class Entry(TypedDict):
    """A recipe; what its header does not say is null."""

    name: str
    file: str
    what: str | None
    time: str | None
    hardware: str | None
    command: str | None


def cookbook(folder: Path) -> list[Entry]:
    """The recipes of a folder, by name; a recipe's name is that of its file.

    Args:
        folder: holds recipes as `<name>.yaml`; folders in it are not looked into.

    Raises:
        InputError: there is no such folder, it holds no recipe, or one is not UTF-8 text.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; name one that holds recipes, or run this in a clone of the project"
        )
    paths = sorted(path for path in folder.glob("*.yaml") if path.is_file())
    if not paths:
        raise InputError(f"{folder}: holds no recipe (*.yaml); name another folder")
    return [_entry(path) for path in paths]


def _entry(path: Path) -> Entry:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error
    found = header(text)
    return Entry(
        name=path.stem,
        file=str(path),
        what=found.get("what"),
        time=found.get("time"),
        hardware=found.get("hardware"),
        command=found.get("command"),
    )


def header(text: str) -> dict[str, str]:
    """What the comment at the top of a recipe says: `What`, `Time`, `Hardware`, `Command`, over any number of lines."""
    found: dict[str, str] = {}
    last = None
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if field := _FIELD.fullmatch(line.rstrip()):
            last = field[1].lower()
            found[last] = field[2]
        elif last is not None and (more := line.lstrip("#").strip()):
            found[last] = f"{found[last]} {more}".strip()
        else:
            last = None  # an empty line ends a field; what stands before the first belongs to none
    return {name: value for name, value in found.items() if value}
