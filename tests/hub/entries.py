"""How the Hub describes files and directories: entries of a tree listing."""

from tests.hub.storage import Blob, Commit, directories


def lfs_entry(blob: Blob) -> dict:
    """The part of an entry that only files in LFS have."""
    return {"oid": blob.lfs, "size": blob.size, "pointerSize": blob.pointer_size}


def entries(commit: Commit, expand: bool) -> dict[str, dict]:
    """Every file and directory of a commit by path, directories before what is in them."""
    found: dict[str, dict] = {}
    for path, oid in directories(commit.tree).items():
        if path:
            found[path] = {"type": "directory", "oid": oid, "size": 0, "path": path}
    for path, blob in commit.tree.items():
        found[path] = {"type": "file", "oid": blob.oid, "size": blob.size, "path": path}
        if blob.lfs is not None:
            found[path]["lfs"] = lfs_entry(blob)
    if expand:
        for path, last in _last_commits(commit, found).items():
            found[path]["lastCommit"] = {"id": last.oid, "title": last.title, "date": last.date}
    return dict(sorted(found.items()))


def _last_commits(commit: Commit, found: dict[str, dict]) -> dict[str, Commit]:
    """For each path the commit that made it what it is."""
    last: dict[str, Commit] = {}
    oids = {path: entry["oid"] for path, entry in found.items()}
    for older in commit.history():
        there = {path: blob.oid for path, blob in older.tree.items()} | directories(older.tree)
        oids = {path: oid for path, oid in oids.items() if there.get(path) == oid}
        last |= dict.fromkeys(oids, older)
    return last
