"""Snapshots: files of a Hub repository at one commit, fetched or found in the Hub's cache; never by a stale name."""

import ipaddress
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from syneg_data.confidential import redact
from syneg_data.errors import InputError, SynegError, UnavailableError

Kind = Literal["dataset", "model"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"\w[\w./+-]{0,254}")  # of a tag or branch; the Hub's own rules are git's, which allow more
_PUBLIC = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files of a repository at a commit, where the Hub's cache keeps them; they are read, never written."""

    path: Path
    commit: str


def fetch(
    repo_id: str,
    revision: str,
    *,
    repo_type: Kind,
    allow_patterns: Sequence[str] | None = None,
    fresh: bool = False,
) -> Snapshot:
    """Download a repository at a revision, or find it in the Hub's cache.

    A tag or branch is resolved at the Hub itself: what the cache holds under that name may be long out of date. A
    commit never moves, so a cached one is as good as the Hub's.

    Args:
        repo_id: `owner/name`.
        revision: commit of 40 hex digits, tag or branch.
        repo_type: of the repository.
        allow_patterns: only files that match one of these, as `fnmatch` has it; None: all.
        fresh: download again what the cache holds.

    Raises:
        InputError: there is no such repository or revision, or the token may not read it.
        UnavailableError: the Hub cannot be reached, and `revision` is no commit that the cache holds.
    """
    import huggingface_hub

    commit = resolve(repo_id, revision, repo_type=repo_type)
    with asking(f"{repo_id}@{revision}"):
        path = huggingface_hub.snapshot_download(
            repo_id,
            repo_type=repo_type,
            revision=commit,
            allow_patterns=None if allow_patterns is None else list(allow_patterns),
            force_download=fresh,
            endpoint=endpoint(),
            token=token() or False,
        )
    return Snapshot(Path(path), commit)


def resolve(repo_id: str, revision: str, *, repo_type: Kind) -> str:
    """The commit that a revision is at the Hub now; a commit is itself, without asking.

    Raises:
        InputError: as for `fetch`.
        UnavailableError: the Hub cannot be reached, and `revision` is a name.
    """
    if is_commit(revision):
        return revision
    if not _NAME.fullmatch(revision) or ".." in revision:
        raise InputError(f"{repo_id}@{revision}: not the name of a revision; write a tag, a branch or a commit")
    with asking(f"{repo_id}@{revision}", _cached(repo_id, revision, repo_type)):
        commit = str(client().repo_info(repo_id, revision=revision, repo_type=repo_type).sha)
        if not is_commit(commit):
            raise ValueError("the answer names no commit")
    return commit


def message_of(repo_id: str, commit: str, *, repo_type: Kind) -> str:
    """What the commit says of itself: title and description.

    Raises:
        InputError: there is no such commit, or the token may not read it.
        UnavailableError: the Hub cannot be reached; messages are in no cache.
    """
    with asking(f"{repo_id}@{commit}"):
        found = client().list_repo_commits(repo_id, revision=commit, repo_type=repo_type)
        if not found or found[0].commit_id != commit:
            raise ValueError("the answer names another commit")
        return f"{found[0].title}\n{found[0].message or ''}"


def is_commit(revision: str) -> bool:
    """Whether a revision is one that cannot move: all 40 hex digits of a commit."""
    return _COMMIT.fullmatch(revision) is not None


def token() -> str | None:
    """The token of the environment; one that was stored on this machine is not used.

    Raises:
        InputError: it is such as no header can hold; what refuses it further on would repeat it, in another spelling.
    """
    found = os.environ.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[!-~]*", found):
        raise InputError("HF_TOKEN: holds spaces, line ends or letters that no token has; copy it again")
    return found or None


