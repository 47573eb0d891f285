"""flow: while an alarm is on publishers are told so and stand still; afterwards all that waited is published.

The broker sends ``connection.blocked`` to a connection that publishes while an alarm is on, and
``connection.unblocked`` when it is over (https://www.rabbitmq.com/docs/connection-blocked). The wait is the
broker's doing: it belongs to the latencies, and to ``schedule_lag_blocked`` instead of ``_self``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.histogram import percentiles
from loadgen.ledger import Kind
from loadgen.spec import LoadSpec

#: Evidence that the workers are to write down for this oracle.
NEEDS = frozenset({"sent_times"})
#: The alarm lasts so long at least, of what was asked for: the clock starts when the broker's tool is done.
_LEAST = 0.6
#: And at most so much longer: the tool that lifts it boots an Erlang machine of its own.
_TOOL_S = 30.0
#: What was written into the socket just before the broker's word arrived.
_ON_ITS_WAY_NS = 1_000_000

Span = tuple[int, int]


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``blocked``: who was told and for how long; ``stood_still``: what was sent meanwhile; ``caught_up``:
    that everything that was due was sent in the end, and where the wait is counted."""
    del expected
    act = spec.act
    if act is None:
        return {"blocked": {"passed": None, "why": "nothing was done that blocks publishers"}}
    spans = {publisher: _spans(evidence, publisher) for publisher in evidence.published}
    longest = {publisher: max((end - at for at, end in each), default=0) for publisher, each in spans.items()}
    ended_ns = max((end for each in spans.values() for _, end in each), default=0)
    told = sum(1 for each in longest.values() if each)
    least, most = act.for_s * _LEAST, act.for_s + _TOOL_S
    lasted_s = [each / 1e9 for each in longest.values()]
    right = _right(lasted_s, least, most, ended=not _resumed(evidence, ended_ns))
    sent = sum(
        event.kind is Kind.SENT_AT
        and any(at + _ON_ITS_WAY_NS < event.at_ns < end for at, end in spans.get(event.publisher, ()))
        for _, event in evidence.events(Kind.SENT_AT)
    )
    why = f"{told} of {len(longest)} publishers were blocked, for {_range(lasted_s)} of {act.for_s:g} s"
    return {
        "blocked": {
            "passed": right,
            **({} if right else {"why": why if right is False else f"the run ended before: {why}"}),
            "publishers": len(longest),
            "told": told,
            "shortest_s": round(min(lasted_s, default=0.0), 3),
            "longest_s": round(max(lasted_s, default=0.0), 3),
        },
        "stood_still": {
            "passed": sent == 0 if told else None,
            **({"why": f"{sent} messages were sent while the broker blocked"} if sent else {}),
            "sent_while_blocked": sent,
        },
        "caught_up": _caught_up(evidence, totals, min(lasted_s, default=0.0), ended_ns),
    }


def _right(lasted_s: list[float], least: float, most: float, *, ended: bool) -> bool | None:
    """Whether every publisher was blocked for as long as was meant; None where the run ended meanwhile."""
    if lasted_s and all(least <= each <= most for each in lasted_s):
        return True
    return None if ended and lasted_s and all(0 < each < most for each in lasted_s) else False


def _resumed(evidence: Evidence, ended_ns: int) -> bool:
    """Whether anything was sent after the last publisher was let go on."""
    return any(event.at_ns > ended_ns for _, event in evidence.events(Kind.SENT_AT))


def _spans(evidence: Evidence, publisher: int) -> list[Span]:
    """From each word that publishing is blocked to the next that it is not, in monotonic ns."""
    found: list[Span] = []
    began: int | None = None
    for _, event in evidence.events(Kind.BLOCKED, Kind.UNBLOCKED):
        if event.publisher != publisher:
            continue
        if event.kind is Kind.BLOCKED:
            began = event.at_ns if began is None else began
        elif began is not None:
            found.append((began, event.at_ns))
            began = None
    return found


def _range(lasted_s: list[float]) -> str:
    return f"{min(lasted_s, default=0.0):.1f} to {max(lasted_s, default=0.0):.1f} s"


def _caught_up(evidence: Evidence, totals: Totals, blocked_s: float, ended_ns: int) -> dict[str, Any]:
    """Everything due was sent and confirmed. What was due while publishers were blocked is sent afterwards
    and has waited for it; a run that ends before then has no such message."""
    published, confirmed = sum(evidence.published.values()), totals.counts["confirmed"]
    failed = totals.counts["failed"]
    waited_s = percentiles(totals.histograms["blocked"]).max
    resumed = _resumed(evidence, ended_ns)
    faults = []
    if failed or confirmed < published:
        faults.append(f"{failed} publishes failed, {confirmed} of {published} were confirmed")
    if resumed and waited_s < blocked_s * _LEAST:
        faults.append(f"blocked for {blocked_s:.1f} s, and the longest wait is {waited_s:.1f} s")
    passed = False if faults else True if resumed else None
    why = "; ".join(faults) or "nothing was sent after it"
    return {
        "passed": passed,
        **({} if passed else {"why": why}),
        "published": published,
        "confirmed": confirmed,
        "waited_max_s": round(waited_s, 3),
    }
