"""An account's password changed under its clients: who is connected stays, who comes anew is refused until it
knows the new one. Healed, the broker has the password again that the clients know.

The new one stands in the state folder beside the former, for a client to be told: ``secrets/USER.rotated``.
https://www.rabbitmq.com/docs/access-control#user-management
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.fault import CLUSTER, Facts, Parameter, Site
from warren.definitions import HASHING_ALGORITHM, password_hash, password_matches, stable_salt
from warren.errors import NotReadyError, RefusedError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState

_SUFFIX = ".rotated"
_TOOL_S = 30.0
#: What the broker's tool says to a password that is not the account's, and to nothing else.
_REFUSED = "failed to authenticate user"


def _parameters() -> Mapping[str, Parameter]:
    what = "the account whose password is changed, or several with commas between"
    return {"user": Parameter(default="orders-worker", of="user", many=True, help=what)}


@dataclass(frozen=True, slots=True)
class PasswordRotation:
    summary: str = "change an account's password under its clients; heal sets the one that they know"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = False
    is_silent: bool = False
    is_wide: bool = True

    def before(self, site: Site, target: str) -> Facts:  # noqa: ARG002 - there is only one target
        """Raises RefusedError where a rotation is under way that no journal knows of."""
        if under_way := _under_way(site):
            what = f"the password of {', '.join(sorted(under_way))} is rotated already"
            raise RefusedError("accounts", what, "heal it first: make chaos-heal")
        return {}

    def inject(self, site: Site, fault: Journaled) -> None:
        """The new password is on disk before the broker knows it."""
        for user in _users(fault):
            site.access.secrets.read(user)
            _set(site, user, site.access.secrets.ensure(user + _SUFFIX))

    def prove(self, site: Site, fault: Journaled) -> Facts:
        """A node refuses the former passwords and takes the new; raises NotReadyError while it does not."""
        users, secrets = _users(fault), site.access.secrets
        for user in users:
            if _gets_in(site, user, secrets.read(user)):
                raise NotReadyError(user, "its former password still holds")
            if not _gets_in(site, user, secrets.read(user + _SUFFIX)):
                raise NotReadyError(user, "its new password does not hold yet")
        rows = site.access.management.rows("connections", columns=("name", "user"))
        return {"user": ", ".join(users), "connections_kept": sum(row.get("user") in users for row in rows)}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """The state folder says what the clients know; whatever the broker has, it gets that."""
        users = _under_way(site) | (set(_users(fault)) if fault.args else set())
        for user in sorted(users):
            known = site.access.secrets.read(user)
            if not _holds(site, user, known):
                _set(site, user, known)
            if not _holds(site, user, known):
                raise NotReadyError(user, "the broker does not have the password that its clients know")
            site.access.secrets.path(user + _SUFFIX).unlink(missing_ok=True)
        return {"password_healed": ", ".join(sorted(users))}

    def residue(self, site: Site) -> tuple[str, ...]:
        return (CLUSTER,) if _under_way(site) else ()


def _users(fault: Journaled) -> tuple[str, ...]:
    return _parameters()["user"].names(fault.args["user"])


def _under_way(site: Site) -> set[str]:
    """The accounts beside whose password there is a new one."""
    return {path.name.removesuffix(_SUFFIX) for path in site.access.secrets.folder.glob(f"*{_SUFFIX}")}


def _set(site: Site, user: str, password: str) -> None:
    """As a hash, and with the account's tags, which a change without them would take away."""
    body = {
        "password_hash": password_hash(password, stable_salt(user, password)),
        "hashing_algorithm": HASHING_ALGORITHM,
        "tags": sorted(site.topology.user(user).tags),
    }
    site.access.management.put("users", user, body=body)


def _holds(site: Site, user: str, password: str) -> bool:
    found = site.access.management.get("users", user)
    return password_matches(str(found["password_hash"]), password, str(found["hashing_algorithm"]))


def _gets_in(site: Site, user: str, password: str) -> bool:
    """Whether a node lets the user in, by its own tool, which reads the password from its standard input."""
    running = [node for node, state in site.runtime.states().items() if state is NodeState.RUNNING]
    if not running:
        raise NotReadyError("cluster", "no node runs")
    argv = ["rabbitmqctl", "authenticate_user", user]
    done = site.runtime.execute(running[0], argv, timeout_s=_TOOL_S, stdin=password.encode() + b"\n")
    if not done.ok and _REFUSED not in (done.stderr + done.stdout).lower():
        raise NotReadyError(running[0], f"cannot be asked for {user}: {done.reason()}")
    return done.ok


FAULT = PasswordRotation()
