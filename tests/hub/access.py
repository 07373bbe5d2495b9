"""Who may see and change which repository of the loopback Hub, and how it says no."""

from tests.hub.accounts import DISCUSS, READ, WRITE, Account
from tests.hub.storage import Commit, Missing, Repository
from tests.hub.wire import Refused, Request

NO_WRITE = "Forbidden: you have read access but not the required permissions for this operation"
ASK_FOR_PR = "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request"


def caller(hub, request: Request) -> Account | None:
    """Whose token came with a request; None for none. A wrong one is refused, whatever was asked for."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    account = hub.accounts.of(token) if scheme == "Bearer" else None
    if account is None:
        raise Refused(401, "Invalid credentials in Authorization header")
    return account


def signed_in(hub, request: Request) -> Account:
    """The caller, who must be somebody."""
    account = caller(hub, request)
    if account is None:
        raise Refused(401, "Invalid username or password.")
    return account


def visible(account: Account | None, repository: Repository) -> bool:
    """Whether a repository exists as far as this caller is told."""
    return not repository.private or (account is not None and account.may(READ, repository.id))


def readable(hub, request: Request, kinds: str, owner: str, name: str) -> Repository:
    """The repository, for reading. One that is hidden and one that is missing give the same answer."""
    account = caller(hub, request)
    try:
        repository = hub.storage.get(f"{kinds.strip('/') or 'models'}/{owner}/{name}")
        if visible(account, repository):
            return repository
    except Missing:
        pass
    if account is None:
        raise Refused(401, "Invalid username or password.", "RepoNotFound")
    raise Refused(404, "Repository not found", "RepoNotFound")


def writable(
    hub, request: Request, kinds: str, owner: str, name: str, proposing: bool = False
) -> tuple[Repository, Account]:
    """The repository, for writing; a caller who is only `proposing` (a pull request) needs less."""
    repository = readable(hub, request, kinds, owner, name)
    account = signed_in(hub, request)
    if account.may(WRITE, repository.id):
        return repository, account
    if proposing and (account.may(DISCUSS, repository.id) or (not repository.private and account.role == "write")):
        return repository, account
    raise Refused(403, ASK_FOR_PR if account.may(DISCUSS, repository.id) else NO_WRITE)


def commit_at(repository: Repository, revision: str) -> Commit:
    """The commit that a revision names."""
    with repository.lock:
        try:
            return repository.commit_at(revision)
        except Missing:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound") from None
