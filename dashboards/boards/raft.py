"""Consensus of the quorum queues, queue by queue and node by node, and apart from it the metadata store's.

The broker's own ``/metrics`` has the queues' consensus only as two greatest values a node; all else there is
the metadata store's (Khepri). What is shown of the queues is recorded from ``/metrics/detailed``.
"""

from __future__ import annotations

from dashboards.choices import CLUSTER, JOB, NODES, QUEUE, VHOST
from dashboards.figures import NAME, WITHOUT_MAJORITY
from dashboards.house import Board, Column, Query, Section, lines, number, table
from dashboards.looks import ORANGE, RED
from dashboards.panels import by_node, by_queue, leaders, of_node
from dashboards.queries import (
    BEHIND,
    COMMIT_LATENCY,
    COMMITS,
    DROPPED_SENDS,
    LOG_ENTRIES,
    NODE_COMMITS,
    OBJECTIVE,
    ONE_NODE,
    SEGMENT_BYTES,
    SNAPSHOTS_INSTALLED,
    SNAPSHOTS_SENT,
    TERM,
    UNCOMMITTED,
    WAL_BATCHES,
    WAL_BYTES,
    WAL_WRITES,
    elections,
    most,
    queue_gauge,
    recorded,
)
from dashboards.sections.metadata import metadata
from exporters import names

#: Entries beyond which a member's log is long: it reads them again after a restart.
_LONG_LOG = 5000


def board() -> Board:
    return Board(
        uid="warren-raft",
        title="Warren / Quorum and Raft",
        description="Do the queues agree, how fast, and which member lags? Panels of single queues draw the "
        "twenty that came highest within the time range.",
        variables=(JOB, CLUSTER, NODES, VHOST, QUEUE),
        sections=(_now(), _agreement(), _logs(), _write_ahead(), metadata()),
    )


def _now() -> Section:
    behind = f"max by (vhost, queue) ({BEHIND}{{{OBJECTIVE}}})"
    return Section(
        title="Now",
        panels=(
            number(
                "Queues without a majority",
                "Good: 0. Such a queue takes no message and gives none until a member comes back. See "
                "docs/runbooks/queue-quorum-lost.md.",
                "none",
                Query(
                    expr=WITHOUT_MAJORITY,
                    legend="queues",
                ),
                limits=((1, RED),),
                width=6,
                graph=False,
            ),
            number(
                "Elections in this time",
                "Elections of the queues since the time range began. Good: 0 without a fault. Each is a "
                "pause of that queue of some tenths of a second.",
                "none",
                Query(expr=f"sum({elections()})", legend="elections"),
                limits=((1, ORANGE),),
                width=6,
            ),
            number(
                "Members far behind",
                "Members of the chosen queues that are more than a thousand entries behind. Good: 0. Above "
                "it, a member catches up after a restart, or its node is too slow: see the table below.",
                "none",
                Query(expr=f"sum({BEHIND}{{{OBJECTIVE}}} > bool 1000)", legend="members"),
                limits=((1, ORANGE),),
                width=6,
                graph=False,
            ),
            number(
                "Long logs",
                "Chosen queues with more than 5,000 entries in a member's log. Good: those with as many "
                "messages. Others hold an old message that nobody acknowledges, which keeps all after it.",
                "none",
                Query(expr=f"sum({LOG_ENTRIES}{{{OBJECTIVE}}} > bool {_LONG_LOG})", legend="queues"),
                limits=((1, ORANGE),),
                width=6,
                graph=False,
            ),
            table(
                "Consensus by queue",
                "One row a queue, first those whose members do not keep up. Sort by Log to find what is "
                "never acknowledged.",
                {"vhost": "Virtual host", "queue": "Queue"},
                (
                    Column(heading="Members", expr=queue_gauge(names.MEMBERS.name), unit="none"),
                    Column(heading="Running", expr=queue_gauge(names.ONLINE.name), unit="none"),
                    Column(heading="Term", expr=recorded(TERM), unit="none"),
                    Column(heading="Commits", expr=recorded(COMMITS), unit="ops"),
                    Column(
                        heading="Commit takes",
                        expr=recorded(COMMIT_LATENCY),
                        unit="s",
                        limits=((0.5, ORANGE), (2, RED)),
                    ),
                    Column(heading="Not committed", expr=recorded(UNCOMMITTED), unit="short"),
                    Column(
                        heading="Log", expr=recorded(LOG_ENTRIES), unit="short", limits=((_LONG_LOG, ORANGE),)
                    ),
                    Column(heading="Behind", expr=behind, unit="short", limits=((1000, ORANGE),)),
                ),
                highest="Behind",
            ),
        ),
    )


