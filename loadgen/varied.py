"""Bodies that differ from message to message all the way through, and their publisher.

Padding that is the same in every message shows what is altered, not what is out of place. Here each message
has its own piece of one long run of bytes that do not repeat, chosen by its number and its length, so that a
frame of another message, one of its own in another place, and an end that is cut off are all found by
comparing. The header is Warren's own.
"""

from __future__ import annotations

import random

from loadgen.body import HEADER_SIZE
from loadgen.codec import Own
from loadgen.publisher import Publisher
from loadgen.spec import PublisherSpec
from loadgen.worker import Worker

#: So many messages in a row have pieces of their own; coprime to the steps below.
_PLACES = 4099
_SEQ_STEP, _PUBLISHER_STEP, _LENGTH_STEP = 17, 1009, 31


class Varied(Own):
    """Warren's header, then bytes that belong to the message."""

    def __init__(self, nonce: int, publisher: int) -> None:
        super().__init__(nonce, publisher)
        self._bytes = b""

    def rest(self, size_bytes: int) -> bytes:
        """That of a publisher's first message; `rest_of` tells it of any."""
        return self.rest_of(self._publisher, 0, size_bytes)

    def rest_of(self, publisher: int, seq: int, size_bytes: int) -> bytes:
        """What follows the header of message ``seq`` in a body of ``size_bytes``."""
        length = size_bytes - HEADER_SIZE
        if len(self._bytes) < length + _PLACES:
            self._bytes = random.Random("warren").randbytes(length + _PLACES)  # noqa: S311 - to be repeatable
        at = (seq * _SEQ_STEP + publisher * _PUBLISHER_STEP + length * _LENGTH_STEP) % _PLACES
        return self._bytes[at : at + length]


class VariedPublisher(Publisher):
    """Publishes bodies that differ."""

    def __init__(self, spec: PublisherSpec, worker: Worker) -> None:
        super().__init__(spec, worker)
        self._codec: Varied = Varied(spec.nonce, spec.index)

    def _send(self, seq: int, intended_ns: int, now_ns: int, attempt: int) -> None:
        self._rest = self._codec.rest_of(self._spec.index, seq, self._spec.size_bytes)
        super()._send(seq, intended_ns, now_ns, attempt)
