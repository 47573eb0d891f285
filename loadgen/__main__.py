"""``python -m loadgen exec`` runs a whole run from a spec on standard input; ``worker`` is one worker."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
from typing import Any

from loadgen.publisher import Publisher
from loadgen.relay import Relay
from loadgen.requester import Requester
from loadgen.spec import ConsumerSpec, PublisherSpec, RelaySpec, from_plain
from loadgen.special import consumer
from loadgen.varied import VariedPublisher
from loadgen.worker import Job, Worker
from warren.errors import EXIT_BAD_INPUT


def worker() -> int:
    """Run one worker; its spec is the first line of standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    raw = json.loads(_first_line())
    runner, job = _job(raw)
    gc.freeze()
    runner.run(job)
    return 0


def _job(raw: dict[str, Any]) -> tuple[Worker, Job]:
    """What the spec asks for: its class by its role, and the worker that runs it."""
    if raw["role"] == "publisher":
        publishes = from_plain(PublisherSpec, raw)
        runner = Worker(publishes.link, write=_write)
        return runner, _publisher(publishes)(publishes, runner)
    if raw["role"] == "relay":
        relays = from_plain(RelaySpec, raw)
        runner = Worker(relays.link, write=_write)
        return runner, Relay(relays, runner)
    consumes = from_plain(ConsumerSpec, raw)
    runner = Worker(consumes.link, write=_write)
    return runner, consumer(consumes, runner)


def _publisher(spec: PublisherSpec) -> type[Publisher]:
    if spec.replies is not None:
        return Requester
    return VariedPublisher if spec.body == "varied" else Publisher


def _first_line() -> bytes:
    """Read up to the first line feed, no further: commands follow on the same descriptor."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            break
        line += piece
    return bytes(line)


def _write(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(1, data) :]


def main(argv: list[str]) -> int:
    if argv == ["worker"]:
        return worker()
    if argv == ["exec"]:
        from loadgen.engine import execute  # noqa: PLC0415 - workers start faster without it

        return execute()
    sys.stderr.write("usage: python -m loadgen exec|worker\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
