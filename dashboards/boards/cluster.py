"""The cluster at a glance: nodes, alarms, headroom, traffic, connections, leaders and consensus."""

from __future__ import annotations

from dashboards.choices import CLUSTER, JOB, NODES
from dashboards.figures import FIRING, OLDEST_OF_ALL
from dashboards.house import Board, Query, Section, lines, number, states
from dashboards.looks import GREEN, ORANGE, RED
from dashboards.queries import NODE, ONE_NODE, answers, total_rate
from dashboards.sections.consensus import connections, consensus
from dashboards.sections.flights import flights
from dashboards.sections.traffic import declared, incoming, outgoing
from dashboards.sections.watchers import watchers


def board() -> Board:
    return Board(
        uid="warren-cluster",
        title="Warren / Cluster overview",
        description="Is the cluster whole, has it room, and does traffic flow?",
        variables=(JOB, CLUSTER, NODES),
        sections=(
            _now(),
            _nodes(),
            flights(),
            incoming(),
            outgoing(),
            connections(),
            declared(),
            consensus(),
            watchers(),
        ),
    )


def _now() -> Section:
    return Section(
        title="Now",
        panels=(
            number(
                "Nodes",
                "Nodes that answer Prometheus, and those that should and do not. Good: none away. See "
                "docs/runbooks/node-down.md.",
                "none",
                Query(expr=f"sum({answers()})", legend="answer"),
                Query(expr=f"sum({answers()} == bool 0)", legend="away"),
                apart={"away": ((1, RED),)},
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
                    expr=FIRING,
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
                Query(expr=OLDEST_OF_ALL, legend="age"),
                none="not known",
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
                Query(expr=answers(ONE_NODE), legend="{{node}}"),
                {"1": ("answers", GREEN), "0": ("does not answer", RED)},
                height=8,
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
                height=8,
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
                "File descriptors over their limit. Good: below 80 %. Nearer to 100 % the node refuses "
                "connections: raise nofile or find who opens connections.",
                "percentunit",
                Query(
                    expr=f"rabbitmq_process_open_fds{{{ONE_NODE}}} / rabbitmq_process_max_fds{{{ONE_NODE}}}",
                    legend="{{node}}",
                ),
                width=8,
                limits=((0.8, ORANGE),),
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
