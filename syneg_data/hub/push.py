"""The push: from a plan to one complete, tagged, verified release; each step looks before it acts."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from syneg_data import snapshots
from syneg_data.durable import write_json
from syneg_data.errors import InputError, StorageError, UnavailableError
from syneg_data.hub import preflight
from syneg_data.hub.changelog import NAME, entry_of
from syneg_data.hub.contents import Contents, Folder, Item, read_folder
from syneg_data.hub.plan import MOST_BYTES, MOST_FILES, Plan, compare, in_commit, make_plan, release_branch
from syneg_data.hub.remote import Entry, Overtaken, Remote, State
from syneg_data.hub.standing import OFFERS, is_release, manifest_files, missing, refuse_foreign, stale

DIGEST = "Syneg-Manifest: sha256:"  # in the description of every commit of a release
_ROUNDS = 10  # how often others may commit first
_MAIN = "main"

Say = Callable[[str], None]


def prepare(
    path: Path, repo: str, version: str, *, public: bool = False, dry_run: bool = False
) -> tuple[Plan, Remote | None, str]:
    """What a push of a folder would do, and the Hub to do it at.

    Args:
        path: a build, or a trained retriever.
        repo: `owner/name`.
        version: three numbers.
        public: the repository is to be public at the end.
        dry_run: nothing is going to be pushed, so a Hub that cannot be asked is no problem.

    Returns:
        The plan; and the remote, or None and why it was not asked.

    Raises:
        InputError: something stands against it; everything that was found at once.
        UnavailableError: the Hub cannot be asked.
    """
    folder = read_folder(path)
    token = snapshots.token()
    if not token:
        return _without_a_token(folder, repo, version, public, dry_run=dry_run)
    if preflight.name_problems(repo, version):
        make_plan(folder, repo, version, None)  # which says so, and what else there is
    if not dry_run:
        _receipt_can_be_written(folder)
    remote = Remote(snapshots.endpoint(), token, repo, folder.type)
    try:
        return make_plan(folder, repo, version, remote, public=public, kept=not dry_run), remote, ""
    except UnavailableError as error:
        if not dry_run:
            raise
        return make_plan(folder, repo, version, None, public=public), None, str(error)


def _receipt_can_be_written(folder: Folder) -> None:
    """Better known now than when the release is out.

    Raises:
        StorageError: it cannot.
    """
    path = receipt_path(folder)
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise StorageError(
            f"{path.name}: the receipt of the release cannot be written beside {path.parent.name}/{folder.path.name}; "
            "make that possible, or push a copy of the folder; nothing was written"
        )


def _without_a_token(folder: Folder, repo: str, version: str, public: bool, *, dry_run: bool) -> tuple[Plan, None, str]:
    if dry_run:
        return make_plan(folder, repo, version, None, public=public), None, "HF_TOKEN is not set"
    problems = ["HF_TOKEN is not set; put a token with write access into that variable of the environment"]
    try:
        make_plan(folder, repo, version, None, public=public)
    except InputError as error:
        problems.append(str(error))
    raise InputError("\n".join(problems))


def carry_out(plan: Plan, remote: Remote, *, most: int = MOST_FILES, say: Say = lambda _: None) -> dict[str, Any]:
    """Make the release, or finish one that was begun, and write its receipt beside the folder.

    Args:
        plan: from `make_plan`, with the Hub asked.
        remote: the repository.
        most: files in one commit.
        say: hears what is being done.

    Returns:
        What the receipt holds.

    Raises:
        InputError: somebody else's work would be lost, the tag is another release's, or the token may not.
        UnavailableError: the Hub fails; the same command goes on.
    """
    contents = plan.contents
    if plan.done:
        assert plan.state is not None
        commit, digest = plan.state.tags[contents.tag], plan.done
    else:
        commit, digest = _released(plan, remote, most, say), contents.digest
    state = _there(remote)
    if state.tags.get(contents.tag) != commit:
        raise UnavailableError(
            f"{remote.repo}: {contents.tag} does not read back as it was set; run this command again"
        )
    if plan.public and state.private:
        say("making the repository public")
        remote.publish()
        state = _there(remote)
        if state.private:
            raise UnavailableError(f"{remote.repo}: is private still; run the same command again")
    receipt: dict[str, Any] = {
        "repo": contents.repo,
        "type": contents.folder.type,
        "commit": commit,
        "tag": contents.tag,
        "manifest_sha256": digest,
        "built": contents.folder.digest,
        "private": state.private,
        "branch": _branch(contents, state, commit),
    }
    path = receipt_path(contents.folder)
    write_json(path, receipt)
    return receipt


def _branch(contents: Contents, state: State, commit: str) -> str:
    """Where the commit of a release is, whoever made it: on a branch of its own if that ends there, else on main."""
    own = release_branch(contents.tag)
    return own if state.branches.get(own) == commit else _MAIN


def receipt_path(folder: Folder) -> Path:
    """Where the receipt of a folder's release lies."""
    return folder.path.parent / f"{folder.path.name}.release.json"


