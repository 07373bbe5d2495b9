"""A large file by way of Xet, with the stock library: run as a script, in a process whose environment names a Hub."""

import hashlib
import random
import sys
from pathlib import Path

from hf_xet import hash_files
from huggingface_hub import CommitOperationAdd, HfApi


def main(action: str, path: Path) -> None:
    """Upload `path`, and print what only this library can tell: its hash in Xet. Or download it again."""
    api = HfApi()
    if action == "upload":
        path.write_bytes(random.Random(13).randbytes(300_000))
        api.create_repo("alice/ds", repo_type="dataset", private=True)
        add = CommitOperationAdd("x.parquet", str(path))
        api.create_commit("alice/ds", [add], commit_message="one", repo_type="dataset")
        print(hash_files([str(path)])[0].hash)
    else:
        print(
            hashlib.sha256(
                Path(api.hf_hub_download("alice/ds", "x.parquet", repo_type="dataset")).read_bytes()
            ).hexdigest()
        )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
