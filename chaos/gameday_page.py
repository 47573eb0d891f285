"""What `warren chaos run` and `warren chaos experiments` print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from chaos.experiment import Experiment, Moment, Step
from chaos.gameday import Played, Rehearsal
from chaos.record import AlertSeen, Check, Expectation
from chaos.target import Target

_MARKS = {True: "passed", False: "FAILED", None: "not judged"}


def played(result: Played) -> str:
    """The verdict first, then what it rests on, and where the files are."""
    day = result.day
    lines = [f"{day.title}: {day.verdict.value.upper()}"]
    lines += [f"  {reason}" for reason in day.reasons]
    lines += ["", "figures"] if day.expectations else []
    lines += [_expectation(each) for each in day.expectations]
    lines += ["", "checks", *(_check(each) for each in day.checks)]
    expected = {each.name for each in day.alerts}
    others = [each for each in day.fired if each.name not in expected]
    lines += ["", "alerts"] if day.alerts or others else []
    lines += [_alert(each) for each in day.alerts]
    lines += [f"{_alert(each)}; not expected" for each in others]
    if day.together:
        beside = ", ".join(f"{profile} ({run_id})" for profile, run_id in day.together["beside"].items())
        lines += ["", f"beside     {beside}"]
        lines += [f"           {day.together['bystander']}"] if day.together["bystander"] else []
    lines += ["", f"seed       {day.seed}", f"record     {result.folder / 'gameday.json'}"]
    if result.report is not None:
        lines.append(f"report     {result.report}")
    return "\n".join(lines)


def _alert(alert: AlertSeen) -> str:
    fired, cleared = alert.fired_at or "never", alert.cleared_at or "not yet"
    return f"  {alert.name:<28} fired {fired[11:19] or fired}, cleared {cleared[11:19] or cleared}"


def _expectation(each: Expectation) -> str:
    value = "-" if each.value is None else f"{each.value:g}"
    low, high = ("" if bound is None else f"{bound:g}" for bound in (each.low, each.high))
    return f"  {each.name:<20} {value:>9}  expected {low or '…'} to {high or '…'}  {each.held.value}"


def _check(each: Check) -> str:
    return f"  {each.name:<20} {_MARKS[each.passed]:<10} {each.why}"


def plan(experiment: Experiment, found: Rehearsal, seed: int) -> str:
    """What would be done: the probes' answers, and the time line with whom each fault would strike now."""
    load = experiment.load
    rate = "the profile's rate" if load.rate is None else f"{load.rate}/s"
    lines = [f"{experiment.title} (dry run: nothing was changed)", "", "steady state now"]
    lines += [f"  {answer}" for answer in found.answers] or ["  nothing is asked"]
    lines += [
        "",
        f"load       {load.profile}, {rate}, {load.duration_s:g} s",
        f"seed       {seed}",
        "",
        "method",
    ]
    for step in found.steps:
        lines.append(f"  {_step(step)}")
        if step.name in found.whom:
            lines.append(f"  {'':<34} now: {found.whom[step.name]}")
    lines += ["  whatever comes: every fault is healed, and the gate is asked", "", "expected"]
    for name, interval in experiment.expectations.items():
        low, high = ("…" if bound is None else f"{bound:g}" for bound in (interval.low, interval.high))
        lines.append(f"  {name:<20} {low} to {high}  {interval.source}")
    lines += [f"  {alert.name} fires within {alert.within_s:g} s" for alert in experiment.alerts]
    return "\n".join(lines)


def _step(step: Step) -> str:
    when = _moment(step.moment)
    if step.probe is not None:
        return f"{when:<34} {step.name}: ask {step.probe.name}"
    if step.heals:
        return f"{when:<34} {step.name}: heal '{step.heals}'"
    whom = _target(step.target)
    args = " ".join(f"{key}={value}" for key, value in step.args.items())
    hold = "" if step.hold_s is None else f" for {step.hold_s:g} s"
    return f"{when:<34} {step.name}: {step.fault} {whom}{f' ({args})' if args else ''}{hold}"


def _target(target: Target) -> str:
    """By its role, as the file says it: ``leader of orders.work``; a node by its name alone."""
    told = []
    for each in fields(Target):
        value = getattr(target, each.name)
        if value in (None, False):
            continue
        role = each.name.replace("_", " ")
        told.append(role if value is True else str(value) if each.name == "node" else f"{role} {value}")
    return ", ".join(told) or "the cluster"


def _moment(moment: Moment) -> str:
    at = f"at {moment.at_s:g} s" if moment.at_s is not None else f"after '{moment.after}' is {moment.edge}"
    wait = f" + {moment.wait_s:g} s" if moment.wait_s else ""
    return f"{at}{wait}{f', once {moment.until.name}' if moment.until else ''}"


def catalogue(experiments: Sequence[Experiment]) -> str:
    """Every game day with what it teaches."""
    width = max((len(each.name) for each in experiments), default=0)
    lines = []
    for each in experiments:
        lines += [f"{each.name:<{width}}  {each.title}", f"{'':<{width}}  {each.teaches}"]
    return "\n".join(lines)
