"""Fixtures shared by all tests: a store of one's own, real models from their packages, a small real recipe."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from hypothesis import settings

from syneg_data.durable import cache_root
from syneg_data.engines.weights import folder_of
from syneg_data.references import PackageModel
from tests.hub.server import LoopbackHub

ROOT = Path(__file__).resolve().parent.parent

# A shell that starts a job in the background has it ignore SIGINT, and children inherit that; some tests send one.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Read when huggingface_hub is imported. With Xet on it never speaks LFS, which is what the loopback Hub speaks; what
# is not told explicitly where to go finds nobody at home, never the public Hub.
os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}

# The first example of a test may import a library, and the machine may be busy.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def model_folder():
    """Where fetched models are kept from run to run; fetched by the first test that needs one."""
    folder = cache_root() / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_cache(path: Path, models: Path) -> Path:
    """An empty store that shares nothing but the fetched models."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "models").symlink_to(models)
    return path


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch, model_folder):
    """An empty store for this test alone."""
    cache = make_cache(tmp_path / "cache", model_folder)
    monkeypatch.setenv("SYNEG_CACHE", str(cache))
    return cache


@pytest.fixture
def hub():
    """A Hugging Face Hub of one's own on 127.0.0.1, empty."""
    with LoopbackHub() as hub:
        yield hub


def small_recipe(folder: Path, **changes) -> Path:
    """The quickstart recipe, cut down: few queries, few and short drafts. Real data, real models."""
    recipe = yaml.safe_load((ROOT / "recipes" / "quickstart.yaml").read_text())
    recipe["name"] = "small"
    recipe["limit"] = 6
    recipe["source"]["path"] = str(ROOT / "recipes" / "data" / "scifact")
    recipe["mining"][0]["depth"] = 5
    recipe["generation"]["strategies"][0]["per_pair"] = 1
    recipe["generation"]["sampling"] = {"temperature": 0.7, "max_tokens": 96, "attempts": 2}
    # One reranker is enough to show the line; the cross-encoder takes its time.
    recipe["validation"] = {"rerankers": recipe["validation"]["rerankers"][1:], "floor": {"sample": 20}}
    recipe.update(changes)
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


def run_cli(*arguments, cache: Path, check: int | None = 0, **options) -> subprocess.CompletedProcess:
    """Run the command line as a user does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "syneg_data", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "SYNEG_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "COLUMNS": "200"},
        **options,
    )
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


STARTS_WITHIN = 300.0  # seconds; 40 on two idle cores


@pytest.fixture(scope="session")
def vllm_server(root, tmp_path_factory):
    """Base URL of a real vLLM server on this machine, for the tests that are marked `vllm`."""
    recipe = yaml.safe_load((root / "recipes" / "quickstart.yaml").read_text())
    folder = folder_of(PackageModel.model_validate(recipe["generation"]["engine"]["model"]).resolve(), "bfloat16")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "smollm2", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "bfloat16", "--max-model-len", "1024", "--max-num-seqs", "32", "--enforce-eager"]
    # As in-process: a prompt prefilled in parts crashes the CPU build when a request has a seed.
    command += ["--no-enable-chunked-prefill"]
    command += ["--structured-outputs-config", '{"backend": "guidance", "disable_any_whitespace": true}']
    environment = {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("w") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env={**os.environ, **environment})
    try:
        _wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_healthy(process, url, log):
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{log.read_text()[-4000:]}")
