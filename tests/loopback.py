"""The loopback Hub as this very process sees it; a process of its own is better given `hub.environment(...)`."""

import huggingface_hub.constants
import pytest

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
