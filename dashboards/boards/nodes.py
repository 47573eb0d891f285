"""Each node and its Erlang runtime: versions, memory, processor, limits, disk, links between nodes."""

from __future__ import annotations

from dashboards.choices import CLUSTER, JOB, NODES
from dashboards.house import Board, Column, Query, Section, lines, number, table
from dashboards.looks import ORANGE, RED
from dashboards.queries import NODE, ONE_NODE, RECORDED, rate, total_rate
from dashboards.sections.distribution import links, traffic
from dashboards.sections.memory import allocators, memory

_SCHEDULERS = f"erlang_vm_schedulers_online{{{ONE_NODE}}}"


def board() -> Board:
    return Board(
        uid="warren-nodes",
        title="Warren / Nodes and Erlang VM",
        description="What does each node run on, and what does it run out of first?",
        variables=(JOB, CLUSTER, NODES),
        sections=(_now(), memory(), _processor(), _limits(), _disk(), links(), traffic(), allocators(),
                  _watching()),
    )  # fmt: skip


def _versioned(metric: str) -> str:
    """A figure of each node with the versions that it runs, so that all columns have the same labels."""
    versions = f"max by (node, rabbitmq_version, erlang_version) (rabbitmq_build_info{{{ONE_NODE}}})"
    return f"max by (node) ({metric}) * on (node) group_left (rabbitmq_version, erlang_version) {versions}"


def _away() -> str:
    """0 for each node that does not answer, with that in place of the versions: a row of its own."""
    silent = f"max by (node) (up{{{ONE_NODE}}} == 0)"
    named = f'label_replace({silent}, "rabbitmq_version", "does not answer", "", "")'
    return f'label_replace({named}, "erlang_version", "-", "", "")'


#: From where on a share of a limit is drawn as near.
_NEAR = ((0.8, ORANGE),)


def _share(used: str, limit: str) -> str:
    return f"{used}{{{ONE_NODE}}} / {limit}{{{ONE_NODE}}}"


def _now() -> Section:
    near = ((0.8, ORANGE), (0.95, RED))
    memory_share = _share("rabbitmq_process_resident_memory_bytes", "rabbitmq_resident_memory_limit_bytes")
    return Section(
        title="Now",
        panels=(
            table(
                "Nodes",
                "One row a node; one that does not answer says so in place of its version. Good: the same "
                "versions in all rows, uptimes that you expect, no red. Sort by a share to find what a node "
                "runs out of first.",
                {"node": "Node", "rabbitmq_version": "RabbitMQ", "erlang_version": "Erlang"},
                (
                    Column(
                        heading="Up for",
                        expr=f"{_versioned(f'rabbitmq_erlang_uptime_seconds{{{ONE_NODE}}}')} or {_away()}",
                        unit="s",
                    ),
                    Column(
                        heading="Of memory limit",
                        expr=_versioned(memory_share),
                        unit="percentunit",
                        limits=near,
                    ),
                    Column(
                        heading="Disk free",
                        expr=_versioned(f"rabbitmq_disk_space_available_bytes{{{ONE_NODE}}}"),
                        unit="bytes",
                    ),
                    Column(
                        heading="Of open files",
                        expr=_versioned(_share("rabbitmq_process_open_fds", "rabbitmq_process_max_fds")),
                        unit="percentunit",
                        limits=near,
                    ),
                    Column(
                        heading="Of Erlang processes",
                        expr=_versioned(_share("erlang_vm_processes", "erlang_vm_process_limit")),
                        unit="percentunit",
                        limits=near,
                    ),
                    Column(heading="Schedulers", expr=_versioned(_SCHEDULERS), unit="none"),
                ),
                width=16,
                height=7,
            ),
            number(
                "Peers out of reach",
                "Members of the cluster that a node cannot reach, over all nodes. Good: 0. Above it, a "
                "node is down or cut off: see docs/runbooks/node-down.md.",
                "none",
                Query(expr=f"sum(rabbitmq_unreachable_cluster_peers_count{{{NODE}}})", legend="peers"),
                limits=((1, RED),),
                graph=False,
                height=7,
            ),
            number(
                "Logins refused",
                "Attempts to log in that failed, per second over the cluster. Good: 0. Above it, a client "
                "has an old password, or somebody tries some: see the broker's log for whom.",
                "ops",
                Query(expr=total_rate("rabbitmq_auth_attempts_failed_total", NODE), legend="refused"),
                limits=((0.01, ORANGE),),
                height=7,
            ),
            lines(
                "Uptime of each node",
                "Time since each node started. Good: rising lines. A line that falls to 0 is a restart.",
                "s",
                Query(expr=f"rabbitmq_erlang_uptime_seconds{{{ONE_NODE}}}", legend="{{node}}"),
                width=24,
                height=7,
            ),
        ),
    )


