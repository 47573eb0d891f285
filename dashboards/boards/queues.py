"""Queues one by one: depth, rates, lag against what was promised, dead-lettering, members and limits."""

from __future__ import annotations

from dashboards.boards.cluster import CLUSTER
from dashboards.house import ORANGE, RED, Board, Column, Query, Section, Variable, lines, number, table
from dashboards.queries import objective, promised, queue_gauge, queue_rate
from exporters import names

_NAME = "{{vhost}} {{queue}}"
_AGE = f"({queue_gauge(names.AGE.name)} or {queue_gauge(names.AGE_AT_LEAST.name)})"
_DEPTH = f"({queue_gauge(names.READY.name)} + {queue_gauge(names.UNACKED.name)})"
_IN = queue_rate("queue_exchange_messages_published_total")
_DELIVERED = (
    f"({queue_rate('queue_messages_delivered_ack_total')} + {queue_rate('queue_messages_delivered_total')})"
)
_ACKED = queue_rate("queue_messages_acked_total")
_REDELIVERED = queue_rate("queue_messages_redelivered_total")

_NOTHING_NEAR = "an objective is drawn once its queue has come up to a quarter of it"


def board() -> Board:
    return Board(
        uid="warren-queues",
        title="Warren / Queues",
        description="Which queue falls behind, how far, and why?",
        variables=(
            CLUSTER,
            Variable(
                name="vhost", label="Virtual host",
                query=f'label_values({names.MEMBERS.name}{{cluster=~"$cluster"}}, vhost)',
            ),
            Variable(
                name="queue", label="Queue",
                query=f'label_values({names.MEMBERS.name}{{cluster=~"$cluster",vhost=~"$vhost"}}, queue)',
            ),
        ),
        sections=(_now(), _lag(), _rates(), _trouble(), _shape()),
    )  # fmt: skip


def _now() -> Section:
    return Section(
        title="Now",
        panels=(
            number(
                "Over their lag objective",
                "Queues whose oldest message is older than their owner promised. Good: 0. The table below"
                " says which; see docs/runbooks/queue-lag.md.",
                "none",
                Query(
                    expr=f"sum({_AGE} > bool {objective('warren_objective_lag_seconds')})", legend="queues"
                ),
                limits=((1, RED),),
                width=6,
                graph=False,
            ),
            number(
                "Over their depth objective",
                "Queues with more messages than their owner promised. Good: 0. See docs/runbooks/queue-"
                "depth.md.",
                "none",
                Query(expr=f"sum({_DEPTH} > bool {objective('warren_objective_depth')})", legend="queues"),
                limits=((1, RED),),
                width=6,
                graph=False,
            ),
            number(
                "Messages",
                "Ready and unacknowledged in the chosen queues. Good: steady or falling.",
                "short",
                Query(expr=f"sum({_DEPTH})", legend="messages"),
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
                "One row a queue. Sort by Oldest to find what falls behind; an empty Oldest is an age "
                "that cannot be known (messages come and go by expiry alone).",
                {"vhost": "Virtual host", "queue": "Queue"},
                (
                    Column(heading="Messages", expr=_DEPTH, unit="short"),
                    Column(heading="Oldest", expr=_AGE, unit="s"),
                    Column(
                        heading="Of lag objective",
                        expr=f"{_AGE} / {objective('warren_objective_lag_seconds')}",
                        unit="percentunit",
                        limits=((0.5, ORANGE), (1, RED)),
                    ),
                    Column(heading="Empty in", expr=queue_gauge(names.DRAIN.name), unit="s"),
                    Column(heading="Consumers", expr=queue_gauge(names.CONSUMERS.name), unit="none"),
                    Column(heading="Members running", expr=queue_gauge(names.ONLINE.name), unit="none"),
                    Column(
                        heading="Of length limit",
                        expr=queue_gauge(names.LENGTH_RATIO.name),
                        unit="percentunit",
                        limits=((0.8, ORANGE), (0.95, RED)),
                    ),
                ),
            ),
        ),
    )


