"""The plan: everything that a push would do, found out without writing anything, here or at the Hub."""

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syneg_data.errors import InputError, SynegError
from syneg_data.hub.card import card_problems, facts_of, license_of
from syneg_data.hub.changelog import FIRST, NAME, Change, change, with_entry
from syneg_data.hub.contents import Contents, Folder, Item, release
from syneg_data.hub.preflight import name_problems, parse, token_problems, type_problem, versions
from syneg_data.hub.remote import Entry, Remote, State
from syneg_data.hub.scan import Scan, refusals, scan_release
from syneg_data.hub.standing import edits, missing, refuse_foreign, stale, tagged_as
from syneg_data.publishing.links import verify_link
from syneg_data.publishing.versioning import next_version

MOST_FILES = 100  # in one commit: the Hub advises no more, since it takes a minute at most over one
MOST_BYTES = 500 << 20  # of files that are not in large storage; the client itself stops at twice that
_LARGE = 10 << 20  # bytes; from here on the Hub has every file in large storage


@dataclass(frozen=True)
class Plan:
    """What a push would do.

    Attributes:
        contents: what goes up.
        scan: what its bytes hold.
        change: against the last release; None where that could not be asked.
        state: the repository; None where there is none yet, or where it was not asked.
        tree: the files of the branch that is committed to.
        compared: whether the Hub was asked.
        branch: that is committed to: `main`, or a branch of its own for a release too large for one commit.
        done: the tag is there, at this very content; sha256 of the manifest that it has, else empty.
        public: the repository is to be public at the end.
        warnings: what a person should know before saying yes.
    """

    contents: Contents
    scan: Scan
    change: Change | None
    state: State | None = None
    tree: Mapping[str, Entry] = field(default_factory=dict)
    compared: bool = False
    branch: str = "main"
    done: str = ""
    public: bool = False
    stale: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def additions(self) -> list[Item]:
        """Files that are not there yet, or other."""
        return missing(self.contents, self.tree)

    def facts(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        items = self.contents.items
        new = {item.path: item.size for item in self.additions()}
        files = {
            "added": {path: size for path, size in new.items() if path not in self.tree},
            "changed": {path: size for path, size in new.items() if path in self.tree},
            "deleted": {path: self.tree[path].size for path in self.stale},
            "unchanged": {path: item.size for path, item in items.items() if path not in new},
        }
        return {
            "repo": self.contents.repo,
            "type": self.contents.folder.type,
            "tag": self.contents.tag,
            "branch": self.branch,
            "visibility": self._visibility(),
            "license": license_of(self.contents.folder),
            "compared": self.compared,
            "done": bool(self.done),
            "manifest_sha256": self.done or self.contents.digest,
            "files": files,
            "left_out": list(self.contents.folder.left_out),
            "scan": {
                "files": self.scan.files, "bytes": self.scan.bytes, "in_data": dict(sorted(self.scan.in_data.items())),
            },
            "since": self.change.since if self.change else None,
            "level": self.change.level if self.change else None,
            "suggested": suggested(self.change),
            "changes": list(self.change.lines) if self.change else [],
            "warnings": list(self.warnings),
        }  # fmt: skip

    def _visibility(self) -> str:
        if not self.compared:
            return "private first, then public" if self.public else "private"
        if self.state is not None and not self.state.private:
            return "public"
        return "private until all is verified, then public" if self.public else "private"


def suggested(found: Change | None) -> str | None:
    """The version that the level asks for."""
    if found is None or found.since is None or found.level is None:
        return None
    return next_version(found.since, found.level)


def make_plan(
    folder: Folder, repo: str, version: str, remote: Remote | None, *, public: bool = False, most: int = MOST_FILES,
    kept: bool = False,
) -> Plan:  # fmt: skip
    """Find out everything that a push of a folder would do.

    Args:
        folder: from `read_folder`.
        repo: `owner/name`.
        version: three numbers.
        remote: the repository; None: the Hub is not asked.
        public: it is to be public at the end.
        most: files in one commit.
        kept: what has to be downloaded for the comparison may stay in the Hub's own cache.

    Raises:
        InputError: something stands against it; everything that was found at once.
        UnavailableError: the Hub cannot be asked.
    """
    problems = [*name_problems(repo, version), *card_problems(folder, repo)]
    if name_problems(repo, version):
        raise InputError("\n".join(problems))
    state = None if remote is None else _preflight(remote, folder, version, problems, public=public)
    history, log = (FIRST if remote else None), ""
    if remote is not None and state is not None and not problems:
        log = remote.text(state.tags.get(f"v{version}", state.head), NAME)
        history = _change(remote, state, folder, version, kept=kept)
    contents, scan = _scanned(folder, repo, version, with_entry(log, version, history or FIRST), problems)
    plan = Plan(contents, scan, history, state, compared=remote is not None, public=public)
    if remote is None:
        return plan
    if done := tagged_as(contents, remote, state):
        assert state is not None
        return dataclasses.replace(plan, done=done, tree=remote.tree(state.tags[contents.tag]))
    if problems := remote.check_card(contents.items["README.md"].open().read().decode()):
        raise InputError("\n".join(f"README.md: the Hub says: {what}; build it again" for what in problems))
    plan = compare(plan, remote, state, most)
    return dataclasses.replace(plan, warnings=(*plan.warnings, *_linked_data(plan, remote)))


def _linked_data(plan: Plan, remote: Remote) -> list[str]:
    """What to know of the data set that a retriever's card links to, or does not."""
    folder = plan.contents.folder
    if folder.type != "model":
        return []
    where = facts_of(folder)["data"]["repo"]
    if where is None:
        return [
            "the card links to no data set, for the one that was trained on was not on the Hub; push that first, then "
            "run the same `syneg-data train` again, which trains nothing anew"
        ]
    seen = plan.public or (plan.state is not None and not plan.state.private)
    state = remote.beside(where["id"], "dataset").state() if seen else None
    if state is None or not state.private:
        return []
    return [
        f"{where['id']}, the data set that the card links to, is private: all would see its name, its licence, figures "
        "on it and the ids of its queries and documents, and could load nothing of it"
    ]


def _preflight(remote: Remote, folder: Folder, version: str, problems: list[str], *, public: bool) -> State | None:
    """Ask the Hub what stands against a release; what it says is added to `problems`."""
    try:
        against = token_problems(remote)
        problems += against
        if against:
            return None
        state = remote.state()
        problems += [*_against(remote, state, version, public=public), *_link_problems(remote, folder)]
    except SynegError as error:
        if problems:
            raise InputError("\n".join([*problems, str(error)])) from None
        raise
    return state


def _scanned(folder: Folder, repo: str, version: str, log: str, problems: list[str]) -> tuple[Contents, Scan]:
    """The release and what its bytes hold.

    Raises:
        InputError: there are problems, those that are known already first.
    """
    try:
        contents = release(folder, repo, version, log)
        scan = scan_release(contents)
        problems += refusals(scan)
    except InputError as error:
        problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))
    return contents, scan


