"""Sections of the board of queues: what comes back or does not get on, and members, leaders and limits."""

from __future__ import annotations

from dashboards.house import Column, Query, Section, lines, table
from dashboards.looks import GREEN, ORANGE, RED
from dashboards.panels import by_queue
from dashboards.queries import (
    BEHIND,
    EXPORTER,
    OBJECTIVE,
    POLLED,
    QUEUE,
    REDELIVERED,
    queue_gauge,
    recorded,
)
from exporters import names

#: Joins on who leads, so that all columns of a table have that label; a queue without a leader has no row.
_LED = (
    "* on (vhost, queue) group_left (leader)"
    f" max by (vhost, queue, leader) ({names.LEADER.name}{{{EXPORTER},{QUEUE}}})"
)


def _led(expr: str) -> str:
    return f"({expr}) {_LED}"


def trouble() -> Section:
    return Section(
        title="Trouble",
        panels=(
            by_queue(
                "Redelivered",
                "Messages per second delivered a second time or more: a consumer died, timed out or put "
                "them back. Good: 0, but for retries by dead-lettering, which arrive flagged as well.",
                "mps",
                recorded(REDELIVERED),
                width=8,
            ),
            by_queue(
                "On their way to the dead-letter exchange",
                "Messages that left the queue and that no dead-letter queue has confirmed yet. Good: 0 or"
                " briefly more. A number that stays has a full or missing target: docs/runbooks/dead-"
                "letter-backlog.md.",
                "short",
                queue_gauge(names.DLX.name),
                width=8,
            ),
            by_queue(
                "Held by a consumer",
                "Messages delivered and not yet acknowledged, for each consumer. Good: below the "
                "prefetch. At the prefetch all the time, consumers are slower than the queue.",
                "short",
                f"{queue_gauge(names.UNACKED.name)} / clamp_min({queue_gauge(names.CONSUMERS.name)}, 1)",
                width=8,
            ),
            by_queue(
                "Fetched one by one",
                "Messages per second fetched with basic.get, by queue. Good: 0. A fetch is a round trip for "
                "each message: let the client consume.",
                "mps",
                recorded(POLLED),
            ),
            lines(
                "States of queues",
                "Queues by what the broker calls their state. Good: all running. Minority is a queue without "
                "a majority of its members: docs/runbooks/queue-quorum-lost.md.",
                "short",
                Query(
                    expr=f"count by (state) ({names.STATE.name}{{{EXPORTER},{QUEUE}}})", legend="{{state}}"
                ),
                colors={"running": GREEN, "minority": RED, "down": RED, "stopped": RED, "crashed": RED},
                steps=True,
                stacked=True,
            ),
        ),
    )


def shape() -> Section:
    return Section(
        title="Members, leaders and limits",
        panels=(
            by_queue(
                "Members running",
                "Replicas that run. Good: 3 of 3. 2 of 3 goes on; 1 of 3 stands still until another comes"
                " back.",
                "short",
                queue_gauge(names.ONLINE.name),
                steps=True,
                width=8,
            ),
            by_queue(
                "Of the length limit",
                "Messages, those being dead-lettered included, over the queue's length limit. Good: below"
                " 80 %. At 100 % publishes are refused.",
                "percentunit",
                queue_gauge(names.LENGTH_RATIO.name),
                width=8,
                limits=((0.8, ORANGE), (1, RED)),
            ),
            by_queue(
                "Of the limit in bytes",
                "Bytes of messages over the queue's limit in bytes. Good: below 80 %. At 100 % publishes "
                "are refused.",
                "percentunit",
                queue_gauge(names.BYTES_RATIO.name),
                width=8,
                limits=((0.8, ORANGE), (1, RED)),
            ),
            table(
                "Leaders",
                "One row a queue with a leader, first those whose members do not keep up. Sort by Leader to "
                "see what a node would leave behind.",
                {"vhost": "Virtual host", "queue": "Queue", "leader": "Leader"},
                (
                    Column(heading="Members", expr=_led(queue_gauge(names.MEMBERS.name)), unit="none"),
                    Column(heading="Running", expr=_led(queue_gauge(names.ONLINE.name)), unit="none"),
                    Column(
                        heading="Behind",
                        expr=_led(f"max by (vhost, queue) ({BEHIND}{{{OBJECTIVE}}})"),
                        unit="short",
                        limits=((1000, ORANGE),),
                    ),
                    Column(
                        heading="Delivery limit",
                        expr=_led(queue_gauge(names.DELIVERY_LIMIT.name)),
                        unit="none",
                    ),
                    Column(
                        heading="Of length limit",
                        expr=_led(queue_gauge(names.LENGTH_RATIO.name)),
                        unit="percentunit",
                        limits=((0.8, ORANGE), (0.95, RED)),
                    ),
                    Column(
                        heading="Of limit in bytes",
                        expr=_led(queue_gauge(names.BYTES_RATIO.name)),
                        unit="percentunit",
                        limits=((0.8, ORANGE), (0.95, RED)),
                    ),
                ),
                highest="Behind",
            ),
        ),
    )
