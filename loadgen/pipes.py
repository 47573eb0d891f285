"""How a process of a run is spoken with: a first line that says what to do, and events as lines of JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any


def first_line() -> bytes:
    """Standard input up to the first line feed and no further: what follows, or its end, has a meaning of
    its own on the same descriptor."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            break
        line += piece
    return bytes(line)


def say(event: Mapping[str, Any]) -> None:
    """One event as one line on standard output, at once."""
    sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    sys.stdout.flush()
