"""The public Hub itself, for a person with a token: `SYNEG_LIVE_HUB=1 HF_TOKEN=... pytest tests/pushing/test_live.py`.

It makes a private repository with an invented name under the token's user, releases two versions of four questions
about stones into it, loads them back, and deletes the repository. It costs a few requests and no money.
"""

import json
import os
import secrets
import subprocess
import sys

import pytest

from tests.hub.folders import write_build

LIVE = os.environ.get("SYNEG_LIVE_HUB") == "1"
REASON = "talks to the public Hub with your token; set SYNEG_LIVE_HUB=1 and HF_TOKEN to run it"


@pytest.mark.skipif(not LIVE, reason=REASON)
def test_two_releases_on_the_public_hub(tmp_path):
    from huggingface_hub import HfApi

    public = "https://huggingface.co"
    api = HfApi(endpoint=public, token=os.environ["HF_TOKEN"])
    repo = f"{api.whoami()['name']}/syneg-data-live-{secrets.token_hex(4)}"
    kept = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_DISABLE_XET", "SYNEG_TEST")}
    environment = kept | {"HF_ENDPOINT": public, "HF_HOME": str(tmp_path / "home")}

    def push(folder, version):
        command = [sys.executable, "-m", "syneg_data", "push", str(folder), "--repo", repo, "--version", version]
        done = subprocess.run(
            [*command, "--yes", "--json"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    try:
        first = push(write_build(tmp_path / "one"), "1.0.0")
        assert push(tmp_path / "one", "1.0.0")["outcome"] == "already there"
        second = push(write_build(tmp_path / "two", negatives=1), "2.0.0")
        assert second["plan"]["level"] == "major"
        tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(repo, repo_type="dataset").tags}
        assert tags == {"v1.0.0": first["release"]["commit"], "v2.0.0": second["release"]["commit"]}
        assert api.repo_info(repo, repo_type="dataset").private
        program = (
            "import sys; from datasets import load_dataset\n"
            "print(load_dataset(sys.argv[1], 'triplet', split='train', revision='v1.0.0').num_rows)"
        )
        loaded = subprocess.run(
            [sys.executable, "-c", program, repo], env=environment, capture_output=True, text=True, check=True
        )
        assert loaded.stdout.split()[-1] == "8"
    finally:
        api.delete_repo(repo, repo_type="dataset", missing_ok=True)
