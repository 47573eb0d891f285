"""What the profiles mean, checked by mutation of hand-made evidence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from loadgen import oracles, plan, roster
from loadgen.collect import Totals
from loadgen.evidence import Evidence, members
from loadgen.histogram import record
from loadgen.judge import Expectation
from loadgen.ledger import Event, Kind, LogPart
from loadgen.oracles.priority import Served, inversions
from loadgen.spec import ConsumerRole, LoadSpec, MessageClass, Outcome, PublisherRole, RelayRole
from warren.errors import BadInputError

SEED = 3
COUNT = 200
_ROLE: dict[str, Any] = {
    "name": "p",
    "user": "u",
    "exchange": "",
    "routing_key": "work",
    "destinations": ("work",),
}
EXPECTED = Expectation(destinations={0: ("work",)})


def spec(profile: str, **role: Any) -> LoadSpec:
    classes = (MessageClass(name="normal", priority=4), MessageClass(name="vip", priority=9))
    return LoadSpec(
        run_id="r",
        nonce=1,
        seed=SEED,
        profile=profile,
        vhost="/",
        endpoints=(),
        ca_pem=None,
        users=(),
        publishers=(PublisherRole(**_ROLE, classes=classes),),
        consumers=(ConsumerRole(name="c", user="u", queue="work", **role),),
        folder="",
    )


def bits(seqs: set[int]) -> int:
    return sum(1 << seq for seq in seqs)


def checked(of: LoadSpec, evidence: Evidence, totals: Totals | None = None) -> Any:
    return oracles.check(of, evidence, EXPECTED, totals or Totals())


# --- work

WORK = spec("work", failures=(0.8, 0.2))


def worked(done: set[int], rejected: set[int], other: set[int] = frozenset()) -> Evidence:  # type: ignore[assignment]
    dead = {("work", 0, "rejected"): [bits(rejected)], ("work", 0, "expired"): [bits(other)]}
    return Evidence(confirmed={0: (1 << COUNT) - 1}, done={("work", 0): [bits(done)]}, dead=dead)


def doomed() -> set[int]:
    choice = plan.failures((0.8, 0.2), SEED)
    return {seq for seq in range(COUNT) if choice.of(0, seq) >= 1}


def test_orders_that_end_as_planned_hold() -> None:
    found = checked(WORK, worked(set(range(COUNT)) - doomed(), doomed()))["done_or_dead_lettered"]
    assert found["passed"] is True
    assert found["done"] + found["dead_lettered"] == COUNT
    assert 20 < found["dead_lettered"] < 60


def test_order_done_against_the_plan_is_found() -> None:
    found = checked(WORK, worked(set(range(COUNT)), set()))["done_or_dead_lettered"]
    assert (found["passed"], found["done_against_plan"]) == (False, len(doomed()))


def test_order_dead_lettered_for_another_reason_is_found() -> None:
    one = min(doomed())
    found = checked(WORK, worked(set(range(COUNT)) - doomed(), doomed() - {one}, {one}))[
        "done_or_dead_lettered"
    ]
    assert (found["passed"], found["wrong_reason"]) == (False, 1)


# --- retry

RETRY = spec("retry", failures=(0.5, 0.2, 0.1, 0.1, 0.1), tries=4, delays_s=(5.0, 10.0, 30.0))


def climbed() -> tuple[Evidence, list[Event]]:
    """Every payment tried as often as planned, each wait exactly as long as said."""
    choice = plan.failures(RETRY.consumers[0].failures, SEED)
    done, dead, events = set(), set(), []
    for seq in range(COUNT):
        failures, at = choice.of(0, seq), seq * 1_000_000
        for number in range(min(failures, 3) + 1):
            events.append(Event(Kind.TRIED, 0, seq, at, aux=number))
            if number < failures:
                events.append(Event(Kind.REJECTED, 0, seq, at, aux=number))
                at += int((*RETRY.consumers[0].delays_s, 0)[number] * 1e9)
        (dead if failures >= 4 else done).add(seq)
    evidence = Evidence(done={("work", 0): [bits(done)]}, dead={("work", 0, "rejected"): [bits(dead)]})
    return evidence, events


def with_log(evidence: Evidence, events: list[Event]) -> Evidence:
    evidence.logs = [LogPart(meaning={"queue": "work"}, events=tuple(events))]
    return evidence


def test_payments_that_climb_as_planned_hold() -> None:
    found = checked(RETRY, with_log(*climbed()))
    assert found["tries"]["passed"] is True
    assert found["tries"]["right"] == COUNT
    assert found["delays"]["passed"] is True
    assert found["delays"]["step_3"]["error_max_s"] == 0


def test_each_of_two_roles_that_retry_is_judged() -> None:
    other = ConsumerRole(name="d", user="u", queue="audit", failures=(0.0, 1.0), tries=2, delays_s=(5.0,))
    both = dataclasses.replace(RETRY, consumers=(*RETRY.consumers, other))
    evidence, events = climbed()
    events.remove(next(event for event in reversed(events) if event.kind is Kind.TRIED and event.aux == 2))
    expected = Expectation(destinations={0: ("work", "audit")})
    found = oracles.check(both, with_log(evidence, events), expected, Totals())
    passed = {name: check["passed"] for name, check in found.items()}
    assert passed == {
        "tries_c": False, "delays_c": True, "tries_d": True, "delays_d": True, "cost": None,
    }  # fmt: skip


def test_what_a_payment_costs_is_told(climbed_totals: Totals) -> None:
    found = checked(RETRY, with_log(*climbed()), climbed_totals)["cost"]
    assert found == {"passed": None, "deliveries_per_payment": 2.5, "publishes_per_payment": 1.25}


@pytest.fixture
def climbed_totals() -> Totals:
    """Of `climbed`: half as many deliveries again as two a payment, every fourth sent twice."""
    totals = Totals()
    totals.counts.update({"consumed": COUNT * 5 // 2, "published": COUNT, "relay_sent": COUNT // 4})
    return totals


def test_try_that_never_came_is_found() -> None:
    evidence, events = climbed()
    last = next(event for event in reversed(events) if event.kind is Kind.TRIED and event.aux == 2)
    events.remove(last)
    assert checked(RETRY, with_log(evidence, events))["tries"]["too_few"] == 1


def test_try_too_many_is_found() -> None:
    evidence, events = climbed()
    events.append(Event(Kind.TRIED, 0, 0, 0, aux=9))
    found = checked(RETRY, with_log(evidence, events))["tries"]
    assert (found["passed"], found["too_many"]) == (False, 1)


def test_crash_takes_a_try_away_where_the_broker_counts_them() -> None:
    native = spec("retry", failures=RETRY.consumers[0].failures, tries=4, delays_s=(5.0, 10.0, 30.0),
                  on_failure=("requeue",))  # fmt: skip
    evidence, events = climbed()
    events.remove(next(event for event in events if event.kind is Kind.TRIED and event.aux == 1))
    assert checked(native, with_log(evidence, events))["tries"]["passed"] is False
    found = checked(native, with_log(evidence, [*events, Event(Kind.CONNECTION_LOST, 0, 0)]))["tries"]
    assert (found["passed"], found["too_few"]) == (None, 1)


def test_same_try_twice_is_a_redelivery_and_no_fault() -> None:
    evidence, events = climbed()
    found = checked(RETRY, with_log(evidence, [*events, events[0]]))["tries"]
    assert (found["passed"], found["redelivered_tries"]) == (True, 1)


def test_wait_that_is_too_short_is_found() -> None:
    evidence, events = climbed()
    at = next(index for index, event in enumerate(events) if event.kind is Kind.TRIED and event.aux == 1)
    early = events[at]
    events[at] = Event(Kind.TRIED, 0, early.seq, early.at_ns - 500_000_000, aux=1)
    found = checked(RETRY, with_log(evidence, list(events)))["delays"]
    assert (found["passed"], found["step_1"]["early"]) == (False, 1)
    assert found["step_1"]["error_min_s"] == pytest.approx(-0.5)


# --- priority


def test_vip_that_waited_while_a_normal_order_was_sent_is_an_inversion() -> None:
    vip = Served(free_ns=50, arrived_ns=60, confirmed_ns=10, flagged=False)
    normal = Served(free_ns=20, arrived_ns=30, confirmed_ns=0, flagged=False)
    assert inversions([vip], [normal]) == 1


@pytest.mark.parametrize(
    "vip",
    [
        Served(free_ns=50, arrived_ns=60, confirmed_ns=25, flagged=False),
        Served(free_ns=28, arrived_ns=60, confirmed_ns=10, flagged=False),
        Served(free_ns=15, arrived_ns=18, confirmed_ns=10, flagged=False),
    ],
    ids=["confirmed_after_the_choice", "sent_while_the_other_was_on_its_way", "served_before"],
)
def test_what_is_not_certain_is_no_inversion(vip: Served) -> None:
    normal = Served(free_ns=20, arrived_ns=30, confirmed_ns=0, flagged=False)
    assert inversions([vip], [normal]) == 0


PRIORITY = spec("priority", prefetch=1)


def served(flag: int = 0) -> Evidence:
    events = [
        Event(Kind.CONFIRMED_AT, 0, 1, 10, detail=1),
        Event(Kind.CONFIRMED_AT, 0, 0, 5, detail=0),
        Event(Kind.SERVED, 0, 0, 30, detail=0, aux=20, aux2=flag),
        Event(Kind.SERVED, 0, 1, 60, detail=1, aux=50),
    ]
    return with_log(Evidence(), events)


def waits(normal_s: float, vip_s: float) -> Totals:
    totals = Totals()
    for name, value in (("normal", normal_s), ("vip", vip_s)):
        record(totals.histograms[f"end_to_end.{name}"], int(value * 1e9))
    return totals


def test_inversion_fails_the_profile() -> None:
    found = checked(PRIORITY, served(), waits(5, 0.01))
    assert (found["inversions"]["passed"], found["inversions"]["count"]) == (False, 1)


def test_class_that_says_no_priority_is_above_one_that_says_a_low_one() -> None:
    """https://www.rabbitmq.com/docs/quorum-queues#priorities: without one, a message counts as of 4."""
    classes = (MessageClass(name="bulk", priority=1), MessageClass(name="plain"))
    roles = tuple(dataclasses.replace(each, classes=classes) for each in PRIORITY.publishers)
    totals = Totals()
    for name, value_s in (("bulk", 5.0), ("plain", 0.01)):
        record(totals.histograms[f"end_to_end.{name}"], int(value_s * 1e9))
    found = checked(dataclasses.replace(PRIORITY, publishers=roles), with_log(Evidence(), []), totals)
    assert found["waiting_time_s"]["passed"] is True


