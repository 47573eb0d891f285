"""Sections of the cluster's board: who is connected, who leads, and how consensus fares."""

from __future__ import annotations

from dashboards.figures import WITHOUT_MAJORITY
from dashboards.house import Query, Section, lines
from dashboards.looks import BLUE, GREEN, ORANGE, RED
from dashboards.panels import leaders
from dashboards.queries import EXPORTER, NODE, ONE_NODE, RECORDED, WAL_BYTES, elections, total_rate
from exporters import names

_BY_VHOST = f"sum by (vhost) ({names.CONNECTIONS.name}{{{EXPORTER}}})"
_LIMIT = f"max by (vhost) ({names.CONNECTIONS_LIMIT.name}{{{EXPORTER}}})"


def connections() -> Section:
    return Section(
        title="Connections",
        panels=(
            lines(
                "Connections",
                "Client connections by node. Good: steady and about even. All on one node after a restart"
                " is clients that do not come back.",
                "short",
                Query(expr=f"rabbitmq_connections{{{ONE_NODE}}}", legend="{{node}}"),
                stacked=True,
            ),
            lines(
                "Channels",
                "Channels by node. Good: a few for each connection. A line that only rises is a leak.",
                "short",
                Query(expr=f"rabbitmq_channels{{{ONE_NODE}}}", legend="{{node}}"),
                stacked=True,
            ),
            lines(
                "Connections opened and closed",
                "Per second, over the cluster. Good: near 0 between deployments. A steady rate is a "
                "client that connects for each message: keep connections open.",
                "ops",
                Query(expr=total_rate("rabbitmq_connections_opened_total", NODE), legend="opened"),
                Query(expr=total_rate("rabbitmq_connections_closed_total", NODE), legend="closed"),
            ),
            lines(
                "Channels opened and closed",
                "Per second, over the cluster. Good: near 0 between deployments. A steady rate is a client "
                "that opens a channel for each message: keep channels open.",
                "ops",
                Query(expr=total_rate("rabbitmq_channels_opened_total", NODE), legend="opened"),
                Query(expr=total_rate("rabbitmq_channels_closed_total", NODE), legend="closed"),
            ),
            lines(
                "Connections by state",
                "What the broker says of its connections. Good: running, and flow for moments under load. "
                "Blocking and blocked are an alarm: nothing that they publish is taken. See "
                "docs/runbooks/publishers-blocked.md.",
                "short",
                Query(expr=f"sum by (state) ({names.CONNECTIONS.name}{{{EXPORTER}}})", legend="{{state}}"),
                colors={"running": GREEN, "flow": BLUE, "blocking": ORANGE, "blocked": RED},
                stacked=True,
            ),
            lines(
                "Connections by virtual host",
                "Dashed, how many the virtual host may have, drawn once it has a quarter of them. Good: "
                "steady, far below the dashed line; at it new connections are refused. See "
                "docs/runbooks/connections-near-limit.md.",
                "short",
                Query(expr=_BY_VHOST, legend="{{vhost}}"),
                Query(
                    expr=f"{_LIMIT} and on (vhost) ({_BY_VHOST} * 4 > {_LIMIT})",
                    legend="{{vhost}} limit",
                    may_be_empty="a limit is drawn once its virtual host has come up to a quarter of it",
                ),
                dashed="limit$",
            ),
        ),
    )


def consensus() -> Section:
    return Section(
        title="Queues and consensus",
        panels=(
            leaders(
                "Leaders by node",
                "Queues whose leader is on each node. Good: about even. After a node was away all leaders"
                " are elsewhere: rabbitmq-queues rebalance quorum.",
                width=8,
            ),
            lines(
                "Queues without all members",
                "Queues of which a member does not run, or that have fewer than their policy wants. Good: 0. "
                "They go on with a majority, and stand still without one. See "
                "docs/runbooks/queue-under-replicated.md.",
                "short",
                Query(expr=f"sum({names.UNDER_REPLICATED.name}{{{EXPORTER}}})", legend="a member is missing"),
                Query(
                    expr=WITHOUT_MAJORITY,
                    legend="no majority",
                ),
                width=8,
                steps=True,
            ),
            lines(
                "Elections",
                "New terms of the queues' consensus since the time range began: each is an election. Good: "
                "a flat line. Steps beside a fault are what consensus is for; steps without one are nodes "
                "that do not hear each other in time.",
                "short",
                Query(expr=f"sum({elections()})", legend="all queues"),
                width=8,
                steps=True,
            ),
            lines(
                "Queues that a node's loss would stop",
                "Queues and streams that would lose their majority if this node stopped now. Good: 0 at the "
                "node that you are about to restart; wait until it is. See docs/runbooks/quorum-critical.md.",
                "short",
                Query(expr=f"max by (member) ({names.CRITICAL.name}{{{EXPORTER}}})", legend="{{member}}"),
                width=8,
                steps=True,
            ),
            lines(
                "Slowest commit",
                "Greatest time from a command to its commit in any quorum queue that a node leads. Good: "
                "milliseconds. Rising means a slow disk, a slow link or a busy node.",
                "s",
                Query(
                    expr=f'rabbitmq_raft_max_commit_latency_seconds{{{ONE_NODE},ra_system="quorum_queues"}}',
                    legend="{{node}}",
                ),
                width=8,
            ),
            lines(
                "Write-ahead log",
                "Bytes per second that each node writes for its quorum queues. Good: follows the traffic."
                " Every message is written on each member.",
                "Bps",
                Query(expr=f'{WAL_BYTES}{{{RECORDED},node=~"$node"}}', legend="{{node}}"),
                width=8,
            ),
        ),
    )
