"""Consumers that are slow for a while: how they work, and what the oracle makes of the backlog."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from loadgen import oracles, roster, scenario
from loadgen.collect import Totals
from loadgen.curve import SECOND_NS
from loadgen.evidence import Evidence
from loadgen.histogram import record
from loadgen.roles import Slow
from loadgen.spec import ConsumerRole, LoadSpec, Objects, PublisherRole
from warren.errors import BadInputsError
from warren.topology import Queue

SLOW = Slow(from_s=3, for_s=5, work_time_s=0.02)
ROLE = ConsumerRole(name="w", user="u", queue="q", count=2, prefetch=20, ack_batch=5, slow=SLOW)
SHOP = PublisherRole(name="p", user="u", exchange="", routing_key="q", destinations=("q",))
#: 200 a second for 15 s; consumers do 100 a second from 3 to 8 s, and all that is left in second 8.
PUBLISHED = [200] * 15
SETTLED = [200] * 3 + [100] * 5 + [700] + [200] * 6


def spec(limit: int | None = None, **changes: Any) -> LoadSpec:
    arguments = {} if limit is None else {"x-max-length": limit, "x-overflow": "reject-publish"}
    queue = Queue(name="q", type="quorum", durable=True, arguments=arguments, objective=None)
    plain = LoadSpec(
        run_id="r",
        nonce=1,
        seed=1,
        profile="slow-consumer",
        vhost="/",
        endpoints=(),
        ca_pem=None,
        users=(),
        publishers=(SHOP,),
        consumers=(ROLE,),
        objects=Objects(queues=(queue,)),
        folder="",
        rate_per_s=200.0,
        duration_s=15.0,
        window=100,
    )
    return dataclasses.replace(plain, **changes)


def checked(
    settled: Sequence[int] = SETTLED,
    *,
    confirmed: Sequence[int] = PUBLISHED,
    nacked: Sequence[int] = (0,) * 15,
    lag_s: float = 2.4,
    of: LoadSpec | None = None,
) -> Any:
    totals = Totals()
    for at, (done, held, refused) in enumerate(zip(settled, confirmed, nacked, strict=True)):
        totals.add("w", {"s": at, "counts": {"settled": done, "confirmed": held, "nacked": refused}})
    record(totals.histograms["end_to_end.all"], int(lag_s * SECOND_NS))
    of = of or spec()
    return oracles.check(of, Evidence(), roster.expectation(of), totals)


def outcome(found: Any) -> dict[str, object]:
    return {name: each["passed"] for name, each in found.items()}


GOOD = {"backlog": True, "drained": True, "lag": True, "publishers": True}


def test_backlog_that_rises_and_goes_holds() -> None:
    found = checked()
    assert outcome(found) == GOOD
    assert (found["backlog"]["peak"], found["backlog"]["expected"]) == (500, 500)
    assert found["drained"]["after_s"] == 0


def test_backlog_that_never_rose_is_found() -> None:
    assert outcome(checked(PUBLISHED, lag_s=0.1)) == {**GOOD, "backlog": False, "lag": False}


def test_backlog_that_rose_too_high_is_found() -> None:
    found = checked([200] * 3 + [20] * 5 + [1100] + [200] * 6)
    assert outcome(found) == {**GOOD, "backlog": False}


def test_backlog_that_stays_is_found() -> None:
    found = checked([200] * 3 + [100] * 5 + [200] * 7)
    assert outcome(found) == {**GOOD, "drained": False}
    assert "never" in found["drained"]["why"]


def test_backlog_that_goes_too_late_is_found() -> None:
    short = dataclasses.replace(SLOW, drained_within_s=1)
    role = dataclasses.replace(ROLE, slow=short)
    found = checked([200] * 3 + [100] * 5 + [210] * 6 + [640], of=spec(consumers=(role,)))
    assert outcome(found) == {**GOOD, "drained": False}


def test_publishers_that_were_held_up_are_found() -> None:
    held = [200] * 3 + [120] * 5 + [600] + [200] * 6
    found = checked([200] * 3 + [20] * 5 + [1100] + [200] * 6, confirmed=held)
    assert found["publishers"]["passed"] is False


def test_refusals_without_a_limit_are_found() -> None:
    assert checked(nacked=[0] * 5 + [3] + [0] * 9)["publishers"]["passed"] is False


# --- before a limit

HELD = [200] * 3 + [150, 130, 110, 105, 105] + [600] + [200] * 6
TAKEN = [200] * 3 + [100] * 5 + [700] + [200] * 6
REFUSED = [0] * 3 + [100, 300, 500, 500, 500] + [20] + [0] * 6


def test_backlog_at_its_limit_with_refusals_holds() -> None:
    found = checked(TAKEN, confirmed=HELD, nacked=REFUSED, of=spec(80))
    assert outcome(found) == {**GOOD, "lag": None}


def test_limit_that_nobody_was_refused_at_is_found() -> None:
    found = checked(TAKEN, confirmed=HELD, of=spec(80))
    assert found["publishers"]["passed"] is False


def test_backlog_far_over_its_limit_is_found() -> None:
    assert checked(nacked=REFUSED, of=spec(80))["backlog"]["passed"] is False


def test_refusals_after_the_queue_has_room_are_found() -> None:
    found = checked([*TAKEN, 200, 200], confirmed=[*HELD, 200, 200], nacked=[*REFUSED, 0, 5], of=spec(80))
    assert (found["publishers"]["passed"], found["publishers"]["nacks_after"]) == (False, 5)


@pytest.mark.parametrize("changes", [{"rate_per_s": None}, {"duration_s": 7.0}, {"consumers": (ROLE, ROLE)}])
def test_nothing_is_judged_where_nothing_is_expected(changes: dict[str, Any]) -> None:
    assert outcome(checked(of=spec(**changes))) == {"backlog": None}


# --- the profile


def test_time_of_slowness_is_read_strictly() -> None:
    with pytest.raises(BadInputsError, match="for_s"):
        scenario.load("slow-consumer", {"consumers.worker.slow.for_s": "0"})
    with pytest.raises(BadInputsError, match="until_s"):
        scenario.load("slow-consumer", {"consumers.worker.slow.until_s": "9"})