def test_inversion_after_a_redelivery_is_legal() -> None:
    found = checked(PRIORITY, served(flag=1), waits(5, 0.01))["inversions"]
    assert (found["passed"], found["count"], found["legal_after_redelivery"]) == (True, 0, 1)


def test_inversions_are_not_judged_with_a_larger_prefetch() -> None:
    found = checked(spec("priority", prefetch=2), served(), waits(5, 0.01))
    assert found["inversions"]["passed"] is None


@pytest.mark.parametrize(
    ("normal_s", "vip_s", "passed"), [(5, 0.01, True), (5, 6, False), (0.01, 0.01, None)]
)
def test_waiting_times_are_compared_where_there_was_waiting(
    normal_s: float, vip_s: float, passed: object
) -> None:
    assert checked(PRIORITY, served(), waits(normal_s, vip_s))["waiting_time_s"]["passed"] is passed


@pytest.mark.parametrize("absent", ["vip", "normal"])
def test_class_of_which_nothing_came_lets_nothing_pass(absent: str) -> None:
    """Its share was nought, or the run too short for it: zeros are no waiting times."""
    totals = Totals()
    here, kind = {"vip": ("normal", 0), "normal": ("vip", 1)}[absent]
    record(totals.histograms[f"end_to_end.{here}"], 5_000_000_000)
    events = [
        Event(Kind.CONFIRMED_AT, 0, 0, 5, detail=kind),
        Event(Kind.SERVED, 0, 0, 30, detail=kind, aux=20),
    ]
    found = checked(PRIORITY, with_log(Evidence(), events), totals)
    for check in ("waiting_time_s", "inversions"):
        assert found[check]["passed"] is None, check
        assert f"no {absent} order came" in found[check]["why"]


