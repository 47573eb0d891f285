"""What one measured turn of one client gives, and how it is reduced from its seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from loadgen.bench.meter import Used
from warren.errors import BadInputError, InconclusiveError
from warren.results import Second

WARREN, PERFTEST = "Warren", "PerfTest"
#: Warren's own two ways to the same stream.
STREAM, AMQP = "stream protocol", "AMQP 0-9-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of one client in one cell; everything is of the window after the warm-up.

    Rates are messages per second; processor times microseconds a message sent, of the client and of all
    brokers together; latencies seconds. A latency is the median over the window's seconds of that
    second's percentile, the one thing that both clients report alike. ``load_average`` is the machine's
    over the minute before the turn. ``verdict`` and ``confirmed`` are of Warren's ledger over the whole
    run; PerfTest has none.
    """

    cell: str
    client: str
    turn: int
    started_at: str
    load_average: float
    sent_per_s: float
    received_per_s: float
    client_cpu_us: float
    broker_cpu_us: float
    confirm_p50_s: float
    confirm_p99_s: float
    end_to_end_p50_s: float
    end_to_end_p99_s: float
    verdict: str | None = None
    confirmed: int | None = None

    def ceiling_per_s(self, cores: int) -> float:
        """What ``cores`` would carry at this cost of client and brokers, if nothing else limited it."""
        return cores * 1e6 / (self.client_cpu_us + self.broker_cpu_us)


def reduce(seconds: Sequence[Second], used: Used, *, warmup_s: int, window_s: int) -> dict[str, float]:
    """The figures of a `Turn` from a run's seconds and the processor time used over its window.

    Raises InconclusiveError when the run sent nothing in the window.
    """
    window = [each for each in seconds if warmup_s <= each.t_s < warmup_s + window_s]
    sent = fmean(each.published_per_s for each in window) if window else 0.0
    if not sent:
        what = f"sent nothing from its second {warmup_s} to {warmup_s + window_s}"
        remedy = "see whether an alarm blocks publishers: nodes with more memory_limit_mib bear larger cells"
        raise InconclusiveError("the measured run", what, remedy)
    return {
        "sent_per_s": sent,
        "received_per_s": fmean(each.consumed_per_s for each in window),
        "client_cpu_us": used.client / sent * 1e6,
        "broker_cpu_us": used.brokers / sent * 1e6,
        "confirm_p50_s": _middle(window, lambda each: each.confirm_p50_s),
        "confirm_p99_s": _middle(window, lambda each: each.confirm_p99_s),
        "end_to_end_p50_s": _middle(window, lambda each: each.end_to_end_p50_s),
        "end_to_end_p99_s": _middle(window, lambda each: each.end_to_end_p99_s),
    }  # fmt: skip


def _middle(window: Sequence[Second], value: Callable[[Second], float | None]) -> float:
    found = [got for each in window if (got := value(each)) is not None]
    return median(found) if found else 0.0


def turn_of(raw: Mapping[str, Any], *, where: str) -> Turn:
    """A turn back from JSON; raises BadInputError when it is none."""
    known = {each.name for each in dataclasses.fields(Turn)}
    try:
        return Turn(**{key: value for key, value in raw.items() if key in known})
    except TypeError as error:
        raise BadInputError(where, f"holds a turn that is none: {error}") from error
