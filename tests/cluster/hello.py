"""A client's greeting in TLS, put together by hand: what OpenSSL no longer offers is offered all the same.

RFC 5246 (section 7.4.1) and RFC 8446 (section 4.1) have the layout; numbers are those of IANA's registry,
https://www.iana.org/assignments/tls-parameters
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from .attack import Port, connected

SSL3, TLS10, TLS11, TLS12 = 0x0300, 0x0301, 0x0302, 0x0303
VERSIONS = {"SSL 3.0": SSL3, "TLS 1.0": TLS10, "TLS 1.1": TLS11}
_HANDSHAKE, _ALERT, _SERVER_HELLO = 22, 21, 2
#: Without encryption or authentication, with keys for export, DES, RC2, RC4, IDEA, 3DES, MD5, SEED and keys
#: that are not made anew for each connection: one list, of which nothing may be taken.
WEAK = (
    0x0001, 0x0002, 0x003B, 0xC001, 0xC006, 0xC00B, 0xC010, 0xC015, 0x0003, 0x0006, 0x0008, 0x000B,
    0x000E, 0x0011, 0x0014, 0x0017, 0x0019, 0x0018, 0x001B, 0x0034, 0x003A, 0x006C, 0x006D, 0x00A6,
    0x00A7, 0xC016, 0xC017, 0xC018, 0xC019, 0x0004, 0x0005, 0xC002, 0xC007, 0xC00C, 0xC011, 0x0007,
    0x0009, 0x000C, 0x000F, 0x0012, 0x0015, 0x000A, 0x000D, 0x0010, 0x0013, 0x0016, 0xC003, 0xC008,
    0xC00D, 0xC012, 0x0096, 0x0097, 0x0098, 0x0099, 0x009A, 0x009B, 0x002F, 0x0035, 0x003C, 0x003D,
    0x009C, 0x009D, 0xC004, 0xC005, 0xC00E, 0xC00F, 0xC025, 0xC026, 0xC029, 0xC02A, 0xC02D, 0xC02E,
    0xC031, 0xC032, 0x0041, 0x0084, 0xC09C, 0xC09D, 0xC0A0, 0xC0A1,
)  # fmt: skip
#: Of today: ECDHE with AES-GCM, ChaCha20 and AES-CCM. A server of TLS 1.2 must take one of them.
STRONG = (0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0xC0AC, 0xC0AD)
#: ECDHE and DHE with AES in CBC mode: no break is known where the server does not tell why it refused, and no
#: client of today needs them.
CBC = (0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028, 0x0033, 0x0039, 0x0067, 0x006B)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said: a version and a suite, an alert's number, or nothing but the end."""

    version: int = 0
    suite: int = 0
    alert: int = 0

    @property
    def refused(self) -> bool:
        return not self.version

    def __str__(self) -> str:
        if self.version:
            return f"takes suite {self.suite:#06x} in version {self.version:#06x}"
        return f"alert {self.alert}" if self.alert else "closed without a word"


def say_hello(port: Port, version: int, suites: Sequence[int]) -> Answer:
    """Greet with no later version than ``version`` and with ``suites`` only; hang up at the answer."""
    buffer = b""
    with suppress(OSError), connected(port) as plain:
        plain.sendall(_hello(port.owner, version, suites))
        while not (answer := _read(buffer)) and len(buffer) < 65536 and (part := plain.recv(4096)):
            buffer += part
        return answer or Answer()
    return Answer()


def _hello(name: str, version: int, suites: Sequence[int]) -> bytes:
    ciphers = b"".join(struct.pack(">H", each) for each in (*suites, 0x00FF))
    body = struct.pack(">H", version) + os.urandom(32) + b"\x00" + _sized(ciphers) + b"\x01\x00"
    if version > SSL3:
        body += _sized(_extensions(name, version))
    handshake = bytes([1]) + len(body).to_bytes(3, "big") + body
    return struct.pack(">BHH", _HANDSHAKE, min(version, TLS10), len(handshake)) + handshake


def _extensions(name: str, version: int) -> bytes:
    server = b"\x00" + _sized(name.encode())
    groups = struct.pack(">HHH", 29, 23, 24)
    found = _extension(0, _sized(server)) + _extension(10, _sized(groups)) + _extension(11, b"\x01\x00")
    if version >= TLS12:
        signatures = struct.pack(
            ">9H", 0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0203, 0x0201
        )
        found += _extension(13, _sized(signatures))
    return found


def _extension(number: int, content: bytes) -> bytes:
    return struct.pack(">H", number) + _sized(content)


def _sized(content: bytes) -> bytes:
    return struct.pack(">H", len(content)) + content


def _read(buffer: bytes) -> Answer | None:
    """The answer, once enough of it is there."""
    if len(buffer) < 7:
        return None
    if buffer[0] == _ALERT:
        return Answer(alert=buffer[6])
    if buffer[0] != _HANDSHAKE or buffer[5] != _SERVER_HELLO:
        return Answer()
    if len(buffer) < 5 + 4 + 2 + 32 + 1:
        return None
    at = 5 + 4
    (version,) = struct.unpack_from(">H", buffer, at)
    at += 2 + 32
    at += 1 + buffer[at]
    if len(buffer) < at + 2:
        return None
    (suite,) = struct.unpack_from(">H", buffer, at)
    return Answer(version=version, suite=suite)
