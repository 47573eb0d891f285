"""The nftables table that leads packets into the queue: built by hand, for two reasons.

The kernel may have no ``queue`` statement of its own (CONFIG_NFT_QUEUE) but the older target NFQUEUE, which
nft cannot write. And a table that is *owned* by a socket ends with it, however its process ended: no packet
can ever be led to a queue at which nobody sits. Numbers: include/uapi/linux/netfilter/nf_tables.h.

A packet that leaves is not held itself, for as long as it waited TCP would count it as not sent: it keeps
little more than two of a connection in the host (``tcp_small_queue_check``), and a line of 50 ms would carry
60 kB/s. So a copy of it is made, which belongs to no socket (``dup``), and is held; the packet that it was
made of goes to a second queue, to be dropped there at once, in which TCP sees a packet that was sent.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaos.delay.netlink import ACK, APPEND, CREATE, attribute, be32, message, nested

_SUBSYSTEM, _IPV4 = 10, 2
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = 0, 3, 6
#: The table lives no longer than the socket by which it was made.
_OWNED = 2
_ACCEPT = 1
_IN_NAME, _OUT_NAME, _SOCKETS_USER, _LAYER4 = 6, 7, 10, 16
_NETWORK, _TRANSPORT = 1, 2
_REGISTER = 1
_EQUAL = 0
_TCP = 6
#: Where an IPv4 packet says to whom it goes.
_TO = 16
#: xt_NFQ_info_v3: the queue's number, how many there are, and a flag to let packets pass where nobody sits.
_TARGET, _TARGET_VERSION, _BYPASS = "NFQUEUE", 3, 1
#: By direction: the hook, what holds the interface's name, and where the other side's address is in IPv4.
_HOOKS = {"in": (1, _IN_NAME, 12), "out": (3, _OUT_NAME, 16)}
_PRIORITY = -300
_PORTS = {"source": 0, "destination": 2}
_OWN_END = {"in": "destination", "out": "source"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """Which packets are led into the queue: of TCP at ``ports`` at either end, to or from ``peers`` (IPv4
    addresses; none: anybody). Without ports: every packet. Never those of TCP at the node's own ports
    ``spared``."""

    ports: Sequence[int] = ()
    peers: Sequence[str] = ()
    spared: Sequence[int] = ()


def batch(name: str, led: Led, *, directions: Iterable[str], hold: int, spent: int) -> tuple[bytes, int]:
    """The messages that make the table ``name``, and the number of the last one, which asks for an answer.

    Packets are led to the queue ``hold``; those of which a copy was, to ``spent``.
    """
    made = [_named(_NEW_TABLE, attribute(1, name), attribute(2, be32(_OWNED)))]
    for direction in directions:
        hook, interface, end = _HOOKS[direction]
        place = nested(4, attribute(1, be32(hook)), attribute(2, be32(_PRIORITY)))
        made.append(
            _named(_NEW_CHAIN, attribute(1, name), attribute(3, direction), place, attribute(7, "filter"))
        )
        loopback = [*_equal(_meta(interface), b"lo".ljust(16, b"\0")), _accept()]
        matches = _matches(led, end)
        rules = [loopback, *_spared(led, direction)]
        if direction == "out":
            rules += [[*match, *_copied(), *_led_to(spent)] for match in matches]
        rules += [[*match, *_led_to(hold)] for match in matches]
        made += [_named(_NEW_RULE, attribute(1, name), attribute(2, direction), nested(4, *r)) for r in rules]
    messages = [message(0, _BATCH_BEGIN, resource=_SUBSYSTEM)]
    last = len(made)
    for number, (kind, content) in enumerate(made, 1):
        flags = CREATE | APPEND | (ACK if number == last else 0)
        messages.append(message(_SUBSYSTEM, kind, content, flags=flags, family=_IPV4, number=number))
    messages.append(message(0, _BATCH_END, resource=_SUBSYSTEM, number=last + 1))
    return b"".join(messages), last


def _named(kind: int, *parts: bytes) -> tuple[int, bytes]:
    return kind, b"".join(parts)


def _matches(led: Led, end: int) -> list[list[bytes]]:
    """What a packet must be for a rule, in the kernel's expressions: one list for each rule."""
    if not led.ports:
        return [[]]
    peers = [_peer(end, address) for address in led.peers] or [[]]
    tcp = _equal(_meta(_LAYER4), bytes([_TCP]))
    return [
        [*peer, *tcp, *_equal(_payload(_TRANSPORT, offset, 2), struct.pack("!H", port))]
        for peer in peers
        for port in led.ports
        for offset in _PORTS.values()
    ]


def _spared(led: Led, direction: str) -> list[list[bytes]]:
    """A rule for each port that lets its packets pass: those to it come in, those from it go out."""
    tcp, offset = _equal(_meta(_LAYER4), bytes([_TCP])), _PORTS[_OWN_END[direction]]
    ports = (struct.pack("!H", port) for port in led.spared)
    return [[*tcp, *_equal(_payload(_TRANSPORT, offset, 2), port), _accept()] for port in ports]


def _peer(end: int, address: str) -> list[bytes]:
    return _equal(_payload(_NETWORK, end, 4), socket.inet_aton(address))


def _copied() -> list[bytes]:
    """Make a copy, which meets the table anew. Only of what belongs to a socket: asking a copy for its
    socket's user ends the rule for it."""
    copy = _expression("dup", attribute(1, be32(_REGISTER)))
    return [_meta(_SOCKETS_USER), _payload(_NETWORK, _TO, 4), copy]


def _led_to(queue: int) -> list[bytes]:
    info = struct.pack("=HHH", queue, 1, _BYPASS).ljust(8, b"\0")
    target = attribute(1, _TARGET) + attribute(2, be32(_TARGET_VERSION)) + attribute(3, info)
    return [_expression("counter", b""), _expression("target", target)]


def _expression(name: str, content: bytes) -> bytes:
    return nested(1, attribute(1, name), nested(2, content))


def _meta(key: int) -> bytes:
    return _expression("meta", attribute(1, be32(_REGISTER)) + attribute(2, be32(key)))


def _payload(base: int, offset: int, size: int) -> bytes:
    numbers = (_REGISTER, base, offset, size)
    return _expression("payload", b"".join(attribute(k, be32(n)) for k, n in enumerate(numbers, 1)))


def _equal(load: bytes, value: bytes) -> list[bytes]:
    compare = attribute(1, be32(_REGISTER)) + attribute(2, be32(_EQUAL)) + nested(3, attribute(1, value))
    return [load, _expression("cmp", compare)]


def _accept() -> bytes:
    verdict = nested(2, nested(2, attribute(1, be32(_ACCEPT))))
    return _expression("immediate", attribute(1, be32(0)) + verdict)
