"""The gate that every other command trusts: when it holds, the cluster is whole and serves clients.

All nodes run in every node's own view, no alarm, every quorum queue has a leader and all its members
online, no new replica still syncs, and the metadata store knows one leader with every member caught up (or,
where it is Mnesia, as it may be before 4.3, runs on every node). Most of it is asked over HTTP: each call of
a broker tool boots an Erlang VM.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from warren.errors import NotReadyError
from warren.management import HealthCheck, NodeInfo, QueueInfo
from warren.process import Completed
from warren.runtime.protocol import Runtime
from warren.topology import Queue, Topology

#: One call of a broker tool on a busy two-core machine.
_TOOL_S = 30.0
#: How far a metadata store member may be behind its leader's commit index and still count as caught up.
_LAG_ENTRIES = 50
#: The series from which on the API is asked for leaders and for readiness. The checks came with 4.1.0 and
#: 4.1.1: https://github.com/rabbitmq/rabbitmq-server/pull/13571 and /13879.
_HAS_CHECKS = (4, 2)
#: Since then metadata are always in Khepri: https://www.rabbitmq.com/docs/metadata-store
_ALWAYS_KHEPRI = (4, 3)

_KHEPRI = "{rabbit_khepri:status(), []}"
_KHEPRI_OR_MNESIA = f"""
case rabbit_feature_flags:is_enabled(khepri_db) of
  true -> {_KHEPRI};
  false -> {{[], mnesia:system_info(running_db_nodes)}}
end
"""
_FACTS = """
{Status, Mnesia} = %s,
Syncing = rabbit_quorum_queue:list_with_local_promotable(),
Get = fun(Key, Row) -> proplists:get_value(Key, Row) end,
Text = fun(Value) -> iolist_to_binary(io_lib:format("~p", [Value])) end,
Store = [#{node => Text(Get(<<"Node Name">>, Row)), state => Text(Get(<<"Raft State">>, Row)),
           applied => Text(Get(<<"Last Applied">>, Row)), commit => Text(Get(<<"Commit Index">>, Row))}
         || Row <- Status],
