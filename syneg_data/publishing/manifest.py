"""The manifest: every file of a build folder with its checksum; and what may stand in such a folder."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from syneg_data import __version__
from syneg_data.durable import sha256_file, write_json
from syneg_data.errors import InputError

SCHEMA = 1  # of the manifest and of the folder that it lists
UNLISTED = frozenset({"manifest.json", "run.json"})  # the manifest itself, and what differs from run to run
LONGEST_NAME, LONGEST_PATH = 255, 1024  # bytes of one part of a path, as file systems have it; and of all of them
BUILD, RETRIEVER = "recipe.lock.yaml", "training.json"  # what only a build has, and only a trained retriever


def write_manifest(folder: Path, fingerprint: str, inputs: Mapping[str, Any], rows: Mapping[str, int]) -> None:
    """Write manifest.json over all files of `folder`, last; a folder without it is not a build."""
    files = {
        name: {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size, "rows": rows.get(name)}
        for name in _files(folder)
        if name not in UNLISTED
    }
    write_json(
        folder / "manifest.json",
        {
            "schema": SCHEMA,
            "tool": f"syneg-data {__version__}",
            "fingerprint": fingerprint,
            "files": files,
            "inputs": dict(inputs),
        },
    )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a build folder, or None where none can be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) else None


def intact(folder: Path, fingerprint: str) -> bool:
    """Whether `folder` is the build of `fingerprint` and every file is as its manifest says."""
    return (read_manifest(folder) or {}).get("fingerprint") == fingerprint and holds_listed(folder)


def holds_listed(folder: Path) -> bool:
    """Whether `folder` holds what its manifest lists, each file as listed, and no other file."""
    files = (read_manifest(folder) or {}).get("files")
    if not isinstance(files, dict):
        return False
    return set(files) == set(_files(folder)) - UNLISTED and all(
        as_listed(folder / name, entry) for name, entry in files.items()
    )


def as_listed(path: Path, entry: Any) -> bool:  # noqa: ANN401
    """Whether a file is there and has the content that its entry in a manifest says."""
    return isinstance(entry, dict) and path.is_file() and sha256_file(path) == entry.get("sha256")


def refuse_unsafe(label: str, names: Collection[str]) -> None:
    """Make sure that names out of somebody's manifest are plain paths inside a folder, all of which can be there.

    Raises:
        InputError: one is not: absolute, upwards, hidden, with a backslash or a control character, or below a file.
    """
    for name in names:
        parts = name.split("/")
        plain = name.isprintable() and "\\" not in name and ":" not in parts[0] and name not in UNLISTED
        short = plain and len(name.encode()) <= LONGEST_PATH and all(len(p.encode()) <= LONGEST_NAME for p in parts)
        if not short or any(not part or part.startswith(".") for part in parts):
            raise InputError(f"{label}: manifest.json lists {name!r}, which is no safe name of a file; refused")
        if any("/".join(parts[:n]) in names for n in range(1, len(parts))):
            raise InputError(f"{label}: manifest.json lists {name!r} below what it also lists as a file; refused")


def refuse_foreign(folder: Path, mark: str) -> None:
    """Make sure that replacing `folder` would destroy nothing but an earlier one of its kind.

    Args:
        folder: to be replaced.
        mark: BUILD or RETRIEVER, what is to stand there.

    Raises:
        InputError: it holds something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; choose another --out")
    manifest = read_manifest(folder) or {}
    ours = str(manifest.get("tool")).startswith("syneg-data ") and isinstance(manifest.get("files"), dict)
    known = UNLISTED | set(manifest["files"]) if ours else {"run.json"}
    # A link to a folder, or to nothing, is no file that a manifest lists, but it is somebody's.
    links = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink())
    foreign = sorted({*_files(folder), *links} - known)
    other = {BUILD: "a trained retriever", RETRIEVER: "a build"}[mark]
    if ours and mark not in manifest["files"] and {BUILD, RETRIEVER} & set(manifest["files"]):
        raise InputError(f"{folder}: holds {other}, which would be lost; choose another --out")
    if foreign:
        raise InputError(
            f"{folder}: holds files that no build wrote ({', '.join(foreign[:3])}); move them or choose another --out"
        )


def _files(folder: Path) -> list[str]:
    """Relative paths of all files, without temporary ones that a killed writer left behind."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if not (name.rpartition("/")[2].startswith(".") and name.endswith(".tmp")))
