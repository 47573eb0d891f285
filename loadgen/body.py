"""What a message carries: 32 bytes of header, then padding up to its size.

Layout, big-endian: nonce u32 (of the run: other messages are foreign), publisher u16, class u8,
attempt u8 (0 first, then each publish again, at most 255), sequence u64, intended send time u64 and send
time u64, both in nanoseconds of CLOCK_MONOTONIC, which all processes of one kernel share. In a run of
several parts, whose processes may not share a kernel, they are nanoseconds since the epoch, by an offset
that each part reads once at its start: latencies between hosts are then as good as the hosts' clocks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from warren.errors import BadInputError

HEADER = struct.Struct(">IHBBQQQ")
HEADER_SIZE = HEADER.size


@dataclass(frozen=True, slots=True)
class Stamp:
    """A decoded header; times in monotonic nanoseconds."""

    nonce: int
    publisher: int
    kind: int
    attempt: int
    seq: int
    intended_ns: int
    sent_ns: int


def padding(size_bytes: int) -> bytes:
    """What follows the header in a body of ``size_bytes``; raises BadInputError when that is too small."""
    if size_bytes < HEADER_SIZE:
        raise BadInputError("size", f"{size_bytes} bytes do not hold the {HEADER_SIZE} bytes of the header")
    return b"." * (size_bytes - HEADER_SIZE)


def encode(stamp: Stamp, size_bytes: int) -> bytes:
    """One body; the publisher's hot path packs `HEADER` itself."""
    head = HEADER.pack(
        stamp.nonce, stamp.publisher, stamp.kind, stamp.attempt, stamp.seq, stamp.intended_ns, stamp.sent_ns
    )
    return head + padding(size_bytes)


def decode(body: bytes) -> Stamp | None:
    """The header of ``body``, or None when it is too short to hold one."""
    if len(body) < HEADER_SIZE:
        return None
    return Stamp(*HEADER.unpack_from(body))
