"""The plain `sentence-transformers` client against a Hub: a script for a process whose environment names that Hub."""

import shutil
import sys
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from sentence_transformers import SentenceTransformer

from tests.encoders.models import save_bi_encoder


def release(api: HfApi, folder: Path, version: str) -> None:
    """Commit every file of a saved model and tag the commit."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    operations = [CommitOperationAdd(name, str(path)) for name, path in files.items() if name != "README.md"]
    done = api.create_commit("alice/retriever", operations, commit_message=version)
    api.create_tag("alice/retriever", tag=version, revision=done.oid)


def main(folder: Path) -> None:
    """Each line that is printed is one thing seen."""
    api = HfApi()
    api.create_repo("alice/retriever", private=True)
    wanted = {}
    for seed, version in ((1, "v1.0.0"), (2, "v2.0.0")):
        saved = save_bi_encoder(folder / version, seed)
        wanted[version] = SentenceTransformer(str(saved), device="cpu").encode(["apple banana"])
        release(api, saved, version)
        shutil.rmtree(saved)
    for version, vectors in wanted.items():
        model = SentenceTransformer("alice/retriever", revision=version, device="cpu")
        print("loaded", version, model.prompts["query"].strip(), (model.encode(["apple banana"]) == vectors).all())
    model.push_to_hub("alice/pushed", private=True)
    again = SentenceTransformer("alice/pushed", device="cpu")
    print("pushed", (again.encode(["apple banana"]) == wanted["v2.0.0"]).all())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
