"""Queues one by one: depth, rates, lag against what was promised, dead-lettering, members and limits."""

from __future__ import annotations

from dashboards.choices import CLUSTER, JOB, QUEUE, VHOST
from dashboards.figures import AGE, DEPTH, LAG_OBJECTIVE, LATE, TOO_LONG
from dashboards.house import Board, Column, Query, Section, lines, number, table
from dashboards.looks import ORANGE, RED
from dashboards.panels import against_promise, by_queue
from dashboards.queries import ACKED, DELIVERED, PUBLISHED, RECORDED, queue_gauge, recorded
from dashboards.sections.trouble import shape, trouble
from dashboards.sections.waiting import waiting
from exporters import names

_IN, _OUT, _ACKED = recorded(PUBLISHED), recorded(DELIVERED), recorded(ACKED)


def board() -> Board:
    return Board(
        uid="warren-queues",
        title="Warren / Queues",
        description="Which queue falls behind, how far, and why? Panels over time draw the twenty queues "
        "that came highest within the time range; choose a queue for its own figures alone.",
        variables=(JOB, CLUSTER, VHOST, QUEUE),
        sections=(_now(), _lag(), _rates(), trouble(), waiting(), shape(), _vhosts()),
    )


def _now() -> Section:
    return Section(
        title="Now",
        panels=(
            number(
                "Over their lag objective",
                "Queues whose oldest message is older than their owner promised. Good: 0. The table below"
                " says which; see docs/runbooks/queue-lag.md.",
                "none",
                Query(expr=LATE, legend="queues"),
                none="nothing promised",
                limits=((1, RED),),
                width=6,
                graph=False,
            ),
            number(
                "Over their depth objective",
                "Queues with more messages than their owner promised. Good: 0. See docs/runbooks/queue-"
                "depth.md.",
                "none",
                Query(expr=TOO_LONG, legend="queues"),
                none="nothing promised",
                limits=((1, RED),),
                width=6,
                graph=False,
            ),
            number(
                "Messages",
                "Ready and unacknowledged in the chosen queues. Good: steady or falling.",
                "short",
                Query(expr=f"sum({DEPTH})", legend="messages"),
                width=6,
            ),
            number(
                "Members missing",
                "Replicas of the chosen queues that are not running. Good: 0. See "
                "docs/runbooks/queue-under-replicated.md.",
                "none",
                Query(
                    expr=f"sum({queue_gauge(names.MEMBERS.name)} - {queue_gauge(names.ONLINE.name)})",
                    legend="members",
                ),
                limits=((1, ORANGE),),
                width=6,
                graph=False,
            ),
            table(
                "Queues",
                "One row a queue, first those nearest to their lag objective or past it. Sort by Oldest to "
                "find others that fall behind; an empty Oldest is an age that cannot be known (messages come "
                "and go by expiry alone).",
                {"vhost": "Virtual host", "queue": "Queue"},
                (
                    Column(heading="Messages", expr=DEPTH, unit="short"),
                    Column(heading="Oldest", expr=AGE, unit="s"),
                    Column(
                        heading="Of lag objective",
                        expr=f"{AGE} / {LAG_OBJECTIVE}",
                        unit="percentunit",
                        limits=((0.5, ORANGE), (1, RED)),
                    ),
                    Column(heading="Empty in", expr=queue_gauge(names.DRAIN.name), unit="s"),
                    Column(heading="In", expr=_IN, unit="mps"),
                    Column(heading="Out", expr=_OUT, unit="mps"),
                    Column(heading="Acknowledged", expr=_ACKED, unit="mps"),
                    Column(heading="Consumers", expr=queue_gauge(names.CONSUMERS.name), unit="none"),
                    Column(heading="Members running", expr=queue_gauge(names.ONLINE.name), unit="none"),
                    Column(
                        heading="Of length limit",
                        expr=queue_gauge(names.LENGTH_RATIO.name),
                        unit="percentunit",
                        limits=((0.8, ORANGE), (0.95, RED)),
                    ),
                ),
                highest="Of lag objective",
            ),
        ),
    )


