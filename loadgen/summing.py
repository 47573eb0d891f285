"""Several runs that went on at once as one result: the worst verdict, ledgers summed, histograms merged.

Nothing is judged anew. Latencies, series and traffic are merged bucket by bucket from what each run
measured; of silences, which each run has of its own, the longest is told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadgen.collect import Totals
from loadgen.curve import SECOND_NS
from loadgen.measured import Measured
from warren.dashboards_record import together
from warren.results import Availability, Ledger, LoadResult, Rates, ThresholdOutcome, Verdict

_EXAMPLES = 10
_WORST_FIRST = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED)
#: Of each part's ledger, what its line tells; the rest is in the part's own result.
_TOLD = ("published", "confirmed", "received", "lost", "unexpected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One finished run of several, by its name among them; what it measured is on one machine's clock."""

    name: str
    result: LoadResult
    measured: Measured


def joined(
    parts: Sequence[Part], *, run_id: str, profile: str, params: Mapping[str, Any] | None = None
) -> LoadResult:
    """One result of ``parts``, of which there is at least one."""
    totals, start_ns = Totals(), min(each.measured.timing.t0_ns for each in parts)
    for each in parts:
        later_s = (each.measured.timing.t0_ns - start_ns) // SECOND_NS
        totals.add_plain(each.measured.totals, prefix=f"{each.name}/", later_s=later_s)
    results = [each.result for each in parts]
    verdict = next(each for each in _WORST_FIRST if each in {result.verdict for result in results})
    summed = ledger({each.name: each.result.ledger for each in parts})
    notes = [f"{each.name}: {note}" for each in parts for note in each.result.params.get("notes", ())]
    return LoadResult(
        run_id=run_id,
        profile=profile,
        started_at=min(each.started_at for each in results),
        ended_at=max(each.ended_at for each in results),
        verdict=verdict,
        params={**(params or {}), "notes": notes},
        reasons=_reasons(parts, verdict, summed),
        interrupted=any(each.interrupted for each in results),
        ledger=summed,
        rates=_rates(parts, summed, totals, start_ns),
        series=totals.series(),
        latency_s=totals.latencies(),
        availability=_availability(parts),
        resources=totals.resources(),
        traffic=totals.traffic(),
        oracles={
            f"{each.name}_{name}": check for each in parts for name, check in each.result.oracles.items()
        },
        thresholds=tuple(_named(each.name, one) for each in parts for one in each.result.thresholds),
        parts=tuple(_told(each) for each in parts),
        dashboards=together(each.dashboards for each in results),
    )


def ledger(ledgers: Mapping[str, Ledger]) -> Ledger:
    """Every count summed; one that a run did not judge is left out, and None where none did."""
    found: dict[str, Any] = {}
    for item in dataclasses.fields(Ledger):
        values = [getattr(each, item.name) for each in ledgers.values()]
        if item.name == "dead_lettered":
            found[item.name] = _by_reason(values)
        elif item.name == "lost_examples":
            named = [f"{part}: {one}" for part, each in ledgers.items() for one in each.lost_examples]
            found[item.name] = tuple(named[:_EXAMPLES])
        else:
            known = [value for value in values if value is not None]
            found[item.name] = sum(known) if known else None
    return Ledger(**found)


def _by_reason(each: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {
        reason: sum(one.get(reason, 0) for one in each)
        for reason in sorted({key for one in each for key in one})
    }


def _reasons(parts: Sequence[Part], verdict: Verdict, summed: Ledger) -> tuple[str, ...]:
    if verdict is Verdict.PASSED:
        return (f"{len(parts)} parts passed: {summed.confirmed} confirmed, none lost, nothing unexpected",)
    return tuple(
        f"{each.name}: {reason}"
        for each in sorted(parts, key=lambda each: _WORST_FIRST.index(each.result.verdict))
        if each.result.verdict is not Verdict.PASSED
        for reason in each.result.reasons
    )


def _rates(parts: Sequence[Part], summed: Ledger, totals: Totals, start_ns: int) -> Rates:
    timings = [each.measured.timing for each in parts]
    publishing_s = max(1e-9, (max(each.published_ns for each in timings) - start_ns) / SECOND_NS)
    whole_s = max(1e-9, (max(each.drained_ns for each in timings) - start_ns) / SECOND_NS)
    return Rates(
        published_per_s=round(summed.published / publishing_s, 3),
        confirmed_per_s=round(summed.confirmed / publishing_s, 3),
        consumed_per_s=round(totals.counts["consumed"] / whole_s, 3),
    )


def _availability(parts: Sequence[Part]) -> Availability:
    """The longest silence of any part, and all failed publishes."""
    each = [part.result.availability for part in parts]
    return Availability(
        confirm_gap_max_s=max(one.confirm_gap_max_s for one in each),
        delivery_gap_max_s=max(one.delivery_gap_max_s for one in each),
        drain_s=max(one.drain_s for one in each),
        failed_publishes=sum(one.failed_publishes for one in each),
    )


def _named(part: str, outcome: ThresholdOutcome) -> ThresholdOutcome:
    return dataclasses.replace(outcome, expression=f"{part}: {outcome.expression}")


def _told(part: Part) -> Mapping[str, Any]:
    result = part.result
    return {
        "name": part.name,
        "profile": result.profile,
        "run_id": result.run_id,
        "verdict": result.verdict.value,
        "reasons": list(result.reasons),
        "ledger": {name: getattr(result.ledger, name) for name in _TOLD},
    }