def endpoint() -> str:
    """Where the Hub is: `HF_ENDPOINT`, else the public one.

    Raises:
        InputError: a token must not be sent there; or, with `SYNEG_TEST=1`, it is not on this machine.
    """
    url = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _PUBLIC
    parts = urlsplit(url)
    local = _is_local(parts.hostname or "")
    if "@" in parts.netloc:
        raise InputError("HF_ENDPOINT: credentials stand in the URL; remove them, the token comes from HF_TOKEN")
    if parts.scheme != "https" and not (parts.scheme == "http" and (local or token() is None)):
        raise InputError("HF_ENDPOINT: a token is sent only over https, or to this machine; set it to an https URL")
    if os.environ.get("SYNEG_TEST") == "1" and not local:
        raise InputError("HF_ENDPOINT: SYNEG_TEST=1 allows only a Hub on this machine; set it to one")
    return url


def client() -> Any:  # noqa: ANN401
    """The Hub's own client, with the endpoint and the token of the environment."""
    import huggingface_hub

    return huggingface_hub.HfApi(endpoint=endpoint(), token=token() or False, library_name="syneg-data")


@contextmanager
def asking(label: str, cached: str = "") -> Iterator[None]:
    """Turn every way in which the Hub's client fails into one of our errors; the disk's own faults pass through.

    Args:
        label: what is asked for.
        cached: what to do if the Hub cannot be reached, beyond trying again.

    Raises:
        InputError: what is asked for does not exist, or the token may not have it.
        UnavailableError: the Hub is out of reach, has a fault, or asks to wait.
    """
    import huggingface_hub.errors as hub

    transport: type[Exception] = vars(hub)["HTTPError"]  # of httpx or httpx2, as the client's version has it
    try:
        yield
    except SynegError:
        raise
    except hub.HFValidationError as error:
        raise InputError(f"{label}: {_first_line(error)}; correct the id") from None
    except (transport, OSError, ValueError, LookupError, TypeError, AssertionError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            raise
        raise _translated(label, error, cached) from None


def _translated(label: str, error: Exception, cached: str) -> SynegError:
    import huggingface_hub.errors as hub

    cause = error if isinstance(error, hub.HfHubHTTPError) else error.__cause__
    answer = cause if isinstance(cause, hub.HfHubHTTPError) else None
    what = _first_line(answer or error)
    status = getattr(answer and answer.response, "status_code", None)
    if isinstance(answer, hub.GatedRepoError):
        return InputError(f"{label}: {what}; accept its terms on the Hub, and set HF_TOKEN to a token of that account")
    if isinstance(answer, hub.RepositoryNotFoundError):
        return InputError(
            f"{label}: no such repository, or a private one; check the id, or set HF_TOKEN to a token that may read it"
        )
    if isinstance(answer, hub.RevisionNotFoundError):
        return InputError(f"{label}: no such revision; check it against the tags and branches of the repository")
    if status in (401, 403):
        return InputError(f"{label}: {what}; set HF_TOKEN to a token that may read it")
    if status == 429:
        wait = str(answer.response.headers.get("Retry-After", "")) if answer else ""
        wait = f"{wait} seconds" if wait.isdecimal() else "a while"
        return UnavailableError(
            f"{label}: the Hub asks to wait (its rate limit); run the same command again after {wait}"
        )
    mend = "check network and HF_ENDPOINT, then run the same command again"
    if cached:
        mend = f"{mend}, {cached}"
    return UnavailableError(f"{label}: the Hub does not answer as it should ({what}); {mend}")


def _cached(repo_id: str, revision: str, repo_type: Kind) -> str:
    """What to say of commits that the cache holds: any may be the one that is meant, but only a person can know."""
    from huggingface_hub import constants

    home = Path(constants.HF_HUB_CACHE) / f"{repo_type}s--{repo_id.replace('/', '--')}" / "snapshots"
    try:
        commits = sorted((path for path in home.iterdir() if is_commit(path.name)), key=lambda p: -p.stat().st_mtime)
    except (OSError, ValueError):
        return ""
    if not commits:
        return ""
    named = " or ".join(path.name for path in commits[:3])
    return f"or write {named} in place of {revision}: what the cache holds, which may be older than {revision} is now"


def _first_line(error: Exception) -> str:
    """What an error says, in a line, without a token."""
    said = getattr(error, "server_message", None) or str(error).strip() or type(error).__name__
    line = next(line for line in said.splitlines() if line.strip()).strip()[:300]
    if (secret := token()) is not None:
        line = line.replace(secret, "[token]")
    return redact(line)


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
