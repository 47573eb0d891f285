"""What a game day looks at: the broker, Prometheus and the nodes' logs, each question with a time limit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from warren import alarms, process
from warren.errors import NotReadyError
from warren.management import ManagementClient
from warren.prometheus import PrometheusClient
from warren.runtime.protocol import NodeState, Runtime
from warren.topology import CANARY_PREFIX, Topology

#: One call of a broker tool on a busy machine.
_TOOL_S = 30.0
#: Lines of a node's log that are read: some megabytes, more than a game day's.
_LOG_LINES = 20_000
#: Each line of an entry begins with its time, its level and the process that wrote it.
_HEAD = re.compile(r"^((\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d) \[\w+\] <[\d.]+>) ?")
#: The timers that intervals are made of, as the running node has them.
_SETTINGS = """
Get = fun(App, Key) ->
  case application:get_env(App, Key) of {ok, V} when is_integer(V) -> V; _ -> null end end,
Tick = case net_kernel:get_net_ticktime() of {_, T} -> T; T -> T end,
io:format("~s~n", [rabbit_json:encode(#{failure_detector_poll_ms => Get(aten, poll_interval),
  net_ticktime_s => Tick, consumer_timeout_ms => Get(rabbit, consumer_timeout)})]).
"""
_COLUMNS = (
    "vhost", "name", "type", "leader", "members", "online", "messages_ready", "messages_unacknowledged",
    "consumers", "arguments", "effective_policy_definition", "single_active_consumer_tag",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue as the broker tells of it, figures up to 5 s old; None where it does not say. ``leader``,
    ``members`` and ``online`` are Erlang names of nodes. ``active`` is whether a queue that wants a single
    active consumer has one."""

    vhost: str
    name: str
    leader: str | None = None
    members: tuple[str, ...] = ()
    online: tuple[str, ...] = ()
    ready: int | None = None
    unacked: int | None = None
    consumers: int | None = None
    single_active: bool = False
    active: bool | None = None


class Eyes(Protocol):
    """Every call raises NotReadyError where nobody answers in time."""

    def queues(self) -> Sequence[QueueState]:
        """Every queue."""

    def members_running(self) -> frozenset[str]:
        """Names of the nodes that run, as the broker sees it."""

    def alarms(self) -> Mapping[str, frozenset[str]]:
        """Which resource alarms each node has; empty where there is none."""

    def connections(self) -> int:
        """How many client connections there are."""

    def channels_unacked(self) -> Mapping[str, int]:
        """By virtual host, how many unacknowledged messages its channels hold, but for the canary's."""

    def firing(self) -> frozenset[str]:
        """The names of the alerts that fire now."""

    def value(self, query: str) -> float | None:
        """What Prometheus says to ``query``: the one sample's value, None where there is no sample."""

    def log_lines(self, since: datetime) -> Mapping[str, Sequence[str]]:
        """By node, the lines that it wrote since then, those of several lines kept together."""

    def settings(self) -> Mapping[str, Any]:
        """The timers of the running cluster, by the names that experiments presume them by."""

    def versions(self) -> Mapping[str, str]:
        """Of the broker and of Erlang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterEyes:
    """`Eyes` of the lab's cluster."""

    topology: Topology
    runtime: Runtime
    management: ManagementClient
    prometheus: Callable[[], PrometheusClient]

    def queues(self) -> Sequence[QueueState]:
        return [_queue(row) for row in self.management.rows("queues", columns=_COLUMNS)]

    def members_running(self) -> frozenset[str]:
        return frozenset(node.name.partition("@")[2] for node in self.management.nodes() if node.running)

    def alarms(self) -> Mapping[str, frozenset[str]]:
        if self.management.alarms().passed:
            return {}
        return {node: found for node in self._running() if (found := alarms.ringing(self.runtime, node))}

    def connections(self) -> int:
        return self.management.overview().connections or 0

    def channels_unacked(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        canary = self.topology.account("canary").name
        for row in self.management.rows("channels", columns=("vhost", "user", "messages_unacknowledged")):
            if row.get("user") == canary:
                continue
            vhost = str(row.get("vhost", ""))
            found[vhost] = found.get(vhost, 0) + int(row.get("messages_unacknowledged") or 0)
        return found

    def firing(self) -> frozenset[str]:
        samples = self.prometheus().query('ALERTS{alertstate="firing"}')
        return frozenset(sample.labels.get("alertname", "") for sample in samples)

    def value(self, query: str) -> float | None:
        samples = self.prometheus().query(query)
        if len(samples) > 1:
            raise NotReadyError("Prometheus", f"has {len(samples)} samples for {query}", "sum or max them")
        return samples[0].value if samples else None

    def log_lines(self, since: datetime) -> Mapping[str, Sequence[str]]:
        return {
            node: entries(self.runtime.logs(node, lines=_LOG_LINES), since)
            for node, state in self.runtime.states().items()
            if state is not NodeState.ABSENT
        }

    def settings(self) -> Mapping[str, Any]:
        running = self._running()
        if not running:
            raise NotReadyError("cluster", "no node runs", "make cluster-up")
        done = self.runtime.execute(running[0], ["rabbitmqctl", "eval", _SETTINGS], timeout_s=_TOOL_S)
        for line in process.check(done).stdout.splitlines():
            if line.startswith("{"):
                return dict(json.loads(line))
        raise NotReadyError(running[0], f"says nothing of its settings: {done.reason()}")

    def versions(self) -> Mapping[str, str]:
        found = self.management.overview()
        return {"rabbitmq": found.rabbitmq_version, "erlang": found.erlang_version}

    def _running(self) -> list[str]:
        return [node for node, state in self.runtime.states().items() if state is NodeState.RUNNING]


def of_applications(queues: Sequence[QueueState]) -> list[QueueState]:
    """Without those of the canary, which has a consumer on every node: what one of a silent node held the
    broker keeps for a minute more, and no experiment is about that."""
    return [queue for queue in queues if not queue.name.startswith(CANARY_PREFIX)]


def unowned(queues: Sequence[QueueState], channels_unacked: Mapping[str, int]) -> dict[str, int]:
    """By virtual host, how many unacknowledged messages its queues (but for the canary's) hold that none of
    its channels owns; without those of which each has an owner."""
    held: dict[str, int] = {}
    for queue in of_applications(queues):
        held[queue.vhost] = held.get(queue.vhost, 0) + (queue.unacked or 0)
    return {
        vhost: count - channels_unacked.get(vhost, 0)
        for vhost, count in held.items()
        if count > channels_unacked.get(vhost, 0)
    }


def entries(text: str, since: datetime) -> list[str]:
    """The entries of a log that were written since then, each as its head and its lines without it."""
    found: list[str] = []
    last = ""
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head is None:
            if found and last:
                found[-1] += "\n" + line
        elif head[1] == last:
            found[-1] += "\n" + line[head.end() :]
        else:
            last = head[1] if datetime.fromisoformat(head[2]) >= since else ""
            if last:
                found.append(line)
    return found


def _queue(row: Mapping[str, Any]) -> QueueState:
    arguments = row.get("arguments") or {}
    single = bool(arguments.get("x-single-active-consumer"))
    return QueueState(
        vhost=str(row.get("vhost", "")),
        name=str(row.get("name", "")),
        leader=row.get("leader") or None,
        members=tuple(row.get("members") or ()),
        online=tuple(row.get("online") or ()),
        ready=row.get("messages_ready"),
        unacked=row.get("messages_unacknowledged"),
        consumers=row.get("consumers"),
        single_active=single,
        active=bool(row.get("single_active_consumer_tag")) if single else None,
    )