def _agreement() -> Section:
    return Section(
        title="Agreement of the queues",
        panels=(
            by_queue(
                "Elections by queue",
                "Elections since the time range began, as steps. Good: flat lines at 0. A step beside a "
                "fault is what consensus is for; steps without one are nodes that do not hear each other in "
                "time.",
                "short",
                elections(OBJECTIVE),
                steps=True,
            ),
            leaders(
                "Leaders by node, over time",
                "Queues that each node leads. Good: about even. After a node was away, all leaders are "
                "elsewhere: docs/runbooks/leaders-unbalanced.md.",
            ),
            by_queue(
                "Commits by queue",
                "Log entries that a majority has, per second: a publish, a delivery and an acknowledgement "
                "are each part of some. Good: follows the traffic of the queue.",
                "ops",
                recorded(COMMITS),
            ),
            by_node(
                "Commits by node",
                "Log entries that the members on each node have committed, per second. Good: the same on all "
                "nodes, for each has a member of every queue.",
                "ops",
                (NODE_COMMITS, ""),
            ),
            by_queue(
                "Commit latency by queue",
                "From a command's writing to its commit, as the slowest member says. Good: milliseconds. "
                "One queue alone is a busy queue; all of them a slow disk, link or processor.",
                "s",
                recorded(COMMIT_LATENCY),
            ),
            lines(
                "Commit latency over all queues",
                "How the chosen queues' latencies are spread, and the greatest by node. Good: the lines near "
                "each other. A median that rises is a node's trouble, not a queue's.",
                "s",
                Query(expr=f"quantile(0.5, {recorded(COMMIT_LATENCY)})", legend="half of the queues below"),
                Query(expr=f"quantile(0.95, {recorded(COMMIT_LATENCY)})", legend="19 of 20 queues below"),
                Query(
                    expr=f'rabbitmq_raft_max_commit_latency_seconds{{{ONE_NODE},ra_system="quorum_queues"}}',
                    legend="{{node}} greatest",
                ),
            ),
        ),
    )


def _logs() -> Section:
    return Section(
        title="Logs and members of the queues",
        panels=(
            by_queue(
                "Written and not committed",
                "Entries that a member has written and that it does not yet know on a majority. Good: near "
                "0, or as many as are on their way. One that stays high has no majority that keeps up.",
                "short",
                recorded(UNCOMMITTED),
            ),
            by_queue(
                "Length of logs",
                "Entries since the last snapshot, of the member with most. Good: about the queue's length. "
                "One that rises while the queue is short holds an old message that nobody acknowledges.",
                "short",
                recorded(LOG_ENTRIES),
            ),
            lines(
                "Members behind",
                "Entries that a member has yet to commit, against the one that has most. Good: near 0, some "
                "hundreds under load. A member that was away catches up in a straight line to 0; one that "
                "stays behind is on a node that is too slow.",
                "short",
                Query(
                    expr=most(
                        f'max by (node, vhost, queue) ({BEHIND}{{{OBJECTIVE},node=~"$node"}})',
                        by="node, vhost, queue",
                    ),
                    legend=f"{{{{node}}}} {NAME}",
                ),
                to_queue=True,
            ),
            by_node(
                "Snapshots to and by members",
                "Snapshots per second that leaders sent because a member was too far behind for its log, and "
                "that members put in. Good: 0. Some follow a node that comes back.",
                "ops",
                (SNAPSHOTS_SENT, "sent"),
                (SNAPSHOTS_INSTALLED, "installed"),
            ),
            by_node(
                "Sends dropped",
                "Messages of consensus per second that were not sent because the link to the peer was full. "
                "Good: 0. Above it, a link or the peer's node is too slow, and its members fall behind.",
                "ops",
                (DROPPED_SENDS, ""),
            ),
            lines(
                "Most segments of a queue",
                "Segment files of the queue with most, by node. Good: few. They grow with a long queue, and "
                "with an old message that nobody acknowledges.",
                "short",
                Query(
                    expr=f'rabbitmq_raft_max_num_segments{{{ONE_NODE},ra_system="quorum_queues"}}',
                    legend="{{node}}",
                ),
                steps=True,
            ),
        ),
    )


def _write_ahead() -> Section:
    return Section(
        title="Write-ahead log of the queues",
        panels=(
            by_node(
                "Written to the write-ahead log",
                "Bytes per second, of all queues of a node. Good: follows the traffic. Every message is "
                "written on each member.",
                "Bps",
                (WAL_BYTES, ""),
            ),
            by_node(
                "Written to segments",
                "Bytes per second that were still needed when a file of the write-ahead log was full. Good: "
                "little: queues that are emptied in time never get there.",
                "Bps",
                (SEGMENT_BYTES, ""),
            ),
            by_node(
                "Entries and batches",
                "Entries per second in the write-ahead log, and the batches in which they went to disk. "
                "Good: follows the traffic. Batches bound the commit latency: each waits for the disk.",
                "ops",
                (WAL_WRITES, "entries"),
                (WAL_BATCHES, "batches"),
            ),
            lines(
                "Entries in a batch",
                "Good: more under load, which is how the log keeps up. 1 under load is publishers that wait "
                "for each confirm.",
                "short",
                Query(expr=f"{of_node(WAL_WRITES)} / ({of_node(WAL_BATCHES)} > 0)", legend="{{node}}"),
            ),
        ),
    )
