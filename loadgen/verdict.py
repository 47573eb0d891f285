"""Puts a finished run together: ledger, figures, oracles, and the verdict with its reasons in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from loadgen import oracles, thresholds
from loadgen.collect import Totals
from loadgen.curve import SECOND_NS
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.judge import judge
from loadgen.parts import whole_name
from loadgen.phases import whole
from loadgen.spec import LoadSpec
from warren.results import (
    Availability,
    Latencies,
    Ledger,
    LoadResult,
    Rates,
    Silence,
    ThresholdOutcome,
    Verdict,
    iso,
)

#: Of each kind; and shorter ones are the pace of the run.
_MOST_SILENCES = 20
_LEAST_SILENCE_NS = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When the run's steps were; ``_ns`` in monotonic nanoseconds, of which ``clock_offset_ns`` makes those
    since the epoch."""

    started: datetime
    ended: datetime
    t0_ns: int
    published_ns: int
    drained_ns: int
    drained: bool
    clock_offset_ns: int | None = None

    @property
    def publishing(self) -> datetime | None:
        """When publishing began; None where the clocks of the run's machines are not known."""
        if self.clock_offset_ns is None:
            return None
        return datetime.fromtimestamp((self.t0_ns + self.clock_offset_ns) / SECOND_NS, UTC)


class Finished(Protocol):
    """What `engine.Run` offers once its workers have ended."""

    spec: LoadSpec
    totals: Totals
    notes: list[str]

    @property
    def worker_names(self) -> tuple[list[str], list[str]]: ...
    @property
    def publisher_died(self) -> bool: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def unfinished(self) -> str:
        """Why what is missing after the drain may still be in the broker; empty where it is lost."""
        ...

    @property
    def stuck(self) -> int:
        """How many came only when the consumers had connected anew."""
        ...

    def evidence(self) -> Evidence: ...


def conclude(run: Finished, expected: Expectation, timing: Timing) -> LoadResult:
    """Judge a finished run; a part of one is only summed up, since other parts may hold what it lacks.

    Without a drain that came to its end nothing is called lost, and no oracle is asked.
    """
    spec, totals = run.spec, run.totals
    evidence = run.evidence()
    ledger = replace(judge(evidence, expected, deliveries=totals.counts["consumed"]), stuck=run.stuck)
    checks: oracles.Checks = {}
    undrained = ""
    if spec.part is not None:
        ledger = replace(ledger, lost=0, unexpected=0, lost_examples=())
    elif run.unfinished:
        undrained = f", {run.unfinished}: {ledger.lost} confirmed messages are unaccounted for"
        ledger = replace(ledger, lost=0, lost_examples=())
    else:
        checks = oracles.check(spec, evidence, expected, totals)
    found = LoadResult(
        run_id=spec.run_id,
        profile=spec.profile,
        started_at=iso(timing.started),
        ended_at=iso(timing.ended),
        verdict=Verdict.INCONCLUSIVE,
        params={**spec.params, "notes": run.notes},
        interrupted=run.interrupted,
        ledger=ledger,
        rates=_rates(ledger, totals, timing),
        series=totals.series(),
        phases=totals.phases(whole(spec.rate_per_s, spec.duration_s, spec.phases)),
        latency_s=totals.latencies(),
        availability=_availability(run, timing),
        resources=totals.resources(),
        oracles=checks,
        traffic=totals.traffic(),
        publishing_at=iso(timing.publishing) if timing.publishing else None,
        silences=_silences(run, timing),
    )
    outcomes = thresholds.check(spec.thresholds, found) if spec.part is None else ()
    verdict, reasons = decide(
        spec,
        ledger,
        found.latency_s,
        found.availability,
        found.oracles,
        outcomes=outcomes,
        publisher_died=run.publisher_died,
        drained=timing.drained,
        undrained=undrained,
    )
    if spec.part is not None:
        verdict, reasons = Verdict.INCONCLUSIVE, (_only_a_part(spec), *_unless_passed(verdict, reasons))
    return replace(found, verdict=verdict, reasons=reasons, thresholds=outcomes)


def _only_a_part(spec: LoadSpec) -> str:
    number, name = (spec.part or 0) + 1, whole_name(spec.run_id)
    return (
        f"part {number} of {spec.parts} is judged together with the others only: "
        f"warren load merge {name}-part*of{spec.parts}"
    )


def _unless_passed(verdict: Verdict, reasons: tuple[str, ...]) -> tuple[str, ...]:
    return () if verdict is Verdict.PASSED else reasons


def _rates(ledger: Ledger, totals: Totals, timing: Timing) -> Rates:
    publishing_s = max(1e-9, (timing.published_ns - timing.t0_ns) / SECOND_NS)
    whole_s = max(1e-9, (timing.drained_ns - timing.t0_ns) / SECOND_NS)
    return Rates(
        published_per_s=round(ledger.published / publishing_s, 3),
        confirmed_per_s=round(ledger.confirmed / publishing_s, 3),
        consumed_per_s=round(totals.counts["consumed"] / whole_s, 3),
    )


