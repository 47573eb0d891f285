"""A virtual host that lasts as long as a run: made by the operator, with nothing in it, and deleted after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from warren.errors import NotReadyError, WarrenError
from warren.management import ManagementClient, NotFoundError
from warren.topology import RESERVED_PREFIX
from warren.wait import Clock, until

_DEADLINE_S = 30.0
_EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
_NOTHING = {"configure": "^$", "write": "^$", "read": "^$"}


@contextmanager
def lasting(
    management: ManagementClient,
    name: str,
    *,
    users: Sequence[str],
    watchers: Sequence[str],
    keep: bool = False,
    clock: Clock | None = None,
) -> Iterator[None]:
    """The virtual host ``name`` for as long as the context lasts, or longer with ``keep``.

    ``users`` may do everything in it; ``watchers`` nothing but see it, as the API shows queues only of
    virtual hosts that one may enter. What a killed run left behind is deleted first.
    Raises NotReadyError when somebody is connected to it, or when it does not come up.
    """
    if not name.startswith(f"/{RESERVED_PREFIX}"):
        raise ValueError(f"{name} is not a run's own")
    remove(management, name, unless_used=True)
    try:
        _make(management, name, dict.fromkeys(users, _EVERYTHING) | dict.fromkeys(watchers, _NOTHING))
        until(
            lambda: _is_up(management, name),
            what=f"vhost {name} to be up on every node",
            deadline_s=_DEADLINE_S,
            every_s=0.5,
            clock=clock,
        )
        yield
    finally:
        if not keep:
            with suppress(WarrenError):
                remove(management, name)


def remove(management: ManagementClient, name: str, *, unless_used: bool = False) -> None:
    """Delete the virtual host where it is; raises NotReadyError when it is used and must not be."""
    with suppress(NotFoundError):
        if unless_used and (users := management.rows("vhosts", name, "connections")):
            raise NotReadyError(
                f"vhost {name}",
                f"has {len(users)} connections: another run uses it",
                "end the other run first",
            )
        management.delete("vhosts", name)


def _make(management: ManagementClient, name: str, permissions: Mapping[str, Mapping[str, str]]) -> None:
    description = "Made for a run of load; deleted after it"
    management.put("vhosts", name, body={"description": description, "default_queue_type": "quorum"})
    for user, rights in permissions.items():
        management.put("permissions", name, user, body=rights)


def _is_up(management: ManagementClient, name: str) -> None:
    states = management.get("vhosts", name).get("cluster_state", {})
    down = [node for node, state in states.items() if state != "running"]
    if down or not states:
        raise NotReadyError(f"vhost {name}", f"is not running on {', '.join(down) or 'any node'}")
