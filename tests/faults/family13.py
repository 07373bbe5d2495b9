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

from syneg_data.errors import SynegError  # noqa: E402
from syneg_data.hub.contents import read_folder  # noqa: E402
from syneg_data.hub.plan import make_plan  # noqa: E402
from syneg_data.hub.push import carry_out, prepare  # noqa: E402
from syneg_data.hub.remote import Remote  # noqa: E402
from tests.hub.folders import listed, write_build  # noqa: E402
from tests.hub.server import LoopbackHub  # noqa: E402

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

    def push(self, token: str | None = None, **options) -> dict:
        """The push, in this process: what the command does, with a clock that does not wait."""
        remote = Remote(self.hub.url, token or self.token, self.repo, "dataset", wait=self.waits.append)
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
        there = {path: digest for path, digest in commit.files.items() if path not in ("manifest.json", ".gitattributes")}
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


def _both(name, plant, once, permanent, says="", **more):
    return [Case(name, "once", plant, once, says if once else "", **more),
            Case(name, "permanent", plant, permanent, says if permanent else "", **more)]  # fmt: skip


def _token(role):
    def plant(world, mode):
        world.token = world.hub.token(role=role)

    return plant


def _given(world):
    world.token = world.hub.token()
    world.hub.faults.clear()


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


def _broken_card(world, mode):
    path = world.folder / "README.md"
    path.write_text(path.read_text().replace("language:\n", "language: [\n", 1))
    listed(world.folder)


def _rebuilt(world):
    shutil.rmtree(world.folder)
    write_build(world.folder)


def _foreign_gone(world):
    world.hub.put(REPO, "dataset", {}, deleted=("notes.txt",))


QUOTA = b'{"error": "Private repository storage limit reached, please upgrade your plan"}'
NOTHING = Case("", "", lambda world, mode: None, 0)
PASSING = ("once", "permanent")

CASES: list[Case] = [
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
    *_both("11 412 although nothing moved", _status("POST", COMMIT, 412), 0, 4, "others are at work"),
    Case("11 412, somebody sets attributes", "once", _somebody_commits({".gitattributes": b"*.parquet filter=lfs\n"}), 0),
    Case("11 412, the same release by another", "once", _same_release_meanwhile, 0),
    Case("11 412, somebody adds a file", "once", _somebody_commits({"notes.txt": b"mine"}), 2,
         "somebody else has just committed notes.txt", mend=_foreign_gone),
    Case("11 412, somebody writes a card", "once", _somebody_commits({"README.md": b"mine"}), 2,
         "somebody else has just committed README.md",
         mend=lambda world: world.hub.put(REPO, "dataset", {}, deleted=("README.md",))),
    *_both("13 413", _status("POST", COMMIT, 413), 2, 2, "too large for the Hub"),
    *_both("14 429 with Retry-After", _status("POST", COMMIT, 429, headers=(("Retry-After", "7"),)), 0, 4,
           "wait 7 seconds"),
    *_both("14 429 with RateLimit", _status("POST", COMMIT, 429, headers=(("RateLimit", '"api";r=0;t=55'),)), 0, 4,
           "wait 55 seconds"),
    *_both("14 429 for an hour", _status("POST", COMMIT, 429, headers=(("Retry-After", "3600"),)), 4, 4,
           "wait 3600 seconds"),
    *_both("14 429 on the tag", _status("POST", TAG, 429, headers=(("Retry-After", "7"),)), 0, 4, "rate limit"),
    *_both("15 500, not landed", _status("POST", COMMIT, 500), 0, 4, "the Hub answers 500"),
    *_both("16 500, landed", _status("POST", COMMIT, 500, after=True), 0, 0),
    *[case for status in (502, 503, 504)
      for case in _both(f"17 {status}", _status("POST", COMMIT, status), 0, 4, f"the Hub answers {status}")],
    *_both("17 504, landed", _status("POST", COMMIT, 504, after=True), 0, 0),
    *_both("17 reset, landed", _status("POST", COMMIT, 0, after=True, reset=True), 0, 0),
    *_both("17 503 on a listing", _status("GET", "/tree/", 503), 0, 4, "the Hub answers 503"),
    *_both("17 503 on whoami", _status("GET", "whoami", 503), 0, 4, "the Hub answers 503"),
    *_both("18 reset mid-LFS", _status("PUT", PUT, 0, reset=True), 0, 4, "the upload: no answer"),
    *_both("18 503 of the storage", _status("PUT", PUT, 503), 0, 4, "the upload: the Hub answers 503"),
    *_both("18 503 of the batch", _status("POST", BATCH, 503), 0, 4, "the upload: the Hub answers 503"),
    *_both("19 LFS hash mismatch", _status("PUT", PUT, 400, body=b"sha256 does not match"), 0, 4, "the upload"),
    Case("20 tag exists, same content", "always", lambda world, mode: world.push(), 0),
    Case("20 tag exists, other content", "always", _other_content, 2, "a tag never moves", mend=_back, commits=1),
    *_both("20 tag: 500, not set", _status("POST", TAG, 500), 0, 4, "the tag v1.0.0", commits=1),
    *_both("20 tag: 500, set", _status("POST", TAG, 500, after=True), 0, 0),
    *_both("20 tag: reset, set", _status("POST", TAG, 0, after=True, reset=True), 0, 0),
    *_both("20 tag: 409 lock", _status("POST", TAG, 409), 0, 4, "others are at work", commits=1),
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


def run(case: Case, folder: Path) -> Outcome:
    """Push with the fault, then without it."""
    with LoopbackHub() as hub, _client_does_not_wait():
        world = World(hub, shutil.copytree(folder, Path(tempfile.mkdtemp()) / "stones"), hub.token())
        try:
            case.plant(world, case.mode)
            code, message = attempt(world.push)
            commits, tags, waits = len(world.releases()), len(world.tags()), tuple(world.waits)
            again = None
            if case.mend is not None:
                case.mend(world)
                again = attempt(world.push)[0]
            final = len(world.releases()), len(world.tags())
            return Outcome(code, message, commits, tags, again, final, all(map(world.complete, world.tags())), waits)
        finally:
            shutil.rmtree(world.folder.parent)


def attempt(call: Callable[[], object]) -> tuple[int, str]:
    """The exit code that the command line would have, and the message."""
    try:
        call()
    except SynegError as error:
        return error.exit_code, str(error)
    return 0, ""


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
    lines = [f"{'case':<42}{'mode':<11}{'exit':>5}{'commits':>9}{'tags':>6}{'again':>7}{'commits':>9}{'tags':>6}  complete"]
    for case, found in rows:
        again = "-" if found.again is None else found.again
        lines.append(
            f"{case.name:<42}{case.mode:<11}{found.code:>5}{found.commits:>9}{found.tags:>6}{again:>7}"
            f"{found.final[0]:>9}{found.final[1]:>6}  {'yes' if found.complete else 'NO'}"
        )
    released = sum(found.code == 0 for _, found in rows)
    whole = sum(found.complete and found.final[1] <= 1 for _, found in rows)
    lines.append(
        f"{len(rows)} cases: {released} released at once, {len(rows) - released} refused or stopped; at the end "
        f"{sum(found.final[1] == 1 for _, found in rows)} have one release, {sum(found.final[1] == 0 for _, found in rows)} "
        f"none, {len(rows) - whole} anything else"
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
