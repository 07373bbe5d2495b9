"""Where a data set lies on the Hub: found for the card of the retriever that is trained on it, and verified."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syneg_data.errors import InputError
from syneg_data.publishing.manifest import read_manifest
from syneg_data.publishing.release import Release

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_TAG = re.compile(r"v\d+\.\d+\.\d+[0-9A-Za-z.+-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def published(release: Release) -> dict[str, Any] | None:
    """Where on the Hub the release is: `{"id", "tag", "commit"}`, tag or commit None where unknown; None if nowhere.

    It is read off, in this order:

    - the name by which the release was opened, ID@REVISION: its commit, and the tag if that is what was named;
    - `<folder>.release.json`, the receipt of `push`, if its `built` is the sha256 of the folder's manifest.json now: it
      says nothing of a folder that was built anew since;
    - the folder's own manifest.json, if that is a released one, of a copy that was pulled: repository and version.
    """
    if release.hub is not None:
        revision = release.hub.revision
        return _entry(release.hub.id, revision if _TAG.fullmatch(revision) else None, release.hub.commit)
    folder = release.folder.resolve()
    receipt = _json(folder.with_name(f"{folder.name}.release.json"))
    if receipt.get("type") == "dataset" and receipt.get("built") == release.digest:
        return _entry(receipt.get("repo"), receipt.get("tag"), receipt.get("commit"))
    said = (read_manifest(release.folder) or {}).get("release")
    if isinstance(said, Mapping):
        return _entry(said.get("repo"), f"v{said.get('version')}", None)
    return None


def _entry(repo: Any, tag: Any, commit: Any) -> dict[str, Any] | None:  # noqa: ANN401
    """None of what has not the form that it should have: all of it comes from files."""
    if not (isinstance(repo, str) and _ID.fullmatch(repo)):
        return None
    known = {
        "tag": tag if isinstance(tag, str) and _TAG.fullmatch(tag) else None,
        "commit": commit if isinstance(commit, str) and _COMMIT.fullmatch(commit) else None,
    }
    return {"id": repo, **known} if any(known.values()) else None


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def verify_link(facts: Mapping[str, Any], manifest: bytes) -> None:
    """Make sure that the data set which a retriever's card links to is the one that it was trained on.

    `push` of a retriever calls this before it writes anything, where `facts["data"]["repo"]` is not None: it reads
    manifest.json of that data set at its commit, or else at its tag, and passes the bytes. It is the manifest that was
    trained on, byte for byte, or a released one that repeats the trained folder's as `release.built`. Where both are
    known, that the tag points to the commit is for the caller to see in the repository's refs.

    Args:
        facts: what training.json holds.
        manifest: manifest.json of the data set, as the Hub has it.

    Raises:
        InputError: it is another data set.
    """
    if hashlib.sha256(manifest).hexdigest() == facts["dataset_sha256"]:
        return
    try:
        found = json.loads(manifest)
        built = found["release"]["built"]
    except (LookupError, TypeError, ValueError, RecursionError):
        built = None
    if built != facts["dataset_sha256"]:
        at = facts["data"]["repo"]
        raise InputError(
            f"{at['id']}@{at['tag'] or at['commit']}: is not the data set that this retriever was trained on (its "
            f"manifest.json names another build than {facts['dataset_sha256'][:12]}); run the same `syneg-data train` "
            "again, which trains nothing anew and corrects the link"
        )
