"""Confirms and deliveries go on while the fault lasts, on the side that should have them, or stop on it.

"Goes on" allows the gap that the fault may cause: there must be some in the last seconds before the healing.
"Stops" allows what was under way: there must be none from a moment after the act until the healing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged
from warren.results import LoadResult

#: Of the fault's window: how much at its end must show progress, and how soon after the act all must stand.
_LAST_S = 5.0
_SETTLES_S = 3.0


def check(evidence: Evidence) -> Finding:
    wanted = evidence.experiment.progress
    asked = {"confirms": wanted.confirms, "deliveries": wanted.deliveries}
    if set(asked.values()) == {"any"}:
        return judged(True, "nothing was asked of it")
    window = held(evidence)
    if evidence.load is None:
        return unjudged()
    if window is None:
        return unjudged("no fault was held and healed")
    rates = {name: _rates(evidence.load, name, window, goes) for name, goes in asked.items() if goes != "any"}
    figures: dict[str, float] = {f"{name}_mean_per_s": _mean(each) for name, each in rates.items()}
    if wrong := [said for name, each in rates.items() if (said := _wrong(name, asked[name], each))]:
        return judged(False, "; ".join(wrong), **figures)
    if short := [name for name, each in rates.items() if not each]:
        return unjudged(f"the fault was too short to tell whether {' and '.join(short)} went on", **figures)
    return judged(True, "as it should be", **figures)


def _wrong(name: str, goes: str, rates: list[float]) -> str:
    if rates and goes == "goes-on" and not any(rates):
        return f"no {name} in the last {len(rates)} s of the fault, which should go on"
    if goes == "stops" and any(rates):
        return f"{name} went on at {_mean(rates):g}/s, which should stop"
    return ""


def _mean(rates: list[float]) -> float:
    return round(sum(rates) / len(rates), 1) if rates else 0.0


def held(evidence: Evidence) -> tuple[datetime, datetime] | None:
    """The time in which all faults of the day were in force together, or the first of them where they never
    were."""
    faults = [each for each in evidence.faults if each.injected_at and (each.healing_at or each.healed_at)]
    if not faults:
        return None
    spans = [
        (
            datetime.fromisoformat(str(each.injected_at)),
            datetime.fromisoformat(str(each.healing_at or each.healed_at)),
        )
        for each in faults
    ]
    began, ended = max(span[0] for span in spans), min(span[1] for span in spans)
    return (began, ended) if began < ended else spans[0]


def _rates(load: LoadResult, name: str, window: tuple[datetime, datetime], goes: str) -> list[float]:
    """By the second, those that lie wholly in the part of the window that counts."""
    start = datetime.fromisoformat(load.publishing_at or load.started_at)
    began, ended = window
    low = max(began, ended - timedelta(seconds=_LAST_S)) if goes == "goes-on" else began
    if goes == "stops":
        low = began + timedelta(seconds=_SETTLES_S)
    found = []
    for second in load.series:
        at = start + timedelta(seconds=second.t_s)
        if low <= at and at + timedelta(seconds=1) <= ended:
            found.append(second.confirmed_per_s if name == "confirms" else second.consumed_per_s)
    return found
