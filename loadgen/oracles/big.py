"""big: bodies of many frames arrive as they were sent, byte for byte.

Each message's bytes are its own (`loadgen.varied`), and consumers compare all of them; what does not compare
is UNREADABLE in their logs. A body is cut into frames of at most the size agreed on, 131,072 bytes unless the
broker is told otherwise (AMQP 0-9-1 specification, section 4.2.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.ledger import Kind
from loadgen.spec import LoadSpec

_FRAME_BYTES = 131_072
_OVERHEAD_BYTES = 8


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``bodies``: how many were whole, how many were not."""
    del expected, totals
    whole = sum(evidence.final(queue, publisher).bit_count() for queue, publisher in evidence.units())
    damaged = sum(1 for _ in evidence.events(Kind.UNREADABLE))
    figures = {
        "size_bytes": spec.size_bytes,
        "frames_each": -(-spec.size_bytes // (_FRAME_BYTES - _OVERHEAD_BYTES)),
        "whole": whole,
        "damaged": damaged,
    }
    if damaged:
        return {"bodies": {"passed": False, "why": f"{damaged} bodies are not what was sent", **figures}}
    if spec.body != "varied":
        return {"bodies": {"passed": None, "why": "bodies that are all alike hide a mix-up", **figures}}
    if not whole:
        return {"bodies": {"passed": False, "why": "not one arrived", **figures}}
    return {"bodies": {"passed": True, **figures}}
