"""`python -m tests.hub`: a Hub for a person to try things against."""

import signal
import subprocess
import sys

from huggingface_hub import HfApi

from tests.hub.conftest import ROOT


def test_it_prints_what_to_export_and_serves_until_it_is_interrupted(tmp_path):
    command = [sys.executable, "-m", "tests.hub", str(tmp_path), "--user", "bob"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        lines = [process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(5)]
        printed = dict(lines)
        assert printed["HF_HOME"] == str(tmp_path / "hf")
        api = HfApi(endpoint=printed["HF_ENDPOINT"], token=printed["HF_TOKEN"])
        api.create_repo("bob/tried", repo_type="dataset", private=True)
        assert api.repo_info("bob/tried", repo_type="dataset").private
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
