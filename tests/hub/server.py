"""A small Hugging Face Hub of our own on 127.0.0.1, for the real clients to talk to.

It is written from the Hub's endpoint contract and its clients' documentation, not from what this project happens to
send. What it keeps lies in memory, and a fresh one starts in milliseconds. Its one dependency besides the standard
library is PyYAML, for the front matter of cards.

What it leaves out: merging and discussing pull requests, gated repositories, renaming, Spaces, quotas and rate limits
(plant them as faults). Where the public Hub documents no rule it has the one that the clients expect: the exact words
of its refusals, what counts as a bad card beyond YAML itself, and how many bytes make a file large are not verified.
"""

import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tests.hub.commits
import tests.hub.lfs
import tests.hub.reading
import tests.hub.repositories  # noqa: F401  these modules fill the table of routes
from tests.hub.accounts import Accounts
from tests.hub.faults import Fault, Faults, Logged
from tests.hub.sockets import listen
from tests.hub.storage import ATTRIBUTES, Commit, Missing, Repository, Storage, seed

PAGE = 50  # commits in one page of a history


@dataclass(frozen=True)
class Refs:
    """What the names of a repository point to: commit oids."""

    branches: Mapping[str, str]
    tags: Mapping[str, str]
    pulls: Mapping[str, str]  # by ref: refs/pr/1