def test_profile_without_an_oracle_has_no_checks() -> None:
    assert checked(spec("nameless"), Evidence()) == {}


# --- by name

RETURNS = LoadSpec(
    **{
        **{name: getattr(WORK, name) for name in WORK.__dataclass_fields__},
        "oracles": ("returns",),
        "publishers": (
            PublisherRole(
                **_ROLE,
                returned=True,
                classes=(
                    MessageClass(name="routed", destinations=("work",)),
                    MessageClass(name="stray", destinations=()),
                ),
            ),
        ),
    }
)


def returned(*, but: int | None = None, also: int | None = None) -> Any:
    expected = roster.expectation(RETURNS)
    stray = set(members(expected.of_class(0, "stray", COUNT)))
    back = {seq for seq in stray if seq != but} | ({also} if also is not None else set())
    evidence = Evidence(published={0: COUNT}, confirmed={0: (1 << COUNT) - 1})
    events = [Event(Kind.RETURNED, 0, seq) for seq in sorted(back)]
    found = oracles.check(RETURNS, with_log(evidence, events), expected, Totals())["returns"]
    assert found["expected"] == len(stray) > 0
    return found


def strays() -> list[int]:
    return list(members(roster.expectation(RETURNS).of_class(0, "stray", COUNT)))


def test_unroutable_messages_that_come_back_hold() -> None:
    assert returned()["passed"] is True


