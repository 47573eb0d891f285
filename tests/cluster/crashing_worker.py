"""A worker that dies in the middle of its work: takes messages, acknowledges none, and kills itself.

Run as a program: host port ca user password-file queue count. Prints a line per message taken.
"""

from __future__ import annotations

import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import pika


def main(arguments: list[str]) -> None:
    """Take ``count`` messages, then die as a power cut would have it."""
    host, port, ca, user, password_file, queue, count = arguments
    password = Path(password_file).read_text(encoding="utf-8").strip()
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(
            host, int(port), "/orders", pika.PlainCredentials(user, password),
            ssl_options=pika.SSLOptions(ssl.create_default_context(cafile=ca), host),
        )
    )  # fmt: skip
    channel = connection.channel()
    channel.basic_qos(prefetch_count=int(count))
    taken = 0

    def take(_channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        nonlocal taken
        taken += 1
        sys.stdout.write(f"{body.decode()}\n")
        if taken == int(count):
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    channel.basic_consume(queue, take)
    channel.start_consuming()


if __name__ == "__main__":
    main(sys.argv[1:])
