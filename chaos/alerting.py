"""What became of the alerts that should fire: when each fired and cleared, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.evidence import Evidence
from chaos.experiment import ExpectedAlert
from chaos.record import AlertSeen

#: Alerts are looked at every two seconds, and an answer of Prometheus takes its time.
_LOOK_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """``wrong`` fails the day, ``doubt`` leaves it open; both empty where all is as it should be."""

    seen: AlertSeen
    wrong: str = ""
    doubt: str = ""


def judge(evidence: Evidence) -> tuple[Judged, ...]:
    """Each expected alert of the experiment."""
    found = tuple(_one(each, evidence) for each in evidence.experiment.alerts)
    if evidence.is_cut_short:
        return tuple(Judged(seen=each.seen, doubt=each.doubt or each.wrong) for each in found)
    return found


def _one(alert: ExpectedAlert, evidence: Evidence) -> Judged:
    window = evidence.window
    looks = evidence.seen.alerts
    nothing = AlertSeen(name=alert.name)
    if not looks:
        why = evidence.seen.alerts_trouble or "nobody looked"
        return Judged(seen=nothing, doubt=f"{alert.name}: Prometheus could not be asked: {why}")
    if window is None:
        return Judged(seen=nothing, doubt=f"{alert.name}: no fault was injected and healed")
    began_s, healed_s = (evidence.since(at) for at in window)
    if any(alert.name in names for t_s, _, names in looks if t_s < began_s):
        return Judged(seen=nothing, doubt=f"{alert.name} fired before anything was broken")
    fired = next(((t_s, at) for t_s, at, names in looks if t_s >= began_s and alert.name in names), None)
    if fired is None:
        return Judged(seen=nothing, wrong=f"{alert.name} did not fire")
    cleared = clear(looks, alert.name, healed_s)
    seen = AlertSeen(name=alert.name, fired_at=fired[1], cleared_at=cleared[1] if cleared else None)
    return Judged(seen=seen, wrong=_wrong(alert, fired[0] - began_s, cleared and cleared[0] - healed_s))


def fired(evidence: Evidence) -> tuple[AlertSeen, ...]:
    """Every alert that began to fire after the first fault, in that order, whether it was expected or not."""
    window, looks = evidence.window, evidence.seen.alerts
    if window is None:
        return ()
    began_s, healed_s = (evidence.since(at) for at in window)
    before = {name for t_s, _, names in looks if t_s < began_s for name in names}
    found: dict[str, AlertSeen] = {}
    for _, at, names in looks:
        for name in sorted(names - before - set(found)):
            over = clear(looks, name, healed_s)
            found[name] = AlertSeen(name=name, fired_at=at, cleared_at=over[1] if over else None)
    return tuple(found.values())


def clear(
    looks: Sequence[tuple[float, str, frozenset[str]]], name: str, healed_s: float
) -> tuple[float, str] | None:
    """When it was over: the first look after the healing, and after it last fired; None while it fires."""
    last_s = max((t_s for t_s, _, names in looks if name in names), default=0.0)
    return next(((t_s, at) for t_s, at, _ in looks if t_s > max(last_s, healed_s)), None)


def _wrong(alert: ExpectedAlert, fired_s: float, cleared_s: float | None) -> str:
    if fired_s > alert.within_s + _LOOK_S:
        return f"{alert.name} fired {fired_s:.0f} s after the fault, {alert.within_s:g} s were expected"
    if cleared_s is None:
        return f"{alert.name} still fires after the healing"
    if cleared_s > alert.clears_within_s + _LOOK_S:
        limit = f"{alert.clears_within_s:g} s were expected"
        return f"{alert.name} cleared {cleared_s:.0f} s after the healing, {limit}"
    return ""


def all_clear(evidence_alerts: Sequence[ExpectedAlert], firing: frozenset[str]) -> bool:
    """Whether none of those that are expected fires any more."""
    return not firing & {alert.name for alert in evidence_alerts}


def settles_s(alerts: Sequence[ExpectedAlert]) -> float:
    """How long after the healing it is waited for the alerts to clear."""
    return max((alert.clears_within_s for alert in alerts), default=0.0)
