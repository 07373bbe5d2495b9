"""The same tests with the oldest clients that pyproject.toml allows: of this Hub alone, then of push and pull."""

import json
import os
import re
import subprocess
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ("huggingface-hub", "datasets")
PROOF = ["access", "cards", "commits", "datasets", "faults", "reading", "repositories", "wire", "xet"]
TELLING = "import sys, huggingface_hub, pytest; print(huggingface_hub.__version__); sys.exit(pytest.main(sys.argv[1:]))"
pytestmark = pytest.mark.slow


def floors() -> dict[str, str]:
    """The oldest version of each client that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = [re.match(r"([\w-]+)>=([\d.]+)", dependency) for dependency in project["dependencies"]]
    return {match[1]: match[2] for match in found if match and match[1] in CLIENTS}


@pytest.fixture(scope="module")
def oldest(tmp_path_factory):
    """The interpreter of an environment with the oldest clients and pytest."""
    folder = tmp_path_factory.mktemp("oldest")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    wanted = [f"{name}=={version}" for name, version in floors().items()]
    command = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *wanted,
        "pytest>=8.4",
        "PyYAML",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{' '.join(wanted)} cannot be installed here: {done.stderr[-300:]}")
    return python


def test_the_loopback_hub_serves_the_oldest_clients(oldest):
    versions = "import importlib.metadata as m, json, sys; print(json.dumps([m.version(n) for n in sys.argv[1:]]))"
    told = subprocess.run([oldest, "-c", versions, *CLIENTS], capture_output=True, text=True, check=True).stdout
    wanted = [floors()[name] for name in CLIENTS]
    assert [version.startswith(floor) for version, floor in zip(json.loads(told), wanted, strict=True)] == [True, True]
    # tests/conftest.py needs the project; tests/hub/conftest.py does not.
    command = [oldest, "-m", "pytest", "-q", "--confcutdir=tests/hub", "-p", "no:cacheprovider"]
    command += [f"tests/hub/test_{name}.py" for name in PROOF]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed, skipped = (re.search(rf"(\d+) {word}", done.stdout) for word in ("passed", "skipped"))
    assert passed is not None
    assert int(passed[1]) >= 135
    assert skipped is None, done.stdout


def test_push_and_pull_work_with_the_oldest_clients(oldest):
    """What else they need comes from the environment at hand, behind the clients."""
    (site,) = oldest.parent.parent.glob("lib/python3.*/site-packages")
    (site / "behind.pth").write_text(sysconfig.get_path("purelib") + "\n")
    tests = ["tests/pushing", "tests/pulling", "tests/test_snapshots.py", "tests/faults/test_hub_faults.py"]
    command = [oldest, "-c", TELLING, "-q", "-p", "no:cacheprovider", *tests]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    version, *_ = done.stdout.splitlines()
    assert version.startswith(floors()["huggingface-hub"])
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None and int(passed[1]) > 350
