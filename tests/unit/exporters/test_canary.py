"""Flights without a broker: how each may end, that the queue is clean after it, and what is measured."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from exporters import collector, names
from exporters.canary.flight import Landing
from exporters.canary.pair import EXCHANGE, QUEUE_ARGUMENTS, Event, Outcome, Pair, pairs
from exporters.canary.tally import BOUNDS_S, Histogram
from exporters.collectors import canary
from exporters.exposition import OneScrape
from warren.errors import BadInputError
from warren.topology import CANARY_PREFIX, RESERVED_PREFIX
from warren.topology_checks import CANARY_RIGHT

from .conftest import REACH
from .flying import CONFIRM_S, DELIVER_S, TIMEOUT_S, Airfield, Fault

PAIR = Pair("/a", "n1", "n2")
#: Every step that can fail -> the outcome, and whether a message was left in the queue by it.
STEPS = {
    "refused": (Outcome.NOT_CONNECTED, 0),
    "connect hangs": (Outcome.NOT_CONNECTED, 0),
    "not declared": (Outcome.NOT_DECLARED, 0),
    "hangs": (Outcome.NOT_DECLARED, 0),
    "blocked": (Outcome.BLOCKED, 0),
    "breaks": (Outcome.BROKEN_OFF, 0),
    "returned": (Outcome.RETURNED, 0),
    "nacked": (Outcome.NACKED, 0),
    "no confirm": (Outcome.NOT_CONFIRMED, 0),
    "no delivery": (Outcome.NOT_DELIVERED, 1),
}


@pytest.fixture
def field() -> Airfield:
    return Airfield()


def only(pair: Pair, step: str) -> Fault:
    return Fault(step, lambda each: each == pair)


def value(families: Iterable[Metric], name: str, **labels: str) -> float | None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OneScrape(list(families)))
    return registry.get_sample_value(name, labels)


def of(pair: Pair) -> dict[str, str]:
    return {"vhost": pair.vhost, "from": pair.origin, "to": pair.target}


# Pairs


def test_every_ordered_pair_of_distinct_nodes_is_flown_in_every_vhost() -> None:
    flown = pairs(("/a", "/b"), ("n1", "n2", "n3"))
    assert len(flown) == len(set(flown)) == 12
    assert all(pair.origin != pair.target for pair in flown)
    assert {pair.vhost for pair in flown} == {"/a", "/b"}


def test_a_single_node_flies_to_itself() -> None:
    assert pairs(("/a",), ("n1",)) == (Pair("/a", "n1", "n1"),)


def test_flights_that_begin_one_after_the_other_begin_on_different_nodes() -> None:
    flown = pairs(("/a", "/b"), ("n1", "n2", "n3"))
    assert all(one.origin != next_.origin for one, next_ in pairwise(flown))


def test_names_are_reserved_so_that_nobody_takes_them_for_drift() -> None:
    assert PAIR.queue == "warren.canary.n1.n2"
    assert PAIR.queue.startswith(f"{EXCHANGE}.")
    assert EXCHANGE.startswith(RESERVED_PREFIX)
    assert EXCHANGE == CANARY_PREFIX
    assert re.match(CANARY_RIGHT, EXCHANGE)
    assert re.match(CANARY_RIGHT, PAIR.queue)


def test_an_abandoned_queue_vanishes_and_never_grows() -> None:
    assert QUEUE_ARGUMENTS["x-queue-type"] == "quorum"
    assert QUEUE_ARGUMENTS["x-expires"] == 600_000
    assert QUEUE_ARGUMENTS["x-max-length"] == 100


def test_every_node_is_the_origin_of_as_many_pairs_so_that_leaders_stay_spread() -> None:
    assert QUEUE_ARGUMENTS["x-queue-leader-locator"] == "client-local"
    assert set(Counter(pair.origin for pair in pairs(("/a", "/b"), ("n1", "n2", "n3"))).values()) == {4}


# Flights


def test_every_pair_lands_well_and_leaves_nothing(field: Airfield) -> None:
    landings = field.fly()
    assert {landing.outcome for landing in landings.values()} == {Outcome.OK}
    assert field.held() == 0
    assert [event for _, event in field.log.events].count(Event.STALE) == 0


def test_latencies_are_counted_from_the_publish_and_not_from_connecting(field: Airfield) -> None:
    landing = field.fly()[PAIR]
    assert landing.confirm_s == pytest.approx(CONFIRM_S)
    assert landing.end_to_end_s == pytest.approx(DELIVER_S)


@pytest.mark.parametrize("step", STEPS)
def test_a_flight_that_fails_says_at_which_step_and_the_others_land(field: Airfield, step: str) -> None:
    field.sky.faults.append(only(PAIR, step))
    landings = field.fly()
    outcome, left = STEPS[step]
    assert landings.pop(PAIR).outcome is outcome
    assert {landing.outcome for landing in landings.values()} == {Outcome.OK}
    assert field.held() == left


@pytest.mark.parametrize("step", STEPS)
def test_after_any_failure_the_next_flight_finds_a_clean_queue_and_leaves_one(
    field: Airfield, step: str
) -> None:
    field.fly()
    fault = only(PAIR, step)
    field.sky.faults.append(fault)
    for _ in range(3):
        field.fly()
    field.sky.faults.remove(fault)
    landing = field.fly()[PAIR]
    assert landing.outcome is Outcome.OK
    assert landing.confirm_s == pytest.approx(CONFIRM_S)
    assert landing.end_to_end_s == pytest.approx(DELIVER_S)
    assert field.held() == 0
    assert field.log.events.count((PAIR, Event.STALE)) == (3 if step == "no delivery" else 0)


def test_what_an_earlier_flight_left_is_never_taken_for_this_one(field: Airfield) -> None:
    """It is acked and counted, and the flight goes on waiting for its own message."""
    field.fly()
    field.sky.queues[PAIR].append("of a flight before")
    fault = only(PAIR, "no confirm")
    field.sky.faults.append(fault)
    landing = field.fly()[PAIR]
    assert landing.outcome is Outcome.NOT_CONFIRMED
    assert landing.end_to_end_s == pytest.approx(DELIVER_S)
    assert field.log.events.count((PAIR, Event.STALE)) == 1
    assert field.held() == 0


def test_a_message_that_comes_twice_is_measured_once(field: Airfield) -> None:
    field.sky.faults.append(only(PAIR, "no confirm"))
    own = f"m{field.pairs.index(PAIR)}"
    field.time.call_later(1.0, lambda: field.sky.lanes[PAIR].hand_over(own))
    landing = field.fly()[PAIR]
    assert landing.end_to_end_s == pytest.approx(DELIVER_S)
    assert field.log.events.count((PAIR, Event.STALE)) == 1


def test_a_lane_is_kept_between_flights_that_land_well_and_made_anew_after_a_failure(
    field: Airfield,
) -> None:
    field.fly()
    field.fly()
    assert (PAIR, "reset") not in field.sky.calls
    field.sky.faults.append(only(PAIR, "nacked"))
    field.fly()
    assert field.sky.calls.count((PAIR, "reset")) == 1
    assert not field.sky.lanes[PAIR].is_ready
    assert all(lane.is_ready for pair, lane in field.sky.lanes.items() if pair != PAIR)


def test_nothing_is_published_while_the_broker_takes_none(field: Airfield) -> None:
    field.sky.faults.append(Fault("blocked"))
    field.fly()
    assert field.sky.calls == []


def test_a_message_on_its_way_when_the_broker_blocks_is_not_called_unconfirmed(field: Airfield) -> None:
    field.fly()
    field.sky.faults.append(only(PAIR, "no confirm"))
    field.time.call_later(1.0, lambda: field.sky.faults.append(only(PAIR, "blocked")))
    assert field.fly()[PAIR].outcome is Outcome.BLOCKED
    assert (PAIR, "reset") in field.sky.calls


# Time


@pytest.mark.parametrize("step", ["refused", "connect hangs", "hangs", "no confirm", "no delivery"])
def test_a_dead_or_frozen_node_costs_the_others_nothing(step: str) -> None:
    field = Airfield(vhosts=("/a", "/b"))
    field.fly()
    field.sky.faults.append(Fault("breaks", lambda pair: "n3" in (pair.origin, pair.target)))
    field.fly()
    field.sky.faults[:] = [Fault(step, lambda pair: "n3" in (pair.origin, pair.target))]
    began_s = field.time.now_s
    landings = field.fly()
    assert field.time.now_s - began_s <= field.fleet.longest_s + 1e-6
    for pair, landing in landings.items():
        if "n3" in (pair.origin, pair.target):
            assert landing.outcome is STEPS[step][0]
        else:
            assert landing.outcome is Outcome.OK
            assert landing.end_to_end_s == pytest.approx(DELIVER_S)


def test_a_round_ends_as_soon_as_all_have_landed(field: Airfield) -> None:
    began_s = field.time.now_s
    field.fly()
    assert field.time.now_s - began_s < 0.3


def test_a_round_in_which_nothing_answers_ends_at_the_deadline(field: Airfield) -> None:
    field.sky.faults.append(Fault("connect hangs"))
    began_s = field.time.now_s
    field.fly()
    assert TIMEOUT_S <= field.time.now_s - began_s <= field.fleet.longest_s + 1e-6


def test_the_deadline_of_a_flight_that_landed_does_not_end_the_next(field: Airfield) -> None:
    field.fly()
    field.sky.faults.append(only(PAIR, "no confirm"))
    assert field.fly()[PAIR].confirm_s == pytest.approx(TIMEOUT_S)


def test_a_round_that_a_bug_ended_does_not_spoil_the_next(field: Airfield) -> None:
    def bug() -> None:
        raise ZeroDivisionError

    field.time.call_later(0.05, bug)
    with pytest.raises(ZeroDivisionError):
        field.fleet.fly()
    last = field.pairs[-1]
    field.sky.faults.append(only(last, "no confirm"))
    landings = field.fly()  # which ends when all of its own have landed, not with those of the round before
    assert landings.pop(last).outcome is Outcome.NOT_CONFIRMED
    assert {landing.outcome for landing in landings.values()} == {Outcome.OK}
    assert field.held() == 0


# Figures


def test_an_outage_shows_in_the_histograms_as_the_time_waited(field: Airfield) -> None:
    field.fly()
    field.sky.faults.append(only(PAIR, "no delivery"))
    field.fly()
    families = list(field.tally.families())
    name = names.CANARY_END_TO_END.name
    assert value(families, f"{name}_count", **of(PAIR)) == 2
    assert value(families, f"{name}_bucket", **of(PAIR), le="2.5") == 1
    assert value(families, f"{name}_bucket", **of(PAIR), le="5.0") == 2
    assert value(families, f"{name}_sum", **of(PAIR)) == pytest.approx(DELIVER_S + TIMEOUT_S)
    assert value(families, f"{names.CANARY_CONFIRM.name}_bucket", **of(PAIR), le="0.005") == 2


def test_what_never_was_published_is_no_latency(field: Airfield) -> None:
    field.sky.faults.append(only(PAIR, "refused"))
    field.fly()
    families = list(field.tally.families())
    for metric in (names.CANARY_CONFIRM, names.CANARY_END_TO_END):
        assert value(families, f"{metric.name}_count", **of(PAIR)) == 0


def test_success_is_of_the_last_flight_and_the_time_of_the_last_success_stays(field: Airfield) -> None:
    field.fly()
    landed_s = value(field.tally.families(), names.CANARY_LAST_SUCCESS.name, **of(PAIR))
    field.sky.faults.append(only(PAIR, "no confirm"))
    field.fly()
    families = list(field.tally.families())
    assert value(families, names.CANARY_SUCCESS.name, **of(PAIR)) == 0
    assert value(families, names.CANARY_LAST_SUCCESS.name, **of(PAIR)) == landed_s
    assert value(families, names.CANARY_FLIGHTS.name, **of(PAIR), outcome="ok") == 1
    assert value(families, names.CANARY_FLIGHTS.name, **of(PAIR), outcome="not_confirmed") == 1
    assert value(families, names.CANARY_MESSAGES.name, **of(PAIR), event="published") == 2
    assert value(families, names.CANARY_MESSAGES.name, **of(PAIR), event="delivered") == 2


def test_before_the_first_flight_nothing_is_claimed(field: Airfield) -> None:
    families = list(field.tally.families())
    assert value(families, names.CANARY_SUCCESS.name, **of(PAIR)) is None
    assert value(families, names.CANARY_LAST_SUCCESS.name, **of(PAIR)) is None
    assert value(families, names.CANARY_FLIGHTS.name, **of(PAIR), outcome="ok") == 0


def test_a_pair_that_never_landed_well_has_no_last_success(field: Airfield) -> None:
    field.sky.faults.append(only(PAIR, "refused"))
    field.fly()
    families = list(field.tally.families())
    assert value(families, names.CANARY_SUCCESS.name, **of(PAIR)) == 0
    assert value(families, names.CANARY_LAST_SUCCESS.name, **of(PAIR)) is None


def test_a_change_is_said_once(field: Airfield, caplog: pytest.LogCaptureFixture) -> None:
    field.sky.faults.append(only(PAIR, "refused"))
    for _ in range(3):
        field.fly()
    field.sky.faults.clear()
    field.fly()
    assert [record.getMessage().strip() for record in caplog.records] == [
        "canary n1 to n2 in /a: not_connected connection refused",
        "canary n1 to n2 in /a: ok",
    ]


@pytest.mark.parametrize(
    ("seconds", "le"), [(0.0, 0.001), (0.001, 0.001), (0.0011, 0.0025), (9.99, 10.0), (10.1, float("inf"))]
)
def test_an_observation_is_in_the_first_bucket_that_holds_it(seconds: float, le: float) -> None:
    made = Histogram()
    made.observe(seconds)
    buckets, total_s = made.samples()
    assert [float(bound) for bound, count in buckets if count] == [
        b for b in (*BOUNDS_S, float("inf")) if b >= le
    ]
    assert total_s == seconds


# The collector


class Opened:
    opened, open = 7, 6


def test_the_collector_tells_all_of_its_metrics_and_no_others(field: Airfield) -> None:
    flown = canary.CanaryCollector(field.fleet, field.tally, Opened())  # type: ignore[arg-type]
    told = {family.name for family in flown.collect(None)}  # type: ignore[arg-type]
    wanted = {metric.name.removesuffix("_total") for metric in names.ALL if "_canary_" in metric.name}
    assert told == wanted
    assert flown.every_s == canary.EVERY_S > 0


def test_without_a_virtual_host_there_is_no_canary() -> None:
    with pytest.raises(BadInputError, match="no virtual host"):
        collector.make("canary", REACH)


def test_a_landing_says_nothing_that_was_not_measured() -> None:
    assert Landing(outcome=Outcome.OK).confirm_s is None