io:format("~s~n", [rabbit_json:encode(#{store => Store, mnesia => Mnesia, syncing => length(Syncing)})]).
"""


class GateManagement(Protocol):
    """What the gate asks of the management API."""

    def nodes(self, *, node: str | None = None) -> tuple[NodeInfo, ...]: ...

    def queues(self, vhost: str | None = None) -> tuple[QueueInfo, ...]: ...

    def alarms(self) -> HealthCheck: ...

    def quorum_queues_have_leaders(self, pattern: str = ".*", *, node: str) -> HealthCheck: ...

    def ready_to_serve_clients(self, node: str) -> HealthCheck: ...

    def listens(self, node: str, port: int) -> HealthCheck: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Asks whether a cluster is whole: a check returns nothing or raises NotReadyError with what is not."""

    topology: Topology
    management: GateManagement
    runtime: Runtime

    def check(self) -> None:
        """All of it; cheap checks first. Raises NotReadyError with the first that does not hold."""
        for check in self._checks():
            check()

    def _checks(self) -> Iterable[Callable[[], None]]:
        return (
            self.nodes_run,
            self.no_alarms,
            self.leaders_elected,
            self.members_online,
            self.serves_clients,
            self.replicas_in_sync,
        )

    def nodes_run(self) -> None:
        expected = set(self.topology.by_erlang_name)
        for node in self.topology.nodes:
            seen = self.management.nodes(node=node.name)
            running = {each.name for each in seen if each.running}
            if missing := expected - running:
                raise NotReadyError(node.name, f"does not see {', '.join(sorted(missing))} running")
            if parted := [each.name for each in seen if each.partitions]:
                raise NotReadyError(node.name, f"sees a partition around {', '.join(parted)}")

    def no_alarms(self) -> None:
        _passed(self.management.alarms())

    def leaders_elected(self) -> None:
        if self.topology.broker.series >= _HAS_CHECKS:
            self._leaders_known()
            return
        for queue in self.management.queues():
            if queue.type == "quorum" and queue.leader is None:
                raise NotReadyError(f"queue {queue.name} in {queue.vhost}", "has no leader")

    def _leaders_known(self) -> None:
        """The check of a node says of each queue without a member on it that it has no leader: so such a
        queue is without one that all nodes miss it of."""
        first, *others = self.topology.nodes
        missed = self._missed(first.name)
        for node in others:
            if not missed:
                return
            missed &= self._missed(node.name)
        if missed:
            vhost, name = min(missed)
            more = f", nor have {len(missed) - 1} more" if len(missed) > 1 else ""
            raise NotReadyError(f"queue {name} in {vhost}", f"has no leader{more}")

    def _missed(self, node: str) -> frozenset[tuple[str, str]]:
        """The queues, as virtual host and name, whose leader ``node`` does not know."""
        check = self.management.quorum_queues_have_leaders(node=node)
        if not check.queues:
            _passed(check)
        return check.queues

    def serves_clients(self) -> None:
        """A node under maintenance listens no more, so that in old series its listener tells."""
        for node in self.topology.nodes:
            if self.topology.broker.series >= _HAS_CHECKS:
                _passed(self.management.ready_to_serve_clients(node.name))
            else:
                _passed(self.management.listens(node.name, self.topology.ports.amqps))

    def members_online(self) -> None:
        """Every quorum queue has all its members online; those of the topology one on each node, or as many
        as they are to begin with. (A queue that somebody declared with fewer members is whole with these.)"""
        ours = {
            (vhost.name, queue.name): least_members(queue, len(self.topology.nodes))
            for vhost in self.topology.vhosts
            for queue in vhost.queues
        }
        for queue in self.management.queues():
            if queue.type != "quorum":
                continue
            least = ours.get((queue.vhost, queue.name), 1)
            wanted = max(len(queue.members), least)
            if len(queue.online) < wanted:
                away = ", ".join(sorted(set(queue.members) - set(queue.online)))
                raise NotReadyError(
                    f"queue {queue.name} in {queue.vhost}",
                    f"has {len(queue.online)} of {wanted} members online" + (f", not {away}" if away else ""),
                )

    def replicas_in_sync(self) -> None:
        """Metadata store and fresh replicas, asked of one node's own tools (gate G of the procedures)."""
        node = self.topology.nodes[0].name
        always = self.topology.broker.series >= _ALWAYS_KHEPRI
        expression = _FACTS % (_KHEPRI if always else _KHEPRI_OR_MNESIA)
        done = self.runtime.execute(node, ["rabbitmqctl", "eval", expression], timeout_s=_TOOL_S)
        if not done.ok:
            raise NotReadyError(node, done.reason())
        facts = _facts(node, done)
        if facts["syncing"]:
            raise NotReadyError(
                node, f"{facts['syncing']} new queue replicas have not finished their first sync"
            )
        if facts.get("mnesia"):
            self._mnesia_runs(node, facts["mnesia"])
        else:
            self._store_is_whole(node, facts["store"])

    def _mnesia_runs(self, node: str, running: list[str]) -> None:
        if missing := self.topology.by_erlang_name.keys() - set(running):
            raise NotReadyError(node, f"its metadata store does not run on {', '.join(sorted(missing))}")

    def _store_is_whole(self, node: str, store: list[dict[str, str]]) -> None:
        states = Counter(each["state"] for each in store)
        if states != Counter(leader=1, follower=len(self.topology.nodes) - 1):
            seen = ", ".join(f"{each['node']} {each['state']}" for each in store)
            raise NotReadyError(node, f"the metadata store is not whole: {seen}")
        commit = max(_number(each["commit"]) for each in store)
        for each in store:
            if commit - _number(each["applied"]) > _LAG_ENTRIES:
                raise NotReadyError(each["node"], "its metadata store is still catching up")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderSpread:
    """How many quorum queue leaders a node has, at least and at most. ``even`` where no node has more than
    its share, rounded up, which is what the broker's own rebalancing brings about."""

    least: int
    most: int
    even: bool

    def __str__(self) -> str:
        return f"{self.least} to {self.most} on a node"


def leader_spread(queues: Iterable[QueueInfo], nodes: Iterable[str]) -> LeaderSpread:
    """The spread of quorum queue leaders over ``nodes`` (Erlang names)."""
    counts = Counter(dict.fromkeys(nodes, 0))
    counts.update(queue.leader for queue in queues if queue.type == "quorum" and queue.leader)
    share = -(-counts.total() // len(counts))
    most = max(counts.values())
    return LeaderSpread(least=min(counts.values()), most=most, even=most <= share)


def least_members(queue: Queue, nodes: int) -> int:
    """How many it has at once; the broker adds the others, within the hour, where the argument says fewer."""
    return min(nodes, int(queue.arguments.get("x-quorum-initial-group-size", nodes)))


def _facts(node: str, done: Completed) -> dict[str, Any]:
    """The line of JSON that the broker tool printed, whatever warnings stand around it."""
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            return dict(json.loads(line))
    raise NotReadyError(node, f"rabbitmqctl eval printed no facts: {done.reason()}")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return -1


def _passed(check: HealthCheck) -> None:
    if not check.passed:
        raise NotReadyError(check.node, f"{check.check}: {check.reason}")
