"""Routes by which files go out: listings, facts about paths, and their bytes, whole or in part."""

import re
from urllib.parse import parse_qs

from tests.hub.access import commit_at, readable
from tests.hub.entries import entries
from tests.hub.lfs import check_signature, signed
from tests.hub.storage import Blob, Repository
from tests.hub.wire import Answer, Refused, Request, route

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def is_true(text: str) -> bool:
    return text.lower() in ("true", "1")


@route("GET", "/api/{kinds}/{owner}/{name}/tree/{revision}")
@route("GET", "/api/{kinds}/{owner}/{name}/tree/{revision}/{path*}")
def tree(hub, request: Request, kinds: str, owner: str, name: str, revision: str, path: str = "") -> Answer:
    repository = readable(hub, request, kinds, owner, name)
    found = entries(commit_at(repository, revision), is_true(request.query.get("expand", "")))
    folder = path.strip("/")
    if folder and found.get(folder, {}).get("type") != "directory":
        raise Refused(404, f"{folder} does not exist", "EntryNotFound")
    below = {name: entry for name, entry in found.items() if not folder or name.startswith(folder + "/")}
    if not is_true(request.query.get("recursive", "")):
        below = {name: entry for name, entry in below.items() if name.rpartition("/")[0] == folder}
    return Answer(list(below.values()))


@route("POST", "/api/{kinds}/{owner}/{name}/paths-info/{revision}")
def paths_info(hub, request: Request, kinds: str, owner: str, name: str, revision: str) -> Answer:
    repository = readable(hub, request, kinds, owner, name)
    if request.headers.get("content-type", "").startswith("application/json"):
        form = request.json()
        paths, expand = form.get("paths", []), bool(form.get("expand"))
    else:
        fields = parse_qs(request.body.decode())
        paths, expand = fields.get("paths", []), is_true(fields.get("expand", ["false"])[-1])
    found = entries(commit_at(repository, revision), expand)
    return Answer([found[path] for path in paths if path in found])


@route("GET HEAD", "/{prefix}{owner}/{name}/resolve/{revision}/{path*}")
def resolve(hub, request: Request, prefix: str, owner: str, name: str, revision: str, path: str) -> Answer:
    repository = readable(hub, request, prefix, owner, name)
    commit = commit_at(repository, revision)
    blob, headers = commit.tree.get(path), {"X-Repo-Commit": commit.oid}
    if blob is None:
        refused = Refused(404, "Entry not found", "EntryNotFound")
        refused.headers |= headers
        raise refused
    if blob.lfs is None:
        return part(request, repository.content(blob), headers | {"ETag": f'"{blob.oid}"'})
    headers |= {"ETag": f'"{blob.lfs}"', "X-Linked-Etag": f'"{blob.lfs}"', "X-Linked-Size": str(blob.size)}
    return _large(hub, request, repository, blob, headers)


def _large(hub, request: Request, repository: Repository, blob: Blob, headers: dict[str, str]) -> Answer:
    """The content of a file that lies in LFS: from here, from the storage host, or by way of Xet."""
    if hub.xet is not None and blob.lfs in hub.xet_hashes:
        route = f"{hub.url}/api/{repository.id}/xet-read-token/{headers['X-Repo-Commit']}"
        headers |= {"X-Xet-Hash": hub.xet_hashes[blob.lfs], "X-Xet-Refresh-Route": route}
    if blob.lfs not in repository.objects:
        if request.method == "HEAD" and hub.xet is not None:
            return Answer(headers=headers | {"Content-Length": str(blob.size)})
        raise Refused(404, "The bytes of this file are in Xet", "EntryNotFound")
    if hub.cdn:
        return Answer(status=302, headers=headers | {"Location": signed(hub, f"/cdn/{repository.id}/{blob.lfs}")})
    return part(request, repository.content(blob), headers)


@route("GET HEAD", "/cdn/{kinds}/{owner}/{name}/{oid}")
def cdn(hub, request: Request, kinds: str, owner: str, name: str, oid: str) -> Answer:
    """The storage host: it knows no tokens, only the addresses that were given out."""
    check_signature(hub, request)
    return part(request, hub.storage.get(f"{kinds}/{owner}/{name}").objects[oid], {"ETag": f'"{oid}"'})


def part(request: Request, content: bytes, headers: dict[str, str]) -> Answer:
    """The range of bytes that was asked for; all of them where none was."""
    size, kind = len(content), "application/octet-stream"
    headers = headers | {"Accept-Ranges": "bytes"}
    asked = RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or not any(asked.groups()):
        return Answer(content, headers=headers, content_type=kind)
    first, last = asked.groups()
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1 if first and last else size, size)
    if start >= size or start >= stop:
        refused = Refused(416, "Range Not Satisfiable")
        refused.headers |= headers | {"Content-Range": f"bytes */{size}"}
        raise refused
    headers |= {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return Answer(content[start:stop], 206, headers, kind)
