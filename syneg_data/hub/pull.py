"""Pull: a release of the Hub as a folder here, each byte checked against the manifest that its commit names."""

import glob
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from syneg_data.durable import replacing, sha256_file, swap_directory
from syneg_data.errors import InputError
from syneg_data.lines import shown
from syneg_data.publishing.manifest import (
    BUILD,
    RETRIEVER,
    SCHEMA,
    as_listed,
    holds_listed,
    read_manifest,
    refuse_foreign,
    refuse_unsafe,
)
from syneg_data.snapshots import Kind, Snapshot, fetch, message_of, resolve
from syneg_data.workspace import Workspace

_MARKS: Mapping[Kind, str] = {"dataset": BUILD, "model": RETRIEVER}
_TAG = re.compile(r"v\d+\.\d+\.\d+")  # as `push` names them
_DIGEST = re.compile(r"^Syneg-Manifest: sha256:([0-9a-f]{64})[ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True)
class Pulled:
    """A release that is here.

    Attributes:
        folder: where.
        repo: `owner/name`.
        type: of the repository.
        revision: as it was asked for.
        commit: what that is at the Hub.
        manifest_sha256: of manifest.json, which names every other byte.
        files: how many that manifest lists.
        bytes: of all of them.
        fetched: whether anything had to be; False: the folder held this very release.
        load: how to load it, a line of Python.
    """

    folder: Path
    repo: str
    type: Kind
    revision: str
    commit: str
    manifest_sha256: str
    files: int
    bytes: int
    fetched: bool
    load: str


def pull(name: str, out: Path | None = None) -> Pulled:
    """Fetch exactly the files that the manifest of a release lists, check each, and put them in place at once.

    Args:
        name: `ID@REVISION`; `datasets/ID@REVISION` or `models/ID@REVISION` where an id is both.
        out: the folder; an earlier pull in it is replaced. Default: `builds/<name>-<revision>`.

    Raises:
        InputError: there is no such release, or it is not whole, or `out` holds something else.
        UnavailableError: the Hub cannot be reached.
        StorageError: the disk is full or not ours to write.
        LockedError: another process is pulling there.
    """
    repo, kind, revision = _parsed(name)
    kind, commit, digest = _found(repo, kind, revision)
    default = Path("builds") / f"{repo.rpartition('/')[2]}-{revision.replace('/', '-')}"
    folder = Path(os.path.realpath(out or default))  # a link stays; what it leads to is replaced
    refuse_foreign(folder, _MARKS[kind])
    label = f"{repo}@{revision}"
    held = read_manifest(folder)
    if held is not None and _holds(folder, digest):
        _refuse_another(label, held, revision, commit)
        return _pulled(folder, repo, kind, revision, commit, digest, fetched=False)
    if held is not None and "release" not in held:
        raise InputError(f"{folder}: holds a build of your own, which would be lost; choose another --out")
    workspace = Workspace(folder.parent / f".{folder.name}.work")
    with workspace.locked():
        manifest, names = _manifest(label, repo, kind, revision, commit, digest)
        scratch = workspace.scratch("pulled")
        _fetch_files(label, repo, kind, commit, names, scratch)
        _copy(manifest.path, "manifest.json", scratch)
        swap_directory(scratch, folder, workspace.root / "replaced")
    return _pulled(folder, repo, kind, revision, commit, digest, fetched=True)


def _parsed(name: str) -> tuple[str, Kind | None, str]:
    """Repository, its type where the name says it, and revision."""
    repo, at, revision = name.partition("@")
    kind: Kind | None = next((kind for kind in get_args(Kind) if repo.startswith(f"{kind}s/")), None)
    repo = repo.removeprefix(f"{kind}s/")
    if not at or not revision or not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo):
        raise InputError(f"{name}: not a release; name one as OWNER/NAME@v1.0.0")
    return repo, kind, revision


def _found(repo: str, kind: Kind | None, revision: str) -> tuple[Kind, str, str]:
    """Type of the repository that has the revision, its commit, and the digest of the manifest that this names."""
    found: dict[Kind, tuple[str, str]] = {}
    missed: list[InputError] = []
    for each in get_args(Kind) if kind is None else [kind]:
        try:
            commit = resolve(repo, revision, repo_type=each)
            found[each] = commit, message_of(repo, commit, repo_type=each)
        except InputError as error:
            missed.append(error)
    if len(found) > 1:
        raise InputError(
            f"{repo}@{revision}: there is a data set and a model of this name; say datasets/{repo} or models/{repo}"
        )
    if not found:
        # Where one of the two is there and lacks only the revision, that says more than that the other is not there.
        raise next((error for error in missed if "no such revision" in str(error)), missed[0])
    ((kind, (commit, message)),) = found.items()
    digests = set(_DIGEST.findall(message))
    if len(digests) != 1:
        what = "names no manifest" if not digests else "names several manifests"
        raise InputError(
            f"{repo}@{revision}: its commit {commit} {what} (a line `Syneg-Manifest: sha256:...`), so nobody can say "
            "whether it is whole; name the tag of a release that `syneg-data push` made"
        )
    return kind, commit, digests.pop()


