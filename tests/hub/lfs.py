"""Routes of large files: Git LFS uploads, whole or in parts, their checksums verified; and the tokens of Xet."""

import hashlib
import hmac
import re
import time

from tests.hub.access import readable, writable
from tests.hub.storage import Repository
from tests.hub.wire import Answer, Refused, Request, proposes, route

SHA256 = re.compile(r"[0-9a-f]{64}")
LFS_JSON = "application/vnd.git-lfs+json"


def signature(hub, path: str) -> str:
    """What proves that the Hub itself gave out an address on its storage host."""
    return hmac.new(hub.secret, path.encode(), "sha256").hexdigest()


def signed(hub, path: str) -> str:
    """An address on the storage host, which knows no tokens: whoever has the address may use it."""
    return f"{hub.storage_url}{path}?signature={signature(hub, path)}"


def check_signature(hub, request: Request) -> None:
    """Refuse an address that the Hub never gave out."""
    if not hmac.compare_digest(request.query.get("signature", ""), signature(hub, request.path)):
        raise Refused(403, "SignatureDoesNotMatch")


@route("POST", "/{prefix}{owner}/{name}.git/info/lfs/objects/batch")
def batch(hub, request: Request, prefix: str, owner: str, name: str) -> Answer:
    body = request.json()
    # As on the Hub: whoever opens a pull request names no ref.
    repository, _ = writable(hub, request, prefix, owner, name, proposing="ref" not in body)
    if body.get("operation") != "upload" or body.get("hash_algo", "sha256") != "sha256":
        raise Refused(422, "Only uploads by sha256 are supported")
    in_parts = hub.multipart if "multipart" in body.get("transfers", []) else None
    objects = []
    for wanted in body.get("objects", []):
        oid, size = wanted.get("oid"), wanted.get("size")
        if not isinstance(oid, str) or not SHA256.fullmatch(oid) or not isinstance(size, int) or size < 0:
            raise Refused(422, f"Invalid LFS object: {wanted!r}")
        answer: dict = {"oid": oid, "size": size}
        if oid not in repository.objects:
            verify = {"href": f"{hub.url}/{prefix}{owner}/{name}.git/info/lfs/verify"}
            answer["actions"] = {"upload": _upload(hub, repository, oid, size, in_parts), "verify": verify}
        objects.append(answer)
    transfer = "multipart" if in_parts else "basic"
    if hub.xet is not None and "xet" in body.get("transfers", []):
        transfer = "xet"  # clients before 1.20 ask; later ones never come here when they speak Xet
    return Answer({"transfer": transfer, "objects": objects}, content_type=LFS_JSON)


def _upload(hub, repository: Repository, oid: str, size: int, in_parts: int | None) -> dict:
    """Where to put an object: at one address, or in parts at many, of which another is told when all are there."""
    path = f"/lfs/{repository.id}/{oid}"
    if in_parts is None or size <= in_parts:
        return {"href": signed(hub, path)}
    numbers = range(1, -(-size // in_parts) + 1)
    parts = {f"{number:05}": signed(hub, f"{path}/{number}") for number in numbers}
    return {"href": signed(hub, f"{path}/complete"), "header": {"chunk_size": str(in_parts), **parts}}


def _keep(hub, kinds: str, owner: str, name: str, oid: str, content: bytes) -> Answer:
    if hashlib.sha256(content).hexdigest() != oid:
        raise Refused(400, "BadDigest: the sha256 of what was sent is not that of the object")
    repository = hub.storage.get(f"{kinds}/{owner}/{name}")
    with repository.lock:
        repository.objects[oid] = content
    return Answer(headers={"ETag": f'"{oid}"'})


@route("PUT", "/lfs/{kinds}/{owner}/{name}/{oid}")
def put(hub, request: Request, kinds: str, owner: str, name: str, oid: str) -> Answer:
    check_signature(hub, request)
    return _keep(hub, kinds, owner, name, oid, request.body)


@route("PUT", "/lfs/{kinds}/{owner}/{name}/{oid}/{number}")
def put_part(hub, request: Request, kinds: str, owner: str, name: str, oid: str, number: str) -> Answer:
    check_signature(hub, request)
    hub.parts[request.path] = request.body
    return Answer(headers={"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'})


@route("POST", "/lfs/{kinds}/{owner}/{name}/{oid}/complete")
def complete(hub, request: Request, kinds: str, owner: str, name: str, oid: str) -> Answer:
    check_signature(hub, request)
    content = []
    for part in request.json().get("parts", []):
        stored = hub.parts.get(request.path.replace("/complete", f"/{part.get('partNumber')}"))
        if stored is None or part.get("etag") != f'"{hashlib.md5(stored).hexdigest()}"':
            raise Refused(400, f"InvalidPart: {part!r}")
        content.append(stored)
    return _keep(hub, kinds, owner, name, oid, b"".join(content))


@route("POST", "/{prefix}{owner}/{name}.git/info/lfs/verify")
def verify(hub, request: Request, prefix: str, owner: str, name: str) -> Answer:
    body = request.json()
    repository, _ = writable(hub, request, prefix, owner, name, proposing=True)
    stored = repository.objects.get(body.get("oid", ""))
    if stored is None or len(stored) != body.get("size"):
        raise Refused(404, "Object does not exist or has another size")
    return Answer({}, content_type=LFS_JSON)


@route("GET", "/api/{kinds}/{owner}/{name}/xet-{access}-token/{revision}")
def xet_token(hub, request: Request, kinds: str, owner: str, name: str, access: str, revision: str) -> Answer:
    """Where the client's own Xet library keeps the chunks: a folder of this machine."""
    if hub.xet is None or access not in ("read", "write"):
        raise Refused(404, "Not Found")
    if access == "write":
        writable(hub, request, kinds, owner, name, proposes(request))
    else:
        readable(hub, request, kinds, owner, name)
    answer = {"casUrl": f"local://{hub.xet}", "accessToken": "loopback", "exp": int(time.time()) + 3600}
    headers = {"X-Xet-Cas-Url": answer["casUrl"], "X-Xet-Access-Token": answer["accessToken"]}
    return Answer(answer, headers=headers | {"X-Xet-Token-Expiration": str(answer["exp"])})
