"""A fault that is a client's doing: a helper container with a program of ``chaos.clients``, on the cluster's
network. What the broker itself says of its connections is the proof.

A client of its own virtual host may do everything there, as the account of load profiles, and nothing
elsewhere: with that virtual host its queues and connections end. Nothing of it is drift, for the name is
reserved (`warren.topology.RESERVED_PREFIX`). The account's own limits hold: what they keep off is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chaos.clients.orders import Orders, connection_name, written
from chaos.clients.telling import last
from chaos.fault import CLUSTER, Args, Facts, Parameter, Site
from warren.connection import Endpoint
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.management import NotFoundError
from warren.runtime.protocol import Ability
from warren.topology import RESERVED_PREFIX

#: Whom load profiles' own virtual hosts belong to, and these too.
ACCOUNT = "load"
_ROLE = "fault"
_EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
_NOTHING = {"configure": "^$", "write": "^$", "read": "^$"}
_PROGRAM = ("-m", "chaos.clients")

LIMIT = Parameter(
    default=600.0, low=10, high=3600, help="the client ends by itself after this, healed or not"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and as whom a client works: in a queue of the topology's, or in its own virtual host."""

    vhost: str
    user: str
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFault:
    """A fault of one misbehaving client; chaos/faults/ names each.

    ``bites`` is the proof: figures of the broker's, or NotReadyError while they do not show it. ``place``
    says where the client works, if not in its own virtual host, and ``peer`` which certificate it shows.
    ``look`` finds what the proof is held against.
    """

    name: str
    summary: str
    own: Mapping[str, Parameter]
    bites: Callable[[Site, Journaled], Facts]
    look: Callable[[Site], Facts] = lambda _site: {}
    place: Callable[[Site, Args], Place] | None = None
    peer: Callable[[Site, Args], str] = lambda _site, _args: ""
    takes_down: bool = False
    is_silent: bool = False
    is_wide: bool = True
    ability: Ability = Ability.HELPERS

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {**self.own, "limit_s": LIMIT}

    def before(self, site: Site, target: str) -> Facts:  # noqa: ARG002 - there is only one target
        return self.look(site)

    def inject(self, site: Site, fault: Journaled) -> None:
        where = self._where(site, fault.args)
        orders = Orders(
            program=self.name,
            endpoints=tuple(
                Endpoint(name=node.name, host=node.name, port=site.topology.ports.amqps)
                for node in site.topology.nodes
            ),
            vhost=where.vhost,
            credentials=site.access.account(site.topology, where.user),
            ca_pem=site.access.authority_pem(),
            limit_s=float(fault.args["limit_s"]),
            settings=fault.args,
            queue=where.queue,
            peer_pem=self.peer(site, fault.args),
        )
        if self.place is None:
            _make_vhost(site, where)
        site.runtime.start_helper(self.name, _PROGRAM, stdin=written(orders))

    def prove(self, site: Site, fault: Journaled) -> Facts:
        """The broker's figures; raises NotReadyError with the client's last word while they show nothing."""
        helpers = [each for each in site.runtime.helpers(_ROLE) if each.fault == self.name]
        if not helpers:
            raise NotReadyError(self.name, "its client is not there")
        said = site.runtime.helper_said(helpers[0].name)
        counts, trouble = last(said)
        if not helpers[0].is_running:
            words = said.strip().splitlines() or ["without a word"]
            raise NotReadyError(self.name, f"its client has ended: {words[-1]}")
        try:
            return {**self.bites(site, fault), **{f"client_{key}": value for key, value in counts.items()}}
        except NotReadyError as error:
            told = f"; the client says: {trouble}" if trouble else ""
            raise NotReadyError(error.where, f"{error.what}{told}", error.remedy) from error

    def heal(self, site: Site, fault: Journaled) -> Facts:  # noqa: ARG002 - the name says all that is needed
        for each in site.runtime.helpers(_ROLE):
            if each.fault == self.name:
                site.runtime.remove_helper(each.name)
        with suppress(NotFoundError):
            site.access.management.delete("vhosts", own_vhost(self.name))
        if any(each.fault == self.name for each in site.runtime.helpers(_ROLE)):
            raise NotReadyError(self.name, "its client is still there")
        if _has_vhost(site, self.name):
            raise NotReadyError(own_vhost(self.name), "is still there")
        return {"connections_closed": _close_left(site, self.name), "client": "removed"}

    def residue(self, site: Site) -> tuple[str, ...]:
        """The client, or its virtual host; of the latter nothing is said where the broker cannot be asked."""
        if any(each.fault == self.name for each in site.runtime.helpers(_ROLE)):
            return (CLUSTER,)
        try:
            return (CLUSTER,) if _has_vhost(site, self.name) else ()
        except NotReadyError:
            return ()

    def _where(self, site: Site, args: Args) -> Place:
        if self.place is not None:
            return self.place(site, args)
        return Place(vhost=own_vhost(self.name), user=site.topology.user(ACCOUNT).name)


def own_vhost(name: str) -> str:
    """The virtual host in which the client of a fault may do as it likes."""
    return f"/{RESERVED_PREFIX}fault-{name}"


def own_rows(site: Site, name: str, kind: str) -> list[dict[str, Any]]:
    """``connections`` or ``channels`` of the fault's own virtual host; raises NotReadyError where it is not
    there, which it is not at once."""
    return site.access.management.rows("vhosts", own_vhost(name), kind)


def own_queue_row(site: Site, name: str, queue: str) -> Mapping[str, Any]:
    """What the broker says of a queue in the fault's own virtual host; raises NotReadyError as `own_rows`."""
    found: Mapping[str, Any] = site.access.management.get("queues", own_vhost(name), queue)
    return found


def enough(what: str, found: float, wanted: float) -> int:
    """``found`` as a whole number; raises NotReadyError while it is less than ``wanted``."""
    if found < wanted:
        raise NotReadyError("broker", f"shows {found:g} {what} and not {wanted:g} yet")
    return round(found)


def connections_of(site: Site, name: str) -> list[str]:
    """The broker's names of the connections that the client of a fault has, wherever."""
    rows = site.access.management.rows("connections", columns=("name", "user_provided_name"))
    prefix = connection_name(name)
    return [str(row["name"]) for row in rows if str(row.get("user_provided_name") or "").startswith(prefix)]


def half(asked: float, limit: int | None) -> float:
    """Half of what was asked for, or of what the account may have, where that is less."""
    return min(asked, float(limit)) / 2 if limit is not None else asked / 2


def _make_vhost(site: Site, where: Place) -> None:
    """The monitoring account sees the virtual host, as it sees those of load profiles."""
    management = site.access.management
    body = {"description": "Made for a fault; deleted when it is healed", "default_queue_type": "quorum"}
    management.put("vhosts", where.vhost, body=body)
    rights = {where.user: _EVERYTHING, site.topology.account("monitoring").name: _NOTHING}
    for user, right in rights.items():
        management.put("permissions", where.vhost, user, body=right)


def _has_vhost(site: Site, name: str) -> bool:
    rows = site.access.management.rows("vhosts", columns=("name",))
    return own_vhost(name) in {row["name"] for row in rows}


def _close_left(site: Site, name: str) -> int:
    """Close what the broker still has of the client's connections; returns how many there were.

    Raises NotReadyError while any is left: the list is the broker's statistics, which are seconds old.
    """
    left: Sequence[str] = connections_of(site, name)
    for each in left:
        with suppress(NotFoundError):
            site.access.management.delete("connections", each)
    if left and (still := connections_of(site, name)):
        raise NotReadyError(name, f"{len(still)} of its connections are still open")
    return len(left)
