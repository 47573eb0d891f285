"""Workers that reconnect or die by plan, and large bodies: what the oracles make of the evidence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from loadgen import leftovers, oracles, roster
from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.ledger import Event, Kind, LogPart
from loadgen.spec import ConsumerRole, LoadSpec, PublisherRole
from warren.results import LoadResult, Verdict
from warren.wait import Clock

SHOP = PublisherRole(
    name="shop", user="u", exchange="", routing_key="q", destinations=("q",), reconnect_every=100
)


def spec_of(profile: str, role: ConsumerRole) -> LoadSpec:
    return LoadSpec(
        run_id="r",
        nonce=1,
        seed=1,
        profile=profile,
        vhost="/",
        endpoints=(),
        ca_pem=None,
        users=(),
        publishers=(SHOP,),
        consumers=(role,),
        folder="",
    )


def checked(spec: LoadSpec, evidence: Evidence, totals: Totals | None = None) -> Any:
    return oracles.check(spec, evidence, roster.expectation(spec), totals or Totals())


# --- churn

CLERK = ConsumerRole(name="clerk", user="u", queue="q", reconnect_every=40, renews="channel")


def churned(shop: int = 2, clerk: int = 6, published: int = 250, taken: int = 250, lost: int = 2) -> Any:
    """250 messages: 2 connections of the shop and 6 channels of the clerk are due."""
    logs = [
        LogPart(
            meaning={"worker": "shop-0", "publisher": 0},
            events=tuple(Event(Kind.RENEWED, 0, 0) for _ in range(shop)),
        ),
        LogPart(
            meaning={"worker": "clerk-0", "queue": "q"},
            events=(
                *(Event(Kind.RENEWED, 0, 0, detail=1) for _ in range(clerk)),
                Event(Kind.TALLY, 0, 0, aux=taken),
            ),
        ),
    ]
    totals = Totals()
    totals.counts["links_lost"] = lost
    return checked(spec_of("churn", CLERK), Evidence(published={0: published}, logs=logs), totals)["renewals"]


def test_changes_as_often_as_planned_hold() -> None:
    found = churned()
    assert found["passed"] is True
    assert (found["planned"], found["connections"], found["channels"], found["unplanned"]) == (8, 2, 6, 0)


@pytest.mark.parametrize("wrong", [{"shop": 1}, {"shop": 3}, {"clerk": 5}, {"clerk": 7}, {"taken": 300}])
def test_change_too_many_or_too_few_is_found(wrong: dict[str, int]) -> None:
    found = churned(**wrong)
    assert (found["passed"], found["wrong"]) == (False, 1)


def test_one_worker_too_many_does_not_make_up_for_another_too_few() -> None:
    assert churned(shop=3, clerk=5)["wrong"] == 2


def test_connection_that_was_lost_besides_is_told() -> None:
    assert churned(lost=5)["unplanned"] == 3


def test_nothing_is_judged_where_no_change_was_due() -> None:
    assert churned(shop=0, clerk=0, published=30, taken=30, lost=0)["passed"] is None


class Management:
    """Lists fewer of the run's connections each time it is asked, and always a stranger's."""

    def __init__(self, left: list[int]) -> None:
        self._left = left

    def rows(self, what: str) -> list[dict[str, Any]]:
        assert what == "connections"
        count = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        names = [*(f"warren-load r {each}" for each in range(count)), "warren-load other 1"]
        return [{"client_properties": {"connection_name": name}} for name in names] + [{"name": "a -> b"}]


def left(*counts: int) -> LoadResult:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    spec = spec_of("churn", CLERK)
    result = LoadResult(
        run_id=spec.run_id,
        profile="churn",
        started_at="",
        ended_at="",
        verdict=Verdict.PASSED,
        reasons=("fine",),
    )
    clock = Clock(now=lambda: now[0], sleep=sleep)
    return leftovers.check(result, Management(list(counts)), clock)  # type: ignore[arg-type]


def test_connections_that_are_gone_after_a_while_hold() -> None:
    found = left(3, 1, 0)
    assert (found.verdict, found.oracles["connections"]["passed"]) == (Verdict.PASSED, True)


def test_connection_that_stays_fails_the_run() -> None:
    found = left(3, 1)
    assert (found.verdict, found.oracles["connections"]["passed"]) == (Verdict.FAILED, False)
    assert "1 are left" in found.reasons[0]


# --- crash

MORTAL = ConsumerRole(name="worker", user="u", queue="q", count=2, crash_every=100, crashes=2)


def crashed(
    died: int = 2, flagged: tuple[int, ...] = (5, 6, 7), parts: tuple[int, ...] = (0b111111, 0b11100000)
) -> Any:
    """Of eight orders, number 5 was done twice."""
    logs = [LogPart(meaning={"worker": "worker-0", "queue": "q"}, events=())]
    logs += [LogPart(meaning={"worker": f"worker-0~{each}", "queue": "q"}, events=()) for each in range(died)]
    logs.append(
        LogPart(meaning={"worker": "worker-1"}, events=tuple(Event(Kind.REDELIVERED, 0, s) for s in flagged))
    )
    evidence = Evidence(
        published={0: 8},
        confirmed={0: 255},
        done={("q", 0): list(parts)},
        logs=logs,
        takers={("q", 0): {"worker-0", "worker-1"}},
    )
    return checked(spec_of("crash", MORTAL), evidence)["redone"]


def test_orders_done_again_after_a_flag_hold() -> None:
    found = crashed()
    assert (found["passed"], found["done_once"], found["done_again_flagged"]) == (True, 7, 1)


def test_order_done_twice_without_a_flag_is_found() -> None:
    found = crashed(flagged=(6, 7))
    assert (found["passed"], found["done_again_unflagged"]) == (False, 1)


def test_death_after_which_nothing_came_back_is_found() -> None:
    found = crashed(flagged=(5,))
    assert found["passed"] is False
    assert "only 1 deliveries" in found["why"]


def test_death_that_was_not_planned_is_found() -> None:
    assert crashed(died=3)["passed"] is False


def test_nothing_is_judged_where_not_everybody_died_who_was_to() -> None:
    assert crashed(died=1)["passed"] is None


# --- big

WHOLE = ConsumerRole(name="worker", user="u", queue="q")


def arrived(damaged: int = 0, done: int = 0b1111, body: str = "varied") -> Any:
    events = tuple(Event(Kind.UNREADABLE, 0, 0) for _ in range(damaged))
    logs = [LogPart(meaning={"worker": "worker-0", "queue": "q"}, events=events)]
    evidence = Evidence(published={0: 4}, confirmed={0: 15}, done={("q", 0): [done]}, logs=logs)
    spec = dataclasses.replace(spec_of("big", WHOLE), size_bytes=1 << 20, body=body)  # type: ignore[arg-type]
    return checked(spec, evidence)["bodies"]


def test_bodies_that_are_what_was_sent_hold() -> None:
    found = arrived()
    assert (found["passed"], found["whole"], found["frames_each"]) == (True, 4, 9)


def test_damaged_body_is_found() -> None:
    found = arrived(damaged=1)
    assert (found["passed"], found["damaged"]) == (False, 1)


def test_bodies_that_never_came_are_found() -> None:
    assert arrived(done=0)["passed"] is False


def test_bodies_all_alike_prove_nothing() -> None:
    assert arrived(body="warren")["passed"] is None