def _against(remote: Remote, state: State | None, version: str, *, public: bool) -> list[str]:
    """What the repository as it is has against a release."""
    if state is None:
        problem = type_problem(remote)
        return [problem] if problem else []
    if state.private or public:
        return _version_problem(state, version)
    seen = f"--repo {remote.repo}: is public, so a release would be seen by all at once; say --public if that is meant"
    return [seen, *_version_problem(state, version)]


def _link_problems(remote: Remote, folder: Folder) -> list[str]:
    """Whether the data set that a retriever's card links to is the one that it was trained on."""
    if folder.type != "model":
        return []
    try:
        facts = facts_of(folder)
    except InputError:
        return []  # which is told elsewhere
    where = facts["data"].get("repo")
    if where is None:
        return []
    data = remote.beside(where["id"], "dataset")
    state = data.state()
    commit = where["commit"] or (state.tags.get(where["tag"]) if state else None)
    name = f"{where['id']}@{where['tag'] or where['commit']}"
    if state is None or commit is None:
        return [
            f"{name}: the data set that the card links to is not there, or the token may not see it; publish it first"
        ]
    if where["tag"] and state.tags.get(where["tag"]) != commit:
        return [f"{name}: the tag is not at the commit that the retriever was trained on; train on what is there"]
    try:
        verify_link(facts, data.text(commit, "manifest.json").encode())
    except InputError as error:
        return [str(error)]
    return []


def _version_problem(state: State, version: str) -> list[str]:
    """A version goes up; one that is there stays what it is, which is found out later."""
    tagged, numbers = versions(state.tags), parse(version)
    if numbers in tagged or not tagged:
        return []
    latest = max(tagged)
    if numbers is not None and numbers > latest:
        return []
    return [f"--version {version}: not above {'.'.join(map(str, latest))}, the last release; choose a higher one"]


def _change(remote: Remote, state: State, folder: Folder, version: str, *, kept: bool) -> Change:
    """What lies between this folder and the last release below this version."""
    numbers = parse(version)
    below = {v: commit for v, commit in versions(state.tags).items() if numbers is not None and v < numbers}
    if not below:
        return FIRST
    last = max(below)
    since = ".".join(map(str, last))
    if kept:
        return change(Path(remote.snapshot(below[last], None)), since, folder, remote.repo)
    with tempfile.TemporaryDirectory() as scratch:
        return change(Path(remote.snapshot(below[last], scratch)), since, folder, remote.repo)


def compare(plan: Plan, remote: Remote, state: State | None, most: int = MOST_FILES) -> Plan:
    """The plan against what is there.

    Raises:
        InputError: files are there that no release of ours has listed.
    """
    if state is None:
        return _sized(plan, {}, most)
    plan = dataclasses.replace(plan, state=state)
    tree = remote.tree(state.head)
    refuse_foreign(remote, state.head, tree)
    warnings = [*edits(plan.contents, remote, state, tree), *_small_step(plan)]
    plan = dataclasses.replace(plan, warnings=tuple(warnings), stale=stale(plan.contents, tree))
    return _sized(plan, tree, most)


def _small_step(plan: Plan) -> list[str]:
    wanted = suggested(plan.change)
    if wanted is None or plan.change is None or plan.change.since is None:
        return []
    have, need = parse(plan.contents.version), parse(wanted)
    if have is None or need is None or have >= need:
        return []
    return [
        f"the changes since {plan.change.since} are {str(plan.change.level).upper()}, which asks for {wanted}; "
        f"{plan.contents.version} promises more than it keeps"
    ]


def in_commit(item: Item) -> int:
    """Bytes of a file that are sent in the commit itself: none of what goes into large storage."""
    return 0 if item.size > _LARGE or item.path.endswith((".parquet", ".safetensors")) else item.size


def _sized(plan: Plan, tree: Mapping[str, Entry], most: int) -> Plan:
    """Whether one commit can hold it; a branch of its own where not."""
    new = missing(plan.contents, tree)
    if len(new) + len(plan.stale) <= most and sum(map(in_commit, new)) <= MOST_BYTES:
        return dataclasses.replace(plan, tree=tree)
    return dataclasses.replace(plan, tree=tree, branch=release_branch(plan.contents.tag))


def release_branch(tag: str) -> str:
    """Of a release that is too much for one commit."""
    return f"release-{tag}"
