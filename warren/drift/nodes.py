"""The nodes against the topology: members, settings, feature flags and deprecated features. Pure.

A value that a node does not report is not judged: one that is down tells nothing, and one that has just
started tells little for five seconds. What the management API of 4.3.6 shows of a node's configuration is
compared; the rest of it (message size, channels, consumer timeout, …) it does not show, and `warren cluster
verify` asks the nodes themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from warren.drift.model import Difference, DriftKind
from warren.drift.reading import Answers
from warren.topology import Broker, Node, Topology

_MIB = 1024 * 1024
Row = Mapping[str, Any]


def running(topology: Topology, answers: Answers) -> dict[str, tuple[Node, Row]]:
    """The topology's nodes that run, by Erlang name, each with what the API says of it."""
    rows = {row["name"]: row for row in answers.tables["nodes"] if row.get("running")}
    return {
        node.erlang_name: (node, rows[node.erlang_name])
        for node in topology.nodes
        if node.erlang_name in rows
    }


def members(topology: Topology, answers: Answers) -> Iterator[Difference]:
    """Nodes that are no members, that do not run, and members that nobody asked for."""
    states = {row["name"]: bool(row.get("running")) for row in answers.tables["nodes"]}
    wanted = topology.by_erlang_name
    for erlang_name, name in wanted.items():
        if erlang_name not in states:
            yield Difference(kind=DriftKind.NODE, where=f"node {name}", wanted="a member", found=None)
        elif not states[erlang_name]:
            yield Difference(
                kind=DriftKind.NODE, where=f"node {name}", what="state", wanted="running", found="down"
            )
    for erlang_name in sorted(states.keys() - wanted.keys()):
        yield Difference(kind=DriftKind.NODE, where=f"node {erlang_name}", wanted=None, found="a member")


def settings(topology: Topology, answers: Answers) -> Iterator[Difference]:
    """Effective settings of every running node, of the cluster, and of its virtual hosts."""
    yield from _setting("the cluster", "name", topology.cluster, answers.overview.get("cluster_name"))
    nodes = running(topology, answers)
    for node, row in nodes.values():
        for what, key, read, wanted in _SETTINGS:
            if row.get(key) is not None:
                yield from _setting(node.name, what, wanted(topology.broker), read(row[key]))
        yield from _plugins(node.name, topology.plugins, row)
    releases = {node.name: row["erlang_version"] for node, row in nodes.values() if row.get("erlang_version")}
    if len(set(releases.values())) > 1:
        told = ", ".join(f"{release} on {name}" for name, release in releases.items())
        yield from _setting("the nodes", "Erlang version", "the same on all", told)
    ours = {vhost.name for vhost in topology.vhosts}
    for row in answers.tables["vhosts"]:
        if row["name"] in ours and row.get("tracing"):
            # Every message is copied to amq.rabbitmq.trace: https://www.rabbitmq.com/docs/firehose
            yield from _setting(f"vhost {row['name']}", "tracing", "off", "on")


def _setting(where: str, what: str, wanted: object, found: object) -> Iterator[Difference]:
    if found is not None and found != wanted:
        yield Difference(kind=DriftKind.SETTING, where=where, what=what, wanted=str(wanted), found=str(found))


def _plugins(node: str, plugins: Sequence[str], row: Row) -> Iterator[Difference]:
    """Plugins that are enabled by name, and whether those of the topology run."""
    if row.get("enabled_plugins") is None:
        return
    enabled, wanted = set(row["enabled_plugins"]), set(plugins)
    applications = {each["name"] for each in row.get("applications") or ()} or wanted
    for name in sorted(wanted | enabled):
        where = f"plugin {name} on {node}"
        if name not in wanted:
            yield Difference(kind=DriftKind.SETTING, where=where, wanted=None, found="enabled")
        elif name not in enabled:
            yield Difference(kind=DriftKind.SETTING, where=where, wanted="enabled", found=None)
        elif name not in applications:
            yield from _setting(where, "state", "running", "enabled and not running")


def feature_flags(topology: Topology, answers: Answers) -> Iterator[Difference]:
    """Flags that are not on, but for experimental ones, and the series' own flag where it is not there."""
    flags = {row["name"]: row for row in answers.tables["feature-flags"]}
    major, minor = topology.broker.series
    if (own := f"rabbitmq_{major}.{minor}.0") not in flags:
        yield Difference(
            kind=DriftKind.FEATURE_FLAG, where=f"feature flag {own}", wanted="enabled", found=None
        )
    for name, row in flags.items():
        if row.get("state") != "enabled" and row.get("stability") != "experimental":
            yield Difference(
                kind=DriftKind.FEATURE_FLAG,
                where=f"feature flag {name}",
                what="state",
                wanted="enabled",
                found=str(row.get("state")),
            )


def deprecated_features(_topology: Topology, answers: Answers) -> Iterator[Difference]:
    """Deprecated features that something uses."""
    for row in answers.tables["deprecated-features/used"]:
        yield Difference(
            kind=DriftKind.DEPRECATED_FEATURE,
            where=f"deprecated feature {row['name']}",
            wanted=None,
            found="in use",
            note=str(row.get("deprecation_phase", "")).replace("_", " "),
        )


def _as_it_is(value: object) -> object:
    return value


def _mechanisms(rows: Any) -> str:
    return ", ".join(sorted(row["name"] for row in rows if row.get("enabled")))


def _file_names(paths: Any) -> str:
    return ", ".join(PurePosixPath(path).name for path in paths)


#: What is compared, the key in ``/api/nodes``, how it is read, and what the topology wants. Those that no key
#: of the topology sets are what ansible/roles/rabbitmq/templates/rabbitmq.conf.j2 sets or leaves alone.
_SETTINGS: tuple[tuple[str, str, Callable[[Any], object], Callable[[Broker], object]], ...] = (
    ("RabbitMQ version", "rabbitmq_version", _as_it_is, lambda broker: broker.version),
    ("net tick time in seconds", "net_ticktime", _as_it_is, lambda broker: broker.net_ticktime_s),
    (
        "memory limit in bytes",
        "mem_limit",
        _as_it_is,
        # Truncated, as the broker does it (vm_memory_monitor.erl).
        lambda broker: int(broker.memory_limit_mib * _MIB * broker.memory_watermark),
    ),
    ("disk limit in bytes", "disk_free_limit", _as_it_is, lambda broker: broker.disk_free_limit_mib * _MIB),
    ("rates mode", "rates_mode", _as_it_is, lambda _: "basic"),
    ("authentication", "auth_mechanisms", _mechanisms, lambda _: "PLAIN"),
    ("configuration", "config_files", _file_names, lambda _: "rabbitmq.conf"),
)
