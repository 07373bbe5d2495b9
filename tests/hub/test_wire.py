"""The wire itself, without any client: raw paths, ranges, broken requests, and addresses that were never given out."""

import hashlib
import json
import socket
from http.client import HTTPConnection

import pytest

TABLE = b"0123456789" * 30
OID = hashlib.sha256(TABLE).hexdigest()


@pytest.fixture
def ask(hub):
    """Send one request as alice (or with the headers given): status, headers, body."""
    token = hub.token()
    connection = HTTPConnection("127.0.0.1", int(hub.url.rpartition(":")[2]), timeout=30)

    def ask(method, path, body=None, headers=None):
        if not isinstance(body, bytes | None):
            body = json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if headers is None else headers
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    yield ask
    connection.close()


@pytest.fixture
def oid(hub):
    """A repository of one file in LFS and one in a folder: its head."""
    return hub.put("alice/ds", "dataset", {"x.parquet": TABLE, "a b/c.txt": b"hello\n"})


def commit_body(*lines, header=("header", {"summary": "one"})):
    return b"\n".join(json.dumps({"key": key, "value": value}).encode() for key, value in (header, *lines))


def commit(ask, *lines, kind="application/x-ndjson", **options):
    status, _, body = ask(
        "POST", "/api/datasets/alice/ds/commit/main", commit_body(*lines, **options), {"Content-Type": kind, **AUTH}
    )
    return status, json.loads(body)


AUTH: dict[str, str] = {}


@pytest.fixture(autouse=True)
def signed_in(hub):
    """The header of a token of alice, for requests with headers of their own."""
    AUTH.clear()
    AUTH["Authorization"] = f"Bearer {hub.token()}"


def test_paths_are_split_before_they_are_decoded(hub, ask, oid):
    hub.storage.get("datasets/alice/ds").branches["a/b"] = hub.commits("datasets/alice/ds")[0]
    status, _, body = ask("GET", "/api/datasets/alice/ds/tree/a%2Fb/a%20b")
    assert (status, [entry["path"] for entry in json.loads(body)]) == (200, ["a b/c.txt"])
    assert ask("GET", "/datasets/alice/ds/resolve/a%2Fb/a%20b/c.txt")[2] == b"hello\n"
    status, headers, _ = ask("GET", "/datasets/alice/ds/resolve/a/b/x.parquet")
    assert (status, headers["X-Error-Code"]) == (404, "RevisionNotFound")


@pytest.mark.parametrize(
    ("asked", "status", "told", "got"),
    [
        ("bytes=0-3", 206, "bytes 0-3/300", b"0123"),
        ("bytes=298-", 206, "bytes 298-299/300", b"89"),
        ("bytes=290-999", 206, "bytes 290-299/300", b"0123456789"),
        ("bytes=-2", 206, "bytes 298-299/300", b"89"),
        ("bytes=0-300", 206, "bytes 0-299/300", TABLE),
        ("bytes=300-", 416, "bytes */300", None),
        ("bytes=5-2", 416, "bytes */300", None),
        ("lines=0-3", 200, None, TABLE),
    ],
)
def test_ranges(ask, oid, asked, status, told, got):
    found, headers, body = ask("GET", "/datasets/alice/ds/resolve/main/x.parquet", headers={"Range": asked, **AUTH})
    assert (found, headers["Content-Range"], headers["X-Repo-Commit"]) == (status, told, oid)
    if got is not None:
        assert body == got


def test_a_head_request_has_the_length_and_no_body(ask, oid):
    for path, size, etag in (
        ("x.parquet", "300", OID),
        ("a%20b/c.txt", "6", "ce013625030ba8dba906f756967f9e9ca394464a"),
    ):
        status, headers, body = ask("HEAD", f"/datasets/alice/ds/resolve/main/{path}")
        assert (status, headers["Content-Length"], headers["ETag"], body) == (200, size, f'"{etag}"', b"")
    assert ask("HEAD", "/datasets/alice/ds/resolve/main/x.parquet")[1]["X-Linked-Size"] == "300"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/datasets/alice/ds/resolve/main/none.txt", "EntryNotFound"),
        ("/datasets/alice/ds/resolve/none/x.parquet", "RevisionNotFound"),
        ("/datasets/alice/none/resolve/main/x.parquet", "RepoNotFound"),
        ("/api/datasets/alice/none", "RepoNotFound"),
        ("/api/datasets/alice/ds/tree/main/none", "EntryNotFound"),
        ("/api/nothing", None),
    ],
)
def test_errors_have_one_envelope(ask, oid, path, code):
    status, headers, body = ask("GET", path)
    assert (status, headers["X-Error-Code"]) == (404, code)
    assert json.loads(body) == {"error": headers["X-Error-Message"]}
    assert (headers["X-Repo-Commit"] == oid) == (code == "EntryNotFound" and "/resolve/" in path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a--b", "dataset"), ("a..b", "dataset"), ("x.git", "dataset"), ("-x", "dataset"), ("x" * 97, "model"),
     ("ds", "space"), (7, "dataset"), (None, "dataset")],
)  # fmt: skip
def test_repositories_that_cannot_be(ask, name, kind):
    assert ask("POST", "/api/repos/create", {"name": name, "organization": "alice", "type": kind})[0] == 400


def test_the_older_spelling_of_visibility(hub, ask):
    assert ask("POST", "/api/repos/create", {"name": "m", "private": True})[0] == 200
    assert hub.private("models/alice/m"), "no type is a model, no organisation oneself"
    assert json.loads(ask("PUT", "/api/models/alice/m/settings", {"private": False})[2]) == {"private": False}
    assert ask("PUT", "/api/models/alice/m/settings", {"visibility": "odd"})[0] == 400
    assert not hub.private("models/alice/m")


