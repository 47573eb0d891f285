"""rpc: an answer is to the request that its correlation id names, and every request gets one.

An answer repeats its request's header, so a wrong correlation shows, whoever caused it. A
second answer changes nothing, and is legal where the request was asked again, or its server was given it
again, or the broker flagged it; another one was made from nothing (rabbitmq-server issue 17071 did that).
Round trips run from the intended time of asking, those that needed another attempt included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence, holds
from loadgen.expectation import Expectation
from loadgen.histogram import percentiles
from loadgen.ledger import Kind
from loadgen.roles import REPLIES
from loadgen.spec import LoadSpec


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``correlation``, ``answered`` and ``second_answers``; ``round_trip_s`` is told and not judged."""
    del spec
    found = percentiles(totals.histograms["round_trip"])
    figures: dict[str, float] = {"count": found.count}
    if found.count:  # a percentile of nothing is no 0, which would hold every limit
        figures = {"p50": found.p50, "p99": found.p99, "p999": found.p999, "max": found.max} | figures
    why = "thresholds judge it, such as oracles.round_trip_s.p99 < 500ms"
    return {
        "correlation": _correlation(evidence),
        "answered": _answered(evidence, expected),
        "second_answers": _second(evidence),
        "round_trip_s": {"passed": None, "why": why, **figures},
    }


def _correlation(evidence: Evidence) -> Mapping[str, Any]:
    wrong = _count(evidence, Kind.REPLY_WRONG)
    why = f"{wrong} answers were not to the request that their correlation id names"
    return {"passed": wrong == 0, **({"why": why} if wrong else {}), "wrong": wrong}


def _answered(evidence: Evidence, expected: Expectation) -> Mapping[str, Any]:
    """Every confirmed request has its answer; nothing has one that was never asked."""
    returned = evidence.returned()
    asked = answered = never = invented = 0
    for publisher, units in expected.destinations.items():
        if REPLIES not in units:
            continue
        owed = expected.owed(REPLIES, publisher, evidence.published.get(publisher, 0))
        confirmed = owed & evidence.confirmed.get(publisher, 0) & ~returned.get(publisher, 0)
        replied = evidence.done_bits(REPLIES, publisher)
        asked += confirmed.bit_count()
        answered += (confirmed & replied).bit_count()
        never += (confirmed & ~replied).bit_count()
        invented += (replied & ~owed).bit_count()
    wrong = never + invented
    why = f"{never} of {asked} requests were never answered, {invented} answers were to no request"
    return {
        "passed": wrong == 0,
        **({"why": why} if wrong else {}),
        "requests": asked,
        "answered": answered,
        "never": never,
        "invented": invented,
        "timeouts": _count(evidence, Kind.REPLY_TIMEOUT),
        "after_a_timeout": _count(evidence, Kind.REPLY_LATE),
        "given_up": _count(evidence, Kind.UNANSWERED),
    }


def _second(evidence: Evidence) -> Mapping[str, Any]:
    again = evidence.marked(Kind.REPUBLISHED, Kind.RELAYED_AGAIN, Kind.REDELIVERED)
    legal = unexplained = 0
    for _, event in evidence.events(Kind.REPLY_AGAIN):
        if event.detail or holds(again.get(event.publisher), event.seq):
            legal += 1
        else:
            unexplained += 1
    why = f"{unexplained} requests were answered twice though nobody asked or was asked twice"
    return {
        "passed": unexplained == 0,
        **({"why": why} if unexplained else {}),
        "after_a_repeat": legal,
        "unexplained": unexplained,
    }


def _count(evidence: Evidence, kind: Kind) -> int:
    return sum(1 for _ in evidence.events(kind))