def test_unroutable_message_that_vanished_is_found() -> None:
    found = returned(but=strays()[3])
    assert (found["passed"], found["vanished"]) == (False, 1)


def test_message_that_came_back_though_it_has_a_queue_is_found() -> None:
    routed = next(seq for seq in range(COUNT) if seq not in strays())
    found = returned(also=routed)
    assert (found["passed"], found["returned_though_routable"]) == (False, 1)


@pytest.mark.parametrize(
    ("profile", "wanted"),
    [
        ("work", set()),
        ("retry", {"tries"}),
        ("priority", {"served", "confirm_times"}),
        ("none-such", set()),
    ],
)
def test_workers_note_what_the_oracle_of_the_profile_asks(profile: str, wanted: set[str]) -> None:
    assert oracles.needs(spec(profile)) == wanted


def test_named_oracles_take_the_place_of_the_profiles_own() -> None:
    named = dataclasses.replace(spec("work"), oracles=("retry", "priority"))
    assert oracles.needs(named) == {"tries", "served", "confirm_times"}
    assert oracles.names(dataclasses.replace(named, oracles=())) == ()


def test_every_oracle_asks_for_evidence_that_there_is() -> None:
    for name in oracles.known():
        assert oracles.needs(dataclasses.replace(WORK, oracles=(name,))) <= set(oracles.EVIDENCE)


def test_unknown_oracle_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="wrok"):
        oracles.needs(dataclasses.replace(WORK, oracles=("wrok",)))


def test_relay_that_sent_a_message_off_twice_is_held_to_the_first_time() -> None:
    relay = RelayRole(
        name="r",
        user="u",
        queue="work",
        delays_s=(5.0,),
        retries=(Outcome(name="wait"),),
        failures=(0.0, 1.0),
    )
    said = dataclasses.replace(RETRY, consumers=(), relays=(relay,))
    second = 1_000_000_000
    events = [
        Event(Kind.TRIED, 0, 0, 0, aux=0),
        Event(Kind.REJECTED, 0, 0, 0, aux=0),
        Event(Kind.REJECTED, 0, 0, 4 * second, aux=0),
        Event(Kind.TRIED, 0, 0, 5 * second, aux=1),
    ]
    evidence = Evidence(published={0: 1}, confirmed={0: 1}, done={("work", 0): [1]})
    assert checked(said, with_log(evidence, events))["delays"]["passed"] is True


def test_payment_that_a_lost_leader_made_two_of_comes_in_the_time_of_each() -> None:
    """Seen live: the leader of the work queue was killed, the payment was delivered and rejected again 0.1 s
    later, and both rejects were dead-lettered; each copy went through the ladder, in its time."""
    second = 1_000_000_000
    rejected = [Event(Kind.REJECTED, 0, 0, at, aux=0) for at in (0, second // 10)]
    copies = [Event(Kind.TRIED, 0, 0, at, aux=1) for at in (5 * second + 3_000_000, 51 * second // 10)]
    evidence = Evidence(published={0: 1}, confirmed={0: 1}, done={("work", 0): [1]})

    def delays(*events: Event) -> Any:
        return checked(RETRY, with_log(evidence, list(events)))["delays"]

    assert delays(*rejected, *copies)["passed"] is True
    assert delays(*rejected, copies[0])["step_1"]["early"] == 1  # one came: of the last reject, too early
    early = dataclasses.replace(copies[0], at_ns=copies[0].at_ns - second // 2)
    assert delays(*rejected, early, copies[1])["step_1"]["early"] == 1