def _availability(run: Finished, timing: Timing) -> Availability:
    publishers, workers = run.worker_names
    window = {"start_ns": timing.t0_ns, "end_ns": timing.published_ns}
    return Availability(
        confirm_gap_max_s=round(run.totals.gap_max_s(publishers, **window), 3),
        delivery_gap_max_s=round(run.totals.gap_max_s(workers, **window), 3),
        drain_s=round((timing.drained_ns - timing.published_ns) / SECOND_NS, 3),
        failed_publishes=run.totals.counts["failed"],
    )


def _silences(run: Finished, timing: Timing) -> tuple[Silence, ...]:
    """The longest silences while publishing, of confirms and of deliveries, in the order of their times."""
    publishers, workers = run.worker_names
    found = []
    for kind, names in (("confirm", publishers), ("delivery", workers)):
        gaps = run.totals.gaps(names, start_ns=timing.t0_ns, end_ns=timing.published_ns)
        longest = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:_MOST_SILENCES]
        found += [
            Silence(
                kind=kind,
                t_s=round((start - timing.t0_ns) / SECOND_NS, 3),
                length_s=round((end - start) / SECOND_NS, 3),
            )
            for start, end in sorted(longest)
            if end - start >= _LEAST_SILENCE_NS
        ]
    return tuple(found)


def decide(
    spec: LoadSpec,
    ledger: Ledger,
    latencies: Latencies,
    availability: Availability,
    checks: Mapping[str, Mapping[str, Any]],
    *,
    outcomes: Sequence[ThresholdOutcome] = (),
    publisher_died: bool,
    drained: bool,
    undrained: str = "",
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict and why. Pure: what fails a run fails it even when it is inconclusive otherwise.

    ``undrained`` is what there is to say of a drain that did not end.
    """
    failed = [*_failures(spec, ledger, availability, checks), *_violated(outcomes)]
    doubts = list(_doubts(spec, ledger, latencies, publisher_died=publisher_died))
    if not drained and not ledger.lost:
        doubts.append(f"the drain did not end{undrained}")
    doubts += [
        f"{each.expression}: the result has no such figure" for each in outcomes if each.passed is None
    ]
    if failed:
        return Verdict.FAILED, (*failed, *doubts)
    if doubts:
        return Verdict.INCONCLUSIVE, tuple(doubts)
    strangers = f"; {ledger.foreign} messages of something else were met and acked" if ledger.foreign else ""
    return Verdict.PASSED, (f"{ledger.confirmed} confirmed, none lost, nothing unexpected{strangers}",)


def _failures(
    spec: LoadSpec, ledger: Ledger, availability: Availability, checks: Mapping[str, Mapping[str, Any]]
) -> Sequence[str]:
    found = []
    limits = spec.tolerances
    if ledger.lost:
        found.append(f"{ledger.lost} confirmed messages are lost, e.g. {'; '.join(ledger.lost_examples[:3])}")
    if ledger.stuck:
        found.append(
            f"{ledger.stuck} confirmed messages were stuck: they came only when consumers had connected anew"
            " or a queue had another leader (see the notes): the broker waited for what nobody owed it"
        )
    if ledger.unexpected:
        found.append(f"{ledger.unexpected} messages were received that nobody published there")
    if availability.failed_publishes > limits.failed_publishes:
        found.append(
            f"{availability.failed_publishes} publishes had no confirm within {spec.publish_deadline_s:g} s "
            f"({limits.failed_publishes} allowed)"
        )
    if limits.unflagged_duplicates is not None and ledger.duplicates_unflagged > limits.unflagged_duplicates:
        found.append(f"{ledger.duplicates_unflagged} duplicates carry no redelivered flag")
    for name, check in checks.items():
        if check.get("passed") is False:
            found.append(f"{name.replace('_', ' ')}: {check.get('why', 'does not hold')}")
    return found


def _violated(outcomes: Sequence[ThresholdOutcome]) -> Sequence[str]:
    return [f"{each.expression}: it is {each.value:g}" for each in outcomes if each.passed is False]


def _doubts(spec: LoadSpec, ledger: Ledger, latencies: Latencies, *, publisher_died: bool) -> Sequence[str]:
    found = []
    own = latencies.schedule_lag_self.p99
    if not ledger.published:
        found.append("nothing was published")
    elif not ledger.confirmed:
        found.append("nothing was confirmed")
    if spec.rate_per_s is not None and own > spec.tolerances.self_lag_p99_s:
        found.append(
            f"the generator itself was late: 1 % of its messages left {own:.3f} s or more "
            f"after they could have ({spec.tolerances.self_lag_p99_s:g} s allowed); "
            "lower the rate or give it more CPU"
        )
    if publisher_died:
        found.append("a publisher process died: not all that was asked for was published")
    return found
