"""PromQL building blocks. Every selector names its job, so that nothing is counted twice, and the cluster.

``$job`` is the job that scrapes ``/metrics``; the broker's other jobs are called after it. The broker
refreshes its counters every five seconds; ``$__rate_interval`` is at least four scrapes. What is scraped more
seldom than that, and what is summed over thousands of series, is recorded (``dashboards/recording``).
"""

from __future__ import annotations

#: Figures of a node as a whole, by label ``node``.
NODE = 'job=~"$job",cluster=~"$cluster"'
#: The same, of the nodes that the reader chose.
ONE_NODE = f'{NODE},node=~"$node"'
#: What each kind of thing in a node's memory takes, asked once a minute.
MEMORY = 'job=~"($job)-memory",cluster=~"$cluster",node=~"$node"'
#: The runtime's allocators, asked once a minute.
ALLOCATORS = 'job=~"($job)-allocators",cluster=~"$cluster",node=~"$node"'
#: How far consumers of the stream protocol are behind, by stream.
STREAMS = 'job=~"($job)-streams",cluster=~"$cluster"'
#: Figures of Warren's own exporter.
EXPORTER = 'job="exporter",cluster=~"$cluster"'
#: Figures of what Warren tries from outside: TLS listeners, and messages of its own.
PROBE = 'job="probe",cluster=~"$cluster"'
#: All of Warren's own that watch, about themselves.
WATCHERS = 'job=~"exporter|probe|drift",cluster=~"$cluster"'
#: Figures of a load run.
LOAD = 'job="load",cluster=~"$cluster",profile=~"$profile",run_id=~"$run"'
#: One or more queues, chosen by variable.
QUEUE = 'vhost=~"$vhost",queue=~"$queue"'
#: What rules record has no job; by cluster, and by the chosen queues.
RECORDED = 'cluster=~"$cluster"'
OBJECTIVE = f"{RECORDED},{QUEUE}"
#: Queues that are meant to be emptied: a failed queue waits for a person.
NOT_FAILED = 'queue!~".*failed"'

#: Lines that a panel draws of queues at most: more can neither be told apart nor drawn within a second.
MOST_LINES = 20

_QUEUE_RECORD = "cluster_vhost_queue:rabbitmq_detailed_"
PUBLISHED = f"{_QUEUE_RECORD}queue_exchange_messages_published:rate"
DELIVERED = f"{_QUEUE_RECORD}queue_messages_delivered:rate"
ACKED = f"{_QUEUE_RECORD}queue_messages_acked:rate"
REDELIVERED = f"{_QUEUE_RECORD}queue_messages_redelivered:rate"
POLLED = f"{_QUEUE_RECORD}queue_get:rate"
TERM = f"{_QUEUE_RECORD}raft_term:max"
COMMIT_LATENCY = f"{_QUEUE_RECORD}raft_commit_latency_seconds:max"
COMMITS = f"{_QUEUE_RECORD}raft_commit_index:deriv"
UNCOMMITTED = f"{_QUEUE_RECORD}raft_uncommitted:max"
LOG_ENTRIES = f"{_QUEUE_RECORD}raft_log_entries:max"
BEHIND = "cluster_node_vhost_queue:rabbitmq_detailed_raft_behind:max"

_NODE_RECORD = "cluster_node:rabbitmq_detailed_raft_"
NODE_COMMITS = f"{_NODE_RECORD}commit_index:deriv"
DROPPED_SENDS = f"{_NODE_RECORD}dropped_sends:rate"
SNAPSHOTS_SENT = f"{_NODE_RECORD}snapshots_sent:rate"
SNAPSHOTS_INSTALLED = f"{_NODE_RECORD}snapshot_installed:rate"
WAL_BYTES = f"{_NODE_RECORD}wal_bytes_written:rate"
SEGMENT_BYTES = f"{_NODE_RECORD}segment_bytes_written:rate"
WAL_WRITES = f"{_NODE_RECORD}wal_writes:rate"
WAL_BATCHES = f"{_NODE_RECORD}wal_batches:rate"


def rate(metric: str, selector: str, *, window: str = "$__rate_interval") -> str:
    """Per-second growth of a counter."""
    return f"rate({metric}{{{selector}}}[{window}])"


def total_rate(metric: str, selector: str, *, by: str = "") -> str:
    """Per-second growth summed over everything, or by the labels in ``by``."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} ({rate(metric, selector)})"


def answers(selector: str = NODE) -> str:
    """1 for each node that answered the last scrape, 0 for each that did not."""
    return f'max by (cluster, node) (up{{{selector},node=~".+"}})'


def recorded(name: str) -> str:
    """What is recorded of each chosen queue, by no other label, as `queue_gauge` has it."""
    return f"max by (vhost, queue) ({name}{{{OBJECTIVE}}})"


def queue_gauge(metric: str) -> str:
    """A figure of the exporter by queue, without the labels of the exporter itself."""
    return f"max by (vhost, queue) ({metric}{{{EXPORTER},{QUEUE}}})"


def most(expr: str, *, by: str = "vhost, queue") -> str:
    """``expr`` for those that came highest within the time range; the same ones at every point of a line."""
    return f"({expr}) and on ({by}) {_highest(expr)}"


def _highest(expr: str) -> str:
    return f"topk({MOST_LINES}, max_over_time(({expr})[$__range:$__interval] @ end()))"


def elections(selector: str = RECORDED) -> str:
    """Elections of each queue since the time range began: a new term for each."""
    terms = f"{TERM}{{{selector}}}"
    return f"{terms} - min_over_time({terms}[$__range:$__interval] @ end())"


def objective(metric: str) -> str:
    """The objective of each chosen queue."""
    return f"max by (vhost, queue) ({metric}{{{OBJECTIVE}}})"


def promised(metric: str, of: str) -> str:
    """The objective of each queue that `most` draws of ``of`` and that came up to a quarter of it.

    All objectives at once would be as many lines again; those that nothing comes near tell nothing.
    """
    line = objective(metric)
    return f"{line} and on (vhost, queue) ({_highest(of)} * 4 > {line})"


def quantile(share: float, histogram: str, selector: str, *, by: str = "") -> str:
    """A quantile of a histogram's observations within the rate window."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) ({rate(f'{histogram}_bucket', selector)}))"
