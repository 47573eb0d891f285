"""``python3 -m chaos.clients``: takes its orders from a file that appears, and misbehaves for a while."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from chaos.clients import orders
from chaos.clients.programs import PROGRAMS
from warren.errors import EXIT_OK, NotReadyError
from warren.runtime.protocol import HELPER_INPUT
from warren.wait import until

#: Whoever starts the container gives the orders at once; where it died before, nothing is to be done.
_ORDERS_DEADLINE_S = 60.0


def main(path: Path) -> int:
    """Run the program that the orders at ``path`` name; they are gone once they are read."""
    text = until(lambda: _take(path), what="orders", deadline_s=_ORDERS_DEADLINE_S, every_s=0.05)
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    given = orders.read(text)
    PROGRAMS[given.program](given)
    return EXIT_OK


def _take(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotReadyError(str(path), "is not there") from error
    path.unlink()
    return text


if __name__ == "__main__":
    sys.exit(main(Path(HELPER_INPUT)))
