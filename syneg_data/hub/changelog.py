"""CHANGELOG.md: an entry for every version, newest first; its first draft is what `diff` says, edits of it are kept."""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syneg_data.difference.builds import difference
from syneg_data.difference.facts import changed
from syneg_data.errors import InputError
from syneg_data.hub.contents import Folder
from syneg_data.publishing.manifest import RETRIEVER, read_manifest
from syneg_data.publishing.markdown import inline
from syneg_data.publishing.release import Release, open_release
from syneg_data.publishing.released import release_card
from syneg_data.publishing.versioning import Level

NAME = "CHANGELOG.md"
_HEAD = "# Changelog\n\nNewest first. What the three numbers promise: MAJOR.MINOR.PATCH as in semantic versioning.\n"
_ENTRY = re.compile(r"^## +v?(?P<version>\d+\.\d+\.\d+)(?![\w.+-]).*$", re.MULTILINE)
_FACTS = ("base", "base_sha256", "dataset", "dataset_sha256", "seed", "settings", "after")  # of a retriever


@dataclass(frozen=True)
class Change:
    """What lies between the last release and this one.

    Attributes:
        since: the version of the last one, None for the first.
        level: what `diff` finds; None where nothing was compared.
        lines: why, each a line of Markdown.
    """

    since: str | None
    level: Level | None
    lines: tuple[str, ...]

    def entry(self) -> str:
        """The body of its entry."""
        if self.since is None:
            return "\n".join(self.lines)
        level = f"{self.level.upper()}, c" if self.level and self.level != "none" else "C"
        return "\n".join([f"{level}ompared with {self.since}:", "", *(f"- {line}" for line in self.lines)])


FIRST = Change(None, None, ("The first release.",))


def change(before: Path, since: str, folder: Folder, repo: str) -> Change:
    """What a folder changes against a release that was fetched.

    Args:
        before: the release, downloaded.
        since: its version.
        folder: what is to follow.
        repo: `owner/name`.
    """
    if folder.type == "model":
        return _retriever(before, since, folder)
    try:
        old = open_release(str(before))
    except InputError:
        return Change(since, None, (f"{since} is no build that could be compared.",))
    made = (read_manifest(before) or {}).get("release")
    if isinstance(made, dict) and made.get("built") == folder.digest:
        return Change(since, "none", ("The same build, byte for byte.",))
    # The changelog is new in every release, and so is the version in the card's loading lines: neither is a change.
    same_card = release_card(folder.text("README.md"), repo, f"v{since}", "dataset") == _text(before / "README.md")
    aside = {NAME, "README.md"} if same_card else {NAME}
    found = difference(_without(old, aside), _without(open_release(str(folder.path)), aside))
    lines = [f"{reason['level'].upper()}: {inline(reason['what'])}" for reason in found["reasons"]]
    return Change(since, found["level"], tuple(lines or ["No file differs."]))


def _without(release: Release, names: set[str]) -> Release:
    return dataclasses.replace(release, files=tuple(name for name in release.files if name not in names))


def _retriever(before: Path, since: str, folder: Folder) -> Change:
    """What training.json says that differs."""
    try:
        old, new = (_facts(text) for text in ((before / RETRIEVER).read_text("utf-8"), folder.text(RETRIEVER)))
    except (OSError, ValueError, RecursionError):
        return Change(since, None, (f"{since} is no retriever that could be compared.",))
    lines = [
        f"{inline(entry['path'])}: {inline(str(entry['after']))}, and was {inline(str(entry['before']))}"
        for entry in changed(old, new)
    ]
    return Change(since, None, tuple(lines or ["The same training; files beside it differ."]))


def _facts(text: str) -> Mapping[str, Any]:
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError("no JSON object")
    return {name: facts.get(name) for name in _FACTS}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def with_entry(old: str, version: str, found: Change) -> str:
    """The changelog with the entry of a version on top.

    Args:
        old: the one there is, or nothing. Its entries and what stands above them stay as they are, but one of this
            very version, which was left by a release that was never finished, gives way.
        version: three numbers.
        found: what it says.
    """
    kept = [text.rstrip() for of, text in _entries(old) if of != version]
    first = _ENTRY.search(old)
    head = old[: first.start() if first else len(old)].strip() or _HEAD.rstrip()
    return "\n\n".join([head, f"## {version}\n\n{found.entry()}", *kept]) + "\n"


def entry_of(text: str, version: str) -> str:
    """The body of a version's entry; empty where there is none."""
    return next((entry.partition("\n")[2].strip() for of, entry in _entries(text) if of == version), "")


def _entries(text: str) -> list[tuple[str, str]]:
    """Version and whole text of every entry, heading included."""
    starts = [*_ENTRY.finditer(text)]
    ends = [*(match.start() for match in starts), len(text)][1:]
    return [(match["version"], text[match.start() : end]) for match, end in zip(starts, ends, strict=False)]