def _processor() -> Section:
    return Section(
        title="Processor",
        panels=(
            lines(
                "Cores in use",
                "Cores that each node's threads keep busy; dashed, its schedulers. Good: well below the "
                "dashed line. The counter behind it is called seconds and counts milliseconds.",
                "short",
                Query(
                    expr=f"{rate('erlang_vm_statistics_runtime_seconds_total', ONE_NODE)} / 1000",
                    legend="{{node}}",
                ),
                Query(expr=_SCHEDULERS, legend="{{node}} schedulers"),
                dashed="schedulers$",
            ),
            lines(
                "Waiting for a scheduler",
                "Processes and ports that could run and wait for a core. Good: below the number of "
                "schedulers. Steadily above it, the processor is what holds traffic back.",
                "short",
                Query(expr=f"rabbitmq_erlang_scheduler_run_queue{{{ONE_NODE}}}", legend="{{node}}"),
                Query(expr=f"erlang_vm_statistics_run_queues_length{{{ONE_NODE}}}", legend="{{node}} normal"),
                Query(
                    expr=f"erlang_vm_statistics_dirty_cpu_run_queue_length{{{ONE_NODE}}}",
                    legend="{{node}} long computations",
                ),
                Query(
                    expr=f"erlang_vm_statistics_dirty_io_run_queue_length{{{ONE_NODE}}}",
                    legend="{{node}} files",
                ),
            ),
            lines(
                "Work done",
                "Reductions (Erlang's unit of work, about a function call) per second. Good: follows the "
                "traffic. Work without traffic is a queue that goes round, or statistics of many objects.",
                "ops",
                Query(expr=rate("erlang_vm_statistics_reductions_total", ONE_NODE), legend="{{node}}"),
                width=8,
            ),
            lines(
                "Context switches",
                "Erlang processes put on a scheduler, per second. Good: follows the traffic.",
                "ops",
                Query(
                    expr=rate("rabbitmq_erlang_scheduler_context_switches_total", ONE_NODE),
                    legend="{{node}}",
                ),
                width=8,
            ),
            lines(
                "Garbage collections",
                "Per second. Good: follows the traffic. More of them for the same traffic is more live "
                "data in each process.",
                "ops",
                Query(expr=rate("rabbitmq_erlang_gc_runs_total", ONE_NODE), legend="{{node}}"),
                width=8,
            ),
        ),
    )


def _limits() -> Section:
    files = _share("rabbitmq_process_open_fds", "rabbitmq_process_max_fds")
    shares = (
        ("Erlang processes", "erlang_vm_processes", "erlang_vm_process_limit",
         "A connection takes several, a queue one. Good: below 80 %. A line that only rises is a client "
         "that leaves connections, channels or queues behind."),
        ("Ports", "erlang_vm_ports", "erlang_vm_port_limit",
         "Sockets and files that the runtime has open. Good: below 80 %. Nearer to 100 % connections fail."),
        ("Tables in memory", "erlang_vm_memory_ets_tables", "erlang_vm_ets_limit",
         "ETS tables. Good: below 80 %. Each quorum queue takes some: at the limit none can be declared."),
        ("Atoms", "erlang_vm_atoms", "erlang_vm_atom_limit",
         "Names that the runtime never forgets. Good: flat, below 80 %. At the limit the node stops at "
         "once: restart it before that, and report what makes them."),
    )  # fmt: skip
    return Section(
        title="Limits of the runtime",
        panels=(
            *(
                lines(
                    title, f"Share of the limit. {text}", "percentunit",
                    Query(expr=_share(used, limit), legend="{{node}}"), width=8, limits=_NEAR,
                )
                for title, used, limit, text in shares
            ),
            lines(
                "File descriptors",
                "Share of the limit that is open. Good: below 80 %. Nearer to 100 % the node refuses "
                "connections: raise nofile, or find who opens connections.",
                "percentunit",
                Query(expr=files, legend="{{node}}"),
                width=8,
                limits=_NEAR,
            ),
            lines(
                "Tables on disk",
                "DETS tables that are open. Good: flat.",
                "short",
                Query(expr=f"erlang_vm_memory_dets_tables{{{ONE_NODE}}}", legend="{{node}}"),
                width=8,
            ),
        ),
    )  # fmt: skip


def _disk() -> Section:
    return Section(
        title="Disk and network",
        panels=(
            lines(
                "Disk space",
                "Free bytes where the node keeps its data; dashed, where the disk alarm blocks all "
                "publishers. Good: far above the dashed line, and not falling: docs/runbooks/disk-alarm.md.",
                "bytes",
                Query(expr=f"rabbitmq_disk_space_available_bytes{{{ONE_NODE}}}", legend="{{node}} free"),
                Query(
                    expr=f"rabbitmq_disk_space_available_limit_bytes{{{ONE_NODE}}}", legend="{{node}} alarm"
                ),
                dashed="alarm$",
            ),
            lines(
                "In and out of the runtime",
                "Bytes per second through the runtime's sockets and files, links between nodes included. "
                "Good: follows the traffic; a quorum queue's message crosses the network twice more.",
                "Bps",
                Query(expr=rate("erlang_vm_statistics_bytes_received_total", ONE_NODE), legend="{{node}} in"),
                Query(expr=rate("erlang_vm_statistics_bytes_output_total", ONE_NODE), legend="{{node}} out"),
            ),
        ),
    )


def _watching() -> Section:
    targets = f'job=~".+",{RECORDED}'
    return Section(
        title="What watching costs",
        panels=(
            lines(
                "Duration of scrapes",
                "How long each job's slowest target takes to answer Prometheus. Good: below a second. Near "
                "the scrape interval, scrapes fail and every board has gaps: leave families of metrics out.",
                "s",
                Query(expr=f"max by (job) (scrape_duration_seconds{{{targets}}})", legend="{{job}}"),
            ),
            lines(
                "Samples kept",
                "Samples that Prometheus keeps of each scrape, by job. Good: flat. It grows with the number "
                "of queues, and with nothing else.",
                "short",
                Query(
                    expr=f"sum by (job) (scrape_samples_post_metric_relabeling{{{targets}}})",
                    legend="{{job}}",
                ),
            ),
        ),
    )
