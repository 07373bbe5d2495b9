"""Who is calling the loopback Hub, and what each kind of token lets them do."""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass

READ, WRITE, DISCUSS = "repo.content.read", "repo.write", "discussion.write"
ROLES = {"read": (READ,), "write": (READ, WRITE, DISCUSS), "fine": (READ, WRITE), "pr": (READ, DISCUSS)}


@dataclass(frozen=True)
class Account:
    """A user as seen through one token.

    `scopes` is None for a classic token (all that the user has, as far as the role goes), else what the token may do
    with each entity: a namespace (`alice`) or a repository (`datasets/alice/ds`).
    """

    name: str
    role: str
    orgs: tuple[str, ...]
    scopes: Mapping[str, tuple[str, ...]] | None

    def may(self, permission: str, repository: str) -> bool:
        """Whether the token has a permission on a repository of its user or of one of the user's organisations."""
        namespace = repository.split("/")[1]
        if namespace not in (self.name, *self.orgs):
            return False
        if self.scopes is None:
            return permission in ROLES[self.role]
        return permission in (*self.scopes.get(namespace, ()), *self.scopes.get(repository, ()))

    def whoami(self) -> dict:
        """The answer of whoami-v2."""
        token: dict = {"displayName": "test", "role": self.role}
        if self.scopes is not None:
            scoped = [{"entity": _entity(name, self), "permissions": list(may)} for name, may in self.scopes.items()]
            token |= {
                "role": "fineGrained",
                "fineGrained": {"canReadGatedRepos": False, "global": [], "scoped": scoped},
            }
        return {
            "type": "user", "id": f"user-{self.name}", "name": self.name, "fullname": self.name,
            "email": f"{self.name}@localhost", "orgs": [{"name": name, "type": "org"} for name in self.orgs],
            "auth": {"type": "access_token", "accessToken": token},
        }  # fmt: skip


def _entity(name: str, account: Account) -> dict[str, str]:
    kind, _, rest = name.partition("/")
    if rest:
        return {"_id": name, "type": kind.removesuffix("s"), "name": rest}
    return {"_id": name, "type": "user" if name == account.name else "org", "name": name}


class Accounts:
    """The tokens that the Hub has given out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}

    def give(self, name: str, role: str, orgs: tuple[str, ...], scopes: Mapping[str, tuple[str, ...]] | None) -> str:
        """A new token. Those of the roles `fine` and `pr` are fine-grained: of the user's own namespace unless told."""
        if role in ("fine", "pr") and scopes is None:
            scopes = {name: ROLES[role]}
        token = "hf_" + secrets.token_hex(17)
        with self._lock:
            self._accounts[token] = Account(name, role, orgs, scopes)
        return token

    def revoke(self, token: str) -> None:
        """From now on the token is as wrong as an invented one."""
        with self._lock:
            del self._accounts[token]

    def of(self, token: str) -> Account | None:
        """Whose token it is; None for a wrong one."""
        with self._lock:
            return self._accounts.get(token)
