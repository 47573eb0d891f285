"""A run from its spec to its result: `run` is the engine, `execute` what a container runs.

`execute` takes the spec on standard input, writes progress as JSON lines on standard output and leaves
``result.json`` in the run's folder.
"""

from __future__ import annotations

import json
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from loadgen import measured, objects, roster
from loadgen.collect import Totals
from loadgen.coordinator import Run
from loadgen.curve import SECOND_NS
from loadgen.fleet import PROGRAM
from loadgen.interrupts import Interrupts
from loadgen.metrics import LoadCollector, serve
from loadgen.pipes import say
from loadgen.spec import LoadSpec, from_plain
from loadgen.telling import Emit
from loadgen.verdict import Timing, conclude
from warren.errors import EXIT_BUG, WarrenError, machine_trouble
from warren.results import LoadResult, write_result


def run(
    spec: LoadSpec,
    *,
    emit: Emit,
    interrupts: Interrupts,
    program: Sequence[str] = PROGRAM,
    released: Callable[[], bool] = lambda: True,
) -> LoadResult:
    """Do the run that ``spec`` describes and judge it.

    Declares the profile's own objects first and deletes them last. Writes the parts of the ledger and what
    was measured under ``spec.folder`` (which must exist and hold no earlier run). ``program`` is what each
    worker is, and ``released`` tells when a held run may begin. Raises NotReadyError when the workers cannot
    connect; what happens later is in the result.
    """
    started = datetime.now(UTC)
    expected = roster.expectation(spec)
    this = Run(spec, emit, interrupts, program=program)
    this.totals.counts["links_opened"] += objects.connections(spec)
    with objects.declared(spec), _metrics(spec, this.totals):
        try:
            this.open()
            if spec.held:
                this.hold(released)
                started = datetime.now(UTC)
            published_ns = this.publish(expected)
            complete = this.drain(expected)
            drained_ns = time.monotonic_ns()
        finally:
            this.close()
    timing = Timing(
        started=started,
        ended=datetime.now(UTC),
        t0_ns=this.t0_ns,
        published_ns=published_ns,
        drained_ns=drained_ns - int(this.quiet_s * SECOND_NS) * complete,
        drained=complete,
        clock_offset_ns=this.clock_offset_ns,
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    own_cpu_s = used.ru_utime + used.ru_stime
    this.totals.used("coordinator", cpu_s=own_cpu_s, max_rss_bytes=used.ru_maxrss * 1024)
    measured.write(this, timing, Path(spec.folder), clock_offset_ns=this.clock_offset_ns)
    return conclude(this, expected, timing)


def _metrics(spec: LoadSpec, totals: Totals) -> AbstractContextManager[None]:
    if spec.metrics_port is None or spec.metrics_tls is None:
        return nullcontext()
    collector = LoadCollector(totals, profile=spec.profile, run_id=spec.run_id)
    return serve(collector, port=spec.metrics_port, tls=spec.metrics_tls)


def execute() -> int:
    """Run the spec on standard input; the exit status is the result's."""
    interrupts = Interrupts()
    signal.signal(signal.SIGINT, interrupts)
    signal.signal(signal.SIGTERM, interrupts)
    try:
        spec = from_plain(LoadSpec, json.loads(sys.stdin.readline()))
        result = run(spec, emit=say, interrupts=interrupts, released=_input_ended)
        write_result(result, Path(spec.folder) / "result.json")
    except Exception as error:
        told = error if isinstance(error, WarrenError) else machine_trouble(error)
        if told is not None:
            say({"type": "error", "where": told.where, "what": told.what, "remedy": told.remedy,
                   "exit_code": told.exit_code})  # fmt: skip
            return told.exit_code
        say({"type": "error", "where": "load", "what": f"{type(error).__name__}: {error}", "remedy": "",
               "exit_code": EXIT_BUG})  # fmt: skip
        raise
    say({"type": "result", "verdict": result.verdict.value, "reasons": list(result.reasons)})
    return result.exit_code


def _input_ended() -> bool:
    """Whoever started this lets it begin by closing its input."""
    return bool(select.select([sys.stdin], [], [], 0)[0])
