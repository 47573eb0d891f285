"""``python -m loadgen exec`` runs a whole run from a spec on standard input; ``worker`` is one worker."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from loadgen.pipes import first_line
from loadgen.spec import ConsumerSpec, PublisherSpec, from_plain
from warren.errors import EXIT_BAD_INPUT


def worker() -> int:
    """Run one worker; its spec is the first line of standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in ("pika", "rstream"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    raw = json.loads(first_line())
    run = _over_streams(raw) if raw.get("protocol") == "stream" else _over_amqp(raw)
    gc.freeze()
    run()
    return 0


# A worker imports the library of the protocol that it speaks, and not the other's: it starts faster so.


def _over_amqp(raw: dict[str, Any]) -> Callable[[], None]:
    """The worker that the spec asks for, and its class by its role; it is yet to run."""
    from loadgen import amqp  # noqa: PLC0415

    return amqp.prepared(raw, _write)


def _over_streams(raw: dict[str, Any]) -> Callable[[], None]:
    """The same over the stream protocol."""
    from loadgen.streaming.publisher import Publisher  # noqa: PLC0415
    from loadgen.streaming.reader import Reader  # noqa: PLC0415
    from loadgen.streaming.runner import Worker  # noqa: PLC0415

    if raw["role"] == "publisher":
        publishes = from_plain(PublisherSpec, raw)
        runner = Worker(publishes.link, write=_write)
        return partial(runner.run, Publisher(publishes, runner))
    reads = from_plain(ConsumerSpec, raw)
    runner = Worker(reads.link, write=_write)
    return partial(runner.run, Reader(reads, runner))


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
