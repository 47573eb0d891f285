"""A run's latencies, second by second, as an HdrHistogram interval log: for the tools that draw those.

Log format 1.3 and encoding V2 as HdrHistogram's own writers make them (HistogramLogWriter.java and
AbstractHistogram.java at https://github.com/HdrHistogram/HdrHistogram): a header of 40 bytes, then the
counts as ZigZag LEB128 with runs of zeros as negative numbers, deflated and in base64. Values are
nanoseconds to three digits and interval maxima milliseconds, which is what readers take them for unless
told otherwise. What must not lose anything (`merge`) goes by ``measured.json`` instead.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from loadgen.histogram import Counts, bucket_of, highest_in

#: The lowest byte's 0x10 says that words are as long as they need to be.
_ENCODED = 0x1C849303 | 0x10
_COMPRESSED = 0x1C849304 | 0x10
#: cookie, payload's length, normalizing offset, digits: u32 each; lowest and highest value u64; ratio f64
_HEADER = struct.Struct(">IIIIQQd")
_OUTER = struct.Struct(">II")
_DIGITS = 3
_HOUR_NS = 3_600_000_000_000
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
#: A word has seven bits a byte but the ninth, which has all eight.
_LONGEST = 8


def text(tag: str, started: datetime, seconds: Iterable[tuple[int, Mapping[int, int]]]) -> str:
    """The log of ``seconds`` (second of the run, buckets of `loadgen.histogram`), every line with ``tag``."""
    return "\n".join(_lines(tag, started, seconds)) + "\n"


def write(path: Path, tag: str, started: datetime, seconds: Iterable[tuple[int, Mapping[int, int]]]) -> None:
    """Write `text` to ``path``."""
    path.write_text(text(tag, started, seconds), encoding="utf-8")


def _lines(tag: str, started: datetime, seconds: Iterable[tuple[int, Mapping[int, int]]]) -> Iterator[str]:
    at_s = started.timestamp()
    yield f"#[Logged by Warren: {tag} latency in nanoseconds, from the intended time of sending]"
    yield "#[Histogram log format version 1.3]"
    yield f"#[StartTime: {at_s:.3f} (seconds since epoch), {started:%a %b %d %H:%M:%S %Z %Y}]"
    yield f"#[BaseTime: {at_s:.3f} (seconds since epoch)]"
    yield _LEGEND
    for second, counts in seconds:
        if counts:
            highest_ms = highest_in(max(counts)) / 1000
            yield f"Tag={tag},{second:.3f},1.000,{highest_ms:.3f},{encode(counts)}"


def encode(counts: Mapping[int, int]) -> str:
    """Buckets of microseconds as a compressed histogram of nanoseconds, in base64."""
    index = _in_nanoseconds(counts)
    words = b"".join(_word(number) for number in _with_runs(index))
    highest = max(_HOUR_NS, max((highest_in(each) for each in index), default=0))
    payload = _HEADER.pack(_ENCODED, len(words), 0, _DIGITS, 1, highest, 1.0) + words
    packed = zlib.compress(payload)
    return base64.b64encode(_OUTER.pack(_COMPRESSED, len(packed)) + packed).decode()


def _in_nanoseconds(counts: Mapping[int, int]) -> Counts:
    """The same layout a thousand times finer: each bucket's largest value finds its place anew."""
    found: Counts = {}
    for bucket, count in counts.items():
        index = bucket_of(highest_in(bucket) * 1000)
        found[index] = found.get(index, 0) + count
    return found


def _with_runs(counts: Mapping[int, int]) -> Iterator[int]:
    """Counts in order of their buckets; n empty buckets in a row are one -n."""
    at = 0
    for index in sorted(counts):
        if index > at:
            yield at - index
        yield counts[index]
        at = index + 1


def _word(number: int) -> bytes:
    """ZigZag LEB128, at most nine bytes."""
    value = (number << 1) ^ (number >> 63)
    found = bytearray()
    while value >= 0x80 and len(found) < _LONGEST:  # noqa: PLR2004 - the bit that says that more follow
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