FILE = ("file", {"path": "a.txt", "content": "MQ==", "encoding": "base64"})


@pytest.mark.parametrize(
    "lines",
    [
        [("file", {"path": "a.txt", "content": "no base64!", "encoding": "base64"})],
        [("file", {"path": "a.txt", "content": "MQ==", "encoding": "utf-8"})],
        [("file", {"path": "../a.txt", "content": "MQ=="})],
        [("file", {"path": "/a.txt", "content": "MQ=="})],
        [("file", {"path": ".git/config", "content": "MQ=="})],
        [("file", {"path": "a b", "content": "MQ=="})],
        [("file", {"content": "MQ=="})],
        [("lfsFile", {"path": "y.parquet", "algo": "sha256", "oid": "0" * 64, "size": 300})],
        [("lfsFile", {"path": "y.parquet", "algo": "sha256", "oid": OID, "size": 299})],
        [("lfsFile", {"path": "y.parquet", "algo": "sha256", "oid": "short", "size": 300})],
        [("somethingElse", {"path": "a.txt"})],
    ],
)
def test_a_commit_with_a_bad_line_is_refused_whole(hub, ask, oid, lines):
    status, answer = commit(ask, FILE, *lines)
    assert status == 400
    assert answer["error"]
    assert hub.refs("datasets/alice/ds").branches == {"main": oid}


def test_a_commit_needs_a_header_and_its_content_type(hub, ask, oid):
    assert commit(ask, header=FILE)[0] == 400
    assert commit(ask, FILE, header=("header", {"summary": ""}))[0] == 400
    assert commit(ask, FILE, kind="application/json")[0] == 400
    assert (
        ask("POST", "/api/datasets/alice/ds/commit/main", b"{", {"Content-Type": "application/x-ndjson", **AUTH})[0]
        == 400
    )
    assert hub.refs("datasets/alice/ds").branches == {"main": oid}
    assert commit(ask, FILE)[0] == 200


def test_lfs_objects_of_one_repository_are_not_anothers(hub, ask, oid):
    hub.put("alice/other", "dataset", {})
    line = ("lfsFile", {"path": "y.parquet", "algo": "sha256", "oid": OID, "size": 300})
    status, _, _ = ask(
        "POST",
        "/api/datasets/alice/other/commit/main",
        commit_body(line),
        {"Content-Type": "application/x-ndjson", **AUTH},
    )
    assert status == 400


def batch(ask, content, size=None):
    wanted = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content) if size is None else size}
    body = {"operation": "upload", "transfers": ["basic"], "objects": [wanted], "hash_algo": "sha256"}
    status, headers, answer = ask("POST", "/datasets/alice/ds.git/info/lfs/objects/batch", body)
    assert (status, headers["Content-Type"]) == (200, "application/vnd.git-lfs+json")
    (entry,) = json.loads(answer)["objects"]
    return entry


def test_an_object_that_is_stored_is_not_asked_for(ask, oid):
    assert "actions" not in batch(ask, TABLE)
    assert set(batch(ask, b"new")["actions"]) == {"upload", "verify"}


def test_uploads_need_an_address_from_the_hub_and_the_right_bytes(hub, ask, oid):
    actions = batch(ask, b"new")["actions"]
    path = actions["upload"]["href"].removeprefix(hub.url)
    assert ask("PUT", path.replace("signature=", "signature=0"), b"new", {})[0] == 403
    assert ask("PUT", path.partition("?")[0], b"new", AUTH)[0] == 403
    assert ask("PUT", path, b"old", {})[0] == 400
    verify = actions["verify"]["href"].removeprefix(hub.url)
    stored = {"oid": hashlib.sha256(b"new").hexdigest(), "size": 3}
    assert ask("POST", verify, stored)[0] == 404
    assert ask("PUT", path, b"new", {})[0] == 200
    assert ask("POST", verify, stored)[0] == 200
    assert ask("POST", verify, {**stored, "size": 4})[0] == 404
    assert ask("POST", verify, stored, {})[0] == 401


def test_a_body_in_chunks(hub, ask, oid):
    path = batch(ask, b"newer")["actions"]["upload"]["href"].removeprefix(hub.url)
    connection = HTTPConnection("127.0.0.1", int(hub.url.rpartition(":")[2]), timeout=30)
    connection.request(
        "PUT", path, iter([b"new", b"er"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 200
    connection.close()
    assert hub.log[-1].body == b"newer"


@pytest.mark.parametrize("chunked", [False, True])
def test_half_a_request_has_no_effect(hub, ask, oid, chunked):
    """A client that dies between two lines of a commit must not leave a commit of the first of them."""
    body = commit_body(FILE) + b"\n"
    head = f"POST /api/datasets/alice/ds/commit/main HTTP/1.1\r\nHost: x\r\nAuthorization: {AUTH['Authorization']}\r\n"
    head += "Content-Type: application/x-ndjson\r\n"
    length = (
        f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
        if chunked
        else f"Content-Length: {len(body) + 90}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(hub.url.rpartition(":")[2]))) as client:
        client.sendall((head + length).encode() + body + (b"\r\n" if chunked else b""))
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
    assert hub.refs("datasets/alice/ds").branches == {"main": oid}
    assert hub.log[-1].status == 0


def test_paths_info_in_json(ask, oid):
    status, _, body = ask(
        "POST", "/api/datasets/alice/ds/paths-info/main", {"paths": ["x.parquet", "none"], "expand": True},
        {"Content-Type": "application/json", **AUTH},
    )  # fmt: skip
    (entry,) = json.loads(body)
    assert (status, entry["size"], entry["lastCommit"]["title"]) == (200, 300, "seeded")
