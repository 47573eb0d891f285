"""What the ledger itself costs: memory and time for each message, at the size of long runs.

Each side of the ledger is written in a process of its own, as in a run, by the code that a run uses, and
judged in a third. One message is left out at the consumer on purpose: the judge must find it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from warren.console import Say
from warren.errors import NotReadyError
from warren.process import Runner

#: What the two sides of a ledger may have in memory together.
LIMIT_BYTES = 64 * 2**20
_LONGEST_S = 3600.0
#: How much more a message may cost at the greatest size than at the least: the machine's noise.
_GROWTH = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``messages`` in all, by ``publishers`` in equal parts, to ``consumers`` of one queue."""

    messages: int
    publishers: int = 1
    consumers: int = 1

    def __str__(self) -> str:
        return f"{self.messages:,} messages, {self.publishers} publisher(s), {self.consumers} consumer(s)"


CASES = (
    Case(messages=1_000_000),
    Case(messages=10_000_000),
    Case(messages=100_000_000),
    Case(messages=100_000_000, publishers=4, consumers=4),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Processor time a message in nanoseconds, of its last tenth; memory in bytes beyond the bare process,
    the judge's at its greatest; ``judge_s`` processor seconds. ``found`` says that the judge missed exactly
    the message that was left out."""

    case: Case
    publisher_ns: float
    consumer_ns: float
    publisher_bytes: int
    consumer_bytes: int
    judge_bytes: int
    judge_s: float
    found: bool

    @property
    def bytes(self) -> int:
        """The ledger's memory: both sides'."""
        return self.publisher_bytes + self.consumer_bytes


def measure(cases: Sequence[Case], *, folder: Path, run: Runner, say: Say) -> list[Measured]:
    """Measure each case in a folder below ``folder``, which must have some 40 MB free.

    Raises NotReadyError when a process fails, with its last words.
    """
    found = []
    for case in cases:
        say(str(case))
        with tempfile.TemporaryDirectory(prefix="ledger-", dir=folder) as place:
            publisher, consumer, judged = (
                _side(run, side, case, place) for side in ("confirmed", "done", "judge")
            )
        found.append(
            Measured(
                case=case,
                publisher_ns=publisher["ns"],
                consumer_ns=consumer["ns"],
                publisher_bytes=publisher["bytes"],
                consumer_bytes=consumer["bytes"],
                judge_bytes=judged["bytes"],
                judge_s=judged["s"],
                found=judged["found"],
            )
        )
    return found


def faults(measured: Sequence[Measured]) -> list[str]:
    """What does not hold: the limit of memory, a cost that grows with the run, a wrong judge."""
    return list(_faults(measured))


def _faults(measured: Sequence[Measured]) -> Iterator[str]:
    for each in measured:
        if each.bytes > LIMIT_BYTES:
            yield f"{each.case} take {each.bytes / 2**20:.1f} MiB, {LIMIT_BYTES / 2**20:.0f} are allowed"
        if not each.found:
            yield f"{each.case}: the judge did not find the one message that was left out"
    least, greatest = (pick(measured, key=lambda each: each.case.messages) for pick in (min, max))
    for side in ("publisher_ns", "consumer_ns"):
        before, after = getattr(least, side), getattr(greatest, side)
        if after > before * _GROWTH:
            yield f"a message costs {after:.0f} ns at {greatest.case.messages:,}, {before:.0f} ns at first"


def as_dict(measured: Sequence[Measured]) -> dict[str, Any]:
    """For JSON."""
    return {"schema": 1, "limit_bytes": LIMIT_BYTES, "cases": [asdict(each) for each in measured]}


def table(measured: Sequence[Measured]) -> str:
    """Markdown, a row a case."""
    lines = [
        "| messages | publishers, consumers | publisher ns/msg | consumer ns/msg | publishers MiB "
        "| consumers MiB | ledger MiB | judge MiB | judge s |",
        "|---" * 9 + "|",
    ]
    for each in measured:
        sizes = (each.publisher_bytes, each.consumer_bytes, each.bytes, each.judge_bytes)
        cells = [
            f"{each.case.messages:,}",
            f"{each.case.publishers}, {each.case.consumers}",
            f"{each.publisher_ns:.0f}",
            f"{each.consumer_ns:.0f}",
        ]
        cells += [f"{size / 2**20:.1f}" for size in sizes]
        lines.append("| " + " | ".join([*cells, f"{each.judge_s:.2f}"]) + " |")
    return "\n".join(lines)


def _side(run: Runner, side: str, case: Case, place: str) -> dict[str, Any]:
    workers = case.consumers if side == "done" else 1
    counts = map(str, (case.messages, case.publishers, workers))
    argv = [sys.executable, "-m", "loadgen.bench", side, place, *counts]
    done = run(argv, timeout_s=_LONGEST_S)
    if not done.ok:
        raise NotReadyError(f"the ledger's {side}", f"ended with {done.returncode}: {done.reason()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
