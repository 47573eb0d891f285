"""What an operation is. Each lives in a file of its own below ``warren/operations/``, which names its
command.

An operation acts on the cluster through a `Site` and keeps nothing itself: what it must know again to go on
or to undo is written down as facts before its first act, so that another process can do so after this one
died.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from warren.console import Say
from warren.errors import NotReadyError
from warren.management_facts import HealthCheck, NodeInfo, QueueInfo
from warren.pki import Pair, Pki
from warren.runtime.protocol import NodeState, Runtime
from warren.secrets import Secrets
from warren.state import State
from warren.topology import Topology
from warren.wait import Clock

#: JSON-ready findings; never a secret, for they are written down and printed.
Facts = Mapping[str, Any]
#: What the user has said, by the parameter's name; "" where nothing.
Args = Mapping[str, str]


class Management(Protocol):
    """The part of `warren.management.ManagementClient` that is used; it raises as that does."""

    def get(self, *path: str, node: str | None = None) -> Any: ...

    def rows(
        self, *path: str, node: str | None = None, columns: Sequence[str] = ()
    ) -> list[dict[str, Any]]: ...

    def put(self, *path: str, body: Any = None) -> None: ...

    def post(self, *path: str, body: Any = None) -> Any: ...

    def delete(self, *path: str) -> None: ...

    def nodes(self, *, node: str | None = None) -> tuple[NodeInfo, ...]: ...

    def queues(self, vhost: str | None = None) -> tuple[QueueInfo, ...]: ...

    def definitions(self) -> dict[str, Any]: ...

    def not_quorum_critical(self, node: str) -> HealthCheck: ...


def _refuses_nothing(name: str, args: Args) -> None:
    """For a place where everything can be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where operations act: the nodes' runtime, the management API as the operator, secrets and certificates.

    Of a node that is stopped or absent, ``keeps_data`` says whether a metadata store is on its disk. Of a
    node that is stopped, ``empty_data`` removes all data, ``copy_data`` writes them to a file,
    ``fill_data`` puts them back from one, and ``make_anew`` makes the node anew from the topology's image and
    settings, its data kept. ``have_services_take`` gives the services around the nodes (Prometheus, exporter,
    probe) what has changed of certificates and passwords.

    ``among`` gives the site as if these were the topology's nodes, for the time in which a cluster has other
    nodes than the topology says; ``laid_out`` are the nodes that it was last made of, in their order; and
    ``lay_out`` makes the containers of nodes that are new (not started, nothing on their disks), removes
    those that are named with their data, and has the services around know.

    ``refuse`` raises RefusedError, or NotReadyError, where this place cannot do the operation of that name
    with these arguments; it changes nothing, and is asked before the operation is. ``anew_from`` is what a
    node is made anew from, in words. ``options`` are what a command must say to act on this place again.

    ``whole`` waits at most so many seconds until every node and queue serves, or raises DeadlineError with
    what is missing. ``serial`` is the serial number of the certificate that is shown at (host, port) to a
    client that verifies it as that of a name by the authorities in a file; it raises NotReadyError where the
    handshake fails; ``takes`` is whether the broker there takes a client's certificate, and raises it where
    nobody answers. ``now`` is wall time.
    """

    runtime: Runtime
    topology: Topology
    management: Management
    secrets: Secrets
    pki: Pki
    state: State
    keeps_data: Callable[[str], bool]
    empty_data: Callable[[str], None]
    copy_data: Callable[[str, Path], None]
    fill_data: Callable[[str, Path], None]
    make_anew: Callable[[str], None]
    have_services_take: Callable[[], None]
    among: Callable[[Sequence[str]], Site]
    laid_out: Callable[[], tuple[str, ...]]
    lay_out: Callable[[Sequence[str]], None]
    whole: Callable[[float], None]
    serial: Callable[[Path, str, int, str], int]
    takes: Callable[[Path, str, int, str, Pair], bool]
    clock: Clock
    now: Callable[[], datetime]
    say: Say
    anew_from: str = "the image and the settings of the topology"
    refuse: Callable[[str, Args], None] = _refuses_nothing
    options: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.topology.nodes)

    def state_of(self, node: str) -> NodeState:
        """What the runtime says of ``node`` now; one that it does not know is absent."""
        return self.runtime.state_of(node)

    def running(self) -> tuple[str, ...]:
        """The nodes whose process runs; raises NotReadyError when there is none."""
        found = tuple(node for node, state in self.runtime.states().items() if state is NodeState.RUNNING)
        if not found:
            raise NotReadyError("cluster", "no node runs", "warren cluster start-all")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One thing that the user says. A ``node`` or ``user`` of the topology, ``nodes`` with commas between
    them, ``names`` that may be anybody's, a ``file``, or one of ``choices`` (the first, where nothing is
    said). Without a ``default`` it must be said, as an argument; else it is an option."""

    name: str
    help: str
    kind: Literal["node", "nodes", "names", "user", "file", "choice"]
    default: str | None = None
    choices: tuple[str, ...] = ()

    def refuse_unknown(self, topology: Topology, value: str) -> None:
        """Raise BadInputError where ``value`` names a node or user that is none."""
        if value and self.kind in ("node", "nodes"):
            for name in value.split(","):
                topology.node(name)
        if value and self.kind == "user":
            topology.user(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of an operation: ``what`` in words, as a plan has them. An ``is_act`` is never interrupted;
    all else is a wait or a look, and may be. What ``do`` returns is written down with the facts. ``left`` is
    what stands, for the user to know, where the operation ends badly at this step."""

    what: str
    do: Callable[[], Facts | None]
    is_act: bool = False
    left: str = ""


class Operation(Protocol):
    """One procedure. All but the steps' own acts may be called at any time, in any state, again."""

    @property
    def summary(self) -> str:
        """One line for the help: what is done."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What the user may say."""

    @property
    def promise(self) -> str:
        """What clients may count on while it runs, in words."""

    @property
    def undoing(self) -> str:
        """What undoing it does, or why there is nothing to undo, in words."""

    def before(self, site: Site, args: Args) -> Facts:
        """What must be known again to go on or to undo; written down before the first act. Raises
        RefusedError where the operation would do harm: nothing has been changed then."""

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        """What is still to be done, in order: all of it at first, the rest of it after it had stopped."""

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        """What puts back what there was before; empty where nothing is to be put back."""
