"""What stands at the Hub already: whether it is this release, an earlier one of ours, or somebody else's work."""

import hashlib
import json
from collections.abc import Collection, Mapping

from syneg_data.errors import InputError
from syneg_data.hub.changelog import NAME
from syneg_data.hub.contents import Contents, Item
from syneg_data.hub.preflight import versions
from syneg_data.hub.remote import Entry, Remote, State

OFFERS = frozenset({".gitattributes"})  # what the Hub itself puts into a repository


def missing(contents: Contents, tree: Mapping[str, Entry]) -> list[Item]:
    """Files of a release that a tree has not, or has with another content."""
    return [item for path, item in contents.items.items() if path not in tree or not tree[path].holds(item)]


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
    """Whether a release was made from this very folder by another version, which words cards otherwise."""
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


def edits(contents: Contents, remote: Remote, state: State, tree: Mapping[str, Entry]) -> list[str]:
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
