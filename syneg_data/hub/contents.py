"""What goes up: the files that a folder's manifest lists, with the card of the release, a changelog and a manifest."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal

from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.publishing.manifest import BUILD, RETRIEVER, SCHEMA, UNLISTED, as_listed, read_manifest
from syneg_data.publishing.released import release_card

Kind = Literal["dataset", "model"]
WORDS: Mapping[Kind, str] = {"dataset": "data set", "model": "model"}

_PICKLED = {".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".h5", ".keras"}
_PACKED = {".gz", ".tgz", ".bz2", ".xz", ".zst", ".lz4", ".br", ".zip", ".7z", ".rar", ".tar", ".arrow"}
_TABLES = {".parquet", ".arrow"}
_TEXT = {".md", ".json", ".jsonl", ".yaml", ".html", ".svg", ".csv", ".tsv", ".trec", ".txt"}
_STATE = re.compile(r"(?:optimizer|scheduler|training_args)(?:\..*)?|(?:rng_state|trainer_state).*|checkpoint-\d+")
# Protocol 2 and later say so; of the older ones, how a list, a dict or a call of a module's function begins.
_PICKLE = re.compile(rb"\x80[\x00-\x05]|\([dl]p?\d*\n|c[\w.]+\n[\w.]+\n|[\]}]q.")


_MAGIC = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"PK\x03\x04",
    b"7z\xbc\xaf",
    b"Rar!",
)


@dataclass(frozen=True)
class Item:
    """One file of a release.

    Attributes:
        path: in the repository.
        source: where it lies, or its bytes.
        size: in bytes.
        sha256: of its bytes, in hex.
    """

    path: str
    source: Path | bytes
    size: int
    sha256: str

    def open(self) -> BinaryIO:
        """Its bytes from the start."""
        return self.source.open("rb") if isinstance(self.source, Path) else io.BytesIO(self.source)

    @cached_property
    def git_oid(self) -> str:
        """The name that git gives a blob of these bytes (sha1, in hex)."""
        digest = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        with self.open() as file:
            while part := file.read(1 << 20):
                digest.update(part)
        return digest.hexdigest()


@dataclass(frozen=True)
class Folder:
    """A build, or a trained retriever, whose files are as its manifest says.

    Attributes:
        path: where it is.
        type: what kind of repository it belongs into.
        manifest: as read.
        digest: sha256 of its manifest.json.
        files: path in the folder -> item.
        left_out: what lies there and is in no manifest, so it stays.
    """

    path: Path
    type: Kind
    manifest: Mapping[str, Any]
    digest: str
    files: Mapping[str, Item]
    left_out: tuple[str, ...]

    def text(self, name: str) -> str:
        """A file of it as text.

        Raises:
            InputError: there is no such file, or it is no text.
        """
        if name not in self.files:
            raise InputError(f"{self.path.name}: has no {name}; make it again")
        try:
            return self.files[name].open().read().decode("utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{self.path.name}/{name}: not UTF-8 text; make it again") from None


@dataclass(frozen=True)
class Contents:
    """A release as it goes up: the same folder, repository, version and history give the same bytes.

    Attributes:
        folder: what it is made from.
        repo: `owner/name`.
        version: three numbers.
        items: path in the repository -> file; manifest.json is one of them.
        digest: sha256 of that manifest.json.
    """

    folder: Folder
    repo: str
    version: str
    items: Mapping[str, Item]
    digest: str

    @property
    def tag(self) -> str:
        """The name of the version in the repository."""
        return f"v{self.version}"

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(item.size for item in self.items.values())


def read_folder(path: Path) -> Folder:
    """A folder to publish, every file checked against its manifest.

    Raises:
        InputError: it is neither a build nor a retriever, a file is not as listed, or one may never be published; all
            such files at once.
    """
    manifest = (read_manifest(path) if path.is_dir() else None) or {}
    listed = manifest.get("files")
    if not isinstance(listed, dict) or not {BUILD, RETRIEVER} & set(listed):
        raise InputError(f"{path}: neither a build nor a trained retriever; name what `build` or `train` has written")
    if manifest.get("schema") != SCHEMA:
        raise InputError(f"{path}: manifest.json has another schema than {SCHEMA}; build it again with this version")
    if "release" in manifest:
        raise InputError(f"{path}: is a release that was pulled; publish the folder that it was made from")
    kind: Kind = "dataset" if BUILD in listed else "model"
    root = path.resolve()
    path = root if not path.name else path  # as "." is
    problems = [what for name, entry in sorted(listed.items()) for what in _problems(root, name, entry, kind)]
    if problems:
        raise InputError("\n".join(f"{path.name}/{what}" for what in problems))
    files = {
        name: Item(name, root / name, (root / name).stat().st_size, entry["sha256"])
        for name, entry in sorted(listed.items())
    }
    found = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_symlink() or not p.is_dir()}
    left_out = tuple(sorted(found - set(files) - UNLISTED))
    return Folder(root, kind, manifest, sha256_file(root / "manifest.json"), files, left_out)


def release(folder: Folder, repo: str, version: str, changelog: str) -> Contents:
    """The files of a folder as a release of a repository.

    Args:
        folder: from `read_folder`.
        repo: `owner/name`.
        version: three numbers.
        changelog: text of CHANGELOG.md.

    Raises:
        InputError: its card is none of ours.
    """
    card = release_card(folder.text("README.md"), repo, f"v{version}", folder.type)
    items = dict(folder.files)
    items |= {name: _made(name, text) for name, text in (("README.md", card), ("CHANGELOG.md", changelog))}
    rows = {name: entry.get("rows") for name, entry in folder.manifest["files"].items()}
    manifest = {
        **{key: value for key, value in folder.manifest.items() if key != "files"},
        "files": {
            name: {"sha256": item.sha256, "bytes": item.size, "rows": rows.get(name)} for name, item in items.items()
        },
        "release": {"repo": repo, "version": version, "built": folder.digest},
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    items["manifest.json"] = _made("manifest.json", text)
    return Contents(folder, repo, version, dict(sorted(items.items())), items["manifest.json"].sha256)


def _made(name: str, text: str) -> Item:
    data = text.encode("utf-8")
    return Item(name, data, len(data), hashlib.sha256(data).hexdigest())


def _problems(root: Path, name: str, entry: Any, kind: Kind) -> Iterator[str]:  # noqa: ANN401
    """Why a file that a manifest lists cannot go up."""
    parts = PurePosixPath(name).parts
    plain = "\\" not in name and name.isprintable() and "/".join(parts) == name
    if not plain or not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
        yield f"{name!r}: no plain path inside the folder; build it again"
        return
    if name in (*UNLISTED, "CHANGELOG.md"):
        yield f"{name}: a release has a file of its own of that name, or none; build it again"
        return
    if any(part.startswith(".") for part in parts):
        yield f"{name}: hidden files are never published; build it again"
        return
    if any((root / Path(*parts[: n + 1])).is_symlink() for n in range(len(parts))):
        yield f"{name}: a symbolic link; links are never published, put the file itself there and build it again"
        return
    if any(_STATE.fullmatch(part) for part in parts):
        yield f"{name}: the state of a training, which nobody needs to use the model; train it again without it"
        return
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _PICKLED:
        yield f"{name}: a form that can hold pickles, which run code when they are read; use safetensors"
    elif kind == "model" and suffix in _TABLES:
        yield f"{name}: a table; data belongs into a data set's repository, not a model's"
    elif not as_listed(root / name, entry):
        yield f"{name}: not as manifest.json says; make it again"
    elif _is_pickle(root / name, text=suffix in _TEXT):
        yield f"{name}: a pickle, whatever its name says; pickles run code when they are read, use safetensors"
    elif suffix in _PACKED or _is_packed(root / name):
        yield f"{name}: packed, so what is in it cannot be searched; put it there as it is, and build it again"


def _is_packed(path: Path) -> bool:
    """Whether a file begins as compressed files and archives do."""
    with path.open("rb") as file:
        head = file.read(512)
    return head.startswith(_MAGIC) or head[257:262] == b"ustar"


def _is_pickle(path: Path, *, text: bool = False) -> bool:
    """Whether a file begins as pickles do, or is an archive that holds one; words may be like those of the oldest."""
    with path.open("rb") as file:
        head = file.read(1024)
    if re.match(rb"\x80[\x00-\x05]", head) if text else _PICKLE.match(head):
        return True
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(PurePosixPath(name).suffix.lower() in _PICKLED for name in archive.namelist())
    except zipfile.BadZipFile:
        return True
