"""The state of each link as the broker has it, and what to try where it does not run.

``/api/shovels`` and ``/api/federation-links`` tell of what runs somewhere or has just failed; a link that no
node tells of does not run (rabbit_shovel_mgmt_util.erl, rabbit_federation_mgmt.erl of 4.3.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from warren.console import shorten
from warren.links import addresses
from warren.links.objects import SHOVEL, UPSTREAM
from warren.management import NotFoundError
from warren.topology import Topology
from warren.topology_links import Federation, Remote, Shovel

Row = Mapping[str, Any]
_REASON_WIDTH = 300
#: What the broker calls the states, by what they come to. A shovel that is held back says so in its state.
_RUNNING = frozenset({"running", "flow"})
_STARTING = frozenset({"starting"})
_BLOCKED = frozenset({"blocked"})


class LinkState(StrEnum):
    """What a link does."""

    RUNNING = "running"
    BLOCKED = "blocked"
    STARTING = "starting"
    DOWN = "down"
    ABSENT = "absent"


class Api(Protocol):
    """What is asked of the management API."""

    def rows(self, *path: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """One link. ``node`` runs it, ``since`` is the broker's local time of its last change of state, both
    empty where nothing runs; ``reason`` is the broker's, ``remedy`` what to try."""

    name: str
    kind: str
    source: str
    target: str
    remote: str
    state: LinkState
    node: str = ""
    since: str = ""
    reason: str = ""
    remedy: str = ""

    @property
    def runs(self) -> bool:
        return self.state is LinkState.RUNNING

    def as_result(self) -> dict[str, Any]:
        """For ``--json``; no secret is in it."""
        keys = ("name", "kind", "source", "target", "remote", "node", "since", "reason", "remedy")
        return {**{key: getattr(self, key) for key in keys}, "state": self.state.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the broker told: rows of shovels and of federation links, None where no plugin answers."""

    shovels: Sequence[Row] | None
    federations: Sequence[Row] | None
    parameters: Sequence[Row]


def ask(api: Api, topology: Topology) -> Told:
    """Ask for what the links of ``topology`` need. Raises NotReadyError when no node answers."""
    links = topology.links
    return Told(
        shovels=_rows(api, "shovels") if links.shovels else [],
        federations=_rows(api, "federation-links") if links.federations else [],
        parameters=[row for name in (SHOVEL, UPSTREAM) for row in api.rows("parameters", name)],
    )


def _rows(api: Api, path: str) -> list[dict[str, Any]] | None:
    try:
        return api.rows(path)
    except NotFoundError:  # the plugin that answers there is not enabled
        return None


def judge(topology: Topology, told: Told, *, unreached: Iterable[str] = ()) -> tuple[LinkStatus, ...]:
    """The state of every link, in the order of the file. ``unreached`` are networks of remotes on this
    machine on which our relay does not stand (`warren.runtime.compose_links.LinkRelay.lost_networks`)."""
    lost = set(unreached)
    return tuple(_status(topology, link, told, lost) for link in topology.links.all)


def _status(topology: Topology, link: Shovel | Federation, told: Told, lost: set[str]) -> LinkStatus:
    remote = topology.links.remote(link.remote)
    table = told.shovels if isinstance(link, Shovel) else told.federations
    row = _row(link, table or ())
    state, reason = _state(row)
    if table is None:
        reason = "the plugin that runs it is not enabled"
    elif row is None and not _has_parameter(link, told.parameters):
        reason = "the broker has no such link"
    status = LinkStatus(
        name=link.name,
        kind="shovel" if isinstance(link, Shovel) else "federation",
        source=link.source.words,
        target=link.target.words,
        remote=link.remote,
        state=state,
        node=str(row.get("node", "")) if row else "",
        since=str(row.get("timestamp", "")) if row else "",
        reason=shorten(addresses.hidden(reason, ()), _REASON_WIDTH),
        remedy="",
    )
    return status if status.runs else _with_remedy(status, remote, told, lost)


def _row(link: Shovel | Federation, rows: Sequence[Row]) -> Row | None:
    """What the broker says of ``link``; of several nodes the one that runs it, else the last to fail."""
    own = [row for row in rows if row.get("vhost") == link.vhost and _is_of(link, row)]
    return max(own, key=lambda row: (_rank(row), str(row.get("timestamp", ""))), default=None)


def _is_of(link: Shovel | Federation, row: Row) -> bool:
    if isinstance(link, Shovel):
        return row.get("name") == link.name
    kind = "queue" if link.of_queues else "exchange"
    return row.get("upstream") == link.name and row.get(kind) == link.target.name


def _rank(row: Row) -> int:
    order = (LinkState.DOWN, LinkState.STARTING, LinkState.BLOCKED, LinkState.RUNNING)
    return order.index(_state(row)[0])


def _state(row: Row | None) -> tuple[LinkState, str]:
    """A shovel has ``state`` and ``reason``, a federation link ``status`` and ``error``."""
    if row is None:
        return LinkState.ABSENT, "no node runs it"
    word = str(row.get("state") or row.get("status") or "")
    reason = " ".join(str(row.get("reason") or row.get("error") or "").split())
    if word in _RUNNING:
        return LinkState.RUNNING, ""
    if word in _STARTING:
        return LinkState.STARTING, reason or "it connects"
    if word in _BLOCKED:
        return LinkState.BLOCKED, reason or "the other side takes nothing at the moment"
    return LinkState.DOWN, reason or word


def _has_parameter(link: Shovel | Federation, parameters: Sequence[Row]) -> bool:
    component = SHOVEL if isinstance(link, Shovel) else UPSTREAM
    return any(
        (row.get("component"), row.get("vhost"), row.get("name")) == (component, link.vhost, link.name)
        for row in parameters
    )


def _with_remedy(status: LinkStatus, remote: Remote, told: Told, lost: set[str]) -> LinkStatus:
    table = told.shovels if status.kind == "shovel" else told.federations
    return replace(status, remedy=_remedy(status, remote, plugin=table is not None, lost=lost))


#: What to try, by words of the broker's reason, which is Erlang's of its own clients.
_BY_WORDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("no such link",), "warren topology apply"),
    (
        ("auth", "access_refused", "not_allowed"),
        "is the password there another one, or a right missing? warren topology plan, then apply",
    ),
    (
        ("cert", "tls_alert", "hostname_check"),
        "give nodes the other's authority and certificate as they are now: make cluster-up",
    ),
    (
        ("topology", "not_found", "no queue"),
        "are both ends there? warren topology check, then plan at either",
    ),
)


def _remedy(status: LinkStatus, remote: Remote, *, plugin: bool, lost: set[str]) -> str:
    if not plugin:
        return "stop and start with it, messages are kept: make cluster-down cluster-up"
    if remote.in_containers and remote.far is not None and remote.far.cluster in lost:
        return f"have a way to cluster '{remote.far.cluster}' again, once it is up: make cluster-up"
    reason = status.reason.lower()
    for words, remedy in _BY_WORDS:
        if any(word in reason for word in words):
            return remedy
    if status.state is LinkState.BLOCKED:
        return f"look for an alarm at {remote.name}: {_look(remote)}"
    return f"is {remote.name} up? {_look(remote)}"


def _look(remote: Remote) -> str:
    if remote.topology:
        return f"WARREN_TOPOLOGY={remote.topology} warren cluster status"
    return f"ask {', '.join(remote.hosts)}"
