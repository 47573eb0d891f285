"""A load run: what was sent, confirmed and received, how late, what was promised, the broker beside it."""

from __future__ import annotations

from dashboards.choices import CLUSTER, JOB, QUEUE, VHOST
from dashboards.figures import OLDEST_OF_ALL
from dashboards.house import Board, Query, Section, heat, lines, number, when_empty
from dashboards.looks import RED
from dashboards.panels import backlog
from dashboards.queries import LOAD, NODE, RECORDED, quantile, rate, total_rate
from dashboards.runs import NO_RUN, PROFILE, RUN
from dashboards.sections.objectives import objectives
from loadgen import names as load

_RUN = "{{profile}}"
_SHARES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99.9"))


def board() -> Board:
    return Board(
        uid="warren-load",
        title="Warren / Load and objectives",
        description="Does the load arrive, how late, and is what was promised kept?",
        variables=(JOB, CLUSTER, PROFILE, RUN, VHOST, QUEUE),
        sections=(
            _now(),
            when_empty(_flow(), NO_RUN),
            when_empty(_latency(), NO_RUN),
            objectives(),
            when_empty(_doubt(), NO_RUN),
            _broker(),
        ),
    )


def _now() -> Section:
    return Section(
        title="Now",
        panels=(
            number(
                "Published",
                "Messages per second sent for the first time. Good: the rate that the run asked for.",
                "mps",
                Query(expr=total_rate(load.PUBLISHED, LOAD), legend="published"),
                none="no run",
            ),
            number(
                "Confirmed",
                "Messages per second that the broker confirmed. Good: as Published.",
                "mps",
                Query(expr=total_rate(load.CONFIRMED, LOAD), legend="confirmed"),
                none="no run",
            ),
            number(
                "Consumed",
                "Deliveries per second, repeated ones included. Good: Published times the queues a "
                "message goes to.",
                "mps",
                Query(expr=total_rate(load.CONSUMED, LOAD), legend="consumed"),
                none="no run",
            ),
            number(
                "Confirm p99",
                "99 of 100 messages were confirmed within this time of when they were meant to be sent. "
                "Good: below what the publishing application may wait.",
                "s",
                Query(expr=f"{quantile(0.99, load.CONFIRM_LATENCY, LOAD)} >= 0", legend="p99"),
                none="nothing measured",
            ),
            number(
                "End to end p99",
                "99 of 100 messages reached a consumer within this time of when they were meant to be "
                "sent. Good: below what the receiving application may wait.",
                "s",
                Query(expr=f"{quantile(0.99, load.END_TO_END_LATENCY, LOAD)} >= 0", legend="p99"),
                none="nothing measured",
            ),
            number(
                "Failed publishes",
                "Messages without a confirm within the deadline, over the whole run. Good: 0.",
                "none",
                Query(expr=f"sum({load.FAILED_PUBLISHES}{{{LOAD}}})", legend="failed"),
                limits=((1, RED),),
                none="no run",
                graph=False,
            ),
        ),
    )


def _flow() -> Section:
    return Section(
        title="Flow",
        panels=(
            lines(
                "Messages per second",
                "Sent, confirmed, delivered and brought to an end. Good: lines together at the rate asked"
                " for. A gap below Published is what waits.",
                "mps",
                Query(expr=total_rate(load.PUBLISHED, LOAD, by="profile"), legend=f"{_RUN} published"),
                Query(expr=total_rate(load.CONFIRMED, LOAD, by="profile"), legend=f"{_RUN} confirmed"),
                Query(expr=total_rate(load.CONSUMED, LOAD, by="profile"), legend=f"{_RUN} consumed"),
                Query(expr=total_rate(load.SETTLED, LOAD, by="profile"), legend=f"{_RUN} settled"),
                height=9,
            ),
            lines(
                "In flight",
                "Messages sent and neither confirmed nor refused. Good: below the window. A flat top is "
                "the window itself: the broker answers slower than the run sends.",
                "short",
                Query(expr=f"sum by (profile) ({load.IN_FLIGHT}{{{LOAD}}})", legend=_RUN),
                height=9,
            ),
        ),
    )


