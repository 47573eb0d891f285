"""Coordinated omission, put to the proof: the path stands still for a second, and the reported latencies
must be those that the arrival times say.

The middleman writes down when each answer and each delivery went through. With the time for which each
message was meant, that is the truth, and no clock or histogram of the generator's is in it but the
schedule. Beside it stands what arithmetic says of an open load: of the messages meant for the second of
the freeze, evenly spread, each waits for what is left of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadgen import container
from loadgen.bench import perftest
from loadgen.bench.cells import ACK_BATCH, PREFETCH, WINDOW, Cell
from loadgen.bench.stage import Stage
from loadgen.container import Place, Starter
from loadgen.progress import View
from loadgen.selftest.act import Plan
from loadgen.selftest.box import standing
from loadgen.selftest.engine import through
from warren.context import Context
from warren.errors import NotReadyError
from warren.results import Percentiles
from warren.signals import terminate_as_interrupt

RATE_PER_S, DURATION_S, FROZEN_S = 1000, 25, 1.0
#: How far a reported percentile may be from what the arrival times say, as a share of it.
TOLERANCE = 0.02
_PERFTEST_SPARE_S = 90.0
_SIZE_BYTES = 200
#: As PerfTest is run beside it, in the window, batches and sizes of the benchmark.
SETTINGS = {
    "rate": str(RATE_PER_S),
    "duration": f"{DURATION_S}s",
    "window": str(WINDOW),
    "size_bytes": str(_SIZE_BYTES),
    "consumers.consumer.prefetch": str(PREFETCH),
    "consumers.consumer.ack_batch": str(ACK_BATCH),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One kind of latency of one client, in seconds: as it reported it, and as the arrival times have it.

    A percentile that a client does not report is None. ``sent`` counts its messages, ``messages`` those whose
    wait the arrival times tell. ``judged`` is False where only to be shown.
    """

    client: str
    kind: str
    reported_p99_s: float
    reported_p999_s: float | None
    true_p99_s: float
    true_p999_s: float
    sent: int
    messages: int
    judged: bool = True

    @property
    def agrees(self) -> bool:
        """Whether each reported percentile is within `TOLERANCE` of the true one."""
        return all(
            reported is not None and abs(reported - true) <= TOLERANCE * true
            for reported, true in (
                (self.reported_p99_s, self.true_p99_s),
                (self.reported_p999_s, self.true_p999_s),
            )
        )


def plan() -> Plan:
    """Stand still once, in the middle."""
    return Plan(act="freeze", at_s=DURATION_S / 2, for_s=FROZEN_S, rate_per_s=RATE_PER_S)


def by_arithmetic_s(share: float) -> float:
    """The percentile of an open, even load over a path that answers at once but for the freeze."""
    return max(0.0, FROZEN_S - (1 - share) * DURATION_S)


def of_warren(
    context: Context, place: Place, *, view: View, starter: Starter = container.start
) -> list[Measured]:
    """Warren's own figures through the freeze; raises NotReadyError when the freeze did not happen."""
    report, result = through(context, place, plan(), SETTINGS, view=view, starter=starter)
    if result.interrupted:
        raise KeyboardInterrupt
    latency = result.latency_s
    return [
        measured("Warren", kind, (reported.p99, reported.p999), report)
        for kind, reported in (("confirm", latency.confirm), ("end_to_end", latency.end_to_end))
        if _whole(reported, report, kind)
    ]


