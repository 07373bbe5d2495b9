"""Family 13: everything that a Hub can do to a push. `python -m tests.faults.family13` prints what became of each case.

Every case is pushed into a fresh Hub, once with the fault there and once more when it is gone: the same command, as a
person would. Whatever happens, there is one complete release at the end, or none.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

os.environ |= {"HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1,localhost", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

from syneg_data.errors import SynegError
from syneg_data.hub.contents import read_folder
from syneg_data.hub.plan import make_plan
from syneg_data.hub.push import carry_out, prepare
from syneg_data.hub.remote import Remote
from tests.hub.folders import listed, write_build
from tests.hub.server import LoopbackHub

REPO = "alice/stones"
KEY = f"datasets/{REPO}"
COMMIT, TAG, CREATE, PUT, BATCH = "/commit/", "/tag/", "/api/repos/create", "^/lfs/", "/info/lfs/objects/batch"


@dataclass
class World:
    """One case at work: a Hub, a folder, a token, and what was waited for."""

    hub: LoopbackHub
    folder: Path
    token: str
    repo: str = REPO
    version: str = "1.0.0"
    waits: list[float] = field(default_factory=list)
    environment: dict[str, str] | None = None  # what the command reads; None: it is told endpoint and token
    offline: bool = False

    def push(self, **options) -> dict:
        """The push, in this process: what the command does, with a clock that does not wait."""
        if self.environment is not None:
            with _environment(self.environment), _offline(self.offline):
                plan, remote, _ = prepare(self.folder, self.repo, self.version, **options)
                return carry_out(plan, remote)
        remote = Remote(self.hub.url, self.token, self.repo, "dataset", wait=self.waits.append)
        plan = make_plan(read_folder(self.folder), self.repo, self.version, remote, **options)
        return carry_out(plan, remote)

    def fail(self, method: str, path: str, status: int, mode: str, **more) -> None:
        """A fault, once or for good."""
        self.hub.fail(method, path, status, times=None if mode == "permanent" else 1, **more)

    def releases(self) -> list[str]:
        """Titles of the commits of releases, newest first."""
        if not self.hub.exists(KEY):
            return []
        return [commit.title for commit in self.hub.commits(KEY) if commit.title.startswith("Release")]

    def tags(self) -> dict[str, str]:
        """Tag -> commit."""
        return dict(self.hub.refs(KEY).tags) if self.hub.exists(KEY) else {}

    def complete(self, tag: str) -> bool:
        """Whether a tag has exactly the files that its manifest lists, byte for byte, and says so in its commit."""
        manifest = self.hub.file(KEY, tag, "manifest.json")
        listed = {path: entry["sha256"] for path, entry in json.loads(manifest)["files"].items()}
        (commit,) = [c for c in self.hub.commits(KEY, self.tags()[tag]) if c.oid == self.tags()[tag]]
        there = {
            path: digest for path, digest in commit.files.items() if path not in ("manifest.json", ".gitattributes")
        }
        said = f"Syneg-Manifest: sha256:{hashlib.sha256(manifest).hexdigest()}" in commit.message
        return there == listed and said


@dataclass(frozen=True)
class Case:
    """A fault.

    Attributes:
        name: number in the list of the family, and what it is.
        mode: once, permanent, or always so.
        plant: makes it so.
        code: exit code of the push that meets it; 0: released in spite of it.
        says: is in the message.
        mend: makes it go away; None: it is the user's to mend by naming something else, so there is no second push.
        waits: seconds that the Hub asked for and that were waited.
        commits: of releases, after the fault; by default 1 if released, else 0.
    """

    name: str
    mode: str
    plant: Callable[[World, str], None]
    code: int
    says: str = ""
    mend: Callable[[World], None] | None = lambda world: world.hub.faults.clear()
    waits: tuple[float, ...] | None = None
    commits: int | None = None


def _status(method, path, status, **more):
    return lambda world, mode: world.fail(method, path, status, mode, **more)


def _limited(header, value):
    return _status("POST", COMMIT, 429, headers=((header, value),))


def _both(name, plant, once, permanent, says="", tagging=False, **more):
    """A fault that comes once, and one that stays; while tagging it leaves a commit behind that is finished later."""
    left = {"commits": 1} if tagging else {}
    return [
        Case(name, "once", plant, once, says if once else "", **more),
        Case(name, "permanent", plant, permanent, says if permanent else "", **more, **left),
    ]


def _token(role):
    def plant(world, mode):
        world.token = world.hub.token(role=role)

    return plant


def _given(world):
    world.token = world.hub.token()
    world.hub.faults.clear()


def _no_token(world, mode):
    world.environment = {"HF_ENDPOINT": world.hub.url, "HF_TOKEN": ""}


def _hub_is_offline(world, mode):
    world.environment, world.offline = {"HF_ENDPOINT": world.hub.url, "HF_TOKEN": world.token}, True


def _as_told(world):
    world.environment, world.offline = None, False


def _wrong(world, mode):
    world.token = "hf_" + "0" * 34


def _expires(world, mode):
    world.hub.meanwhile("POST", COMMIT, lambda: world.hub.revoke(world.token))


def _named(repo):
    def plant(world, mode):
        world.repo = repo

    return plant


def _there(files, **more):
    def plant(world, mode):
        world.hub.put(REPO, "dataset", files, **more)

    return plant


def _other_content(world, mode):
    world.push()
    world.folder = write_build(world.folder.parent / "other", negatives=1)


def _back(world):
    world.folder = world.folder.parent / "stones"


def _somebody_commits(files):
    def plant(world, mode):
        world.hub.meanwhile("POST", COMMIT, lambda: world.hub.put(REPO, "dataset", files, message="by hand"))

    return plant


def _same_release_meanwhile(world, mode):
    other = World(world.hub, world.folder, world.hub.token())
    world.hub.meanwhile("POST", COMMIT, other.push)


def _other_release_meanwhile(world, mode):
    other = World(world.hub, write_build(world.folder.parent / "other", negatives=1), world.hub.token())
    world.hub.meanwhile("POST", COMMIT, other.push)


def _back_and_gone(world):
    """The other one was first, so the version is taken: what it released is released again, and nothing happens."""
    world.folder = world.folder.parent / "other"


def _broken_card(world, mode):
    path = world.folder / "README.md"
    path.write_text(path.read_text().replace("language:\n", "language: [\n", 1))
    listed(world.folder)


def _rebuilt(world):
    shutil.rmtree(world.folder)
    write_build(world.folder)


def _foreign_gone(world):
    world.hub.put(REPO, "dataset", {}, deleted=("notes.txt",))


PORTAL = b"<html>Log in to this network</html>"
QUOTA = b'{"error": "Private repository storage limit reached, please upgrade your plan"}'

CASES: list[Case] = [
    Case("1 no token", "always", _no_token, 2, "HF_TOKEN is not set; put a token", mend=_as_told),
    Case("2 bad token", "always", _wrong, 2, "refuses the token", mend=_given),
    Case("3 read-only token", "always", _token("read"), 2, "HF_TOKEN: may only read", mend=_given),
    Case("4 PR-only token", "always", _token("pr"), 2, "without write access to the contents of", mend=_given),
    *_both("4 the Hub forbids the commit", _status("POST", COMMIT, 403), 2, 2, "the token may not do this"),
    Case("5 token expires mid-push", "once", _expires, 2, "refuses the token", mend=_given),
    Case("6 repository absent", "always", lambda world, mode: None, 0),
    *_both("6 making it fails, 500", _status("POST", CREATE, 500), 0, 4, "making the repository"),
    *_both("6 made, and the answer is lost", _status("POST", CREATE, 502, after=True), 0, 0),
    Case("7 repository is a model", "always", lambda world, mode: world.hub.put(REPO, "model", {"a.md": b"a"}), 2,
         "is a model's repository, and this folder is a data set", mend=None),
    Case("7 repository is public", "always", _there({}, private=False), 2, "is public", mend=None),
    *[Case(f"8 name {repo}", "always", _named(repo), 2, "no id of a repository", mend=None)
      for repo in ("stones", "alice/", "alice/sto nes", "alice/a--b", "../x", "alice/x.git", "alice/a/b")],
    Case("8 owner is somebody else", "always", _named("bob/stones"), 2, "who is not in bob", mend=None),
    *_both("9 private quota, on making it", _status("POST", CREATE, 403, body=QUOTA), 4, 4, "no room at the Hub"),
    *_both("9 quota, on the commit", _status("POST", COMMIT, 403, body=QUOTA), 4, 4, "no room at the Hub"),
    *_both("10 409 lock", _status("POST", COMMIT, 409), 0, 4, "others are at work"),
    Case("11 412 although nothing moved", "once", _status("POST", COMMIT, 412), 0),
    Case("12 412 forever", "permanent", _status("POST", COMMIT, 412), 4, "others are at work"),
    Case("11 412, somebody sets attributes", "once", _somebody_commits({".gitattributes": b"*.parquet filter=lfs"}), 0),
    Case("11 412, somebody adds a file", "once", _somebody_commits({"notes.txt": b"mine"}), 2,
         "somebody else has just committed notes.txt", mend=_foreign_gone),
    Case("11 412, somebody writes a card", "once", _somebody_commits({"README.md": b"mine"}), 2,
         "somebody else has just committed README.md",
         mend=lambda world: world.hub.put(REPO, "dataset", {}, deleted=("README.md",))),
    *_both("13 413", _status("POST", COMMIT, 413), 2, 2, "too large for the Hub"),
    Case("14 429 with Retry-After", "once", _limited("Retry-After", "7"), 0, waits=(7.0,)),
    Case("14 429 with Retry-After", "permanent", _limited("Retry-After", "7"), 4, "wait 7 seconds", waits=(7.0,) * 4),
    Case("14 429 with RateLimit", "once", _limited("RateLimit", '"api";r=0;t=55'), 0, waits=(55.0,)),
    Case("14 429 with RateLimit", "permanent", _limited("RateLimit", '"api";r=0;t=55'), 4, "wait 55 seconds",
         waits=(55.0,) * 4),
    *_both("14 429 for an hour", _limited("Retry-After", "3600"), 4, 4, "wait 3600 seconds", waits=()),
    *_both("14 429 on the tag", _status("POST", TAG, 429, headers=(("Retry-After", "7"),)), 0, 4, "rate limit",
           tagging=True),
    *_both("15 500, not landed", _status("POST", COMMIT, 500), 0, 4, "the Hub answers 500"),
    *_both("16 500, landed", _status("POST", COMMIT, 500, after=True), 0, 0),
    *[case for status in (502, 503, 504)
      for case in _both(f"17 {status}", _status("POST", COMMIT, status), 0, 4, f"the Hub answers {status}")],
    *_both("17 504, landed", _status("POST", COMMIT, 504, after=True), 0, 0),
    *_both("17 reset, landed", _status("POST", COMMIT, 0, after=True, reset=True), 0, 0),
    *_both("17 503 on a listing", _status("GET", "/tree/", 503), 0, 4, "the Hub answers 503"),
    *_both("17 503 on whoami", _status("GET", "whoami", 503), 0, 4, "the Hub answers 503"),
    *_both("17 200 that says nothing, commit", _status("POST", COMMIT, 200, body=PORTAL), 0, 4,
           "none that can be read"),
    *_both("17 200 that says nothing, landed", _status("POST", COMMIT, 200, body=PORTAL, after=True), 0, 0),
    *_both("17 200 that says nothing, upload", _status("POST", BATCH, 200, body=b"{}"), 0, 4, "none that can be read"),
    *[case for path, body in (("whoami", b"[]"), ("/refs", b"{}"), ("/tree/", PORTAL))
      for case in _both(f"17 200 that says nothing, {path}", _status("GET", path, 200, body=body), 0, 4,
                        "none that can be read")],
    *_both("18 reset mid-LFS", _status("PUT", PUT, 0, reset=True), 0, 4, "the upload: no answer"),
    *_both("18 503 of the storage", _status("PUT", PUT, 503), 0, 4, "the upload: the Hub answers 503"),
    *_both("18 503 of the batch", _status("POST", BATCH, 503), 0, 4, "the upload: the Hub answers 503"),
    *_both("19 LFS hash mismatch", _status("PUT", PUT, 400, body=b"sha256 does not match"), 0, 4, "the upload"),
    Case("20 tag exists, same content", "always", lambda world, mode: world.push(), 0),
    Case("20 tag exists, other content", "always", _other_content, 2, "a tag never moves", mend=_back, commits=1),
    *_both("20 tag: 500, not set", _status("POST", TAG, 500), 0, 4, "the tag v1.0.0", tagging=True),
    *_both("20 tag: 500, set", _status("POST", TAG, 500, after=True), 0, 0),
    *_both("20 tag: reset, set", _status("POST", TAG, 0, after=True, reset=True), 0, 0),
    *_both("20 tag: 409 lock", _status("POST", TAG, 409), 0, 4, "others are at work", tagging=True),
    Case("21 two pushers, the same build", "once", _same_release_meanwhile, 0),
    Case("21 two pushers, two builds", "once", _other_release_meanwhile, 2, "somebody else has just committed",
         mend=_back_and_gone, commits=1),
    Case("23 HF_HUB_OFFLINE", "always", _hub_is_offline, 4, "HF_HUB_OFFLINE is set; unset it", mend=_as_told),
    Case("24 foreign files", "always", _there({"notes.txt": b"mine"}), 2, "(notes.txt)", mend=_foreign_gone),
    Case("25 card is no YAML", "always", _broken_card, 2, "README.md: its front matter is no YAML", mend=_rebuilt),
    *_both("25 the Hub rejects the card", _status("POST", "validate-yaml", 400,
           body=b'{"errors": [{"message": "license is required"}], "warnings": []}'), 2, 2,
           "README.md: the Hub says: license is required"),
]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        code: exit code of the push that met the fault.
        message: of it.
        commits: of releases after it; and tags.
        tags: how many.
        again: exit code of the same command without the fault, None where there was no second push.
        final: commits and tags at the very end.
        complete: whether every tag is.
        waits: seconds that were waited for.
    """

    code: int
    message: str
    commits: int
    tags: int
    again: int | None
    final: tuple[int, int]
    complete: bool
    waits: tuple[float, ...]


