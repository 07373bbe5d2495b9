"""Before anything is written: whether id, version and token are such that a release can be made."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from syneg_data.hub.contents import WORDS, Kind
from syneg_data.hub.remote import Remote

_REPO = re.compile(r"[A-Za-z0-9](?:[\w.-]*\w)?/[A-Za-z0-9](?:[\w.-]*\w)?", re.ASCII)
_LONGEST = 96  # characters of an id
_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)
_TAG = re.compile(rf"v({_VERSION.pattern})", re.ASCII)
_READERS = frozenset({"read"})


def name_problems(repo: str, version: str) -> list[str]:
    """What is wrong with `--repo` and `--version`."""
    found = []
    name = repo.partition("/")[2]
    plain = _REPO.fullmatch(repo) and len(repo) <= _LONGEST and not re.search(r"--|\.\.", repo)
    if not plain or name.endswith((".git", ".ipynb")):
        found.append(
            f"--repo {repo[:100]}: no id of a repository; write owner/name in letters, digits, '-', '_' and '.', "
            "without '--' or '..', not ending in .git"
        )
    if parse(version) is None:
        found.append(f"--version {version[:40]}: no version; write three numbers, such as 1.2.0")
    return found


def parse(version: str) -> tuple[int, int, int] | None:
    """The three numbers of a version; None of anything else."""
    found = _VERSION.fullmatch(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def versions(tags: Mapping[str, str]) -> dict[tuple[int, int, int], str]:
    """The versions that are tagged, the highest last -> commit; tags of other kinds are none of ours."""
    found = {}
    for tag, commit in tags.items():
        if (match := _TAG.fullmatch(tag)) and (numbers := parse(match[1])):
            found[numbers] = commit
    return dict(sorted(found.items()))


def token_problems(remote: Remote) -> list[str]:
    """What the token cannot do, as far as it tells."""
    account = remote.whoami()
    name = str(account.get("name"))
    owner = remote.repo.partition("/")[0]
    orgs = {str(org.get("name")): org for org in account.get("orgs") or () if isinstance(org, dict)}
    if owner != name and owner not in orgs:
        among = f", or of {', '.join(sorted(orgs))}" if orgs else ""
        return [
            f"--repo {remote.repo}: HF_TOKEN is {name}'s, who is not in {owner}; push to a repository of {name}{among}"
        ]
    if owner in orgs and owner != name and str(orgs[owner].get("roleInOrg", "write")) in _READERS:
        return [f"--repo {remote.repo}: {name} may only read what is {owner}'s; ask {owner} for the right to write"]
    role, scopes = _role(account)
    if role == "read":
        return ["HF_TOKEN: may only read; make one with write access at the Hub's settings, and set it"]
    if role == "fineGrained" and not _may_write(scopes, remote, owner):
        return [
            f"HF_TOKEN: is a fine-grained token without write access to the contents of {remote.repo} (to propose "
            "changes is not enough); add that permission at the Hub's settings"
        ]
    return []


def _role(account: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]]:
    """The role of the token, and what a fine-grained one may do where."""
    token = (account.get("auth") or {}).get("accessToken") or {}
    grained = token.get("fineGrained") or {}
    scopes: list[Mapping[str, Any]] = [scope for scope in grained.get("scoped") or () if isinstance(scope, dict)]
    return str(token.get("role", "")), scopes


def _may_write(scopes: list[Mapping[str, Any]], remote: Remote, owner: str) -> bool:
    return any("repo.write" in (scope.get("permissions") or ()) for scope in _about(scopes, remote, owner))


def _about(scopes: list[Mapping[str, Any]], remote: Remote, owner: str) -> Iterator[Mapping[str, Any]]:
    """The scopes that speak of a repository: its own, and its owner's."""
    for scope in scopes:
        entity = scope.get("entity") or {}
        name, kind = str(entity.get("name")), str(entity.get("type"))
        if (kind in ("user", "org") and name == owner) or (kind == remote.type and name == remote.repo):
            yield scope


def other_type(kind: Kind) -> Kind:
    """The type that a repository of the same id may have instead."""
    return "model" if kind == "dataset" else "dataset"


def type_problem(remote: Remote) -> str | None:
    """Whether the id stands for something else already."""
    other = other_type(remote.type)
    if not remote.exists_as(other):
        return None
    return (
        f"--repo {remote.repo}: is a {WORDS[other]}'s repository, and this folder is a {WORDS[remote.type]}; "
        "name another one"
    )
