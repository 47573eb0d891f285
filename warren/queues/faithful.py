"""Messages as they were: a delivery whose headers are kept as they came, and written again byte for byte.

pika reads headers into Python's values, and what it writes of them need not be what came (docs/queues.md).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import pika
from pika import data as amqp

from warren.errors import InconclusiveError
from warren.queues import encoding
from warren.queues.message import Message

_NAMES = (
    "content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to",
    "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id",
)  # fmt: skip


def read(exchange: str, key: str, properties: Any, body: bytes, size: int | None = None) -> Message:
    """A delivery as a `Message`; ``size`` where ``body`` was cut. Headers are read of ``properties.kept``
    where that is there. Raises ValueError where those cannot be read."""
    kept = encoding.entries(getattr(properties, "kept", b""))
    headers = {**(properties.headers or {}), **{name: value for name, (value, _) in kept.items()}}
    given = {name: getattr(properties, name) for name in _NAMES if getattr(properties, name) is not None}
    return Message(
        exchange=exchange,
        routing_key=key,
        properties=given,
        headers=headers,
        encoded={name: raw for name, (_, raw) in kept.items()},
        body=body,
        size_bytes=len(body) if size is None else size,
        failed=_count(headers.get("x-delivery-count")),
        acquired=_count(headers.get("x-acquired-count")),
    )


def decoded(encoded: bytes) -> Any:
    """Properties as pika has them, of their AMQP 0-9-1 encoding, with the headers in ``kept``."""
    properties = pika.BasicProperties()
    without, table = encoding.take_headers_out(encoded)
    properties.decode(without)
    properties.kept = table
    return properties


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else 0


class FaithfulProperties(pika.BasicProperties):  # type: ignore[misc]
    """Properties whose headers are written as they came (``encoded``, by name) where they are still the same.

    ``encode`` raises InconclusiveError for a value that AMQP has no place for.
    """

    def __init__(
        self, properties: Mapping[str, Any], headers: Mapping[str, Any], encoded: Mapping[str, bytes]
    ) -> None:
        super().__init__(**properties)
        self.headers, self._encoded = dict(headers), encoded

    def encode(self) -> list[bytes]:
        """The flags and the fields: those in front of the headers, the headers, and those behind them."""
        front, behind = pika.BasicProperties(), pika.BasicProperties()
        front.content_type, front.content_encoding = self.content_type, self.content_encoding
        for name in _NAMES[2:]:
            setattr(behind, name, getattr(self, name))
        first, last = b"".join(front.encode()), b"".join(behind.encode())
        flags = struct.unpack(">H", first[:2])[0] | struct.unpack(">H", last[:2])[0] | self.FLAG_HEADERS
        try:
            table = encoding.table_of(
                {name: self._encoded.get(name) or _encoded(value) for name, value in self.headers.items()}
            )
        except (TypeError, ValueError, OverflowError, struct.error, pika.exceptions.AMQPError) as error:
            raise InconclusiveError(
                "a message", f"has headers that cannot be written again: {error!r}"
            ) from error
        return [struct.pack(">H", flags), first[2:], table, last[2:]]


def _encoded(value: Any) -> bytes:
    pieces: list[bytes] = []
    amqp.encode_value(pieces, value)
    return b"".join(pieces)
