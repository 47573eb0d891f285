"""Warren beside itself: the stream protocol and AMQP 0-9-1, on the same streams and in the same minutes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.bench.cells import Cell
from loadgen.bench.engine import Bench
from loadgen.bench.figures import AMQP, STREAM
from loadgen.roles import Protocol

#: The cells of this comparison.
FILE = Path(__file__).resolve().parent / "streams.yml"
_PROTOCOLS: Mapping[str, Protocol] = {STREAM: "stream", AMQP: "amqp"}


class Streams(Bench):
    """Both clients are Warren's; each turn is a run with its ledger and its verdict."""

    def _measure(self, client: str, cell: Cell, node: str) -> dict[str, Any]:
        return self._warren(cell, node, _PROTOCOLS[client])
