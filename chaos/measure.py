"""The figures that are held against an experiment's intervals, out of its evidence; None: not measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from chaos.evidence import Evidence
from chaos.record import Expectation
from warren.results import LoadResult

#: A silence that begins this much later may still be of the fault: leaders are spread again after it.
_AFTERWARDS_S = 10.0


def expectations(evidence: Evidence) -> tuple[Expectation, ...]:
    """Each interval of the experiment beside the figure that was measured."""
    return tuple(
        Expectation(
            name=name,
            value=FIGURES[name](evidence),
            low=interval.low,
            high=interval.high,
            source=interval.source,
        )
        for name, interval in evidence.experiment.expectations.items()
    )


def confirm_gap_s(evidence: Evidence) -> float | None:
    """The longest time without a confirm that the fault's window touches."""
    return gap_s(evidence, "confirm")


def delivery_gap_s(evidence: Evidence) -> float | None:
    """The same of deliveries."""
    return gap_s(evidence, "delivery")


def gap_s(evidence: Evidence, kind: str) -> float | None:
    """The longest silence of ``kind`` that overlaps the faults' window; of a result that has no silences
    (a composite), by the second, from its series."""
    load, window = evidence.load, evidence.window
    if load is None or window is None:
        return None
    began, ended = window
    ended += timedelta(seconds=_AFTERWARDS_S)
    return max(
        (length for at, length in silences(load, kind) if _overlap(at, length, began, ended)), default=0.0
    )


def silences(load: LoadResult, kind: str) -> list[tuple[datetime, float]]:
    """(when, seconds) of each silence of ``kind``."""
    if load.publishing_at is not None:
        start = datetime.fromisoformat(load.publishing_at)
        return [
            (start + timedelta(seconds=each.t_s), each.length_s)
            for each in load.silences
            if each.kind == kind
        ]
    start = datetime.fromisoformat(load.started_at)
    found: list[tuple[datetime, float]] = []
    length = 0
    for second in (*load.series, None):
        rate = (
            None
            if second is None
            else (second.confirmed_per_s if kind == "confirm" else second.consumed_per_s)
        )
        if rate == 0 and second is not None:
            length += 1
        elif length:
            at_s = load.series[-1].t_s + 1 if second is None else second.t_s
            found.append((start + timedelta(seconds=at_s - length), float(length)))
            length = 0
    return found


def _overlap(at: datetime, length_s: float, began: datetime, ended: datetime) -> bool:
    return at < ended and at + timedelta(seconds=length_s) > began


def redundancy_s(evidence: Evidence) -> float | None:
    """From the beginning of the last healing until every node ran and every queue had all its members, as
    seen about once a second (the broker's own figures of members are up to 5 s old). None where the cluster
    was not seen to be less than whole and no process was gone, or where it was not seen to be whole again."""
    healing = [fault.healing_at for fault in evidence.faults if fault.healing_at]
    if not healing:
        return None
    from_s = evidence.since(max(datetime.fromisoformat(at) for at in healing))
    looks = [look for look in evidence.seen.looks if look.is_whole is not None]
    broken = [look.t_s for look in looks if not look.is_whole]
    if any(fault.evidence.get("state") == "stopped" for fault in evidence.faults):
        broken.append(from_s)  # its process was gone until then, whether or not a look fell into that time
    if not broken:
        return None
    whole = [look.t_s for look in looks if look.is_whole and look.t_s > max(broken)]
    return None if not whole else max(0.0, round(min(whole) - from_s, 2))


def drain_s(evidence: Evidence) -> float | None:
    return None if evidence.load is None else evidence.load.availability.drain_s


def redelivered_ratio(evidence: Evidence) -> float | None:
    """Deliveries that carry the redelivered flag, scheduled retries apart, of all deliveries."""
    deliveries = 0 if evidence.load is None else evidence.load.ledger.deliveries
    redelivered = evidence.live.get("redelivered")
    return None if not deliveries or redelivered is None else round(redelivered / deliveries, 5)


def failed_publishes(evidence: Evidence) -> float | None:
    return None if evidence.load is None else float(evidence.load.availability.failed_publishes)


def suspected_s(evidence: Evidence) -> float | None:
    """For how long the run missed messages that were confirmed 20 s before, though later ones had come
    (`loadgen.suspicion`, which looks every 10 s): what the broker holds for a consumer that is gone. 0 where
    nothing was missed."""
    if not evidence.seen.suspected:
        return None
    found = [t_s for t_s, count in evidence.seen.suspected if count]
    return round(max(found) - min(found), 1) if found else 0.0


FIGURES: Mapping[str, Callable[[Evidence], float | None]] = {
    "confirm_gap_s": confirm_gap_s,
    "delivery_gap_s": delivery_gap_s,
    "redundancy_s": redundancy_s,
    "drain_s": drain_s,
    "redelivered_ratio": redelivered_ratio,
    "failed_publishes": failed_publishes,
    "suspected_s": suspected_s,
}