def run(case: Case, folder: Path, *, again: bool = True) -> Outcome:
    """Push with the fault, then without it.

    Args:
        case: the fault.
        folder: a build.
        again: also where the first push released it.
    """
    home = Path(tempfile.mkdtemp())
    with LoopbackHub() as hub, _client_does_not_wait():
        world = World(hub, shutil.copytree(folder, home / "stones"), hub.token())
        try:
            case.plant(world, case.mode)
            code, message = attempt(world.push)
            commits, tags, waits = len(world.releases()), len(world.tags()), tuple(world.waits)
            second = None
            if case.mend is not None and (code or again):
                case.mend(world)
                second = attempt(world.push)[0]
            final = len(world.releases()), len(world.tags())
            return Outcome(code, message, commits, tags, second, final, all(map(world.complete, world.tags())), waits)
        finally:
            shutil.rmtree(home)


def attempt(call: Callable[[], object]) -> tuple[int, str]:
    """The exit code that the command line would have, and the message."""
    try:
        call()
    except SynegError as error:
        return error.exit_code, str(error)
    return 0, ""


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _offline(offline: bool) -> Iterator[None]:
    """What the client reads HF_HUB_OFFLINE into when it is imported."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, offline
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextlib.contextmanager
def _client_does_not_wait() -> Iterator[None]:
    """The Hub's own client repeats transfers, and sleeps between; here its clock is replaced, and nothing of ours."""
    from huggingface_hub.utils import _http

    clock = _http.time
    _http.time = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    try:
        yield
    finally:
        _http.time = clock


