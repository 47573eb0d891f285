"""PromQL building blocks. Every selector names its job, so that nothing is counted twice, and the cluster.

The broker refreshes its counters every five seconds; ``$__rate_interval`` is at least four scrapes.
"""

from __future__ import annotations

#: Figures of a node as a whole, by label ``node``.
NODE = 'job="rabbitmq",cluster=~"$cluster"'
#: The same, of the nodes that the reader chose.
ONE_NODE = f'{NODE},node=~"$node"'
#: Figures of a queue as a node counts it. Counters live where the queue's clients are connected: always sum.
DETAILED = 'job="rabbitmq-detailed",cluster=~"$cluster"'
#: Figures of a replica's consensus, asked less often.
RAFT = 'job="rabbitmq-raft",cluster=~"$cluster"'
#: Figures of Warren's own exporter.
EXPORTER = 'job="exporter",cluster=~"$cluster"'
#: Figures of what Warren tries from outside: TLS listeners, and messages of its own.
PROBE = 'job="probe",cluster=~"$cluster"'
#: Figures of a load run.
LOAD = 'job="load",cluster=~"$cluster",profile=~"$profile",run_id=~"$run"'
#: One or more queues, chosen by variable.
QUEUE = 'vhost=~"$vhost",queue=~"$queue"'
#: What a queue's owner promises; made by recording rules, so there is no job.
OBJECTIVE = 'cluster=~"$cluster",vhost=~"$vhost",queue=~"$queue"'

BY_QUEUE = "sum by (vhost, queue)"


def rate(metric: str, selector: str, *, window: str = "$__rate_interval") -> str:
    """Per-second growth of a counter."""
    return f"rate({metric}{{{selector}}}[{window}])"


def total_rate(metric: str, selector: str, *, by: str = "") -> str:
    """Per-second growth summed over everything, or by the labels in ``by``."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} ({rate(metric, selector)})"


def queue_rate(counter: str) -> str:
    """Per-second growth of a counter of ``/metrics/detailed``, by queue, summed over the nodes."""
    return f"{BY_QUEUE} ({rate(f'rabbitmq_detailed_{counter}', f'{DETAILED},{QUEUE}')})"


def queue_gauge(metric: str) -> str:
    """A figure of the exporter by queue, without the labels of the exporter itself."""
    return f"max by (vhost, queue) ({metric}{{{EXPORTER},{QUEUE}}})"


def objective(metric: str) -> str:
    """The objective of each chosen queue."""
    return f"max by (vhost, queue) ({metric}{{{OBJECTIVE}}})"


def promised(metric: str, of: str) -> str:
    """The objective of each chosen queue of which ``of`` came up to a quarter of it within the hour.

    All objectives at once would be more lines than queues; those that nothing comes near tell nothing.
    """
    line = objective(metric)
    return f"{line} and on (vhost, queue) (max_over_time(({of})[1h:1m]) * 4 > {line})"


def quantile(share: float, histogram: str, selector: str, *, by: str = "") -> str:
    """A quantile of a histogram's observations within the rate window."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) ({rate(f'{histogram}_bucket', selector)}))"
