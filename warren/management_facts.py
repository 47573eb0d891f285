"""What the management HTTP API says of a cluster, as frozen dataclasses.

Fields keep the API's own terms; sizes are bytes. A figure that the API leaves out (a node that is down,
statistics not collected yet) is None, never zero. Shapes: https://www.rabbitmq.com/docs/http-api-reference
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.errors import NotReadyError

#: What ``/api/queues`` says where neither a policy nor an operator policy holds.
_NO_POLICY = (None, "", "[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A port that a node listens on; ``protocol`` as the broker names it (``amqp/ssl``, ``https``, …)."""

    node: str
    protocol: str
    ip_address: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """``/api/overview``: ``node`` is the Erlang name of the node that answered."""

    cluster_name: str
    node: str
    rabbitmq_version: str
    erlang_version: str
    listeners: tuple[Listener, ...]
    queues: int | None
    connections: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """One node of ``/api/nodes``; ``name`` is the Erlang name. Only ``name`` and ``running`` are known of
    a node that is down or that has not reported yet."""

    name: str
    running: bool
    being_drained: bool
    mem_used_bytes: int | None
    mem_limit_bytes: int | None
    mem_alarm: bool
    disk_free_bytes: int | None
    disk_free_limit_bytes: int | None
    disk_alarm: bool
    fd_total: int | None
    proc_used: int | None
    processors: int | None
    uptime_ms: int | None
    partitions: tuple[str, ...]
    enabled_plugins: tuple[str, ...]
    auth_mechanisms: tuple[str, ...]
    config_files: tuple[str, ...]
    net_ticktime_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInfo:
    """One queue of ``/api/queues``. ``leader``, ``members`` and ``online`` are Erlang node names.

    ``messages`` = ready + unacked; ``messages_dlx`` are those on their way to the dead-letter exchange.
    Counters are up to 5 s old (the broker's collection interval).
    """

    vhost: str
    name: str
    type: str
    state: str
    durable: bool
    exclusive: bool
    auto_delete: bool
    arguments: Mapping[str, Any]
    leader: str | None
    members: tuple[str, ...]
    online: tuple[str, ...]
    messages: int | None
    messages_ready: int | None
    messages_unacked: int | None
    messages_dlx: int | None
    message_bytes: int | None
    consumers: int | None
    policy: str | None
    operator_policy: str | None
    effective_policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """The outcome of one ``/api/health/checks/…``: ``reason`` is the broker's own when it failed, ``queues``
    the queues that it names, each as virtual host and name."""

    node: str
    check: str
    passed: bool
    reason: str
    queues: frozenset[tuple[str, str]] = frozenset()


def health_check(node: str, check: str, body: Any) -> HealthCheck:
    """Read the answer of a health check."""
    data = body if isinstance(body, Mapping) else {}
    rows = data.get("queues")
    named = [each for each in rows if isinstance(each, Mapping)] if isinstance(rows, list) else []
    return HealthCheck(
        node=node,
        check=check,
        passed=data.get("status") == "ok",
        reason=str(data.get("reason", "")),
        queues=frozenset((str(each.get("virtual_host")), str(each.get("name"))) for each in named),
    )


def overview(data: Mapping[str, Any]) -> Overview:
    """Read ``/api/overview``; raises NotReadyError when it is not of that shape."""
    totals = data.get("object_totals") or {}
    return Overview(
        cluster_name=_need(data, "cluster_name", str),
        node=_need(data, "node", str),
        rabbitmq_version=_need(data, "rabbitmq_version", str),
        erlang_version=_need(data, "erlang_version", str),
        listeners=tuple(_listener(each) for each in data.get("listeners") or ()),
        queues=_integer(totals, "queues"),
        connections=_integer(totals, "connections"),
    )


def _listener(data: Mapping[str, Any]) -> Listener:
    """4.0 does not say of a listener whether it speaks TLS, but by the name of its protocol."""
    protocol = _need(data, "protocol", str)
    by_name = protocol.endswith("/ssl") or protocol.startswith("https")
    return Listener(
        node=_need(data, "node", str),
        protocol=protocol,
        ip_address=str(data.get("ip_address", "")),
        port=_need(data, "port", int),
        tls=bool(data.get("tls", by_name)),
    )


def node(data: Mapping[str, Any]) -> NodeInfo:
    """Read one element of ``/api/nodes``."""
    mechanisms = data.get("auth_mechanisms") or ()
    return NodeInfo(
        name=_need(data, "name", str),
        running=bool(data.get("running")),
        being_drained=bool(data.get("being_drained")),
        mem_used_bytes=_integer(data, "mem_used"),
        mem_limit_bytes=_integer(data, "mem_limit"),
        mem_alarm=bool(data.get("mem_alarm")),
        disk_free_bytes=_integer(data, "disk_free"),
        disk_free_limit_bytes=_integer(data, "disk_free_limit"),
        disk_alarm=bool(data.get("disk_free_alarm")),
        fd_total=_integer(data, "fd_total"),
        proc_used=_integer(data, "proc_used"),
        processors=_integer(data, "processors"),
        uptime_ms=_integer(data, "uptime"),
        partitions=tuple(data.get("partitions") or ()),
        enabled_plugins=tuple(data.get("enabled_plugins") or ()),
        auth_mechanisms=tuple(sorted(each["name"] for each in mechanisms if each.get("enabled"))),
        config_files=tuple(data.get("config_files") or ()),
        net_ticktime_s=_integer(data, "net_ticktime"),
    )


def queue(data: Mapping[str, Any]) -> QueueInfo:
    """Read one element of ``/api/queues``, or ``/api/queues/VHOST/NAME``."""
    policy, guard = data.get("policy"), data.get("operator_policy")
    return QueueInfo(
        vhost=_need(data, "vhost", str),
        name=_need(data, "name", str),
        type=str(data.get("type", "")),
        state=str(data.get("state", "")),
        durable=bool(data.get("durable")),
        exclusive=bool(data.get("exclusive")),
        auto_delete=bool(data.get("auto_delete")),
        arguments=dict(data.get("arguments") or {}),
        leader=data.get("leader") or None,
        members=tuple(data.get("members") or ()),
        online=tuple(data.get("online") or ()),
        messages=_integer(data, "messages"),
        messages_ready=_integer(data, "messages_ready"),
        messages_unacked=_integer(data, "messages_unacknowledged"),
        messages_dlx=_integer(data, "messages_dlx"),
        message_bytes=_integer(data, "message_bytes"),
        consumers=_integer(data, "consumers"),
        policy=None if policy in _NO_POLICY else str(policy),
        operator_policy=None if guard in _NO_POLICY else str(guard),
        effective_policy=dict(data.get("effective_policy_definition") or {}),
    )


def connection_name(data: Mapping[str, Any]) -> str:
    """Who an element of ``/api/connections`` is: the name that the client gave itself, else the broker's
    (``address -> address``)."""
    properties = data.get("client_properties") or {}
    return str(properties.get("connection_name") or data.get("name") or "unnamed")


def _need(data: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    value = data.get(key)
    if not isinstance(value, kind):
        raise NotReadyError("management API", f"'{key}' is {value!r}, expected {kind.__name__}")
    return value


def _integer(data: Mapping[str, Any], key: str) -> int | None:
    value = data.get(key)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
