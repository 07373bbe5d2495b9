"""Routes of accounts, repositories and their history: whoami, create, delete, settings, info, refs, commits, tags."""

import re
from math import ceil

from tests.hub.access import caller, commit_at, readable, signed_in, visible, writable
from tests.hub.accounts import WRITE
from tests.hub.cards import card_data, findings
from tests.hub.entries import lfs_entry
from tests.hub.storage import Commit, Conflict, Missing, Repository
from tests.hub.wire import Answer, Refused, Request, route

NAME = re.compile(r"(?!.*(--|\.\.))(?!.*\.git$)(?!.{97})\w([\w.-]*\w)?", re.ASCII)
REF = re.compile(r"(?!.*(\.\.|//|@\{))[\w][\w./+-]*(?<![./])", re.ASCII)
REPOSITORY = "/api/{kinds}/{owner}/{name}"


@route("GET", "/api/whoami-v2")
def whoami(hub, request: Request) -> Answer:
    return Answer(signed_in(hub, request).whoami())


@route("POST", "/api/validate-yaml")
def validate_yaml(hub, request: Request) -> Answer:
    body = request.json()
    errors, warnings = findings(str(body.get("content", "")), str(body.get("repoType", "model")))
    answer = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return Answer(answer, 400 if errors else 200)


def wants_private(body: dict, default: bool) -> bool:
    """The visibility asked for, in its newer or its older spelling."""
    if "visibility" not in body:
        return bool(body.get("private", default))
    if body["visibility"] not in ("public", "private"):
        raise Refused(400, f"Invalid visibility: {body['visibility']!r}")
    return body["visibility"] == "private"


def _named(hub, request: Request) -> tuple[dict, str, str, str]:
    """The body of create or delete, with the kind, the namespace and the name that it speaks of."""
    account, body = signed_in(hub, request), request.json()
    kind, name = body.get("type") or "model", body.get("name")
    namespace = body.get("organization") or account.name
    if kind not in ("dataset", "model") or not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refused(400, f"Invalid repo type or name: {kind!r} {name!r}")
    if not account.may(WRITE, f"{kind}s/{namespace}/{name}"):
        raise Refused(403, f'You don\'t have the rights to change a {kind} under the namespace "{namespace}"')
    return body, kind, namespace, name


@route("POST", "/api/repos/create")
def create(hub, request: Request) -> Answer:
    body, kind, namespace, name = _named(hub, request)
    account = signed_in(hub, request)
    url = hub.web_address(f"{kind}s/{namespace}/{name}")
    try:
        if account.scopes is not None and WRITE not in account.scopes.get(namespace, ()):
            hub.storage.get(f"{kind}s/{namespace}/{name}")  # a token of one repository does not make others
            raise Conflict
        made = hub.storage.create(kind, f"{namespace}/{name}", wants_private(body, False), account.name)
    except Missing:
        message = f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"'
        raise Refused(403, message) from None
    except Conflict:
        raise Refused(409, f"You already created this {kind} repo", url=url) from None
    return Answer({"url": url, "name": made.name, "id": made.id})


@route("DELETE", "/api/repos/delete")
def delete(hub, request: Request) -> Answer:
    _, kind, namespace, name = _named(hub, request)
    try:
        hub.storage.delete(f"{kind}s/{namespace}/{name}")
    except Missing:
        raise Refused(404, "Repository not found", "RepoNotFound") from None
    return Answer(b"OK", content_type="text/plain; charset=utf-8")


@route("PUT", REPOSITORY + "/settings")
def settings(hub, request: Request, kinds: str, owner: str, name: str) -> Answer:
    repository, _ = writable(hub, request, kinds, owner, name)
    with repository.lock:
        repository.private = wants_private(request.json(), repository.private)
        return Answer({"private": repository.private})


def info(repository: Repository, commit: Commit, blobs: bool = False) -> dict:
    """A repository at one commit, with the name of every file; with `blobs`, sizes and hashes too."""
    with repository.lock:
        readme = commit.tree.get("README.md")
        data = card_data(repository.content(readme).decode("utf-8", "replace")) if readme else None
        siblings: list[dict] = [{"rfilename": path} for path in commit.tree]
        if blobs:
            for sibling, blob in zip(siblings, commit.tree.values(), strict=True):
                sibling |= {"size": blob.size, "blobId": blob.oid}
                if blob.lfs is not None:
                    entry = lfs_entry(blob)
                    sibling["lfs"] = {
                        "sha256": entry["oid"],
                        "size": entry["size"],
                        "pointerSize": entry["pointerSize"],
                    }
        answer = {
            "_id": repository.id, "id": repository.name, "author": repository.name.split("/")[0], "sha": commit.oid,
            "lastModified": commit.date, "createdAt": repository.created, "private": repository.private,
            "gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": [], "siblings": siblings,
            "usedStorage": sum(map(len, repository.objects.values())),
        }  # fmt: skip
        if repository.kind == "model":
            answer["modelId"] = repository.name
        return answer if data is None else answer | {"cardData": data}


