"""A release: a build folder, here or on the Hub, read back and checked against its manifest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from syneg_data.collection import Collection, Document
from syneg_data.durable import sha256_file
from syneg_data.errors import InputError, UnavailableError
from syneg_data.publishing.manifest import read_manifest

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Release:
    """A build folder whose files are as its manifest says.

    Attributes:
        folder: where it is.
        label: its name without local paths: the folder's, or ID@commit.
        digest: sha256 of its manifest, which names every byte of it.
        split: the split that is trained on.
        recipe: the recipe as written.
        files: relative paths that the manifest lists; what else lies there is not read.
    """

    folder: Path
    label: str
    digest: str
    split: str
    recipe: Mapping[str, Any]
    files: tuple[str, ...]

    def table(self, config: str, split: str | None = None) -> "pa.Table":
        """The rows of a config.

        Raises:
            InputError: the release has no such config or split.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        wanted = (config, split or self.split)
        paths = [self.folder / name for name in self.files if _config_and_split(name) == wanted]
        if not paths:
            raise InputError(f"{self.label}: has no split {split or self.split!r} of {config!r}; build it again")
        return pa.concat_tables([pq.read_table(path) for path in paths])

    def json(self, name: str) -> Any:  # noqa: ANN401
        """The content of a JSON file."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def held_out(self) -> dict[str, Collection]:
        """The splits to evaluate on, over the documents that are not synthetic.

        Raises:
            InputError: a judgement names a query or document that is not there.
        """
        parts = [_config_and_split(name) for name in self.files]
        names = sorted({split for config, split in parts if config == "qrels"})
        corpus = self.table("corpus").to_pylist()
        real = [row for row in corpus if not row["synthetic"]]
        documents = {row["_id"]: Document(row["_id"], row["text"], row["title"]) for row in real}
        found = {}
        for name in names:
            if name == self.split:
                continue
            queries = {row["_id"]: row["text"] for row in self.table("queries", name).to_pylist()}
            qrels: dict[str, dict[str, int]] = {query_id: {} for query_id in queries}
            for row in self.table("qrels", name).to_pylist():
                if row["query-id"] not in queries or row["corpus-id"] not in documents:
                    raise InputError(
                        f"{self.label}: qrels/{name} judges {row['corpus-id']!r} for {row['query-id']!r}, "
                        "which the release does not hold; build it again"
                    )
                qrels[row["query-id"]][row["corpus-id"]] = row["score"]
            if missing := [query_id for query_id, grades in qrels.items() if not any(g > 0 for g in grades.values())]:
                raise InputError(
                    f"{self.label}: qrels/{name} names no relevant document for query {missing[0]!r}; build it again"
                )
            found[name] = Collection(documents, queries, qrels, self.digest)
        return found


def open_release(name: str) -> Release:
    """A build folder, or `ID@REVISION` on the Hub.

    Raises:
        InputError: it is no build, or a file is not as its manifest says.
        UnavailableError: the Hub cannot be reached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _checked(folder, folder.resolve().name)
    repository, at, revision = name.partition("@")
    if not (at and repository and revision):
        raise InputError(f"{name}: neither a build folder nor ID@REVISION; name one, or run `syneg-data build` first")
    folder = _snapshot(repository, revision)
    return _checked(folder, f"{repository}@{folder.name}")


def _snapshot(repository: str, revision: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(huggingface_hub.snapshot_download(repository, repo_type="dataset", revision=revision))
    except HFValidationError as error:
        raise InputError(f"{repository}@{revision}: {str(error).splitlines()[0]}; correct the id") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UnavailableError(
            f"{repository}@{revision}: {str(error).splitlines()[0]}; check id, revision and network"
        ) from error


def _checked(folder: Path, label: str) -> Release:
    manifest = read_manifest(folder)
    files = (manifest or {}).get("files")
    if not isinstance(files, dict) or "recipe.lock.yaml" not in files:
        raise InputError(f"{label}: has no manifest.json of a build; run `syneg-data build`, or name another folder")
    wrong = [name for name, entry in files.items() if not _as_listed(folder / name, entry)]
    if wrong:
        raise InputError(
            f"{label}: {len(wrong)} files are not as manifest.json says ({', '.join(sorted(wrong)[:3])}); "
            "build or download it again"
        )
    lock = yaml.safe_load((folder / "recipe.lock.yaml").read_text(encoding="utf-8"))
    names = tuple(sorted(files))
    return Release(folder, label, sha256_file(folder / "manifest.json"), _split(label, names), lock["recipe"], names)


def _as_listed(path: Path, entry: Mapping[str, Any]) -> bool:
    return path.is_file() and sha256_file(path) == entry.get("sha256")


def _split(label: str, files: Sequence[str]) -> str:
    """The only split of `n-tuple`."""
    names = {split for config, split in map(_config_and_split, files) if config == "n-tuple"}
    if len(names) != 1:
        raise InputError(f"{label}: n-tuple has splits {sorted(names)}, exactly one can be trained on; build it again")
    return names.pop()


def _config_and_split(name: str) -> tuple[str, str]:
    """Of `config/split-00000-of-00001.parquet`; of another file two empty words."""
    config, _, file = name.rpartition("/")
    if not file.endswith(".parquet"):
        return "", ""
    return config, file.rpartition("-of-")[0].rpartition("-")[0]
