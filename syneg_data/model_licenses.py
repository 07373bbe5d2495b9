"""What a model says of its licence: on the card in its folder, or in the metadata of the package that it came in."""

import re
from collections.abc import Iterable, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

import yaml

_LONGEST_CARD = 1 << 20  # characters; a longer one is no card
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,+()/_-]{0,79}")
_UNKNOWN = {"unknown", "none", "null", "na", "n/a"}  # what packages and cards write where nobody knows
_CLASSIFIER = re.compile(r"License :: (?:OSI Approved :: )?(?P<name>.+)")


def on_card(folder: Path) -> str | None:
    """The licence in the front matter of a folder's README.md, None where none can be read there.

    Of `license: other` the name that stands beside it.
    """
    try:
        with (folder / "README.md").open(encoding="utf-8") as file:
            text = file.read(_LONGEST_CARD)
    except (OSError, UnicodeDecodeError):
        return None
    found = re.match(r"\ufeff?---[ \t]*\n(.*?\n)---[ \t]*(\n|\Z)", text, re.DOTALL)
    try:
        card = yaml.safe_load(found[1]) if found else None
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that there is not
        return None
    if not isinstance(card, Mapping):
        return None
    stated = _one(card.get("license"))
    return _one(card.get("license_name")) or stated if stated == "other" else stated


def in_metadata(text: str) -> str | None:
    """The licence in the METADATA of a wheel: its SPDX expression, or else its `License`, or else its classifiers."""
    headers = HeaderParser().parsestr(text)
    matches = map(_CLASSIFIER.fullmatch, headers.get_all("Classifier", []))
    classifiers = [match["name"] for match in matches if match]
    return _one(headers.get("License-Expression")) or _one(headers.get("License")) or _one(classifiers)


def together(stated: Iterable[str | None]) -> str | None:
    """The licence of a whole whose parts have these; None where a part states none."""
    parts = list(dict.fromkeys(stated))
    return None if None in parts else _one(parts)


def _one(value: Any) -> str | None:  # noqa: ANN401
    """A licence, or several, as one short name; None of anything else, such as the whole text of a licence."""
    if isinstance(value, list):
        value = ", ".join(value) if value and all(isinstance(item, str) for item in value) else None
    if not isinstance(value, str) or value.strip().lower() in _UNKNOWN:
        return None
    return value.strip() if _IDENTIFIER.fullmatch(value.strip()) else None
