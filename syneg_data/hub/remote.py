"""One repository at the Hub: what there is to read and to write; every doubt is settled by looking again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syneg_data.errors import InputError, SynegError, UnavailableError
from syneg_data.hub.asking import Asking
from syneg_data.hub.contents import Item, Kind
from syneg_data.hub.faults import clean

_LARGEST = 64 << 20  # bytes of a file that is read into memory


@dataclass(frozen=True)
class Entry:
    """A file at a revision: its size and its name by content, sha256 where it is in large storage, else git's sha1."""

    size: int
    sha256: str | None
    git: str

    def holds(self, item: Item) -> bool:
        """Whether it is this very file."""
        if self.size != item.size:
            return False
        return self.sha256 == item.sha256 if self.sha256 is not None else self.git == item.git_oid


@dataclass(frozen=True)
class State:
    """A repository as it is.

    Attributes:
        head: commit of its main branch.
        private: hidden from others.
        branches: name -> commit.
        tags: name -> commit.
    """

    head: str
    private: bool
    branches: Mapping[str, str]
    tags: Mapping[str, str]


class Remote(Asking):
    """A repository of the Hub, seen with one token."""

    def beside(self, repo: str, type: Kind) -> "Remote":
        """Another repository of the same Hub, seen with the same token."""
        return Remote(self._endpoint, self._token, repo, type, self._wait)

    # Reading.

    def whoami(self) -> dict[str, Any]:
        """Who the token belongs to, and what it may do as far as it tells."""

        def asked() -> dict[str, Any]:
            found = dict(self._api.whoami())
            if not found.get("name"):
                raise ValueError("it names nobody")
            return found

        return self.ask("who the token belongs to", asked)

    def state(self) -> State | None:
        """The repository; None where there is none that the token may see."""
        info = self._info(self.type)
        if info is None:
            return None
        if str(info.id) != self.repo:  # the Hub leads from an old name to the new one
            raise InputError(f"--repo {self.repo}: is called {clean(str(info.id), self._token)} there; name it so")
        if info.disabled:
            raise InputError(f"{self.repo}: the Hub has disabled this repository; settle that there first")
        refs = self.find("its branches and tags", lambda: self._api.list_repo_refs(self.repo, repo_type=self.type))
        branches = {ref.name: ref.target_commit for ref in refs.branches} if refs else {}
        tags = {ref.name: ref.target_commit for ref in refs.tags} if refs else {}
        return State(branches.get("main", str(info.sha)), bool(info.private), branches, tags)

    def exists_as(self, other: Kind) -> bool:
        """Whether the id is taken by a repository of another type."""
        return self._info(other) is not None

    def _info(self, type: Kind) -> Any:  # noqa: ANN401
        return self.find("what is there", lambda: self._api.repo_info(self.repo, repo_type=type))

    def tree(self, commit: str) -> dict[str, Entry]:
        """All files at a commit."""
        from huggingface_hub.hf_api import RepoFolder

        def listed() -> dict[str, Entry]:
            found = self._api.list_repo_tree(self.repo, recursive=True, revision=commit, repo_type=self.type)
            return {
                file.path: Entry(file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
                for file in found
                if not isinstance(file, RepoFolder)
            }

        return self.ask("its files", listed)

    def text(self, commit: str, path: str) -> str:
        """A small file at a commit; empty where there is none, or none that is text."""
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(self.repo, path, repo_type=self.type, revision=commit, endpoint=self._endpoint)

        def got() -> bytes:
            response = self._http.get_session().get(url, headers=self._headers(), follow_redirects=True)
            self._http.hf_raise_for_status(response)
            return bytes(response.content)

        data = self.find(path, got)
        if data is None or len(data) > _LARGEST:
            return ""
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return ""

    def snapshot(self, commit: str, folder: str | None) -> str:
        """Download everything at a commit.

        Args:
            commit: of 40 hex digits.
            folder: where to keep it; None: the Hub's own cache.
        """
        return self.ask(
            "an earlier release",
            lambda: self._api.snapshot_download(
                self.repo, repo_type=self.type, revision=commit, cache_dir=folder, tqdm_class=None
            ),
        )

    def check_card(self, text: str) -> list[str]:
        """What the Hub has against a card."""

        def asked() -> list[str]:
            response = self._http.get_session().post(
                f"{self._endpoint}/api/validate-yaml",
                json={"content": text, "repoType": self.type},
                headers=self._headers(),
            )
            if response.status_code == 400:
                errors = response.json().get("errors") or [{"message": "no reason given"}]
                return [str(error.get("message"))[:300] for error in errors]
            self._http.hf_raise_for_status(response)
            return []

        return self.ask("the check of the card", asked)

    # Writing. Each says when it is done: `settled` looks whether it is, whatever the answer was.

    def create(self) -> None:
        """Make the repository, private; one that is there by now is left as it is."""

        def made() -> bool:
            self._api.create_repo(self.repo, repo_type=self.type, private=True, exist_ok=False)
            return True

        self.ask("making the repository", made, settled=lambda: self._info(self.type) is not None or None)

    def branch(self, name: str, start: str) -> None:
        """Make a branch at a commit; one that is there by now is left as it is."""

        def made() -> bool:
            self._api.create_branch(self.repo, branch=name, revision=start, repo_type=self.type)
            return True

        self.ask(f"making the branch {name}", made, settled=lambda: name in self._state().branches or None)

    def commit(
        self, branch: str, parent: str, add: Sequence[Item], delete: Sequence[str], title: str, description: str
    ) -> str:
        """One commit with everything in it; returns its oid.

        Raises:
            Overtaken: the branch has moved on, and not to this.
            InputError: a file has changed since it was read.
        """
        for start in range(0, len(add), 50):
            self._upload(branch, add[start : start + 50])

        def committed() -> str:
            operations = [*self._additions(add), *self._deletions(delete)]
            info = self._api.create_commit(
                self.repo,
                operations,
                commit_message=title,
                commit_description=description,
                repo_type=self.type,
                revision=branch,
                parent_commit=parent,
            )
            return str(info.oid)

        def settled() -> str | None:
            head = self._state().branches.get(branch)
            if head == parent:
                return None  # nothing has landed
            if head is None:
                raise InputError(f"{self.repo}: the branch {branch} is gone; look at the repository")
            tree = self.tree(head)
            if all(item.path in tree and tree[item.path].holds(item) for item in add) and not set(delete) & set(tree):
                return head
            raise Overtaken(head)

        return self.ask("the commit", committed, settled=settled)

    def tag(self, name: str, commit: str) -> str:
        """Tag a commit; returns the commit that the tag is at, which is another one where it was there before."""

        def made() -> str | None:
            self._api.create_tag(self.repo, tag=name, revision=commit, repo_type=self.type)
            return self._state().tags.get(name)

        found = self.ask(f"the tag {name}", made, settled=lambda: self._state().tags.get(name))
        if found is None:
            raise UnavailableError(f"{self.repo}: the Hub says that {name} is set, but lists none; run this again")
        return found

    def publish(self) -> None:
        """Make the repository public."""

        def made() -> bool:
            self._api.update_repo_settings(self.repo, private=False, repo_type=self.type)
            return True

        self.ask("making it public", made, settled=lambda: not self._state().private or None)

    def _state(self) -> State:
        found = self.state()
        if found is None:
            raise UnavailableError(f"{self.repo}: the repository is not there; run the same command again")
        return found

    def _upload(self, branch: str, items: Sequence[Item]) -> None:
        """Send what goes into large storage; what is there already is not sent again."""
        self.ask(
            "the upload",
            lambda: self._api.preupload_lfs_files(
                self.repo, self._additions(items), repo_type=self.type, revision=branch, free_memory=False
            ),
            tries=2,  # of which the client makes six each
        )

    def _additions(self, items: Iterable[Item]) -> list[Any]:
        """Fresh operations, for the client changes those that it has used."""
        from huggingface_hub import CommitOperationAdd

        found = []
        for item in items:
            source = item.source if isinstance(item.source, bytes) else str(item.source)
            operation = CommitOperationAdd(path_in_repo=item.path, path_or_fileobj=source)
            if operation.upload_info.sha256.hex() != item.sha256:
                raise InputError(f"{item.path}: has changed since it was checked; nothing was committed, run it again")
            found.append(operation)
        return found

    def _deletions(self, paths: Iterable[str]) -> list[Any]:
        from huggingface_hub import CommitOperationDelete

        return [CommitOperationDelete(path_in_repo=path, is_folder=False) for path in paths]


class Overtaken(SynegError):
    """Somebody else has committed first.

    Attributes:
        head: what the branch is at now.
    """

    exit_code = 2

    def __init__(self, head: str) -> None:
        super().__init__(f"the branch has moved to {head}")
        self.head = head
