"""The plan: everything that a push would do, found out without writing anything, here or at the Hub."""

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Collection, Mapping
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
from syneg_data.publishing.links import verify_link
from syneg_data.publishing.versioning import next_version

MOST_FILES = 100  # in one commit: the Hub advises no more, since it takes a minute at most over one
MOST_BYTES = 500 << 20  # of files that are not in large storage; the client itself stops at twice that
OFFERS = frozenset({".gitattributes"})  # what the Hub itself puts into a repository


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


def missing(contents: Contents, tree: Mapping[str, Entry]) -> list[Item]:
    """Files of a release that a tree has not, or has with another content."""
    return [item for path, item in contents.items.items() if path not in tree or not tree[path].holds(item)]


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
    state: State | None = None
    if remote is not None:
        try:
            problems += (against := token_problems(remote))
            state = None if against else remote.state()
            problems += [] if against else [*_against(remote, state, public), *_link_problems(remote, folder)]
        except SynegError as error:
            if problems:
                raise InputError("\n".join([*problems, str(error)])) from None
            raise
    history, log = (FIRST if remote else None), ""
    if remote is not None and state is not None and not problems:
        problems += _version_problem(state, version)
        log = remote.text(state.tags.get(f"v{version}", state.head), NAME)
        history = _change(remote, state, folder, version, kept=kept)
    contents = release(folder, repo, version, with_entry(log, version, history or FIRST))
    scan = scan_release(contents)
    problems += refusals(scan)
    if problems:
        raise InputError("\n".join(problems))
    plan = Plan(contents, scan, history, state, compared=remote is not None, public=public)
    if remote is None:
        return plan
    if done := tagged_as(contents, remote, state):
        assert state is not None
        return dataclasses.replace(plan, done=done, tree=remote.tree(state.tags[contents.tag]))
    if problems := remote.check_card(contents.items["README.md"].open().read().decode()):
        raise InputError("\n".join(f"README.md: the Hub says: {what}; build it again" for what in problems))
    return compare(plan, remote, state, most)


def _against(remote: Remote, state: State | None, public: bool) -> list[str]:
    """What the repository as it is has against a release."""
    if state is None:
        problem = type_problem(remote)
        return [problem] if problem else []
    if not state.private and not public:
        return [
            f"--repo {remote.repo}: is public, so a release would be seen by all at once; say --public if that is meant"
        ]
    return []


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


def tagged_as(contents: Contents, remote: Remote, state: State | None) -> str:
    """The digest of the manifest that the tag of this version has, if it is at this very content; empty without a tag.

    Raises:
        InputError: it is at another one.
    """
    commit = state.tags.get(contents.tag) if state else None
    if commit is None:
        return ""
    tree = remote.tree(commit)
    if is_release(contents, tree):
        return contents.digest
    text = remote.text(commit, "manifest.json") if "manifest.json" in tree else ""
    if _same_build(contents, text, tree):
        return hashlib.sha256(text.encode()).hexdigest()
    raise InputError(
        f"--version {contents.version}: {contents.tag} is there with another content, and a tag never moves; "
        "choose a higher version"
    )


def _same_build(contents: Contents, manifest: str, tree: Mapping[str, Entry]) -> bool:
    """Whether a release was made from this very folder by another version of this tool, which words cards otherwise."""
    try:
        made = json.loads(manifest)["release"]
        same = (made["repo"], made["version"], made["built"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return False
    worded = {"README.md", NAME, "manifest.json"}
    return same == (contents.repo, contents.version, contents.folder.digest) and {
        item.path for item in missing(contents, tree)
    } <= worded & set(tree)


def is_release(contents: Contents, tree: Mapping[str, Entry]) -> bool:
    """Whether a tree is a release and nothing else."""
    return not missing(contents, tree) and not set(tree) - set(contents.items) - OFFERS


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
    warnings = [*_edits(plan.contents, remote, state, tree), *_small_step(plan)]
    plan = dataclasses.replace(plan, warnings=tuple(warnings), stale=stale(plan.contents, tree))
    return _sized(plan, tree, most)


def refuse_foreign(remote: Remote, commit: str, tree: Mapping[str, Entry], besides: Collection[str] = ()) -> None:
    """Make sure that a release would take the place of nothing but an earlier one.

    Args:
        remote: the repository.
        commit: what is there.
        tree: its files.
        besides: files that are known.

    Raises:
        InputError: files are there that no release of ours has listed.
    """
    foreign = sorted(set(tree) - manifest_files(remote, commit, tree) - OFFERS - set(besides))
    if foreign:
        raise InputError(
            f"--repo {remote.repo}: holds files that no release of syneg-data lists ({', '.join(foreign[:5])}"
            f"{' ...' if len(foreign) > 5 else ''}); move them away there, or name another repository"
        )


def manifest_files(remote: Remote, commit: str, tree: Mapping[str, Entry]) -> set[str]:
    """What the manifest at a commit lists, and the manifest itself; nothing where there is none of ours."""
    if "manifest.json" not in tree:
        return set()
    try:
        manifest = json.loads(remote.text(commit, "manifest.json"))
        if not isinstance(manifest, dict) or not str(manifest.get("tool")).startswith("syneg-data "):
            return set()
        return {*manifest["files"], "manifest.json"}
    except (ValueError, RecursionError, LookupError, TypeError):
        return set()


def stale(contents: Contents, tree: Mapping[str, Entry]) -> tuple[str, ...]:
    """Files of an earlier release that this one has not."""
    return tuple(sorted(set(tree) - set(contents.items) - OFFERS))


def _edits(contents: Contents, remote: Remote, state: State, tree: Mapping[str, Entry]) -> list[str]:
    """Files that somebody has changed at the Hub since the last release."""
    tagged = versions(state.tags)
    if not tagged or tagged[max(tagged)] == state.head:
        return []
    released = remote.tree(tagged[max(tagged)])
    changed = [path for path in set(tree) | set(released) if tree.get(path) != released.get(path)]
    # An unfinished push of this very release is nobody's edit, and edits of the changelog are kept.
    ours = {path for path, item in contents.items.items() if path in tree and tree[path].holds(item)}
    edited = sorted(set(changed) - ours - OFFERS - {NAME})
    if not edited:
        return []
    since = ".".join(map(str, max(tagged)))
    return [f"other than in {since} at the Hub, and replaced by this release: {', '.join(edited[:5])}"]


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


def _sized(plan: Plan, tree: Mapping[str, Entry], most: int) -> Plan:
    """Whether one commit can hold it; a branch of its own where not."""
    new = missing(plan.contents, tree)
    regular = sum(item.size for item in new if not item.path.endswith((".parquet", ".safetensors")))
    if len(new) + len(plan.stale) <= most and regular <= MOST_BYTES:
        return dataclasses.replace(plan, tree=tree)
    return dataclasses.replace(plan, tree=tree, branch=f"release-{plan.contents.tag}")
