"""Consumers that do not simply work: they hold what they get, read a stream, or kill themselves.

They are a class of their own so that the hot path of those who do work asks nothing about them.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from loadgen import stream, wire
from loadgen.consumer import Consumer
from loadgen.ledger import Kind
from loadgen.spec import ConsumerSpec
from loadgen.worker import Worker


def consumer(spec: ConsumerSpec, worker: Worker) -> Consumer:
    """The consumer that ``spec`` asks for."""
    plain = spec.crash_after is None and not spec.stream and spec.does != "hold"
    return Consumer(spec, worker) if plain else Special(spec, worker)


class Special(Consumer):
    """A consumer that looks at each delivery before it takes it, if it does."""

    def __init__(self, spec: ConsumerSpec, worker: Worker) -> None:
        super().__init__(spec, worker)
        self._offsets = stream.Offsets() if spec.stream else None
        self._left = -1 if spec.crash_after is None else spec.crash_after
        self._holding = spec.does == "hold"

    def command(self, name: str) -> None:
        if name == "release" and self._holding:
            self._finish = True
            return
        if name == "finish":
            self._tell_offsets()
        super().command(name)

    def _arguments(self) -> dict[str, Any]:
        given = super()._arguments()
        return given if self._offsets is None else self._offsets.resume(given)

    def _on_delivery(self, delivery: wire.Delivery) -> None:
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        if self._offsets is not None:
            self._offsets.check(delivery, self._log, time.monotonic_ns())
        if self._holding:
            self._counts["consumed"] += 1
        else:
            super()._on_delivery(delivery)

    def _tell_offsets(self) -> None:
        """What was read of a stream, for its oracle."""
        if self._offsets is not None and self._offsets.last is not None:
            first, last = self._offsets.first, self._offsets.last
            self._log.add(Kind.OFFSETS, 0, 0, time.monotonic_ns(), aux=first, aux2=last)
            self._log.flush()
