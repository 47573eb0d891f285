"""The cluster at a glance: nodes, alarms, headroom, traffic, connections, leaders and consensus."""

from __future__ import annotations

from dashboards.consensus import connections, consensus
from dashboards.flights import flights
from dashboards.house import GREEN, ORANGE, RED, Board, Query, Section, Variable, lines, number, states
from dashboards.queries import EXPORTER, NODE, ONE_NODE, total_rate
from exporters import names

CLUSTER = Variable(
    name="cluster", label="Cluster", query='label_values(rabbitmq_build_info{job="rabbitmq"}, cluster)',
    several=False,
)  # fmt: skip
NODE_VARIABLE = Variable(
    name="node", label="Node",
    query='label_values(rabbitmq_build_info{job="rabbitmq",cluster=~"$cluster"}, node)',
)  # fmt: skip


def board() -> Board:
    return Board(
        uid="warren-cluster",
        title="Warren / Cluster",
        description="Is the cluster whole, has it room, and does traffic flow?",
        variables=(CLUSTER, NODE_VARIABLE),
        sections=(_now(), _nodes(), flights(), _traffic(), connections(), consensus()),
    )


def _now() -> Section:
    return Section(
        title="Now",
        panels=(
            number(
                "Nodes",
                "Nodes that answer Prometheus, and nodes that there should be. Good: the same number. "
                "When they differ, see docs/runbooks/node-down.md.",
                "none",
                Query(expr=f"sum(up{{{NODE}}})", legend="answer"),
                Query(expr=f"count(up{{{NODE}}})", legend="expected"),
                graph=False,
            ),
            number(
                "Resource alarms",
                "Memory and disk alarms in force. Any one blocks every publisher of the cluster. Good: 0."
                " Free memory or disk on the node whose headroom is gone below.",
                "none",
                Query(
                    expr=f"sum(rabbitmq_alarms_memory_used_watermark{{{NODE}}}) + "
                    f"sum(rabbitmq_alarms_free_disk_space_watermark{{{NODE}}})",
                    legend="alarms",
                ),
                limits=((1, RED),),
                graph=False,
            ),
            number(
                "Alerts firing",
                "Warren's alerts that fire now. Good: 0. Each has a page under docs/runbooks.",
                "none",
                Query(
                    expr='count(ALERTS{alertstate="firing",cluster=~"$cluster"}) or vector(0)',
                    legend="alerts",
                ),
                limits=((1, ORANGE),),
                graph=False,
            ),
            number(
                "Messages in queues",
                "Ready and delivered but not yet acknowledged, in all queues. Good: steady or falling. "
                "When it grows, look for the queue on the board Queues.",
                "short",
                Query(expr=f"sum(rabbitmq_queue_messages{{{NODE}}})", legend="messages"),
            ),
            number(
                "Oldest message",
                "Greatest age of an unacknowledged message in any queue, failed queues left out, since "
                "nothing empties those by itself. Good: below the objectives on the board Queues.",
                "s",
                Query(
                    expr=f'max({names.AGE.name}{{{EXPORTER},queue!~".*failed"}} or '
                    f'{names.AGE_AT_LEAST.name}{{{EXPORTER},queue!~".*failed"}})',
                    legend="age",
                ),
            ),
            number(
                "Published",
                "Messages per second that publishers sent. Good: what the applications mean to send. A "
                "dip to 0 beside an alarm is a blocked cluster.",
                "mps",
                Query(expr=total_rate("rabbitmq_global_messages_received_total", NODE), legend="published"),
            ),
        ),
    )