class LoopbackHub:
    """The server, and what a test may do behind its back. Repositories are named `datasets/alice/ds`, `models/alice/m`.

    Args:
        cdn: Files in LFS are served by a redirect to another host name, as the public Hub does.
        xet: Folder of a Xet store; None: the clients must have Xet switched off.
        multipart: Bytes; a larger file is uploaded to LFS in parts of this size.
    """

    def __init__(self, cdn: bool = False, xet: Path | None = None, multipart: int | None = None) -> None:
        self.storage, self.accounts, self.faults = Storage(), Accounts(), Faults()
        self.cdn, self.xet, self.multipart = cdn, xet, multipart
        self.parts: dict[str, bytes] = {}  # of uploads that are not complete, by the path that they were sent to
        self.xet_hashes: dict[str, str] = {}  # sha256 -> hash of Xet; only a client's own library knows it
        self.secret = secrets.token_bytes(16)
        self.page, self.patience = PAGE, 30.0
        self.log: list[Logged] = []
        self.crashes: list[str] = []  # tracebacks: bugs of this Hub, never a test's subject
        self._server = listen(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # The storage host's name must differ from the endpoint's: clients follow redirects and drop tokens by name.
        self.storage_url = f"http://localhost:{self._server.server_port}" if cdn else self.url

    def __enter__(self) -> "LoopbackHub":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self.crashes:
            raise RuntimeError("the loopback Hub has a bug:\n" + "\n".join(self.crashes))

    def web_address(self, repo: str) -> str:
        """Where a person would look at a repository."""
        return f"{self.url}/{repo.removeprefix('models/')}"

    # Who may come, and with what environment.

    def token(
        self,
        name: str = "alice",
        role: str = "write",
        orgs: tuple[str, ...] = ("acme",),
        scopes: Mapping[str, tuple[str, ...]] | None = None,
    ) -> str:
        """A new token of a user: `write` and `read` are classic ones, `fine` and `pr` (may only propose) fine-grained.

        `scopes` limits a fine-grained one: permissions (`repo.content.read`, `repo.write`, `discussion.write`) by
        namespace (`alice`) or repository (`datasets/alice/ds`); its user's namespace unless told.
        """
        return self.accounts.give(name, role, orgs, scopes)

    def revoke(self, token: str) -> None:
        """The token has expired."""
        self.accounts.revoke(token)

    def environment(self, home: Path, token: str | None) -> dict[str, str]:
        """The whole environment of a process whose clients talk to this Hub alone, with a cache of its own."""
        theirs = re.compile(
            r"(HF|HUGGING|DATASETS|TRANSFORMERS)_.*|HUGGINGFACE_.*|.*_PROXY|XDG_CACHE_HOME", re.IGNORECASE
        )
        kept = {name: value for name, value in os.environ.items() if not theirs.fullmatch(name)}
        given = {"HF_ENDPOINT": self.url, "HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        given |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1,localhost", "SYNEG_TEST": "1"}
        given |= {"HF_HUB_DISABLE_XET": "1"} if self.xet is None else {}
        return kept | given | ({} if token is None else {"HF_TOKEN": token})

    # What goes wrong, and what was sent.

    def fail(
        self,
        method: str,
        path_regex: str,
        status: int = 500,
        *,
        after: bool = False,
        times: int | None = 1,
        headers: Mapping[str, str] | tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        reset: bool = False,
    ) -> None:
        """Answer the next `times` matching requests (None: all) by `status`, before or `after` they took effect.

        With `reset` the connection is reset instead: before the effect when half of the request's body has come, after
        it when half of the answer is out. The expression is searched for in the raw path with its query.
        """
        fault = Fault(method, re.compile(path_regex), status, after, times, dict(headers), body, reset)
        self.faults.plant(fault)

    def meanwhile(self, method: str, path_regex: str, action: Callable[[], object], times: int = 1) -> None:
        """Have somebody act just before a matching request takes effect: commit, revoke a token, kill the client."""
        self.faults.plant(Fault(method, re.compile(path_regex), 0, times=times, action=action))

    def sent(self) -> Iterator[bytes]:
        """Everything that any client has sent, and what base64, JSON and percent signs hide in it: to be searched."""
        for logged in list(self.log):
            yield from logged.contents()

    # What is there.

    def commits(self, repo: str, branch: str = "main") -> list[Commit]:
        """The history of a branch, newest first; each has oid, title, message, files (sha256 of the bytes by path)."""
        repository = self.storage.get(repo)
        with repository.lock:
            return repository.commit_at(branch).history()

    def refs(self, repo: str) -> Refs:
        """Branches, tags and pull requests."""
        repository = self.storage.get(repo)
        with repository.lock:
            tables = (repository.branches, repository.tags, repository.pulls)
            return Refs(*({name: commit.oid for name, commit in table.items()} for table in tables))

    def file(self, repo: str, revision: str, path: str) -> bytes:
        """The bytes of one file; KeyError where the revision has none."""
        repository = self.storage.get(repo)
        with repository.lock:
            return repository.content(repository.commit_at(revision).tree[path])

    def private(self, repo: str) -> bool:
        """Whether a repository is hidden from others."""
        return self.storage.get(repo).private

    def exists(self, repo: str) -> bool:
        """Whether there is such a repository."""
        try:
            self.storage.get(repo)
        except Missing:
            return False
        return True

    def put(
        self,
        repo: str,
        type: str,
        files: Mapping[str, bytes],
        private: bool = True,
        *,
        owner: str | None = None,
        message: str = "seeded",
        deleted: tuple[str, ...] = (),
        branch: str = "main",
    ) -> str:
        """Commit files as somebody would who does not come over HTTP; the repository is made where it is missing.

        Args:
            repo: `alice/ds` or `datasets/alice/ds`.
            type: `dataset` or `model`.
            files: What is added or replaced; everything else of the branch stays, but for `deleted`.
            private: Visibility of a repository that is made.
            owner: Who signs the commit; the namespace unless told.

        Returns:
            The oid of the commit.
        """
        name = repo.removeprefix(f"{type}s/")
        author = owner or name.split("/")[0]
        repository = self._made(type, name, private, author)
        with repository.lock:
            head = repository.branches[branch]
            patterns = head.tree.get(".gitattributes")
            added = seed(repository, files, repository.content(patterns) if patterns else ATTRIBUTES)
            tree = {path: blob for path, blob in {**head.tree, **added}.items() if path not in deleted}
            repository.branches[branch] = made = repository.record(tree, message, "", author, head)
            return made.oid

    def tag(self, repo: str, name: str, revision: str = "main") -> None:
        """Tag a revision, or move the tag there."""
        repository = self.storage.get(repo)
        with repository.lock:
            repository.tags[name] = repository.commit_at(revision)

    def _made(self, kind: str, name: str, private: bool, author: str) -> Repository:
        if not self.exists(f"{kind}s/{name}"):
            self.storage.create(kind, name, private, author)
        return self.storage.get(f"{kind}s/{name}")