def _manifest(
    label: str, repo: str, kind: Kind, revision: str, commit: str, digest: str
) -> tuple[Snapshot, dict[str, Any]]:
    """The manifest that the commit names, and the files that it lists."""
    for fresh in (False, True):  # a cache may be damaged; the Hub itself is asked before it is blamed
        found = fetch(repo, commit, repo_type=kind, allow_patterns=["manifest.json"], fresh=fresh)
        path = found.path / "manifest.json"
        if path.is_file() and sha256_file(path) == digest:
            break
    else:
        raise InputError(
            f"{label}: manifest.json is not the one that the commit {commit} names, so the release was changed or is "
            "not whole; ask its owner"
        )
    manifest = read_manifest(found.path) or {}
    files = manifest.get("files")
    if not isinstance(files, dict) or _MARKS[kind] not in files:
        raise InputError(
            f"{label}: its manifest lists no {_MARKS[kind]}, so it is no release of a {kind}; ask its owner"
        )
    if manifest.get("schema") != SCHEMA:
        raise InputError(
            f"{label}: manifest.json has the schema {str(manifest.get('schema'))[:20]}, this version reads {SCHEMA}; "
            "use the version that wrote it"
        )
    _refuse_another(label, manifest, revision, commit)
    refuse_unsafe(label, files)
    return found, files


def _refuse_another(label: str, manifest: Mapping[str, Any], revision: str, commit: str) -> None:
    """Make sure that a manifest is that of a release, and of the version whose tag was asked for.

    Raises:
        InputError: it is not. A tag that was moved leads to a release that is whole, but not to the one that is meant.
    """
    release = manifest.get("release")
    if not isinstance(release, dict) or not str(manifest.get("tool")).startswith("syneg-data "):
        raise InputError(f"{label}: its manifest is not one that `syneg-data push` writes; ask its owner")
    version = str(release.get("version"))[:40]
    if _TAG.fullmatch(revision) and revision != f"v{version}":
        raise InputError(
            f"{label}: the tag leads to version {version!r}, so it was moved or set by hand; ask its owner, or name "
            f"the commit if that is what you want: {commit}"
        )


def _fetch_files(label: str, repo: str, kind: Kind, commit: str, files: Mapping[str, Any], scratch: Path) -> None:
    """Copy every listed file out of the Hub's cache; what is not as listed is downloaded again, once."""
    wrong = sorted(files)
    for fresh in (False, True):
        patterns = [glob.escape(name) for name in wrong]
        found = fetch(repo, commit, repo_type=kind, allow_patterns=patterns, fresh=fresh)
        for name in wrong:
            _copy(found.path, name, scratch)
        wrong = [name for name in wrong if not as_listed(scratch / name, files[name])]
        if not wrong:
            return
    raise InputError(
        f"{label}: {len(wrong)} files are not as its manifest says ({', '.join(wrong[:3])}), so the release is broken; "
        "ask its owner"
    )


def _copy(source: Path, name: str, target: Path) -> None:
    """Copy a file of the cache, where it is there; the cache's own links are followed, and none that leaves it."""
    path = source / name
    if not path.is_file():
        return
    if not path.resolve().is_relative_to(source.parent.parent.resolve()):
        raise InputError(f"{path}: a link that leaves the Hub's cache; remove it and pull again")
    with replacing(target / name) as temporary:
        shutil.copyfile(path, temporary)


def _holds(folder: Path, digest: str) -> bool:
    """Whether a folder is this very release, whole."""
    manifest = folder / "manifest.json"
    return manifest.is_file() and sha256_file(manifest) == digest and holds_listed(folder)


def _pulled(folder: Path, repo: str, kind: Kind, revision: str, commit: str, digest: str, *, fetched: bool) -> Pulled:
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    size = sum((folder / name).stat().st_size for name in files)
    load = _load(folder, kind, files)
    return Pulled(folder, repo, kind, revision, commit, digest, len(files), size, fetched, load)


def _load(folder: Path, kind: Kind, names: Iterable[str]) -> str:
    """A line of Python that loads what was pulled."""
    at = shown(folder)
    if kind == "model":
        return f'SentenceTransformer("{at}")'
    splits = sorted(name.split("/")[1].partition("-")[0] for name in names if name.startswith("triplet/"))
    return f'load_dataset("{at}", "triplet", split="{splits[0] if splits else "train"}")'
