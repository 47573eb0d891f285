"""Sections of the board of game days: what the clients of load runs felt, and what their ledgers count."""

from __future__ import annotations

from dashboards.gaps import confirm_gap
from dashboards.house import Column, Query, Section, lines, table
from dashboards.looks import RED
from dashboards.queries import LOAD, quantile, total_rate
from loadgen import names as load

_BY_RUN = "profile, run_id"


def clients() -> Section:
    return Section(
        title="What clients felt",
        panels=(
            lines(
                "Confirmed and delivered",
                "Messages per second of the load runs. Good: back at the old height soon after the fault. "
                "The dip is what clients felt; what was held back comes after it as a peak.",
                "mps",
                Query(expr=total_rate(load.CONFIRMED, LOAD, by="profile"), legend="{{profile}} confirmed"),
                Query(expr=total_rate(load.CONSUMED, LOAD, by="profile"), legend="{{profile}} delivered"),
                height=9,
            ),
            lines(
                "Gap in confirms",
                "Seconds since each run last had a confirm. Good: a saw near 0. Its highest tooth is how "
                "long publishing stood still, to the scrape.",
                "s",
                Query(expr=confirm_gap(), legend="{{profile}} {{run_id}}"),
                height=9,
            ),
            lines(
                "Wait for a confirm",
                "From when a message was meant to be sent to its confirm. Good: back to the old height soon "
                "after the fault. The top of p99.9 is about the longest standstill.",
                "s",
                Query(expr=quantile(0.5, load.CONFIRM_LATENCY, LOAD), legend="p50"),
                Query(expr=quantile(0.99, load.CONFIRM_LATENCY, LOAD), legend="p99"),
                Query(expr=quantile(0.999, load.CONFIRM_LATENCY, LOAD), legend="p99.9"),
                width=8,
            ),
            lines(
                "Sent again and given up",
                "Messages per second that were refused, sent again, or had no confirm by their deadline. "
                "Good: some sent again beside a fault, none given up.",
                "mps",
                Query(expr=total_rate(load.NACKED, LOAD), legend="refused"),
                Query(expr=total_rate(load.REPUBLISHED, LOAD), legend="sent again"),
                Query(expr=total_rate(load.FAILED_PUBLISHES, LOAD), legend="given up"),
                width=8,
            ),
            lines(
                "Delivered more than once",
                "Deliveries per second with the redelivered flag, and of what the same consumer had "
                "finished. Good: a peak beside a fault, which consumers must bear.",
                "mps",
                Query(expr=total_rate(load.REDELIVERED, LOAD), legend="flagged as redelivered"),
                Query(expr=total_rate(load.DUPLICATES, LOAD), legend="finished before"),
                width=8,
            ),
        ),
    )


def ledger() -> Section:
    columns = (
        ("Published", load.PUBLISHED), ("Confirmed", load.CONFIRMED), ("Refused", load.NACKED),
        ("Sent again", load.REPUBLISHED), ("Given up", load.FAILED_PUBLISHES), ("Delivered", load.CONSUMED),
        ("Redelivered", load.REDELIVERED), ("Finished before", load.DUPLICATES), ("Settled", load.SETTLED),
        ("Foreign", load.FOREIGN), ("In flight", load.IN_FLIGHT),
    )  # fmt: skip
    bad = {load.FAILED_PUBLISHES, load.FOREIGN}
    return Section(
        title="The ledger's counts of the runs",
        panels=(
            table(
                "Counts of each run",
                "Totals since each run began. Sort by Given up to find a run that lost time it could not "
                "make up. Whether a message is lost only the run's verdict says, after its drain.",
                {"profile": "Profile", "run_id": "Run"},
                tuple(
                    Column(
                        heading=heading,
                        expr=f"sum by ({_BY_RUN}) ({metric}{{{LOAD}}})",
                        unit="short",
                        limits=((1, RED),) if metric in bad else (),
                    )
                    for heading, metric in columns
                ),
                height=6,
            ),
        ),
    )