def _released(plan: Plan, remote: Remote, most: int, say: Say) -> str:
    """The commit of the release, complete, verified and tagged."""
    contents = plan.contents
    if plan.state is None:
        say(f"making {remote.repo}, private")
        remote.create()
    now = _there(remote)  # a person may have taken hours to say yes
    if not now.private and not plan.public:
        raise InputError(f"{remote.repo}: has become public; nothing was pushed, say --public if that is meant")
    if plan.state is None:
        plan = compare(plan, remote, now, most)
    assert plan.state is not None, "and its head is still that of the plan: who has committed since is noticed"
    plan = _on_branch(plan, remote, plan.state)
    commit = _bring(plan, remote, most, say)
    say("verifying what is there")
    if not is_release(contents, remote.tree(commit)):
        raise _not_as_sent(remote, commit)
    say(f"tagging {contents.tag}")
    tagged = remote.tag(contents.tag, commit)
    if tagged != commit and not is_release(contents, remote.tree(tagged)):
        raise InputError(
            f"{remote.repo}: somebody else has released {contents.version} meanwhile, with another content; "
            "a tag never moves, choose a higher version"
        )
    return tagged


def _on_branch(plan: Plan, remote: Remote, state: State) -> Plan:
    """The plan against the branch that is committed to, which is made where it is missing."""
    if plan.branch == _MAIN:
        return plan
    if plan.branch not in state.branches:
        remote.branch(plan.branch, state.head)
        state = _there(remote)
    head = state.branches[plan.branch]
    tree = remote.tree(head)
    # An earlier attempt has committed its manifest first, so its files are known.
    known = {*plan.tree, *plan.contents.items, *manifest_files(remote, state.head, plan.tree)}
    refuse_foreign(remote, head, tree, known)
    return dataclasses.replace(plan, state=state, tree=tree, stale=stale(plan.contents, tree))


def _bring(plan: Plan, remote: Remote, most: int, say: Say) -> str:
    """Commit what is missing, in one commit or, on a branch of its own, in as many as it takes; the last one's oid."""
    assert plan.state is not None
    contents, tree = plan.contents, plan.tree
    head = plan.state.branches.get(plan.branch, plan.state.head)
    parts = overtaken = 0
    while True:
        add, gone = _part(contents, tree, plan.branch, most)
        if not add and not gone:
            return head
        parts += 1
        say(f"sending {len(add)} files, {sum(item.size for item in add):,} bytes")
        try:
            title = _title(contents, plan.branch, parts)
            head = remote.commit(plan.branch, head, add, gone, title, _description(contents))
            now = remote.tree(head)
            if _left(contents, now) >= _left(contents, tree):
                raise _not_as_sent(remote, head)
            tree = now
        except Overtaken as moved:
            overtaken += 1
            if overtaken > _ROUNDS:
                raise UnavailableError(f"{remote.repo}: others commit all the time; run this again later") from None
            now = remote.tree(moved.head)
            _refuse_to_lose(contents, remote, tree, now)
            head, tree = moved.head, now


def _left(contents: Contents, tree: Mapping[str, Entry]) -> int:
    """How many files are still to be added or deleted."""
    return len(missing(contents, tree)) + len(stale(contents, tree))


def _not_as_sent(remote: Remote, commit: str) -> UnavailableError:
    return UnavailableError(
        f"{remote.repo}: commit {commit} does not hold what was sent; nothing was tagged, run the same command again"
    )


def _part(contents: Contents, tree: Mapping[str, Entry], branch: str, most: int) -> tuple[list[Item], list[str]]:
    """What the next commit adds and deletes: all, or on a branch so many, the manifest before all others."""
    add, gone = missing(contents, tree), list(stale(contents, tree))
    if branch == _MAIN:
        return add, gone
    add = sorted(add, key=lambda item: (item.path != "manifest.json", item.path))[:most]
    sent = accumulate(map(in_commit, add))
    add = [item for n, (item, size) in enumerate(zip(add, sent, strict=True)) if not n or size <= MOST_BYTES]
    return add, gone[: most - len(add)]


def _refuse_to_lose(contents: Contents, remote: Remote, before: Mapping[str, Entry], now: Mapping[str, Entry]) -> None:
    """Refuse where somebody has committed meanwhile what this release would replace or leave out.

    Raises:
        InputError: somebody has.
    """
    changed = {path for path in {*before, *now} if before.get(path) != now.get(path)} - OFFERS
    items = contents.items
    ours = {path for path in changed & set(items) & set(now) if now[path].holds(items[path])}
    gone = {path for path in changed if path not in now and path not in items}
    if lost := sorted(changed - ours - gone):
        raise InputError(
            f"{remote.repo}: somebody else has just committed {', '.join(lost[:5])}{' ...' if len(lost) > 5 else ''}, "
            "which this release would replace; look at it there, then run the same command again"
        )


def _title(contents: Contents, branch: str, part: int) -> str:
    return f"Release {contents.version}" + ("" if branch == _MAIN else f", part {part}")


def _description(contents: Contents) -> str:
    """The changelog's entry, and the digest by which a release is known."""
    log = contents.items[NAME].open().read().decode("utf-8")
    return f"{entry_of(log, contents.version)}\n\n{DIGEST}{contents.digest}"


def _there(remote: Remote) -> State:
    state = remote.state()
    if state is None:
        raise UnavailableError(f"{remote.repo}: is not there any more; run the same command again")
    return state
