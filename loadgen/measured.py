"""What a run measured, in ``measured.json`` beside its ledger: raw counts, nothing summed up or rounded.

With the ledger's parts it is all that a verdict rests on, so runs that shared nothing can be judged
together (`loadgen.merge`), and a run can be judged again. No account and no certificate is in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadgen import hlog
from loadgen.collect import Totals
from loadgen.curve import SECOND_NS
from loadgen.spec import LoadSpec, from_plain, to_plain
from loadgen.verdict import Finished, Timing
from warren.errors import BadInputError

FILE = "measured.json"
SCHEMA = 1
#: What is written as an interval log of its own.
_LOGGED = ("confirm", "end_to_end")
_TIMES = ("t0_ns", "published_ns", "drained_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run as read back. ``totals`` are as `Totals.to_plain` gives them; ``clock_offset_ns`` is what the
    epoch's nanoseconds are ahead of the run's monotonic clock."""

    spec: LoadSpec
    timing: Timing
    clock_offset_ns: int
    totals: Mapping[str, Any]
    notes: tuple[str, ...]
    publishers: tuple[str, ...]
    workers: tuple[str, ...]
    publisher_died: bool
    interrupted: bool


def write(run: Finished, timing: Timing, folder: Path, *, clock_offset_ns: int) -> None:
    """Write ``measured.json`` and the interval logs of a finished run to ``folder``."""
    publishers, workers = run.worker_names
    content = {
        "schema": SCHEMA,
        "spec": to_plain(without_secrets(run.spec)),
        "timing": {
            "started": timing.started.isoformat(),
            "ended": timing.ended.isoformat(),
            **{name: getattr(timing, name) for name in _TIMES},
            "drained": timing.drained,
        },
        "clock_offset_ns": clock_offset_ns,
        "notes": run.notes,
        "publishers": publishers,
        "workers": workers,
        "publisher_died": run.publisher_died,
        "interrupted": run.interrupted,
        "totals": run.totals.to_plain(),
    }
    (folder / FILE).write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    write_logs(run.totals, timing, folder, clock_offset_ns=clock_offset_ns)


def write_logs(totals: Totals, timing: Timing, folder: Path, *, clock_offset_ns: int) -> None:
    """Write the interval logs, which count from the start of publishing."""
    start = datetime.fromtimestamp((timing.t0_ns + clock_offset_ns) / SECOND_NS, UTC)
    for name in _LOGGED:
        hlog.write(folder / f"{name}.hlog", name, start, totals.seconds(name))


def without_secrets(spec: LoadSpec) -> LoadSpec:
    """``spec`` without what only reaching the broker needs."""
    return replace(spec, users=(), ca_pem=None, endpoints=(), metrics_port=None, metrics_tls=None)


def read(folder: Path) -> Measured:
    """What `write` wrote to ``folder``. Raises BadInputError when it is not there or of another form."""
    path = folder / FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(
            str(path), f"cannot be read: {error}", "give the folder of a finished run"
        ) from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise BadInputError(str(path), "is not what a run of this version measured")
    try:
        return _measured(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(str(path), f"is not what a run measured: {error!r}") from error


def _measured(raw: Mapping[str, Any]) -> Measured:
    timing = raw["timing"]
    return Measured(
        spec=from_plain(LoadSpec, raw["spec"]),
        timing=Timing(
            started=datetime.fromisoformat(timing["started"]),
            ended=datetime.fromisoformat(timing["ended"]),
            t0_ns=int(timing["t0_ns"]),
            published_ns=int(timing["published_ns"]),
            drained_ns=int(timing["drained_ns"]),
            drained=bool(timing["drained"]),
        ),
        clock_offset_ns=int(raw["clock_offset_ns"]),
        totals=raw["totals"],
        notes=tuple(raw["notes"]),
        publishers=tuple(raw["publishers"]),
        workers=tuple(raw["workers"]),
        publisher_died=bool(raw["publisher_died"]),
        interrupted=bool(raw["interrupted"]),
    )