def table(rows: list[tuple[Case, Outcome]]) -> str:
    """A line per case, and the counts."""
    counts = ("exit", "commits", "tags", "again", "commits", "tags")
    lines = [f"{'case':<42}{'mode':<11}{''.join(f'{name:>8}' for name in counts)}  complete"]
    for case, found in rows:
        figures = (found.code, found.commits, found.tags, "-" if found.again is None else found.again, *found.final)
        whole = "yes" if found.complete else "NO"
        lines.append(f"{case.name:<42}{case.mode:<11}{''.join(f'{figure:>8}' for figure in figures)}  {whole}")
    released = sum(found.code == 0 for _, found in rows)
    ends = [found.final[1] if found.complete else -1 for _, found in rows]
    lines.append(
        f"{len(rows)} cases: {released} released in spite of it, {len(rows) - released} refused or stopped; after the "
        f"second push {ends.count(1)} have exactly one complete release, {ends.count(0)} none, "
        f"{len(rows) - ends.count(1) - ends.count(0)} anything else"
    )
    return "\n".join(lines)


def main() -> None:
    """Run every case and print the table."""
    home = Path(tempfile.mkdtemp())
    try:
        folder = write_build(home / "stones")
        print(table([(case, run(case, folder)) for case in CASES]))
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    sys.exit(main())
