"""Section of the cluster's board: do messages come through from every node to every other, and how soon."""

from __future__ import annotations

from dashboards.house import Panel, Query, Section, lines, states
from dashboards.looks import GREEN, ORANGE, RED
from dashboards.queries import PROBE, quantile, total_rate
from exporters import names

_PAIR = "vhost, from, to"
_LEGEND = "{{from}} to {{to}} {{vhost}}"


def flights() -> Section:
    return Section(
        title="Messages from node to node",
        panels=(
            states(
                "Messages come through",
                "Whether the canary's last message, published on one node and consumed on another, was "
                "confirmed and delivered in time. Good: unbroken green. Red rows that share a node are that "
                "node; all rows of a virtual host see docs/runbooks/canary-vhost.md, one row "
                "docs/runbooks/canary-pair.md.",
                Query(expr=f"max by ({_PAIR}) ({names.CANARY_SUCCESS.name}{{{PROBE}}})", legend=_LEGEND),
                {"1": ("comes through", GREEN), "0": ("does not", RED)},
                height=10,
            ),
            lines(
                "Since a message last came through",
                "Seconds since the last success of each pair. Good: below ten. A line that climbs is a pair "
                "that fails, or all lines together the probe: see docs/runbooks/probe-down.md.",
                "s",
                Query(
                    expr=f"time() - max by ({_PAIR}) ({names.CANARY_LAST_SUCCESS.name}{{{PROBE}}})",
                    legend=_LEGEND,
                ),
                limits=((30, ORANGE),),
                height=10,
            ),
            *(
                _latency(words, metric, share, name)
                for words, metric in (
                    ("Confirm", names.CANARY_CONFIRM),
                    ("End to end", names.CANARY_END_TO_END),
                )
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
            *_itself(),
        ),
    )


_WHAT = {
    "Confirm": "From publishing to the broker's confirm, by node published on and node consumed on.",
    "End to end": "From publishing on one node to the delivery on the other, by one clock.",
}
_GOOD = {
    "p50": "Half of the tries took less. Good: steady milliseconds. Pairs of one node above the others: that "
    "node is busy, its disk is slow, or its network.",
    "p99": "Over so few tries this is about the slowest. Good: tens of milliseconds. Seconds are a failover; "
    "a try that waited in vain counts with the time waited.",
}


def _latency(words: str, metric: names.MetricName, share: float, name: str) -> Panel:
    return lines(
        f"{words} {name}",
        f"{_WHAT[words]} {_GOOD[name]}",
        "s",
        Query(expr=quantile(share, metric.name, PROBE, by=_PAIR), legend=_LEGEND),
        height=9,
    )


#: Only a try that ended well is green.
_ENDS = {
    "ok": GREEN, "not_connected": RED, "not_declared": "dark-red", "blocked": "yellow", "returned": "purple",
    "nacked": "light-red", "not_confirmed": ORANGE, "not_delivered": "dark-orange", "broken_off": "blue",
}  # fmt: skip


def _itself() -> tuple[Panel, ...]:
    """What the canary does, which is traffic of the broker too."""
    return (
        lines(
            "Tries by how they ended",
            "Tries per second of all pairs. Good: ok alone, steady. Any other says how far a message came, "
            "not connected to not delivered: docs/runbooks/canary-vhost.md.",
            "ops",
            Query(expr=total_rate(names.CANARY_FLIGHTS.name, PROBE, by="outcome"), legend="{{outcome}}"),
            colors=_ENDS,
            width=6,
            height=9,
        ),
        lines(
            "The canary's own messages",
            "Per second; they are in the broker's counts as well. Good: published, confirmed and delivered "
            "together. Stale are those that an earlier, failed try had left.",
            "mps",
            Query(expr=total_rate(names.CANARY_MESSAGES.name, PROBE, by="event"), legend="{{event}}"),
            width=6,
            height=9,
        ),
        lines(
            "The canary's connections",
            "Connections that it holds open. Good: one for each node and virtual host, a flat line. Fewer "
            "are nodes that it cannot reach.",
            "short",
            Query(expr=f"max({names.CANARY_CONNECTIONS.name}{{{PROBE}}})", legend="open"),
            steps=True,
            width=6,
            height=9,
        ),
        lines(
            "Connections opened by the canary",
            "Per second. Good: 0. A rate that stays is connections that do not last: the node's log says "
            "why.",
            "ops",
            Query(expr=total_rate(names.CANARY_CONNECTED.name, PROBE), legend="opened"),
            width=6,
            height=9,
        ),
    )
