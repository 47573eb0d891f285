"""What each figure of a result means, in words, and how it is printed."""

from __future__ import annotations

from typing import Any

LEDGER = {
    "published": "messages handed to the broker: confirmed + nacked + in doubt",
    "confirmed": "messages for which the broker took responsibility",
    "nacked": "messages that the broker refused; one may still sit in some of its queues",
    "in_doubt": "messages published whose confirm never came, because a connection broke or the run ended",
    "returned": "confirmed messages that no queue took; they came back to the publisher",
    "nacked_delivered": "refused messages that were delivered all the same",
    "recovered": "in-doubt messages that were seen later: the broker had them",
    "received": "messages that reached their queue's consumers, each counted once a queue",
    "lost": "confirmed, not returned, and in no final state after the drain: this must be 0",
    "stuck": "came only when the consumers connected anew, after a drain that waited in vain: this must be 0",
    "unexpected": "deliveries of messages that this run did not publish to that queue: this must be 0",
    "duplicates_redelivered": "second deliveries that the broker flagged as redelivered, as it may",
    "duplicates_unflagged": "second deliveries without that flag; a stream sets none",
    "duplicates_own_retry": "second deliveries that come from this run's own second publish",
    "reordered": "deliveries out of order, where one consumer was active; a dash where order was not judged",
    "reordered_after_redelivery": "deliveries out of order that follow from a redelivery",
    "reordered_after_reconnect": "deliveries out of order of what the publisher sent again",
    "dead_lettered": "messages found in their dead-letter queue, by reason",
    "expired": "messages that expired as the profile intends",
    "foreign": "messages of another run, found in the queues",
    "republished": "messages published again after their confirm stayed out",
    "deliveries": "all deliveries, repeated ones included",
    "lost_examples": "a few of the lost messages, by id",
}

#: Figures of the ledger that are bad when they are not zero.
MUST_BE_ZERO = frozenset({"lost", "stuck", "unexpected"})

LATENCY = {
    "confirm": "from the intended time of sending to the broker's confirm",
    "end_to_end": "from the intended time of sending to the consumer",
    "schedule_lag_self": "late by the generator's own fault: it could have sent and did not",
    "schedule_lag_blocked": "late because the window was full or the connection would not take more",
}

#: Parts of a message's way that are known only where the broker stamps messages.
STAMPS = {
    "to_broker": "from sending until the broker took it in, by its stamp",
    "in_broker": "from then until the broker sent it to the consumer",
    "to_consumer": "from then until the consumer had it",
}
LATENCY |= STAMPS

AVAILABILITY = {
    "confirm_gap_max_s": "longest silence without a confirm while publishing",
    "delivery_gap_max_s": "longest silence without a delivery while publishing",
    "drain_s": "time from the last publish until the queues were empty",
    "failed_publishes": "messages without a confirm within their deadline",
}

RESOURCES = {
    "client_cpu_s": "processor time of the generator, all its processes",
    "client_max_rss_bytes": "memory of the generator at its largest",
}

_SCALES = ((1.0, "s", 1.0), (1e-3, "ms", 1e3), (1e-6, "µs", 1e6))
_HUNDRED = 100
_TEN = 10
_MINUTE_S = 60
_KIB = 1024


def label(key: str) -> str:
    """``confirm_gap_max_s`` -> ``confirm gap max``: the unit goes to the figure."""
    for suffix in ("_per_s", "_bytes", "_s"):
        key = key.removesuffix(suffix)
    return key.replace("_", " ")


RATES = {
    "published_per_s": "mean over the time of publishing",
    "confirmed_per_s": "mean over the time of publishing",
    "consumed_per_s": "mean until the last delivery",
}


def count(value: int | None) -> str:
    """A count with its thousands apart; a dash where nothing was counted."""
    return "-" if value is None else f"{value:,}"


def figure(key: str, value: Any) -> str:
    """A figure as text, unit by its key's ending; a bare number may be an id and stays as it is."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(key, value)
    if isinstance(value, dict):
        return ", ".join(f"{label(str(name))} {figure(str(name), one)}" for name, one in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(figure("", one) for one in value) or "-"
    return str(value)


def _number(key: str, value: float) -> str:
    if key.endswith("_per_s"):
        return f"{value:,.1f} /s"
    if key.endswith("_s"):
        return seconds(value)
    if key.endswith("_bytes"):
        return _bytes(value)
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def interval(low: float | None, high: float | None, key: str) -> str:
    """What was expected, as text that no line breaks; nothing where it is open at both ends. The unit is by
    the key's ending."""
    unit = " s" if key.endswith("_s") else ""
    if low is None and high is None:
        return ""
    if high is None:
        said = f"from {low:g}{unit}"
    else:
        said = f"{low:g} to {high:g}{unit}" if low else f"up to {high:g}{unit}"
    return said.replace(" ", "\N{NO-BREAK SPACE}")


def share(value: float) -> str:
    """A share in per cent with two significant digits: what bounds a loss by few runs is no finer."""
    percent = value * _HUNDRED
    return f"{percent:.2g} %" if 0 < percent < _TEN else f"{percent:.0f} %"


def seconds(value: float) -> str:
    """Three significant digits with the unit that keeps them readable."""
    if value == 0:
        return "0 s"
    if abs(value) >= _MINUTE_S:
        return f"{int(value // _MINUTE_S)} min {value % _MINUTE_S:.0f} s"
    for least, unit, factor in _SCALES:
        if abs(value) >= least:
            return f"{_three_digits(value * factor)} {unit}"
    return f"{_three_digits(value * 1e9)} ns"


def _three_digits(value: float) -> str:
    """Like ``.3g``, but 999.9 is 1000 and not 1e+03."""
    return f"{value:.0f}" if abs(value) >= _HUNDRED else f"{value:.3g}"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if abs(value) < _KIB:
            return f"{_three_digits(value)} {unit}" if unit != "B" else f"{value:.0f} B"
        value /= _KIB
    return f"{_three_digits(value)} GiB"
