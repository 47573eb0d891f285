"""What a fault could leave behind, read off the engine, the nodes' kernels and the broker by other ways than
Warren's own: nothing here asks a fault what it sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from .provoking import container, docker, tool

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

#: The container's limits. Absent, 0 and, of processor time, -1 are all none.
_LIMITS = ("NanoCpus", "CpuQuota", "Memory", "MemorySwap")
_LOOK_S = 30.0
#: Of every node, asked on one of them: alarms, maintenance, and what RabbitMQ's own chaos is at.
_BROKER = """
Events = fun(Node) -> {_, #{events := Found}, _} = erpc:call(Node, sys, get_state, [rabbit_chaos]), Found end,
[{Node, erpc:call(Node, rabbit_alarm, get_alarms, []),
  erpc:call(Node, rabbit_maintenance, status_local_read, [Node]), Events(Node)}
 || Node <- lists:sort([node() | nodes()]), lists:prefix("rabbit@", atom_to_list(Node))]."""
#: The kernel's own packet filters and queues, and none of what Docker's name service keeps there.
_NETWORK = "nft list tables | grep -v -e ' ip nat$' -e ' ip6 nat$'; tc qdisc show | cut -d' ' -f2 | sort -u"


def traces(cluster: ClusterUnderTest) -> Mapping[str, Any]:
    """What there is now; two of them are equal where nothing of a fault stayed."""
    nodes = [node.name for node in cluster.topology.nodes]
    kinds = ("vhosts", "users", "queues", "permissions")
    with ThreadPoolExecutor() as pool:  # each of them waits for a process of its own
        broker = pool.submit(tool, cluster, nodes[0], "rabbitmqctl", "eval", _BROKER)
        containers = pool.submit(_containers, cluster)
        of_nodes = pool.map(partial(_node, cluster), nodes)
        rows = pool.map(cluster.management.rows, kinds)
        found: dict[str, Any] = {"containers": containers.result()}
        for node, facts in zip(nodes, of_nodes, strict=True):
            found |= {f"{node} {key}": value for key, value in facts.items()}
        for kind, each in zip(kinds, rows, strict=True):
            found[kind] = sorted(_stable(kind, row) for row in each)
        found["alarms, maintenance, chaos"] = broker.result()
    found["secrets"] = sorted(path.name for path in cluster.state.secrets.iterdir())
    return found


def left(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs, in words."""
    keys = sorted({*before, *after})
    return [
        f"{key}: {before.get(key)} -> {after.get(key)}" for key in keys if before.get(key) != after.get(key)
    ]


def _containers(cluster: ClusterUnderTest) -> list[str]:
    """Names of the cluster's containers, but those of load runs, which end by themselves."""
    names = docker(cluster, "ps", "--all", "--format", "{{.Names}}").split()
    mine = f"{cluster.topology.cluster}-"
    return sorted(name for name in names if name.startswith(mine) and not name.startswith(f"{mine}load-"))


def _node(cluster: ClusterUnderTest, node: str) -> Mapping[str, Any]:
    name = container(cluster, node)
    (shown,) = json.loads(docker(cluster, "inspect", name))
    network = cluster.runtime.in_network(node, ["sh", "-c", _NETWORK], timeout_s=_LOOK_S)
    return {
        "state": shown["State"]["Status"],
        "limits": {key: max(0, shown["HostConfig"].get(key) or 0) for key in _LIMITS},
        "addresses": sorted(each["IPAddress"] for each in shown["NetworkSettings"]["Networks"].values()),
        "network": network.stdout.split("\n"),
        "certificate": tool(cluster, node, "sh", "-c", "sha256sum /etc/rabbitmq/tls/*").split("\n"),
    }


def _stable(kind: str, row: Mapping[str, Any]) -> str:
    """Of one row what no traffic changes."""
    keys = {
        "vhosts": ("name",),
        "users": ("name", "password_hash", "tags"),
        "queues": ("vhost", "name", "type"),
        "permissions": ("user", "vhost", "configure", "write", "read"),
    }[kind]
    return json.dumps({key: row.get(key) for key in keys})