def _lag() -> Section:
    return Section(
        title="Lag",
        panels=(
            lines(
                "Age of the oldest message",
                "How long the oldest unacknowledged message has waited; dashed, what the owner promised. "
                "Good: below its dashed line. Above it: more consumers, or find out why they are slow.",
                "s",
                Query(expr=_AGE, legend=_NAME),
                Query(
                    expr=promised("warren_objective_lag_seconds", _AGE),
                    legend=f"{_NAME} objective",
                    may_be_empty=_NOTHING_NEAR,
                ),
                dashed="objective$",
                height=9,
            ),
            lines(
                "Depth",
                "Messages ready and unacknowledged; dashed, what the owner promised. Good: steady, below "
                "its dashed line. A line that only rises has too few consumers, or none.",
                "short",
                Query(expr=_DEPTH, legend=_NAME),
                Query(
                    expr=promised("warren_objective_depth", _DEPTH),
                    legend=f"{_NAME} objective",
                    may_be_empty=_NOTHING_NEAR,
                ),
                dashed="objective$",
                height=9,
            ),
            lines(
                "Time until empty",
                "Depth over the net rate of the last minute. Good: short. A queue that does not shrink "
                "has no line.",
                "s",
                Query(expr=queue_gauge(names.DRAIN.name), legend=_NAME),
            ),
            lines(
                "Delivered and waiting for an acknowledgement",
                "Messages with consumers. Good: below consumers times prefetch. A flat top there is the "
                "prefetch; a queue that sticks to it has consumers that do not acknowledge.",
                "short",
                Query(expr=queue_gauge(names.UNACKED.name), legend=_NAME),
            ),
        ),
    )


def _rates() -> Section:
    return Section(
        title="Rates",
        panels=(
            lines(
                "In",
                "Messages per second that publishers put into each queue (AMQP 0-9-1; dead-lettering is "
                "not counted by the broker). Good: what the applications mean to send.",
                "mps",
                Query(expr=_IN, legend=_NAME),
                width=8,
            ),
            lines(
                "Out",
                "Messages per second delivered to consumers. Good: follows In.",
                "mps",
                Query(expr=_DELIVERED, legend=_NAME),
                width=8,
            ),
            lines(
                "Acknowledged",
                "Messages per second that consumers finished. Good: follows Out. Less than Out for long "
                "is consumers that reject, or that hold messages.",
                "mps",
                Query(expr=_ACKED, legend=_NAME),
                width=8,
            ),
            lines(
                "Net flow",
                "In less acknowledged: above 0 the queue grows. Good: around 0. Does not count what is "
                "dead-lettered.",
                "mps",
                Query(expr=f"{_IN} - {_ACKED}", legend=_NAME),
                least=None,
            ),
            lines(
                "Consumers",
                "Consumers subscribed to each queue. Good: as many as the application runs. 0 beside a "
                "growing queue "
                "is docs/runbooks/no-consumers.md.",
                "short",
                Query(expr=queue_gauge(names.CONSUMERS.name), legend=_NAME),
                steps=True,
            ),
        ),
    )


def _trouble() -> Section:
    return Section(
        title="Trouble",
        panels=(
            lines(
                "Redelivered",
                "Messages per second delivered a second time or more: a consumer died, timed out or put "
                "them back. Good: 0, but for retries by dead-lettering, which arrive flagged as well.",
                "mps",
                Query(expr=_REDELIVERED, legend=_NAME),
                width=8,
            ),
            lines(
                "On their way to the dead-letter exchange",
                "Messages that left the queue and that no dead-letter queue has confirmed yet. Good: 0 or"
                " briefly more. A number that stays has a full or missing target: docs/runbooks/dead-"
                "letter-backlog.md.",
                "short",
                Query(expr=queue_gauge(names.DLX.name), legend=_NAME),
                width=8,
            ),
            lines(
                "Held by a consumer",
                "Messages delivered and not yet acknowledged, for each consumer. Good: below the "
                "prefetch. At the prefetch all the time, consumers are slower than the queue.",
                "short",
                Query(
                    expr=f"{queue_gauge(names.UNACKED.name)} / ({queue_gauge(names.CONSUMERS.name)} > 0)",
                    legend=_NAME,
                ),
                width=8,
            ),
        ),
    )


def _shape() -> Section:
    return Section(
        title="Members and limits",
        panels=(
            lines(
                "Members running",
                "Replicas that run. Good: 3 of 3. 2 of 3 goes on; 1 of 3 stands still until another comes"
                " back.",
                "short",
                Query(expr=queue_gauge(names.ONLINE.name), legend=_NAME),
                steps=True,
                width=8,
            ),
            lines(
                "Of the length limit",
                "Messages, those being dead-lettered included, over the queue's length limit. Good: below"
                " 80 %. At 100 % publishes are refused.",
                "percentunit",
                Query(expr=queue_gauge(names.LENGTH_RATIO.name), legend=_NAME),
                width=8,
            ),
            lines(
                "Of the limit in bytes",
                "Bytes of messages over the queue's limit in bytes. Good: below 80 %. At 100 % publishes "
                "are refused.",
                "percentunit",
                Query(expr=queue_gauge(names.BYTES_RATIO.name), legend=_NAME),
                width=8,
            ),
        ),
    )
