"""Fingerprints of the keys in a file, so that a repository's key can be held against the one that is known.

Read here and not by GnuPG, which is neither on every controller nor on a Debian host any more. Packets and
fingerprints: https://www.rfc-editor.org/rfc/rfc9580#section-4.2 and #section-5.5.4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from warren.errors import BadInputError

_PUBLIC_KEY, _SECRET_KEYS = 6, (5, 7)
_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.S
)
_HINT = "give the file as its owner publishes it, with public keys only"


def fingerprints(path: Path) -> tuple[str, ...]:
    """The fingerprints of the primary keys in ``path``, armoured or not, as hexadecimal digits in capitals.
    Raises BadInputError where there is none, or a secret key."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInputError(str(path), f"cannot be read: {error.strerror}", _HINT) from error
    try:
        blocks = [_unarmoured(block) for block in _ARMOUR.findall(content)] or [content]
        found = tuple(_fingerprint(body) for block in blocks for body in _primary_keys(block))
    except (IndexError, binascii.Error) as error:
        raise BadInputError(str(path), "is no OpenPGP key", _HINT) from error
    except ValueError as error:
        raise BadInputError(str(path), str(error), _HINT) from error
    if not found:
        raise BadInputError(str(path), "has no OpenPGP key", _HINT)
    return found


def _unarmoured(block: bytes) -> bytes:
    """Headers end with an empty line; a line that begins with ``=`` is a checksum."""
    lines = block.replace(b"\r", b"").split(b"\n")
    while lines and b":" in lines[0]:
        lines.pop(0)
    return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"=")), validate=True)


def _primary_keys(block: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(block):
        tag, begin, length = _header(block, place)
        if begin + length > len(block):
            raise IndexError
        if tag in _SECRET_KEYS:
            raise ValueError("has a secret key in it")
        if tag == _PUBLIC_KEY:
            yield block[begin : begin + length]
        place = begin + length


def _header(block: bytes, place: int) -> tuple[int, int, int]:
    """Tag, and where the body of the packet at ``place`` begins and how long it is."""
    first = block[place]
    if not first & 0x80:
        raise ValueError("is no OpenPGP key")
    if first & 0x40:
        return first & 0x3F, *_new_length(block, place + 1)
    size = 1 << (first & 3)
    if size > 4:  # noqa: PLR2004 - the length type without an end, which keys do not have
        raise ValueError("is no OpenPGP key")
    begin = place + 1 + size
    return (first >> 2) & 0x0F, begin, int.from_bytes(block[place + 1 : begin])


def _new_length(block: bytes, place: int) -> tuple[int, int]:
    first = block[place]
    if first < 192:  # noqa: PLR2004 - RFC 9580, 4.2.1
        return place + 1, first
    if first < 224:  # noqa: PLR2004
        return place + 2, ((first - 192) << 8) + block[place + 1] + 192
    if first < 255:  # noqa: PLR2004
        raise ValueError("is no OpenPGP key")
    return place + 5, int.from_bytes(block[place + 1 : place + 5])


def _fingerprint(body: bytes) -> str:
    version = body[0]
    if version == 4:  # noqa: PLR2004
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2) + body, usedforsecurity=False).hexdigest().upper()
    if version == 6:  # noqa: PLR2004
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4) + body).hexdigest().upper()
    raise ValueError(f"has a key of version {version}, whose fingerprint proves nothing")
