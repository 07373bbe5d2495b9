"""Routes of commits: what is to be uploaded how, and the commit itself, which happens whole or not at all."""

import base64
import binascii
import hashlib
import json
import re
from fnmatch import fnmatchcase

from tests.hub.access import commit_at, writable
from tests.hub.accounts import Account
from tests.hub.storage import Blob, Missing, Repository, is_large, lfs_blob
from tests.hub.wire import Answer, Refused, Request, proposes, route

SHA256 = re.compile(r"[0-9a-f]{64}")
BUSY = "Another commit operation is in progress. Please retry later."
MOVED = "A commit has happened since. Please refresh and try again."


@route("POST", "/api/{kinds}/{owner}/{name}/preupload/{revision}")
def preupload(hub, request: Request, kinds: str, owner: str, name: str, revision: str) -> Answer:
    repository, _ = writable(hub, request, kinds, owner, name, proposes(request))
    commit, body = commit_at(repository, revision), request.json()
    attributes = commit.tree.get(".gitattributes")
    patterns = repository.content(attributes) if attributes else b""
    ignored = str(body.get("gitIgnore", ""))
    files = []
    for file in body.get("files", []):
        path, size = file.get("path"), file.get("size")
        if not isinstance(path, str) or not isinstance(size, int) or not isinstance(file.get("sample", ""), str):
            raise Refused(400, f"Invalid file: {file!r}")
        mode = "lfs" if is_large(path, size, patterns) else "regular"
        answer = {"path": path, "uploadMode": mode, "shouldIgnore": is_ignored(path, ignored)}
        if path in commit.tree:
            answer["oid"] = commit.tree[path].lfs or commit.tree[path].oid
        files.append(answer)
    return Answer({"files": files, "commitOid": commit.oid})


def is_ignored(path: str, rules: str) -> bool:
    """Whether a .gitignore covers a path: names, paths from the root, folders with all that is in them, and `!`."""
    parts = path.split("/")
    beginnings = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    ignored = False
    for rule in (line.strip() for line in rules.splitlines()):
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!").strip("/")
        rooted = "/" in rule.removeprefix("!").rstrip("/")
        names = beginnings if rooted else parts
        names = names[:-1] if rule.endswith("/") else names
        if any(fnmatchcase(name, pattern) for name in names):
            ignored = not rule.startswith("!")
    return ignored


@route("POST", "/api/{kinds}/{owner}/{name}/commit/{revision}")
def commit(hub, request: Request, kinds: str, owner: str, name: str, revision: str) -> Answer:
    repository, account = writable(hub, request, kinds, owner, name, proposes(request))
    if not repository.committing.acquire(timeout=hub.patience):
        raise Refused(409, BUSY)
    try:
        with repository.lock:
            return _commit(hub, request, repository, account, revision)
    finally:
        repository.committing.release()


def _commit(hub, request: Request, repository: Repository, account: Account, revision: str) -> Answer:
    """The whole commit or nothing of it; the caller holds the locks."""
    header, operations = parsed(request)
    head = commit_at(repository, revision)
    table, key = repository.branches, revision
    if proposes(request):
        table, key = repository.pulls, f"refs/pr/{len(repository.pulls) + 1}"
    else:
        try:
            table, key = repository.branch_of(revision)
        except Missing:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound") from None
    if header.get("parentCommit") not in (None, head.oid):
        raise Refused(412, MOVED)
    tree, contents = changed(hub, repository, dict(head.tree), operations)
    repository.contents |= contents
    summary, description = header["summary"], str(header.get("description") or "")
    table[key] = made = repository.record(tree, summary, description, account.name, head)
    address = hub.web_address(repository.id)
    answer = {"success": True, "commitOid": made.oid, "commitUrl": f"{address}/commit/{made.oid}", "hookOutput": ""}
    if proposes(request):
        answer["pullRequestUrl"] = f"{address}/discussions/{key.rpartition('/')[2]}"
    return Answer(answer)


def parsed(request: Request) -> tuple[dict, list[tuple[str, dict]]]:
    """The header and the operations of a commit, one JSON object a line."""
    if request.headers.get("content-type", "").split(";")[0] != "application/x-ndjson":
        raise Refused(400, "Invalid content type: application/x-ndjson is expected")
    try:
        lines = [json.loads(line) for line in request.body.splitlines() if line.strip()]
        (first, header), *operations = [(line["key"], line["value"]) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(400, f"Invalid commit payload: {error!r}") from None
    if first != "header" or not isinstance(header.get("summary"), str) or not header["summary"]:
        raise Refused(400, "Invalid commit payload: it must begin with a header that has a summary")
    return header, operations


def changed(
    hub, repository: Repository, tree: dict[str, Blob], operations: list[tuple[str, dict]]
) -> tuple[dict[str, Blob], dict[str, bytes]]:
    """The tree after the operations, in their order, and the bytes of the regular files that are new."""
    contents: dict[str, bytes] = {}
    for key, value in operations:
        path = checked_path(value.get("path"), folder=key == "deletedFolder")
        if key == "file":
            tree[path] = _regular(repository, value, contents)
        elif key == "lfsFile":
            tree[path] = _large(hub, repository, value)
        elif key == "deletedFile":
            if tree.pop(path, None) is None:
                raise Refused(404, f"{path} does not exist", "EntryNotFound")
        elif key == "deletedFolder":
            below = [name for name in tree if name.startswith(path + "/")]
            if not below:
                raise Refused(404, f"{path} does not exist", "EntryNotFound")
            for name in below:
                del tree[name]
        else:
            raise Refused(400, f"Invalid commit payload: unknown operation {key!r}")
    for path in tree:
        if any(path.startswith(other + "/") for other in tree if other != path and len(other) < len(path)):
            raise Refused(400, f"Invalid path: {path}: a file stands where its folder would be")
    return tree, contents


def checked_path(path: object, folder: bool) -> str:
    """A path inside the repository."""
    text = path.rstrip("/") if folder and isinstance(path, str) else path
    if not isinstance(text, str) or any(part in ("", ".", "..", ".git") for part in text.split("/")) or "\0" in text:
        raise Refused(400, f"Invalid path: {path!r}")
    return text


def _regular(repository: Repository, value: dict, contents: dict[str, bytes]) -> Blob:
    try:
        assert value.get("encoding", "base64") == "base64"
        content = base64.b64decode(value["content"], validate=True)
    except (AssertionError, KeyError, TypeError, binascii.Error):
        raise Refused(400, f"Invalid content of {value['path']}: base64 is expected") from None
    blob = Blob(hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), len(content))
    contents[blob.oid] = content
    return blob


def _large(hub, repository: Repository, value: dict) -> Blob:
    """A file that lies in LFS already: uploaded before this commit, or (no size) copied from another path."""
    oid, size = value.get("oid"), value.get("size")
    if value.get("algo", "sha256") != "sha256" or not isinstance(oid, str) or not SHA256.fullmatch(oid):
        raise Refused(400, f"Invalid LFS file: {value!r}")
    stored = repository.objects.get(oid)
    known = repository.trusted.get(oid) if stored is None else len(stored)
    if known is None and hub.xet is not None and isinstance(size, int):
        repository.trusted[oid] = known = size  # its bytes went to Xet, past this server
    if known is None or size not in (None, known):
        raise Refused(400, f"LFS pointer pointed to a file that does not exist: {oid}")
    return lfs_blob(oid, known)
