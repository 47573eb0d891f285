"""``python -m loadgen.selftest``: a middleman as it stands in a container, its post on standard input."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from loadgen.selftest.middleman import read_post, stand


def _say(event: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _first_line() -> str:
    """Up to the first line feed and no further: the end of the input is what it is told to end by."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            break
        line += piece
    return line.decode()


if __name__ == "__main__":
    asyncio.run(stand(read_post(_first_line()), say=_say))