def _nodes() -> Section:
    return Section(
        title="Nodes",
        panels=(
            states(
                "Node answers",
                "Whether each node answered each scrape. Good: unbroken green. Red is a node that is "
                "down, frozen or cut off; see docs/runbooks/node-down.md.",
                Query(expr=f'up{{{NODE},node=~"$node"}}', legend="{{node}}"),
                {"1": ("answers", GREEN), "0": ("does not answer", RED)},
                height=6,
            ),
            states(
                "Links between nodes",
                "The Erlang distribution link of each node to each other. Good: up everywhere. A link "
                "that is not up while both nodes answer is a network partition.",
                Query(
                    expr=f'erlang_vm_dist_node_state{{{ONE_NODE},peer!~"rabbitmqcli.*"}}',
                    legend="{{node}} to {{peer}}",
                ),
                {"3": ("up", GREEN), "2": ("coming up", ORANGE), "1": ("pending", RED)},
                height=6,
            ),
            lines(
                "Memory headroom",
                "Bytes until the memory alarm. Good: well above 0 under the greatest load. At 0 the node "
                "blocks all publishers: shorten queues, or give it more memory.",
                "bytes",
                Query(
                    expr=f"rabbitmq_resident_memory_limit_bytes{{{ONE_NODE}}} - "
                    f"rabbitmq_process_resident_memory_bytes{{{ONE_NODE}}}",
                    legend="{{node}}",
                ),
                width=8,
                least=None,
                limits=((float("-inf"), RED), (0, "transparent")),
            ),
            lines(
                "Disk headroom",
                "Bytes until the disk alarm. Good: enough for a day of the greatest backlog. At 0 the "
                "node blocks all publishers: free space or drain queues.",
                "bytes",
                Query(
                    expr=f"rabbitmq_disk_space_available_bytes{{{ONE_NODE}}} - "
                    f"rabbitmq_disk_space_available_limit_bytes{{{ONE_NODE}}}",
                    legend="{{node}}",
                ),
                width=8,
                least=None,
                limits=((float("-inf"), RED), (0, "transparent")),
            ),
            lines(
                "Open files",
                "File descriptors over their limit. Good: below 0.8. Nearer to 1 the node refuses "
                "connections: raise nofile or find who opens connections.",
                "percentunit",
                Query(
                    expr=f"rabbitmq_process_open_fds{{{ONE_NODE}}} / rabbitmq_process_max_fds{{{ONE_NODE}}}",
                    legend="{{node}}",
                ),
                width=8,
            ),
            lines(
                "Scheduler run queue",
                "Erlang processes that wait for a core. Good: below the number of cores; steadily above "
                "it the node's CPU is what holds traffic back.",
                "short",
                Query(expr=f"rabbitmq_erlang_scheduler_run_queue{{{ONE_NODE}}}", legend="{{node}}"),
            ),
            lines(
                "Uptime",
                "Time since each node started. Good: rising lines. A line that falls to 0 is a restart.",
                "s",
                Query(expr=f"rabbitmq_erlang_uptime_seconds{{{ONE_NODE}}}", legend="{{node}}"),
            ),
        ),
    )


def _traffic() -> Section:
    return Section(
        title="Traffic",
        panels=(
            lines(
                "Into the cluster",
                "Messages per second published and confirmed. Good: both lines together. A gap that stays"
                " is publishing without confirms, or publishers that wait for a confirm.",
                "mps",
                Query(expr=total_rate("rabbitmq_global_messages_received_total", NODE), legend="published"),
                Query(expr=total_rate("rabbitmq_global_messages_confirmed_total", NODE), legend="confirmed"),
                Query(
                    expr=total_rate("rabbitmq_global_messages_routed_total", NODE), legend="put into queues"
                ),
            ),
            lines(
                "Out of the cluster",
                "Messages per second delivered, acknowledged and delivered again. Good: acknowledged "
                "follows delivered. Redelivered shows consumers that fail, time out or lose their "
                "connection.",
                "mps",
                Query(expr=total_rate("rabbitmq_global_messages_delivered_total", NODE), legend="delivered"),
                Query(
                    expr=total_rate("rabbitmq_global_messages_acknowledged_total", NODE),
                    legend="acknowledged",
                ),
                Query(
                    expr=total_rate("rabbitmq_global_messages_redelivered_total", NODE), legend="redelivered"
                ),
            ),
            lines(
                "Nowhere to go",
                "Messages per second that no queue took: dropped without a word, or returned to their "
                "publisher. Good: 0. See docs/runbooks/unroutable.md.",
                "mps",
                Query(
                    expr=total_rate("rabbitmq_global_messages_unroutable_dropped_total", NODE),
                    legend="dropped",
                ),
                Query(
                    expr=total_rate("rabbitmq_global_messages_unroutable_returned_total", NODE),
                    legend="returned",
                ),
                width=8,
            ),
            lines(
                "Dead-lettered",
                "Messages per second that left their queue for its dead-letter exchange, by reason. Good:"
                " what the applications reject on purpose; delivery limit means crashing consumers, "
                "maxlen a full queue.",
                "mps",
                *(
                    Query(
                        expr=total_rate(f"rabbitmq_global_messages_dead_lettered_{reason}_total", NODE),
                        legend=reason.replace("_", " "),
                    )
                    for reason in ("rejected", "expired", "delivery_limit", "maxlen")
                ),
                width=8,
            ),
            lines(
                "Published by node",
                "Messages per second that publishers sent to each node. Good: about even. A node that "
                "gets it all is a client that does not spread its connections.",
                "mps",
                Query(
                    expr=total_rate("rabbitmq_global_messages_received_total", ONE_NODE, by="node"),
                    legend="{{node}}",
                ),
                width=8,
                stacked=True,
            ),
        ),
    )
