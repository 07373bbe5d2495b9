"""A push that is killed, at every step it takes at the Hub, before and after the step took effect, and begun again."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.faults.family13 import BATCH, COMMIT, CREATE, KEY, PUT, TAG, World
from tests.hub.folders import write_build

POINTS = {
    "at whoami": ("GET", "whoami"),
    "before it is made": ("POST", CREATE),
    "after it is made": ("GET", "/tree/"),
    "at preupload": ("POST", "/preupload/"),
    "at the batch": ("POST", BATCH),
    "at the first file": ("PUT", PUT),
    "at the check of a file": ("POST", "/info/lfs/verify"),
    "before the commit": ("POST", COMMIT),
    "before the tag": ("POST", TAG),
    "before it is public": ("PUT", "/settings"),
}
AFTER = {
    "after the commit": ("POST", COMMIT),
    "after the tag": ("POST", TAG),
    "after it is public": ("PUT", "/settings"),
}


def start(world, environment):
    return subprocess.Popen(
        [sys.executable, "-m", "syneg_data", "push", str(world.folder), "--repo", world.repo, "--version", "1.0.0",
         "--yes", "--public", "--json"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("point", [*POINTS, *AFTER])
def test_killed_and_begun_again(hub, tmp_path, point):
    world = World(hub, write_build(tmp_path / "stones"), hub.token())
    environment = hub.environment(tmp_path / "home", world.token)
    killed = []

    def kill():
        if not killed:
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    if point in AFTER:  # the answer is lost, and the next request never comes
        method, path = AFTER[point]
        hub.fail(method, path, 0, after=True, reset=True)
        hub.meanwhile("GET", f"/api/{KEY}", lambda: kill() if done(world, point) else None, times=99)
    else:
        hub.meanwhile(*POINTS[point], kill)
    process = start(world, environment)
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, len(killed), out) == (-signal.SIGKILL, 1, "")
    hub.faults.clear()
    assert len(world.tags()) <= 1 and all(map(world.complete, world.tags()))
    second = start(world, environment)
    out, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    assert world.releases() == ["Release 1.0.0"] and world.complete("v1.0.0") and not hub.private(KEY)
    receipt = json.loads(out)["release"]
    assert world.tags() == {"v1.0.0": receipt["commit"]}


def done(world, point):
    """Whether the step has had its effect."""
    if point == "after the commit":
        return bool(world.releases())
    if point == "after the tag":
        return bool(world.tags())
    return world.hub.exists(KEY) and not world.hub.private(KEY)
