"""Latencies of each second of a run, those of the last minute open, those before packed.

A second of a busy run fills a thousand buckets and more, a hundred bytes each as a dict: a long run would
fill the coordinator's memory with them. Packed they take some four bytes each, and lose nothing.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Mapping

from loadgen.histogram import Counts, merge

#: Workers tell of a second when it is over; one that was frozen tells later, and its second is opened again.
OPEN_S = 60
#: Unsigned, four bytes: neither a bucket (an hour is far below 2**32) nor a second's count needs more.
_ITEM = "I"


class Seconds:
    """Histograms by second and name."""

    def __init__(self) -> None:
        self._open: dict[int, dict[str, Counts]] = {}
        self._packed: dict[int, dict[str, bytes]] = {}
        self._newest = 0

    def add(self, second: int, name: str, counts: Mapping[int, int]) -> None:
        """Add ``counts`` to those called ``name`` of ``second``."""
        merge(self._opened(second).setdefault(name, {}), counts)
        if second > self._newest:
            self._newest = second
            for old in [at for at in self._open if at < second - OPEN_S]:
                self._packed[old] = {each: pack(found) for each, found in self._open.pop(old).items()}

    def of(self, second: int) -> Mapping[str, Counts]:
        """The histograms of ``second`` by name; those of an old second are copies."""
        if second in self._open:
            return self._open[second]
        return {name: unpack(data) for name, data in self._packed.get(second, {}).items()}

    def __iter__(self) -> Iterator[int]:
        """Every second that has any, in order."""
        return iter(sorted({*self._open, *self._packed}))

    @property
    def packed_bytes(self) -> int:
        """What the packed seconds hold."""
        return sum(len(data) for each in self._packed.values() for data in each.values())

    def _opened(self, second: int) -> dict[str, Counts]:
        if second not in self._open:
            packed = self._packed.pop(second, {})
            self._open[second] = {name: unpack(data) for name, data in packed.items()}
        return self._open[second]


def pack(counts: Mapping[int, int]) -> bytes:
    """``counts`` without loss: the steps from bucket to bucket, then the counts, compressed."""
    ordered = sorted(counts)
    steps = array(_ITEM, [bucket - before for before, bucket in zip([0, *ordered], ordered, strict=False)])
    return zlib.compress((steps + array(_ITEM, [counts[bucket] for bucket in ordered])).tobytes(), 1)


def unpack(data: bytes) -> Counts:
    """The inverse of `pack`."""
    flat = array(_ITEM)
    flat.frombytes(zlib.decompress(data))
    half = len(flat) // 2
    found: Counts = {}
    bucket = 0
    for step, count in zip(flat[:half], flat[half:], strict=True):
        bucket += step
        found[bucket] = count
    return found
