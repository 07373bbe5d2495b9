"""The loopback Hub and the plain client; nothing of the project is needed, so the oldest client can be tried too."""

import os

# Read when huggingface_hub is imported, as in the conftest above, which the run with the oldest client does not see.
os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}

import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests.hub.server import LoopbackHub

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hub(request):
    """A Hugging Face Hub of one's own on 127.0.0.1, empty; a test may give the options of LoopbackHub."""
    with LoopbackHub(**getattr(request, "param", {})) as hub:
        yield hub


def api_of(hub, token=None, **user):
    """The plain client, signed in as a user of this Hub, or with the token given (False: as nobody)."""
    return HfApi(endpoint=hub.url, token=hub.token(**user) if token is None else token)


@pytest.fixture
def api(hub):
    """The plain client, signed in as alice."""
    return api_of(hub)


def run_script(path: Path, hub, home: Path, token: str | None, *arguments) -> list[str]:
    """What a script printed, line by line, when it ran in a process whose clients know this Hub alone."""
    environment = hub.environment(home, token) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(path), *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()
