"""The plain `datasets` client against a Hub: run as a script, in a process whose environment names that Hub."""

import sys
from pathlib import Path

from datasets import Dataset, get_dataset_config_names, load_dataset
from huggingface_hub import CommitOperationAdd, HfApi

CARD = """---
license: mit
configs:
- config_name: triplet
  default: true
  data_files:
  - {split: train, path: triplet/train-*}
- config_name: queries
  data_files:
  - {split: train, path: queries/train-*}
---
# A dataset
"""


def release(api: HfApi, folder: Path, version: str, rows: list[str]) -> None:
    """Commit two configs and tag the commit."""
    triplet, queries = folder / "triplet.parquet", folder / "queries.parquet"
    Dataset.from_dict({"query": rows, "positive": rows, "negative": ["n"] * len(rows)}).to_parquet(triplet)
    Dataset.from_dict({"_id": rows, "text": rows}).to_parquet(queries)
    added = {"README.md": CARD.encode(), "triplet/train-00000-of-00001.parquet": triplet.read_bytes()}
    added["queries/train-00000-of-00001.parquet"] = queries.read_bytes()
    operations = [CommitOperationAdd(path, content) for path, content in added.items()]
    done = api.create_commit("alice/ds", operations, commit_message=version, repo_type="dataset")
    api.create_tag("alice/ds", repo_type="dataset", tag=version, revision=done.oid)


def main(folder: Path) -> None:
    """Each line that is printed is one thing seen."""
    api = HfApi()
    api.create_repo("alice/ds", repo_type="dataset", private=True)
    release(api, folder, "v1.0.0", ["a", "b"])
    release(api, folder, "v2.0.0", ["a", "b", "c"])
    first = api.repo_info("alice/ds", repo_type="dataset", revision="v1.0.0").sha
    try:  # first of all: once there is a cache, older versions of this client serve that for any revision
        load_dataset("alice/ds", "triplet", revision="v9.9.9")
    except Exception as error:
        print("missing", type(error).__name__)
    print("configs", *get_dataset_config_names("alice/ds"))
    for revision in ("v1.0.0", "v2.0.0", None, first):
        rows = load_dataset("alice/ds", "triplet", split="train", revision=revision)
        print("loaded", "commit" if revision == first else revision, rows.column_names, rows["query"][:])
    for revision in ("v1.0.0", None):
        rows = load_dataset("alice/ds", "queries", split="train", revision=revision, streaming=True)
        print("streamed", revision, [row["text"] for row in rows])

    pushed = Dataset.from_dict({"query": ["x", "y"], "positive": ["p", "q"]})
    pushed.push_to_hub("alice/pushed", config_name="pair", private=True)
    pushed.push_to_hub("alice/pushed", config_name="pair", split="test", private=True)
    both = load_dataset("alice/pushed", "pair")
    print("pushed", {name: rows["query"][:] for name, rows in sorted(both.items())})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
