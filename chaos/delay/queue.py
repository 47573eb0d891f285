"""The queue at which packets wait for a verdict (NFQUEUE), as bytes.

Numbers: include/uapi/linux/netfilter/nfnetlink_queue.h. Packets stay in the kernel; of each only the headers
come here, to tell the flows apart.
"""

from __future__ import annotations

import struct

from chaos.delay.netlink import ACK, BODY, attribute, attributes, be32, message

_SUBSYSTEM = 3
_PACKET, _VERDICT, _CONFIGURE = 0, 1, 2
_BIND, _COPY_HEADERS = 1, 2
#: Where more packets wait than may, the rest passes at once; large segments stay whole.
_FAIL_OPEN, _WHOLE = 0x1, 0x4
_DROP, _ACCEPT = 0, 1
_IPV4 = 4
_HEADER_ATTRIBUTE, _PAYLOAD_ATTRIBUTE = 1, 10
#: Of IPv6's and TCP's headers as much as names a flow.
COPIED_BYTES = 60


def settings(queue: int, *, longest: int) -> bytes:
    """Sit down at ``queue``, in which at most ``longest`` packets wait; asks for an answer to number 1."""
    return message(
        _SUBSYSTEM,
        _CONFIGURE,
        attribute(1, struct.pack("!BxH", _BIND, 0)),
        attribute(2, struct.pack("!IB", COPIED_BYTES, _COPY_HEADERS)),
        attribute(3, be32(longest)),
        attribute(4, be32(_FAIL_OPEN | _WHOLE)),
        attribute(5, be32(_FAIL_OPEN | _WHOLE)),
        flags=ACK,
        resource=queue,
        number=1,
    )


def read(packet: bytes) -> tuple[int, int, bytes] | None:
    """The queue to which a packet has come, its id there, and what names its flow; None for another
    message."""
    if len(packet) < BODY or packet[5] != _SUBSYSTEM or packet[4] != _PACKET:
        return None
    number, flow, place = -1, b"", int.from_bytes(packet[BODY - 2 : BODY], "big")
    for kind, start, end in attributes(packet):
        if kind == _HEADER_ATTRIBUTE:
            number = int.from_bytes(packet[start : start + 4], "big")
        elif kind == _PAYLOAD_ATTRIBUTE:
            flow = _flow(packet[start:end])
    return (place, number, flow) if number >= 0 else None


def _flow(content: bytes) -> bytes:
    """Protocol, both addresses and both ports, from the headers of a packet."""
    if not content:
        return b""
    if content[0] >> 4 == _IPV4:
        end = (content[0] & 15) * 4
        return content[9:10] + content[12:20] + content[end : end + 4]
    return content[6:7] + content[8:44]


def accept(queue: int, number: int) -> bytes:
    """The verdict that lets a packet go on."""
    return _verdict(queue, number, _ACCEPT)


def drop(queue: int, number: int) -> bytes:
    """The verdict that ends a packet."""
    return _verdict(queue, number, _DROP)


def _verdict(queue: int, number: int, kind: int) -> bytes:
    verdict = attribute(2, struct.pack("!II", kind, number))
    return message(_SUBSYSTEM, _VERDICT, verdict, resource=queue)
