"""slow-consumer: the backlog rises as high as it must while consumers are slow, and is gone in time.

The backlog is what was confirmed and is not settled, second by second. While consumers are slow it grows by
what is published beyond their capacity. Publishers do not feel it, unless the queue has a length limit with
``reject-publish``: then the backlog stays at the limit, and what is refused (``basic.nack``) is published
again until it is taken. The limit is soft: publishes that are on their way when it is reached still pass
(https://www.rabbitmq.com/docs/maxlength), and what consumers hold does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.histogram import percentiles
from loadgen.roles import Slow
from loadgen.spec import ConsumerRole, LoadSpec

#: Of the backlog that follows from the rates at least this share must be seen, and no more than that one.
_LEAST, _MOST = 0.7, 1.4
#: Of the messages that were meant to be published meanwhile, so many must have been confirmed.
_UNHINDERED = 0.8
#: Ticks come once a second, each worker's at its own moment.
_TICKS_S = 2


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``backlog``, ``drained``, ``lag`` and ``publishers`` for the one role that is slow for a while."""
    del evidence, expected
    roles = [role for role in spec.consumers if role.slow is not None]
    if len(roles) != 1 or spec.rate_per_s is None or spec.phases:
        why = "judged for one slow role, at one rate"
        return {"backlog": {"passed": None, "why": why}}
    role, slow, rate = roles[0], roles[0].slow, spec.rate_per_s
    assert slow is not None  # noqa: S101 - filtered above
    if spec.duration_s < slow.from_s + slow.for_s:
        return {"backlog": {"passed": None, "why": "the run ends before its consumers recover"}}
    confirmed, nacked = totals.counted("confirmed"), totals.counted("nacked")
    settled = list(accumulate(totals.counted("settled")))
    backlog = [all_ - done for all_, done in zip(accumulate(confirmed), settled, strict=True)]
    growth = max(0.0, rate - role.count / slow.work_time_s if slow.work_time_s else 0.0)
    limit = _limit(spec, role)
    return {
        "backlog": _backlog(spec, role, backlog, growth * slow.for_s, limit),
        "drained": _drained(role, slow, backlog, rate),
        "lag": _lag(slow, totals, growth / rate, limit),
        "publishers": _publishers(
            slow, confirmed, nacked, rate, refused=limit is not None and limit < growth * slow.for_s
        ),
    }


def _limit(spec: LoadSpec, role: ConsumerRole) -> int | None:
    queues = spec.objects.queues if spec.objects is not None else ()
    found = next((each.arguments.get("x-max-length") for each in queues if each.name == role.queue), None)
    return int(found) if found is not None else None


def _backlog(
    spec: LoadSpec, role: ConsumerRole, backlog: Sequence[int], height: float, limit: int | None
) -> dict[str, Any]:
    """The greatest backlog against what rates, capacity and limit make of it."""
    peak = max(backlog, default=0)
    held = role.count * role.prefetch
    least, most = height * _LEAST, height * _MOST + held
    if limit is not None and limit < height:
        on_their_way = spec.window * sum(each.count for each in spec.publishers)
        least, most = limit * _LEAST, limit + held + on_their_way
    passed = height > 0 and least <= peak <= most
    why = f"it was {peak} at the most, and should be {least:.0f} to {most:.0f}"
    return {
        "passed": passed,
        **({} if passed else {"why": why if height > 0 else "consumers were never slower than publishers"}),
        "peak": peak,
        "expected": round(height if limit is None else min(height, limit)),
        "limit": limit,
    }


def _drained(role: ConsumerRole, slow: Slow, backlog: Sequence[int], rate: float) -> dict[str, Any]:
    """How long after they recovered consumers have nothing left but what is on its way."""
    end = int(slow.from_s + slow.for_s)
    low = rate + role.count * role.ack_batch
    after = next((at for at, height in enumerate(backlog[end:]) if height <= low), None)
    within = slow.drained_within_s + _TICKS_S
    passed = after is not None and after <= within
    why = "it never was" if after is None else f"only after {after} s"
    return {
        "passed": passed,
        **({} if passed else {"why": f"the backlog should be gone within {within:g} s; {why}"}),
        "after_s": after,
    }


def _lag(slow: Slow, totals: Totals, share: float, limit: int | None) -> dict[str, Any]:
    """The longest wait: a message that comes when consumers have fallen behind by ``share`` of the time."""
    longest = percentiles(totals.end_to_end()).max
    expected = slow.for_s * share
    if limit is not None:
        return {"passed": None, "why": "the limit lets publishers wait", "max_s": round(longest, 3)}
    passed = longest >= expected * _LEAST
    return {
        "passed": passed,
        **({} if passed else {"why": f"{longest:.2f} s at the most, {expected:.2f} s expected"}),
        "max_s": round(longest, 3),
        "expected_s": round(expected, 3),
    }


def _publishers(
    slow: Slow, confirmed: Sequence[int], nacked: Sequence[int], rate: float, *, refused: bool
) -> dict[str, Any]:
    """Unhindered as a rule; ``refused`` by a queue that is full, while it is full and only then."""
    begin, end = int(slow.from_s), int(slow.from_s + slow.for_s)
    share = sum(confirmed[begin:end]) / (rate * slow.for_s)
    late = sum(nacked[end + int(slow.drained_within_s) + _TICKS_S :])
    figures = {"confirmed_share": round(share, 3), "nacks": sum(nacked), "nacks_after": late}
    if refused:
        passed, why = sum(nacked) > 0 and not late, "a full queue refuses while it is full, and only then"
    else:
        passed, why = share >= _UNHINDERED and not sum(nacked), "publishers were held up, and had no reason"
    return {"passed": passed, **({} if passed else {"why": why}), **figures}
