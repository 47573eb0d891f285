"""What a misbehaving client says of itself: its counts so far, a line of JSON now and then."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field

#: How often a line is written: often enough to be read by a proof, and ten minutes of them fit into the log.
EVERY_S = 1.0


@dataclass(slots=True)
class Tally:
    """Counts by name, and the last trouble in one line."""

    counts: Counter[str] = field(default_factory=Counter)
    trouble: str = ""

    def tell(self) -> None:
        """Write both to standard output, at once."""
        line = json.dumps({"counts": dict(self.counts), "trouble": self.trouble})
        os.write(1, line.encode() + b"\n")


def last(said: str) -> tuple[dict[str, int], str]:
    """Counts and trouble of the last line among ``said`` that is such a line; empty where none is."""
    for line in reversed(said.splitlines()):
        try:
            found = json.loads(line)
            return {str(key): int(value) for key, value in found["counts"].items()}, str(found["trouble"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return {}, ""
