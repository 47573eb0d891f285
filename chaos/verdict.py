"""The verdict on a game day, out of its evidence. Pure: the same evidence gives the same verdict.

A wait that did not end is a HANG, whatever else there was. What fails it fails it even where other things
cannot be told. Without proof that the fault bit, or with a recovery faster than it allows, nothing is proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos import alerting, check, measure
from chaos.evidence import Evidence
from chaos.record import AlertSeen, Check, Expectation, Held, Verdict
from warren.results import Verdict as LoadVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict, why, and what it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...]
    expectations: tuple[Expectation, ...]
    checks: tuple[Check, ...]
    alerts: tuple[AlertSeen, ...]
    fired: tuple[AlertSeen, ...]


def judge(evidence: Evidence) -> Judgement:
    """Hold everything against what was expected."""
    expectations = measure.expectations(evidence)
    checks = check.run(evidence)
    alerts = alerting.judge(evidence)
    wrong = [
        *_of_load(evidence, LoadVerdict.FAILED),
        *_of_checks(evidence, checks),
        *(told(each) for each in expectations if each.held is Held.SLOWER),
        *(each.wrong for each in alerts if each.wrong),
        *_of_answers(evidence),
    ]
    doubts = [
        *evidence.troubles,
        *_unproven(evidence),
        *_of_load(evidence, LoadVerdict.INCONCLUSIVE),
        *(told(each) for each in expectations if each.held in (Held.FASTER, Held.UNKNOWN)),
        *(each.doubt for each in alerts if each.doubt),
        *([f"nobody looked at the cluster any more: {evidence.seen.died}"] if evidence.seen.died else []),
        *(["it was interrupted"] if evidence.interrupted else []),
    ]
    verdict, reasons = decide([*evidence.hangs, *_stuck(checks)], wrong, doubts)
    return Judgement(
        verdict=verdict,
        reasons=reasons or (_praise(evidence),),
        expectations=expectations,
        checks=checks,
        alerts=tuple(each.seen for each in alerts),
        fired=alerting.fired(evidence),
    )


def decide(
    hangs: Sequence[str], wrong: Sequence[str], doubts: Sequence[str]
) -> tuple[Verdict, tuple[str, ...]]:
    """The gravest of what there is, with all reasons, the gravest first and each once."""
    reasons = tuple(dict.fromkeys((*hangs, *wrong, *doubts)))
    if hangs:
        return Verdict.HANG, reasons
    if wrong:
        return Verdict.FAILED, reasons
    return (Verdict.INCONCLUSIVE, reasons) if doubts else (Verdict.PASSED, ())


def _praise(evidence: Evidence) -> str:
    confirmed = 0 if evidence.load is None else evidence.load.ledger.confirmed
    return praise(len(evidence.faults), confirmed, len(evidence.experiment.expectations))


def praise(faults_count: int, confirmed_count: int, figures_count: int) -> str:
    """What is said of a game day that passed."""
    faults = "1 fault" if faults_count == 1 else f"{faults_count} faults"
    within = f", {figures_count} of {figures_count} figures within their intervals" if figures_count else ""
    return f"{faults} proven and healed, {confirmed_count} confirmed, none lost{within}"


def _of_load(evidence: Evidence, verdict: LoadVerdict) -> Iterator[str]:
    """The load's own reasons; a run that could not be judged leaves no result, which is a doubt."""
    load = evidence.load
    if load is None:
        if verdict is LoadVerdict.INCONCLUSIVE:
            yield "the load left no result"
    elif load.verdict is verdict:
        yield from (f"load: {reason}" for reason in load.reasons)


def _of_checks(evidence: Evidence, checks: Sequence[Check]) -> Iterator[str]:
    for each in checks:
        if each.passed is False and each.name not in evidence.experiment.tolerates:
            yield told_of(each)


def _stuck(checks: Sequence[Check]) -> Iterator[str]:
    """Messages that would have waited for as long as their consumers stay connected."""
    yield from (told_of(each) for each in checks if each.name == "stuck" and each.passed is False)


def _unproven(evidence: Evidence) -> Iterator[str]:
    if not evidence.faults:
        yield "nothing was broken"
    for fault in evidence.faults:
        if not fault.is_proven:
            yield f"{fault.fault_id}: there is no proof that it bit"
        elif fault.healed_at is None:
            yield f"{fault.fault_id}: it was not healed"


def _of_answers(evidence: Evidence) -> Iterator[str]:
    """Probes whose value was not tolerated; of one that was asked again and again, the first such value."""
    if evidence.seen.tripped is not None:
        yield f"stopped: {evidence.seen.tripped}"
    told = set()
    for answer in evidence.seen.answers:
        if answer.holds is False and (answer.probe, answer.when) not in told:
            told.add((answer.probe, answer.when))
            yield f"{answer.when}, {answer.t_s:.1f} s: {answer}"


def told_of(each: Check) -> str:
    """What is said of a check that failed."""
    return f"{each.name}: {each.why}"


def told(each: Expectation) -> str:
    """What is said of a figure that does not lie within its interval."""
    expected = f"{_bounds(each)} expected ({each.source})"
    if each.value is None:
        return f"{each.name} was not measured; {expected}"
    if each.held is Held.SLOWER:
        return f"{each.name} is {each.value:g}, {expected}"
    return f"{each.name} is only {each.value:g}, {expected}: did the fault bite as it should?"


def _bounds(each: Expectation) -> str:
    if each.low is None:
        return f"at most {each.high:g}"
    return f"at least {each.low:g}" if each.high is None else f"{each.low:g} to {each.high:g}"