@terminate_as_interrupt()
def of_perftest(
    context: Context, place: Place, image: str, *, starter: Starter = container.start
) -> list[Measured]:
    """PerfTest's figures through the same freeze, at the same rate, window and sizes."""
    cell = Cell(name="freeze", pairs=1, queues=1, size_bytes=_SIZE_BYTES, rate_per_s=RATE_PER_S)
    stage = Stage(
        management=context.management,
        user=context.topology.account("operator").name,
        members=len(context.topology.nodes),
        clock=context.clock,
    )
    name = f"{place.cluster}-perftest"
    argv = perftest.command(context, image, name, perftest.arguments(cell, DURATION_S))
    try:
        stage.build(cell)
        with standing(context, place, plan(), starter=starter) as box:
            address = perftest.uri(context, box.endpoint.host)
            done = context.run(argv, timeout_s=DURATION_S + _PERFTEST_SPARE_S, stdin=address)
            if not done.ok:
                raise NotReadyError("PerfTest", done.reason())
            report = box.report()
    finally:
        context.run([place.docker, "rm", "--force", name], timeout_s=30)
        stage.remove()
    output = done.stdout + done.stderr
    return [
        measured("PerfTest", kind, (summed_p99_s(output, theirs), None), report, judged=False)
        for kind, theirs in (("confirm", "confirm"), ("end_to_end", "consumer"))
    ]


def summed_p99_s(output: str, kind: str) -> float:
    """The p99 in seconds of PerfTest's closing summary, which is of the whole run."""
    found = re.search(rf"{kind} latency min/median/75th/95th/99th (?:\d+/){{4}}(\d+) ", output)
    if found is None:
        raise NotReadyError("PerfTest", f"printed no {kind} latency: {output.strip()[-200:]}")
    return int(found[1]) / 1e6


def measured(
    client: str,
    kind: str,
    reported: tuple[float, float | None],
    report: Mapping[str, Any],
    *,
    judged: bool = True,
) -> Measured:
    """``reported`` p99 and p99.9 beside those of the middleman's ``report``; raises NotReadyError when it did
    not stand still."""
    if not report["did"] or report["problems"]:
        raise NotReadyError("middleman", f"did not stand still: {report['problems'] or 'too few messages'}")
    raw = report[f"{kind}_us"]
    return Measured(
        client=client,
        kind=kind,
        reported_p99_s=reported[0],
        reported_p999_s=reported[1],
        true_p99_s=percentile_s(raw, 0.99),
        true_p999_s=percentile_s(raw, 0.999),
        sent=int(report["published"]),
        messages=len(raw),
        judged=judged,
    )


def _whole(reported: Percentiles, report: Mapping[str, Any], kind: str) -> bool:
    """Both sides must speak of the same messages; raises NotReadyError when they do not."""
    passed = len(report[f"{kind}_us"])
    if reported.count != passed:
        raise NotReadyError(
            "middleman", f"saw {passed} messages' {kind.replace('_', ' ')}, the run {reported.count}"
        )
    return True


def percentile_s(raw_us: Sequence[int], share: float) -> float:
    """The value in seconds that ``share`` of the list does not exceed, by nearest rank."""
    return sorted(raw_us)[max(0, math.ceil(share * len(raw_us)) - 1)] / 1e6


def table(rows: Sequence[Measured]) -> str:
    """Markdown: reported beside true, and what arithmetic says."""
    lines = [
        "| client | latency | sent | p99 reported s | p99 by arrival s | p99.9 reported s "
        "| p99.9 by arrival s | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (row.reported_p99_s, row.true_p99_s, row.reported_p999_s, row.true_p999_s)
        shown = " | ".join("-" if each is None else f"{each:.3f}" for each in cells)
        word = ("agrees" if row.agrees else "DIFFERS") if row.judged else ""
        kind = row.kind.replace("_", " ")
        lines.append(f"| {row.client} | {kind} | {row.sent} | {shown} | {word} |")
    lines.append(
        f"\nBy arithmetic alone, {FROZEN_S:g} s of {DURATION_S} s frozen at {RATE_PER_S} msg/s: "
        f"p99 {by_arithmetic_s(0.99):.3f} s, p99.9 {by_arithmetic_s(0.999):.3f} s."
    )
    return "\n".join(lines)


def as_dict(rows: Sequence[Measured]) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "schema": 1,
        "rate_per_s": RATE_PER_S,
        "duration_s": DURATION_S,
        "frozen_s": FROZEN_S,
        "passed": all(row.agrees for row in rows if row.judged),
        "rows": [asdict(row) for row in rows],
    }
