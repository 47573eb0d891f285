"""A node's disk on which each sync takes longer, as on a worn or shared one: what confirms wait for.

A quorum queue confirms what a majority of its members has synced, so that one slow disk of three need not be
waited for. https://www.rabbitmq.com/docs/quorum-queues#leader-election
"""

from __future__ import annotations

from chaos import disk
from chaos.fault import Args, Parameter

_LONGEST_MS = 60_000
_US = 1000


def _orders(args: Args) -> tuple[int, ...]:
    return tuple(round(float(args[key]) * _US) for key in ("delay_ms", "jitter_ms", "write_delay_ms"))


FAULT = disk.DiskFault(
    summary="delay each sync of the node's disk; heal takes the delay away",
    parameters={
        "delay_ms": Parameter(default=100.0, high=_LONGEST_MS, help="added to each sync"),
        "jitter_ms": Parameter(default=0.0, high=_LONGEST_MS, help="at random up to this much more"),
        "write_delay_ms": Parameter(default=0.0, high=_LONGEST_MS, help="added to each write"),
    },
    place=range(1, 4),
    orders=_orders,
    met=lambda words: words.syncs_delayed + words.writes_delayed,
    least_ms=lambda args: float(args["delay_ms"]),
)
