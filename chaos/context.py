"""What a chaos command works on, and how it is built from the cluster at hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chaos.access import Access
from chaos.fault import Site
from warren.console import Say
from warren.journal import Journal
from warren.runtime.protocol import Runtime
from warren.topology import Topology
from warren.wait import Clock


class Broker(Protocol):
    """What chaos asks the broker's management API. Raises NotReadyError when it cannot be asked."""

    def queue_leader(self, vhost: str, queue: str, *, asked: str | None = None) -> str:
        """The topology name of the node that leads a queue, as node ``asked`` sees it (None: any that
        answers); NotReadyError while nobody does."""

    def queue_leader_by_tool(self, vhost: str, queue: str, *, node: str) -> str:
        """The same, read by the broker's own tools inside ``node``: slower, and it works while another
        node is frozen, when the management API waits for that one's answer."""

    def queue_followers(self, vhost: str, queue: str) -> tuple[str, ...]:
        """The topology names of the nodes on which a follower of a queue is online."""

    def client_nodes(self, client: str) -> tuple[str, ...]:
        """The nodes to which connections are attached whose name begins with ``client``, or whose user is
        called so; each once, none where there is no such connection."""

    def queues_lost_with(self, nodes: Collection[str]) -> tuple[str, ...]:
        """The queues that would have no majority of their members online without ``nodes``."""

    def lead(self, vhost: str, queue: str, node: str) -> None:
        """Ask for the leader of a quorum queue to be moved to ``node``, which has a member of it; whether it
        came about is for `queue_leader` to say."""

    def alarms(self) -> Mapping[str, frozenset[str]]:
        """Which resource alarms, ``memory`` and ``disk``, each running node has now; without any node where
        the cluster has none."""

    def drained(self) -> Collection[str]:
        """The nodes that are under maintenance."""

    def lost_with(self, node: str) -> str:
        """What would lose its majority with ``node``, to be read, and still would after as long as an
        election takes; "" when nothing."""


class Watch(Protocol):
    """Watches over a fault that is held, and heals it where its holder dies."""

    def __call__(self, fault_id: str, *, within_s: float) -> AbstractContextManager[None]:
        """For as long as the context lasts; raises NotReadyError where there can be no watch."""


class Gate(Protocol):
    """Waits until the whole cluster serves: all nodes run, every queue has a leader and its members."""

    def __call__(self, *, deadline_s: float, steady_s: float) -> None:
        """Wait until it has been so for ``steady_s``; raises DeadlineError with the last thing missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosContext:
    """Everything that a chaos command needs, passed in. ``fresh_id`` makes a fault's unique suffix."""

    topology: Topology
    runtime: Runtime
    broker: Broker
    access: Access
    journal: Journal
    wait_ready: Gate
    spread_leaders: Callable[[], None]
    watch: Watch
    clock: Clock
    now: Callable[[], datetime]
    fresh_id: Callable[[], str]
    say: Say

    @property
    def site(self) -> Site:
        return Site(
            runtime=self.runtime,
            topology=self.topology,
            alarms=self.broker.alarms,
            whole=lambda deadline_s: self.wait_ready(deadline_s=deadline_s, steady_s=0.0),
            drained=self.broker.drained,
            access=self.access,
            clock=self.clock,
            now=self.now,
            say=self.say,
        )

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.topology.nodes)