def _latency() -> Section:
    return Section(
        title="Latency, from the intended send time",
        panels=(
            lines(
                "Publish to confirm",
                "Quantiles of the time from when a message was meant to be sent to its confirm; waiting "
                "in the run's own queue counts. Good: flat. A step beside a fault is how long publishing "
                "stood still.",
                "s",
                *(
                    Query(expr=quantile(share, load.CONFIRM_LATENCY, LOAD), legend=name)
                    for share, name in _SHARES
                ),
            ),
            lines(
                "Publish to delivery",
                "Quantiles of the time from when a message was meant to be sent to its first delivery; "
                "dashed, what the topology promises. Good: flat. It rises with the queue's length.",
                "s",
                *(
                    Query(expr=quantile(share, load.END_TO_END_LATENCY, LOAD), legend=name)
                    for share, name in _SHARES
                ),
                Query(
                    expr=f"max(warren_objective_end_to_end_seconds{{{RECORDED}}})",
                    legend="objective",
                    may_be_empty="a topology need not promise a latency",
                ),
                dashed="objective$",
            ),
            heat(
                "Confirms by duration",
                "How many confirms took how long. Good: one narrow band. Two bands are two kinds of "
                "message or two paths; a cloud that drifts up is a queue that builds.",
                Query(expr=f"sum by (le) ({rate(f'{load.CONFIRM_LATENCY}_bucket', LOAD)})", legend="{{le}}"),
            ),
            heat(
                "Deliveries by duration",
                "How many messages took how long from when they were meant to be sent to a consumer. Good: "
                "one narrow band. A cloud that drifts up is a queue that builds.",
                Query(
                    expr=f"sum by (le) ({rate(f'{load.END_TO_END_LATENCY}_bucket', LOAD)})", legend="{{le}}"
                ),
            ),
            lines(
                "Schedule lag",
                "99th percentile of how late messages left. Good: near 0. Own: the generator could have "
                "sent and did not; more than a few milliseconds makes the run inconclusive. Blocked: it "
                "waited for the"
                " broker.",
                "s",
                Query(expr=quantile(0.99, load.LAG_SELF, LOAD), legend="own"),
                Query(expr=quantile(0.99, load.LAG_BLOCKED, LOAD), legend="blocked"),
                width=24,
            ),
        ),
    )


def _doubt() -> Section:
    return Section(
        title="In doubt",
        panels=(
            lines(
                "Refused and sent again",
                "Messages per second refused by a queue, and sent again because they were refused or a "
                "connection was lost before their confirm. Good: 0 without a fault.",
                "mps",
                Query(expr=total_rate(load.NACKED, LOAD), legend="nacked"),
                Query(expr=total_rate(load.REPUBLISHED, LOAD), legend="sent again"),
                width=8,
            ),
            lines(
                "Delivered again",
                "Deliveries per second that are flagged as redelivered, and deliveries of what the same "
                "consumer had finished. Good: 0 without a fault; consumers must bear both.",
                "mps",
                Query(expr=total_rate(load.REDELIVERED, LOAD), legend="redelivered"),
                Query(expr=total_rate(load.DUPLICATES, LOAD), legend="duplicates"),
                width=8,
            ),
            lines(
                "Cores of the clients",
                "Cores that the generator's processes use. Good: below one for each process; at one the "
                "run measures "
                "the generator.",
                "short",
                Query(expr=total_rate(load.CLIENT_CPU, LOAD, by="profile"), legend=_RUN),
                width=8,
            ),
        ),
    )


def _broker() -> Section:
    return Section(
        title="The broker beside it",
        panels=(
            lines(
                "The broker's own count",
                "Messages per second as the broker counts them, all clients together. Good: as the run's "
                "own lines above, when nobody else sends.",
                "mps",
                Query(expr=total_rate("rabbitmq_global_messages_received_total", NODE), legend="published"),
                Query(expr=total_rate("rabbitmq_global_messages_confirmed_total", NODE), legend="confirmed"),
                Query(expr=total_rate("rabbitmq_global_messages_delivered_total", NODE), legend="delivered"),
                width=8,
            ),
            backlog(
                "Backlog",
                "Messages in queues that are not failed queues. Good: flat while the run sends, 0 after "
                "its drain.",
            ),
            lines(
                "Oldest message",
                "Greatest age of an unacknowledged message in a queue that is not a failed queue. Good: "
                "seconds.",
                "s",
                Query(expr=OLDEST_OF_ALL, legend="age"),
                width=8,
            ),
        ),
    )
