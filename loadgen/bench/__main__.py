"""``python -m loadgen.bench SIDE FOLDER MESSAGES PUBLISHERS WORKERS``: one side of a case of `ledger`."""

from __future__ import annotations

import gc
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadgen.evidence import read_evidence
from loadgen.judge import Expectation, judge
from loadgen.ledger import Bitmap, Bits, EventLog
from warren.errors import EXIT_BAD_INPUT

_QUEUE = "bench"
_USAGE = "confirmed|done|judge FOLDER MESSAGES PUBLISHERS WORKERS"
#: A publisher stores its counter once a turn; this many messages leave in one.
_TURN = 50


def write(kind: Bits, folder: Path, messages: int, publishers: int, workers: int = 1) -> dict[str, Any]:
    """Write one side of the ledger as ``workers`` would, a turn's messages of every publisher to each in
    turn, without the one message that `left_out` names."""
    before = _memory("VmRSS")
    each = messages // publishers
    missing = left_out(each) if kind is Bits.DONE else -1
    meaning = {"nonce": 1, "kind": kind, "queue": _QUEUE}
    EventLog(folder / f"{kind.value}.log", {**meaning, "worker": kind.value, "queues": [_QUEUE]}).close()
    parts = [
        [
            Bitmap(
                folder / f"{kind.value}-{worker}-{index}", {**meaning, "worker": worker, "publisher": index}
            )
            for index in range(publishers)
        ]
        for worker in range(workers)
    ]
    _fill(parts, range(each - each // 10), missing)
    began = time.process_time_ns()
    _fill(parts, range(each - each // 10, each), missing)
    took = time.process_time_ns() - began
    return {"ns": took / (each // 10 * publishers), "bytes": _memory("VmRSS") - before}


def _fill(parts: Sequence[Sequence[Bitmap]], sequences: range, missing: int) -> None:
    for start in range(sequences.start, sequences.stop, _TURN):
        turn = range(start, min(start + _TURN, sequences.stop))
        own = parts[start // _TURN % len(parts)]
        for publisher, part in enumerate(own):
            part.set_counter(turn.stop)
            add = part.test_and_set
            for seq in _without(missing, turn) if publisher == 0 else turn:
                if add(seq):
                    raise ValueError(f"message {seq} was there already")


def _without(missing: int, turn: range) -> Sequence[int]:
    return [seq for seq in turn if seq != missing] if missing in turn else turn


def left_out(messages: int) -> int:
    """Which message of the first publisher the consumer never sees."""
    return messages * 2 // 3


def judged(folder: Path, messages: int, publishers: int) -> dict[str, Any]:
    """Judge what was written."""
    before = _memory("VmRSS")
    began = time.process_time()
    expected = Expectation(destinations=dict.fromkeys(range(publishers), (_QUEUE,)))
    ledger = judge(read_evidence(folder), expected)
    took = time.process_time() - began
    missed = f"{_QUEUE}: publisher 0, message {left_out(messages // publishers)}"
    found = (ledger.confirmed, ledger.received, ledger.lost) == (messages, messages - 1, 1)
    return {
        "bytes": _memory("VmHWM") - before,
        "s": took,
        "found": found and ledger.lost_examples == (missed,),
    }


def _memory(name: str) -> int:
    """A figure of this process's memory in bytes, from /proc/self/status (proc(5))."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def main(argv: list[str]) -> int:
    sides = {"confirmed": Bits.CONFIRMED, "done": Bits.DONE}
    if len(argv) != 5 or argv[0] not in (*sides, "judge"):  # noqa: PLR2004 - as the usage says
        sys.stderr.write(f"usage: python -m loadgen.bench {_USAGE}\n")
        return EXIT_BAD_INPUT
    side, folder, *counts = argv
    messages, publishers, workers = map(int, counts)
    gc.freeze()
    if side in sides:
        found = write(sides[side], Path(folder), messages, publishers, workers)
    else:
        found = judged(Path(folder), messages, publishers)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
