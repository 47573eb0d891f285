"""A log-linear histogram of durations, exact to three significant digits, that merges without loss.

The bucket layout is that of HdrHistogram with 2,048 sub-buckets (http://hdrhistogram.org): values below
2,048 units have a bucket each; above, every power of two is split into 1,024 equal buckets, so a bucket
is never wider than 1/1,024 of its value. The unit is the microsecond. Counts live in a dict from bucket
to count: an hour holds a few thousand buckets, and a process sends only those that it filled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from warren.results import Percentiles

_SUB_BITS = 11
_LINEAR = 1 << _SUB_BITS
_HALF_BITS = _SUB_BITS - 1

Counts = dict[int, int]


def bucket_of(value_us: int) -> int:
    """The bucket of a duration in microseconds; negative durations count as 0."""
    if value_us < _LINEAR:
        return max(value_us, 0)
    shift = value_us.bit_length() - _SUB_BITS
    return (shift << _HALF_BITS) + (value_us >> shift)


def highest_in(bucket: int) -> int:
    """The largest duration in microseconds that falls into ``bucket``."""
    if bucket < _LINEAR:
        return bucket
    shift = (bucket >> _HALF_BITS) - 1
    lowest = (bucket - (shift << _HALF_BITS)) << shift
    return lowest + (1 << shift) - 1


def record(counts: Counts, duration_ns: int) -> None:
    """Count one duration in nanoseconds."""
    value = duration_ns // 1000
    if value >= _LINEAR:
        shift = value.bit_length() - _SUB_BITS
        value = (shift << _HALF_BITS) + (value >> shift)
    elif value < 0:
        value = 0
    counts[value] = counts.get(value, 0) + 1


def merge(into: Counts, other: Mapping[int, int]) -> None:
    """Add ``other``'s counts to ``into``; nothing is lost."""
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count


def percentile_s(counts: Mapping[int, int], share: float) -> float | None:
    """The duration in seconds that ``share`` (0..1] of the counts do not exceed; None without counts."""
    return quantiles_s(counts, (share,))[0] if counts else None


def quantiles_s(counts: Mapping[int, int], shares: Iterable[float]) -> list[float]:
    """Durations in seconds at several shares (ascending), zeros without counts."""
    total = sum(counts.values())
    wanted = [max(1, math.ceil(share * total)) for share in shares]
    if not total:
        return [0.0] * len(wanted)
    found: list[float] = []
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        while len(found) < len(wanted) and seen >= wanted[len(found)]:
            found.append(highest_in(bucket) / 1e6)
    return found


def percentiles(counts: Mapping[int, int]) -> Percentiles:
    """The figures that a result carries."""
    p50, p75, p95, p99, p999, p9999, top = quantiles_s(counts, (0.5, 0.75, 0.95, 0.99, 0.999, 0.9999, 1.0))
    return Percentiles(
        p50=p50, p75=p75, p95=p95, p99=p99, p999=p999, p9999=p9999, max=top, count=sum(counts.values())
    )


def total_s(counts: Mapping[int, int]) -> float:
    """The sum of all durations in seconds, each taken as its bucket's largest."""
    return sum(highest_in(bucket) * count for bucket, count in counts.items()) / 1e6


def cumulative(counts: Mapping[int, int], bounds_s: Iterable[float]) -> list[int]:
    """How many durations do not exceed each of the ascending ``bounds_s``: Prometheus' buckets."""
    ordered = sorted(counts.items())
    found: list[int] = []
    seen = at = 0
    for bound in bounds_s:
        limit = bound * 1e6
        while at < len(ordered) and highest_in(ordered[at][0]) <= limit:
            seen += ordered[at][1]
            at += 1
        found.append(seen)
    return found
