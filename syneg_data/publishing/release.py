"""A release: a build folder, here or on the Hub, read back and checked against its manifest."""

import glob
import json
from collections.abc import Collection as Group
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from syneg_data.collection import Collection, Document
from syneg_data.durable import sha256_file
from syneg_data.errors import InputError
from syneg_data.export.configs import ONE_OF, schemas
from syneg_data.publishing.manifest import BUILD, RETRIEVER, SCHEMA, as_listed, read_manifest, refuse_unsafe
from syneg_data.snapshots import fetch

if TYPE_CHECKING:
    import pyarrow as pa


# What comes of content that is not what it was taken for.
_BROKEN = (LookupError, TypeError, ValueError, AttributeError, NotImplementedError, RecursionError)


@dataclass(frozen=True)
class OnHub:
    """Where on the Hub a release came from: the id, the revision as it was named, and the commit that this was."""

    id: str
    revision: str
    commit: str


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
        hub: where it came from; None of a folder.
    """

    folder: Path
    label: str
    digest: str
    split: str
    recipe: Mapping[str, Any]
    files: tuple[str, ...]
    hub: OnHub | None = None

    def table(self, config: str, split: str | None = None) -> "pa.Table":
        """The rows of a config, with the columns that it has in every build.

        Raises:
            InputError: the release has no such config or split, or its columns are others.
        """
        return self._read(config, split or self.split)

    def whole(self, config: str) -> "pa.Table":
        """The rows of a config in all its splits.

        Raises:
            InputError: as for `table`.
        """
        return self._read(config, None)

    def tables(self) -> dict[tuple[str, str], list[Path]]:
        """The Parquet files of every config and split; exports are no configs."""
        found: dict[tuple[str, str], list[Path]] = {}
        for name in self.files:
            config, split = _config_and_split(name)
            if config and "/" not in config and config != "exports":
                found.setdefault((config, split), []).append(self.folder / name)
        return found

    def paths(self, config: str, split: str | None = None) -> list[Path]:
        """The Parquet files of a config; of one split, or of all.

        Raises:
            InputError: there is none.
        """
        found = [
            path for (has, of), part in self.tables().items() if has == config and split in (None, of) for path in part
        ]
        if not found:
            what = f"split {split!r} of {config!r}" if split else f"config {config!r}"
            raise InputError(f"{self.label}: has no {what}; build it again")
        return found

    def _read(self, config: str, split: str | None) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        paths = self.paths(config, split)
        with self.reading(config):
            tables = [pq.read_table(path) for path in paths]
            if (schema := schemas().get(config)) is not None:
                tables = [table.select(schema.names).cast(schema) for table in tables]
            return pa.concat_tables(tables)

    def json(self, name: str) -> dict[str, Any]:
        """The content of a JSON file that is an object.

        Raises:
            InputError: the release has no such file, or it holds something else.
        """
        if name not in self.files:
            raise InputError(f"{self.label}: has no {name}; build it again")
        with self.reading(name):
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise ValueError("no JSON object")
            return found

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """If what is done here with the content of a file or config goes wrong, that content is to blame.

        A manifest that fits says only that the files are those of the manifest, not that a build wrote either.

        Raises:
            InputError: it went wrong.
        """
        with _reading(self.label, name):
            yield

    def judgements(
        self, split: str, documents: Group[str] | None = None, without: Group[tuple[str, str]] = ()
    ) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
        """Queries of a split (query_id -> text) and how their documents are judged (query_id -> doc_id -> grade).

        Args:
            split: one that the release has.
            documents: doc_ids that may be judged; None: any.
            without: (query_id, doc_id) whose judgements are left out.

        Raises:
            InputError: a judgement names a query or document that is not there, or a query has no relevant one.
        """
        queries = {row["_id"]: row["text"] for row in self.table("queries", split).to_pylist()}
        qrels: dict[str, dict[str, int]] = {query_id: {} for query_id in queries}
        for row in self.table("qrels", split).to_pylist():
            pair = (row["query-id"], row["corpus-id"])
            if pair[0] not in queries or (documents is not None and pair[1] not in documents):
                raise InputError(
                    f"{self.label}: qrels/{split} judges {pair[1]!r} for {pair[0]!r}, "
                    "which the release does not hold; build it again"
                )
            if pair not in without:
                qrels[pair[0]][pair[1]] = row["score"]
        if missing := [query_id for query_id, grades in qrels.items() if not any(g > 0 for g in grades.values())]:
            raise InputError(
                f"{self.label}: qrels/{split} names no relevant document for query {missing[0]!r}; build it again"
            )
        return queries, qrels

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
            queries, qrels = self.judgements(name, documents)
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
    found = fetch(repository, revision, repo_type="dataset", allow_patterns=["manifest.json"])
    label = f"{repository}@{found.commit}"
    listed = [glob.escape(name) for name in _listed(found.path, label)]  # what else lies there may be anything
    fetch(repository, found.commit, repo_type="dataset", allow_patterns=listed)
    release = _checked(found.path, label)
    return replace(release, hub=OnHub(repository, revision, found.commit))


def _listed(folder: Path, label: str) -> dict[str, Any]:
    """The files of a build that its manifest lists, and what it says of each."""
    manifest = read_manifest(folder) or {}
    files = manifest.get("files")
    if isinstance(files, dict) and RETRIEVER in files and BUILD not in files:
        raise InputError(f"{label}: is a trained retriever, not a build; name the build folder")
    if not isinstance(files, dict) or BUILD not in files:
        raise InputError(f"{label}: has no manifest.json of a build; run `syneg-data build`, or name another folder")
    if manifest.get("schema") != SCHEMA:
        raise InputError(
            f"{label}: manifest.json has the schema {str(manifest.get('schema'))[:20]}, this version reads {SCHEMA}; "
            "use the version that wrote it, or build it again"
        )
    refuse_unsafe(label, files)
    return files


def _checked(folder: Path, label: str) -> Release:
    files = _listed(folder, label)
    wrong = [name for name, entry in files.items() if not as_listed(folder / name, entry)]
    if wrong:
        raise InputError(
            f"{label}: {len(wrong)} files are not as manifest.json says ({', '.join(sorted(wrong)[:3])}); "
            "build or download it again"
        )
    names = tuple(sorted(files))
    return Release(
        folder, label, sha256_file(folder / "manifest.json"), _split(label, names), read_lock(folder, label), names
    )


def read_lock(folder: Path, label: str) -> dict[str, Any]:
    """The recipe that the lock of a build folder holds, as written.

    Raises:
        InputError: it holds none.
    """
    with _reading(label, BUILD):
        recipe = yaml.safe_load((folder / BUILD).read_text(encoding="utf-8"))["recipe"]
        if not isinstance(recipe, dict) or not isinstance(recipe.get("seed"), int):
            raise ValueError("no recipe with a seed")
        return recipe


@contextmanager
def _reading(label: str, name: str) -> Iterator[None]:
    try:
        yield
    except (*_BROKEN, yaml.YAMLError) as error:
        raise _broken(label, name, error) from error
    except OSError as error:
        if error.errno is not None:  # the disk's fault; Arrow's own errors over a broken file have no number
            raise
        raise _broken(label, name, error) from error


def _broken(label: str, name: str, error: Exception) -> InputError:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    elif isinstance(error, KeyError):
        what = f"no {error}"
    else:
        what = (str(error) or type(error).__name__).splitlines()[0]
    return InputError(f"{label}: {name} is not as a build writes it ({what[:200]}); build it again")


def _split(label: str, files: Sequence[str]) -> str:
    """The only split of `n-tuple`, or of `ragged`, which a build has in its place."""
    names = {split for config, split in map(_config_and_split, files) if config in ONE_OF}
    if len(names) != 1:
        raise InputError(f"{label}: n-tuple has splits {sorted(names)}, exactly one can be trained on; build it again")
    return names.pop()


def _config_and_split(name: str) -> tuple[str, str]:
    """Of `config/split-00000-of-00001.parquet`; of another file two empty words."""
    config, _, file = name.rpartition("/")
    if not file.endswith(".parquet"):
        return "", ""
    return config, file.rpartition("-of-")[0].rpartition("-")[0]
