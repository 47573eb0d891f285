"""Section of the board of queues: what waits for a retry or by priority, and for whom."""

from __future__ import annotations

from dashboards.house import Column, Panel, Query, Section, lines, table
from dashboards.looks import GREEN, RED
from dashboards.panels import by_queue
from dashboards.queries import EXPORTER, QUEUE, queue_gauge
from exporters import names

#: The priority of messages that name none: https://www.rabbitmq.com/docs/quorum-queues#priorities
_ORDINARY = "4"


def waiting() -> Section:
    return Section(
        title="Retries, priorities and consumers",
        panels=(_by_priority(), _returned(), _delayed(), _consumers(), _table()),
    )


def _by_priority() -> Panel:
    """A priority that holds nothing has no series; with nothing waiting at all the ordinary one is 0."""
    none = f'label_replace(0 * sum({queue_gauge(names.READY.name)}), "priority", "{_ORDINARY}", "", "")'
    waits = f"sum by (priority) ({names.BY_PRIORITY.name}{{{EXPORTER},{QUEUE}}})"
    return lines(
        "Waiting by priority",
        "Messages that wait in the chosen quorum queues, by priority; 4 are those that name none. Good: the "
        "high ones near 0. High ones that wait are more than the consumers take; low ones that only grow "
        "never get their turn.",
        "short",
        Query(expr=f"{waits} or {none}", legend="priority {{priority}}"),
        stacked=True,
        width=8,
    )


def _returned() -> Panel:
    return by_queue(
        "Came back and wait again",
        "Messages that wait, were delivered before and came back; part of the depth. Good: 0 or briefly "
        "more. A number that stays is consumers that put back what they cannot do: see Redelivered.",
        "short",
        queue_gauge(names.RETURNED.name),
        width=8,
    )


def _delayed() -> Panel:
    return by_queue(
        "Waiting for a delayed retry",
        "Messages that the queue itself holds back until their retry is due; when the next one is, the table "
        "below says. Good: 0 where no policy delays retries, else what failed lately. A line that only rises "
        "is work that fails each time.",
        "short",
        queue_gauge(names.DELAYED.name),
        width=8,
    )


def _consumers() -> Panel:
    sources = f"count by (source) ({names.ARRIVALS_SOURCE.name}{{{EXPORTER},{QUEUE}}})"
    return lines(
        "How ages are known",
        "Queues by where the curve of their arrivals comes from: published is the broker's counter, "
        "conservation what is there and what left added up. Good: unknown are the queues that messages leave "
        "by expiry alone, and no others; such a queue has an age only while it is empty.",
        "none",
        Query(expr=sources, legend="{{source}}"),
        stacked=True,
        steps=True,
        width=8,
    )


def _table() -> Panel:
    return table(
        "What waits, and for whom",
        "One row a queue. Sort by Next retry in to find those that are late (below 0), by Single active to "
        "find queues that let nobody consume. An empty field is of a queue that has no such thing; how "
        "ready consumers are is measured of classic queues only.",
        {"vhost": "Virtual host", "queue": "Queue"},
        (
            Column(heading="Came back", expr=queue_gauge(names.RETURNED.name), unit="short"),
            Column(heading="Delayed", expr=queue_gauge(names.DELAYED.name), unit="short"),
            Column(
                heading="Next retry in",
                expr=f"{queue_gauge(names.NEXT_DELAYED.name)} - time()",
                unit="s",
                limits=((float("-inf"), RED), (-5, GREEN)),
                may_be_empty="no queue delays a message most of the time",
            ),
            Column(heading="Consumers", expr=queue_gauge(names.CONSUMERS.name), unit="none"),
            Column(
                heading="Single active",
                expr=queue_gauge(names.SINGLE_ACTIVE.name),
                unit="bool_yes_no",
                limits=((float("-inf"), RED), (1, GREEN)),
                may_be_empty="a topology need not have a queue with a single active consumer",
            ),
            Column(
                heading="Consumers ready",
                expr=queue_gauge(names.CAPACITY.name),
                unit="percentunit",
                may_be_empty="the broker measures it of classic queues only",
            ),
        ),
        width=16,
        height=8,
    )
