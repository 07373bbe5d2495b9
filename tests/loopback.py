"""The loopback Hub as this very process sees it; a process of its own is better given `hub.environment(...)`."""

import hashlib
import json

import huggingface_hub.constants
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from tests.hub.server import LoopbackHub


def reach(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, home, token: str | None = None) -> None:
    """Have this process talk to the Hub alone, with a cache of its own; the client reads some of this when imported."""
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("SYNEG_TEST", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(home / "hub-cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)


def commit_release(hub: LoopbackHub, repo: str, type: str, files: dict[str, bytes], said: str | None = None) -> str:
    """Commit a release as `push` does: everything with its manifest, whose digest stands in the commit's description.

    Args:
        hub: where.
        repo: `owner/name`.
        type: `dataset` or `model`.
        files: all of them, manifest.json too.
        said: the description, in place of the one with the digest.

    Returns:
        The oid of the commit.
    """
    api = HfApi(endpoint=hub.url, token=hub.token(repo.split("/")[0]))
    api.create_repo(repo, repo_type=type, private=True, exist_ok=True)
    digest = hashlib.sha256(files["manifest.json"]).hexdigest()
    done = api.create_commit(
        repo,
        [CommitOperationAdd(name, data) for name, data in files.items()],
        commit_message="1.0.0",
        commit_description=f"What changed.\n\nSyneg-Manifest: sha256:{digest}" if said is None else said,
        repo_type=type,
    )
    return done.oid


def with_manifest(files: dict[str, bytes], /, **changes) -> dict[str, bytes]:
    """Files with the manifest of a release over them."""
    entries = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "rows": None}
        for name, data in files.items()
    }
    manifest = {"schema": 1, "tool": "syneg-data 0", "fingerprint": "ab" * 32, "files": entries, "inputs": {}}
    manifest |= {"release": {"repo": "alice/ds", "version": "1.0.0", "built": "cd" * 32}} | changes
    return files | {"manifest.json": (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()}