def _lag() -> Section:
    return Section(
        title="Lag",
        panels=(
            against_promise(
                "Age of the oldest message",
                "How long the oldest unacknowledged message has waited; dashed, what the owner promised. "
                "Good: below its dashed line. Above it: more consumers, or find out why they are slow.",
                "s",
                AGE,
                "warren_objective_lag_seconds",
            ),
            against_promise(
                "Depth",
                "Messages ready and unacknowledged; dashed, what the owner promised. Good: steady, below "
                "its dashed line. A line that only rises has too few consumers, or none.",
                "short",
                DEPTH,
                "warren_objective_depth",
            ),
            by_queue(
                "Time until empty",
                "Depth over the net rate of the last minute. Good: short. A queue that does not shrink "
                "has no line.",
                "s",
                queue_gauge(names.DRAIN.name),
            ),
            by_queue(
                "Delivered and waiting for an acknowledgement",
                "Messages with consumers. Good: below consumers times prefetch. A flat top there is the "
                "prefetch; a queue that sticks to it has consumers that do not acknowledge.",
                "short",
                queue_gauge(names.UNACKED.name),
            ),
        ),
    )


def _rates() -> Section:
    return Section(
        title="Rates",
        panels=(
            by_queue(
                "In",
                "Messages per second that publishers put into each queue (AMQP 0-9-1; dead-lettering is "
                "not counted by the broker). Good: what the applications mean to send.",
                "mps",
                _IN,
                width=8,
            ),
            by_queue(
                "Out",
                "Messages per second delivered to consumers. Good: follows In.",
                "mps",
                _OUT,
                width=8,
            ),
            by_queue(
                "Acknowledged",
                "Messages per second that consumers finished. Good: follows Out. Less than Out for long "
                "is consumers that reject, or that hold messages.",
                "mps",
                _ACKED,
                width=8,
            ),
            by_queue(
                "Net flow",
                "In less acknowledged: above 0 the queue grows. Good: around 0. Does not count what is "
                "dead-lettered.",
                "mps",
                f"{_IN} - {_ACKED}",
                least=None,
            ),
            by_queue(
                "Consumers",
                "Consumers subscribed to each queue. Good: as many as the application runs. 0 beside a "
                "growing queue is docs/runbooks/no-consumers.md.",
                "short",
                queue_gauge(names.CONSUMERS.name),
                steps=True,
            ),
        ),
    )


def _vhosts() -> Section:
    """The same by virtual host, which is mostly by application."""

    def flow(title: str, text: str, name: str) -> tuple[str, str, str, Query]:
        chosen = f'{RECORDED},vhost=~"$vhost"'
        return title, text, "mps", Query(expr=f"sum by (vhost) ({name}{{{chosen}}})", legend="{{vhost}}")

    return Section(
        title="By virtual host",
        panels=(
            lines(
                "Depth by virtual host",
                "Messages ready and unacknowledged. Good: steady or falling.",
                "short",
                Query(expr=f"sum by (vhost) ({DEPTH})", legend="{{vhost}}"),
                stacked=True,
            ),
            lines(
                "Queues by virtual host",
                "Good: steady. A line that only rises is a client that never deletes its queue.",
                "short",
                Query(expr=f"count by (vhost) ({queue_gauge(names.CONSUMERS.name)})", legend="{{vhost}}"),
                steps=True,
                stacked=True,
            ),
            lines(
                *flow(
                    "In by virtual host", "Messages per second put into queues. Good: as meant.", PUBLISHED
                ),
                width=8,
                stacked=True,
            ),
            lines(
                *flow("Out by virtual host", "Messages per second delivered. Good: follows In.", DELIVERED),
                width=8,
                stacked=True,
            ),
            lines(
                *flow(
                    "Acknowledged by virtual host", "Messages per second finished. Good: follows Out.", ACKED
                ),
                width=8,
                stacked=True,
            ),
        ),
    )