@route("GET", "/api/{kinds}")
def listing(hub, request: Request, kinds: str) -> Answer:
    account, author, words = caller(hub, request), request.query.get("author"), request.query.get("search", "")
    found = [
        repository
        for repository in hub.storage.all(kinds.removesuffix("s"))
        if visible(account, repository)
        and author in (None, repository.name.split("/")[0])
        and words.lower() in repository.name.lower()
    ]
    return Answer([info(repository, repository.branches["main"]) for repository in found])


@route("GET", REPOSITORY)
@route("GET", REPOSITORY + "/revision/{revision}")
def repository_info(hub, request: Request, kinds: str, owner: str, name: str, revision: str = "main") -> Answer:
    repository = readable(hub, request, kinds, owner, name)
    blobs = request.query.get("blobs", "").lower() in ("true", "1")
    return Answer(info(repository, commit_at(repository, revision), blobs))


@route("GET", REPOSITORY + "/refs")
def refs(hub, request: Request, kinds: str, owner: str, name: str) -> Answer:
    repository = readable(hub, request, kinds, owner, name)
    with repository.lock:
        answer: dict = {"branches": _refs("refs/heads/", repository.branches), "converts": []}
        answer["tags"] = _refs("refs/tags/", repository.tags)
        if request.query.get("include_prs"):
            answer["pullRequests"] = _refs("", repository.pulls)
    return Answer(answer)


def _refs(prefix: str, table: dict[str, Commit]) -> list[dict]:
    return [{"name": name, "ref": prefix + name, "targetCommit": commit.oid} for name, commit in table.items()]


@route("GET", REPOSITORY + "/commits/{revision}")
def commits(hub, request: Request, kinds: str, owner: str, name: str, revision: str) -> Answer:
    history = commit_at(readable(hub, request, kinds, owner, name), revision).history()
    page = int(request.query.get("p", "0"))
    headers = {"X-Total-Count": str(len(history))}
    if page + 1 < ceil(len(history) / hub.page):
        headers["Link"] = f'<{hub.url}{request.path}?p={page + 1}>; rel="next"'
    answer = [
        {"id": commit.oid, "title": commit.title, "message": commit.message, "date": commit.date,
         "authors": [{"user": commit.author, "avatar": ""}]}
        for commit in history[page * hub.page : (page + 1) * hub.page]
    ]  # fmt: skip
    return Answer(answer, headers=headers)


def _new_ref(table: dict[str, Commit], prefix: str, name: object, commit: Commit) -> None:
    if not isinstance(name, str) or not REF.fullmatch(name):
        raise Refused(400, f"Invalid reference name: {name!r}")
    if name in table:
        raise Refused(409, f"Reference {prefix}{name} already exists")
    table[name] = commit


@route("POST", REPOSITORY + "/tag/{revision}")
def create_tag(hub, request: Request, kinds: str, owner: str, name: str, revision: str) -> Answer:
    repository, _ = writable(hub, request, kinds, owner, name)
    with repository.lock:
        _new_ref(repository.tags, "refs/tags/", request.json().get("tag"), commit_at(repository, revision))
    return Answer({}, 201)


@route("DELETE", REPOSITORY + "/tag/{tag}")
def delete_tag(hub, request: Request, kinds: str, owner: str, name: str, tag: str) -> Answer:
    repository, _ = writable(hub, request, kinds, owner, name)
    with repository.lock:
        if repository.tags.pop(tag, None) is None:
            raise Refused(404, f"Invalid rev id: {tag}", "RevisionNotFound")
    return Answer({})


@route("POST", REPOSITORY + "/branch/{branch}")
def create_branch(hub, request: Request, kinds: str, owner: str, name: str, branch: str) -> Answer:
    repository, _ = writable(hub, request, kinds, owner, name)
    with repository.lock:
        start = commit_at(repository, request.json().get("startingPoint") or "main")
        _new_ref(repository.branches, "refs/heads/", branch, start)
    return Answer({}, 201)


@route("DELETE", REPOSITORY + "/branch/{branch}")
def delete_branch(hub, request: Request, kinds: str, owner: str, name: str, branch: str) -> Answer:
    repository, _ = writable(hub, request, kinds, owner, name)
    with repository.lock:
        if branch == "main":
            raise Refused(403, "The default branch cannot be deleted")
        if repository.branches.pop(branch, None) is None:
            raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    return Answer({})


@route("POST", REPOSITORY + "/super-squash/{branch}")
def super_squash(hub, request: Request, kinds: str, owner: str, name: str, branch: str) -> Answer:
    repository, account = writable(hub, request, kinds, owner, name)
    message = str(request.json().get("message") or "Super-squash branch")
    with repository.lock:
        tip = commit_at(repository, f"refs/heads/{branch}")
        repository.branches[branch] = repository.record(tip.tree, message, "", account.name, None)
    return Answer({})
