"""What the loopback Hub keeps: repositories as git sees them (blobs, trees, commits, refs), and their LFS objects."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
LARGE = 10_000_000  # bytes; a file above goes to LFS whatever its name
LFS_SUFFIXES = [
    "7z", "arrow", "bin", "bz2", "ckpt", "ftz", "gz", "h5", "joblib", "lz4", "model", "msgpack", "npy", "npz", "onnx",
    "ot", "parquet", "pb", "pickle", "pkl", "pt", "pth", "rar", "safetensors", "tar", "tflite", "tgz", "wasm", "xz",
    "zip", "zst",
]  # fmt: skip
ATTRIBUTES = "".join(f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


class Missing(Exception):
    """Something that was named is not there: its argument says which kind (`repository`, `revision`, `entry`)."""


class Conflict(Exception):
    """Something that was to be made is there already, or has moved on."""


def git_oid(kind: str, content: bytes) -> str:
    """The sha1 by which git names an object."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(content)) + content).hexdigest()


@dataclass(frozen=True)
class Blob:
    """One file of one commit; `lfs` is the sha256 of content that lies in LFS, where git holds a pointer only."""

    oid: str
    size: int
    lfs: str | None = None

    @property
    def pointer_size(self) -> int:
        return len(POINTER.format(oid=self.lfs, size=self.size))


def lfs_blob(oid: str, size: int) -> Blob:
    """The file whose content is the LFS object `oid`."""
    return Blob(git_oid("blob", POINTER.format(oid=oid, size=size).encode()), size, oid)


@dataclass(frozen=True)
class Commit:
    """One commit; `files` says for each path the sha256 of its bytes."""

    oid: str
    title: str
    message: str
    author: str
    date: str
    parent: "Commit | None" = field(repr=False)
    tree: Mapping[str, Blob] = field(repr=False)
    files: Mapping[str, str] = field(repr=False)

    def history(self) -> list["Commit"]:
        """This commit and all before it, newest first."""
        found, commit = [], self
        while commit is not None:
            found.append(commit)
            commit = commit.parent
        return found


def now() -> str:
    """The time as the Hub writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def directories(tree: Mapping[str, Blob]) -> dict[str, str]:
    """Every directory of a tree and the sha1 that git gives it; the root is ``""``."""
    children: dict[str, dict[str, tuple[str, str]]] = {"": {}}
    for path, blob in tree.items():
        parent, _, name = path.rpartition("/")
        children.setdefault(parent, {})[name] = ("100644", blob.oid)
        while parent:
            above, _, _ = parent.rpartition("/")
            children.setdefault(above, {})
            parent = above
    oids: dict[str, str] = {}
    for path in sorted(children, key=lambda path: -path.count("/") - bool(path)):  # the deepest first
        # git sorts a directory as if its name ended in a slash.
        entries = sorted(children[path].items(), key=lambda entry: entry[0] + "/" * (entry[1][0] == "40000"))
        listing = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for name, (mode, oid) in entries)
        oids[path] = git_oid("tree", listing)
        if path:
            parent, _, name = path.rpartition("/")
            children[parent][name] = ("40000", oids[path])
    return oids


class Repository:
    """One repository. Whoever changes it, or reads more than one thing of it, holds `lock`."""

    def __init__(self, kind: str, name: str, private: bool, author: str) -> None:
        self.kind, self.name, self.private = kind, name, private
        self.created = now()
        self.lock = threading.RLock()
        self.committing = threading.Lock()  # of commits that came over HTTP; a reader never waits for it
        self.branches: dict[str, Commit] = {}
        self.tags: dict[str, Commit] = {}
        self.pulls: dict[str, Commit] = {}  # by ref: refs/pr/1
        self.known: dict[str, Commit] = {}  # every commit ever made: also one that no branch holds any more
        self.contents: dict[str, bytes] = {}  # what git holds, by the sha1 of the blob
        self.objects: dict[str, bytes] = {}  # what LFS holds, by sha256
        self.trusted: dict[str, int] = {}  # sizes of LFS objects that were sent another way (Xet)
        first = {".gitattributes": self.store(ATTRIBUTES)}
        self.branches["main"] = self.record(first, "initial commit", "", author, None)

    @property
    def id(self) -> str:
        """As in a repository's web address: `datasets/alice/ds`, `models/alice/m`."""
        return f"{self.kind}s/{self.name}"

    def store(self, content: bytes) -> Blob:
        """Keep a regular file's bytes."""
        blob = Blob(git_oid("blob", content), len(content))
        self.contents[blob.oid] = content
        return blob

    def store_lfs(self, content: bytes) -> Blob:
        """Keep a large file's bytes."""
        oid = hashlib.sha256(content).hexdigest()
        self.objects[oid] = content
        return lfs_blob(oid, len(content))

    def content(self, blob: Blob) -> bytes:
        """The bytes of a file.

        Raises:
            KeyError: They never came here (Xet).
        """
        return self.contents[blob.oid] if blob.lfs is None else self.objects[blob.lfs]

    def record(self, tree: Mapping[str, Blob], title: str, message: str, author: str, parent: Commit | None) -> Commit:
        """Make a commit that no branch holds yet."""
        date = now()
        lines = [f"tree {directories(tree)['']}"]
        lines += [f"parent {parent.oid}"] if parent else []
        lines += [f"author {author} <{author}@localhost> {date}", "", title, "", message]
        oid = git_oid("commit", "\n".join(lines).encode())
        files = {
            path: blob.lfs or hashlib.sha256(self.contents[blob.oid]).hexdigest() for path, blob in sorted(tree.items())
        }
        commit = Commit(oid, title, message, author, date, parent, dict(sorted(tree.items())), files)
        self.known[oid] = commit
        return commit

    def commit_at(self, revision: str) -> Commit:
        """A branch, a tag, a full ref, or a commit (a unique beginning of its oid is enough).

        Raises:
            Missing: There is no such revision.
        """
        named = {f"refs/heads/{name}": commit for name, commit in self.branches.items()}
        named |= {f"refs/tags/{name}": commit for name, commit in self.tags.items()}
        named |= self.pulls
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in named:
                return named[ref]
        found = [commit for oid, commit in self.known.items() if oid.startswith(revision)] if len(revision) > 6 else []
        if len(found) != 1:
            raise Missing("revision")
        return found[0]

    def branch_of(self, revision: str) -> tuple[dict[str, Commit], str]:
        """Where the tip that a commit to `revision` moves is kept: a table and the key in it.

        Raises:
            Missing: It is no branch (a tag or a commit cannot be committed to).
        """
        name = revision.removeprefix("refs/heads/")
        if name in self.branches:
            return self.branches, name
        if revision in self.pulls:
            return self.pulls, revision
        raise Missing("revision")


class Storage:
    """All repositories by id; ids are compared without case, as the Hub does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._repositories: dict[str, Repository] = {}

    def create(self, kind: str, name: str, private: bool, author: str) -> Repository:
        """Make a repository of one commit.

        Raises:
            Conflict: The name is taken.
        """
        made = Repository(kind, name, private, author)
        with self._lock:
            if made.id.lower() in self._repositories:
                raise Conflict(made.id)
            return self._repositories.setdefault(made.id.lower(), made)

    def delete(self, id: str) -> None:
        """Drop a repository.

        Raises:
            Missing: There is no such repository.
        """
        with self._lock:
            if self._repositories.pop(id.lower(), None) is None:
                raise Missing("repository")

    def get(self, id: str) -> Repository:
        """A repository.

        Raises:
            Missing: There is no such repository.
        """
        with self._lock:
            if id.lower() not in self._repositories:
                raise Missing("repository")
            return self._repositories[id.lower()]

    def all(self, kind: str) -> list[Repository]:
        """The repositories of one kind, oldest first."""
        with self._lock:
            return [repository for repository in self._repositories.values() if repository.kind == kind]


def is_large(path: str, size: int, attributes: bytes) -> bool:
    """Whether the Hub keeps a file in LFS: by the patterns of .gitattributes, or by its size."""
    patterns = [line.split()[0] for line in attributes.decode().splitlines() if "filter=lfs" in line]
    name = path.rpartition("/")[2]
    return size > LARGE or any(fnmatchcase(name, pattern) or fnmatchcase(path, pattern) for pattern in patterns)


def seed(repository: Repository, files: Mapping[str, bytes], attributes: bytes) -> dict[str, Blob]:
    """Keep files in the way that their names ask for."""
    return {
        path: repository.store_lfs(content) if is_large(path, len(content), attributes) else repository.store(content)
        for path, content in files.items()
    }
