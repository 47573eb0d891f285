"""What each queue is owed: by class, by relay, as far as was asked and no message twice."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen import plan
from loadgen.evidence import Evidence, below, members
from loadgen.expectation import Classes, Expectation, Flow, Members
from loadgen.judge import judge, missing
from loadgen.roster import class_names, expectation, publishers
from loadgen.spec import ConsumerRole, LoadSpec, MessageClass, Outcome, PublisherRole, RelayRole
from warren.connection import Credentials, Endpoint

SEED = 5
COUNT = 300
PAID = MessageClass(name="paid", share=0.5, destinations=("audit", "paid"))
FAILED = MessageClass(name="failed", share=0.3, destinations=("audit",))
STRAY = MessageClass(name="stray", share=0.2, destinations=())


class Counting:
    """Three ways by the number, and a count of the questions."""

    trivial = False

    def __init__(self) -> None:
        self.asked = 0

    def of(self, publisher: int, seq: int) -> int:
        self.asked += 1
        return (publisher + seq) % 3


def spec(**changes: Any) -> LoadSpec:
    values: dict[str, Any] = {
        "run_id": "r",
        "nonce": 1,
        "seed": SEED,
        "profile": "none",
        "vhost": "/",
        "endpoints": (Endpoint(name="a", host="a", port=1),),
        "ca_pem": None,
        "users": (Credentials(username="u", password="p"),),
        "publishers": (
            PublisherRole(name="p", user="u", exchange="x", routing_key="", classes=(PAID, FAILED, STRAY)),
        ),
        "consumers": (ConsumerRole(name="c", user="u", queue="paid"),),
        "folder": "",
    }
    return LoadSpec(**{**values, **changes})


def of_class(index: int, count: int = COUNT) -> set[int]:
    choice = plan.classes((0.5, 0.3, 0.2), SEED)
    return {seq for seq in range(count) if choice.of(0, seq) == index}


def owed(expected: Expectation, queue: str, count: int = COUNT) -> set[int]:
    return set(members(expected.owed(queue, 0, count)))


def test_queue_is_owed_the_classes_that_lead_to_it_and_no_other() -> None:
    expected = expectation(spec())
    assert owed(expected, "paid") == of_class(0)
    assert owed(expected, "audit") == of_class(0) | of_class(1)
    assert owed(expected, "elsewhere") == set()
    assert expected.destinations == {0: ("audit", "paid")}


def test_every_message_is_asked_about_once_however_often_a_drain_looks() -> None:
    chooser = Counting()
    sets = Members(chooser, 1, 3)
    for count in (100, 100, 250, 200, 250):
        assert set(members(sets.of(0, count))) == {seq for seq in range(count) if (1 + seq) % 3 == 0}
    assert chooser.asked == 250


def test_what_is_worked_out_ahead_is_not_asked_again() -> None:
    chooser = Counting()
    classes = Classes(chooser=chooser, names=("a", "b", "c"), units=(("q",), ("r",), ("q",)))
    expected = Expectation(destinations={0: ("q", "r")}, classes={0: classes})
    for _ in range(3):
        expected.prepare(0, 250, most=100)
    assert chooser.asked == 250
    assert expected.owed("r", 0, 250).bit_count() == 83
    assert chooser.asked == 250


def test_nothing_is_worked_out_where_classes_make_no_difference() -> None:
    chooser = Counting()
    classes = Classes(chooser=chooser, names=("a", "b"), units=(("q",), ("q",)))
    Expectation(destinations={0: ("q",)}, classes={0: classes}).prepare(0, 250, most=100)
    assert chooser.asked == 0


def test_one_class_costs_nothing() -> None:
    class Refusing:
        trivial = True

        def of(self, publisher: int, seq: int) -> int:
            raise AssertionError("one class needs no choice")

    classes = Classes(chooser=Refusing(), names=("all",), units=(("q",),))
    expected = Expectation(destinations={0: ("q",)}, classes={0: classes})
    assert expected.owed("q", 0, 10) == below(10)


def test_classes_that_all_lead_to_a_queue_are_not_looked_up() -> None:
    chooser = Counting()
    classes = Classes(chooser=chooser, names=("a", "b", "c"), units=(("q",), ("q", "r"), ("q",)))
    expected = Expectation(destinations={0: ("q", "r")}, classes={0: classes})
    assert expected.owed("q", 0, 10) == below(10)
    assert chooser.asked == 0


def test_leak_into_a_queue_of_another_class_is_unexpected() -> None:
    expected, every = expectation(spec()), below(COUNT)
    right = {
        ("paid", 0): [expected.owed("paid", 0, COUNT)],
        ("audit", 0): [expected.owed("audit", 0, COUNT)],
    }
    clean = judge(Evidence(published={0: COUNT}, confirmed={0: every}, done=dict(right)), expected)
    assert (clean.lost, clean.unexpected) == (0, 0)
    assert clean.received == 2 * len(of_class(0)) + len(of_class(1))
    stray = min(of_class(1))
    right["paid", 0] = [right["paid", 0][0] | 1 << stray]
    leaking = judge(Evidence(published={0: COUNT}, confirmed={0: every}, done=right), expected)
    assert (leaking.lost, leaking.unexpected) == (0, 1)


def test_message_that_only_its_own_class_owes_is_missed() -> None:
    expected = expectation(spec())
    gone = min(of_class(0))
    done = {
        ("paid", 0): [expected.owed("paid", 0, COUNT) & ~(1 << gone)],
        ("audit", 0): [expected.owed("audit", 0, COUNT)],
    }
    found = missing(Evidence(published={0: COUNT}, confirmed={0: below(COUNT)}, done=done), expected)
    assert found == {("paid", 0): 1 << gone}


def test_classes_are_numbered_through_all_roles_and_shared_by_name() -> None:
    second = PublisherRole(
        name="q", user="u", exchange="x", routing_key="", classes=(STRAY, MessageClass(name="new"))
    )
    both = spec(publishers=(spec().publishers[0], second))
    assert class_names(both) == ("paid", "failed", "stray", "new")
    assert [each.kinds for each in publishers(both, "f")] == [(0, 1, 2), (2, 3)]


def test_members_of_a_class_are_found_by_name() -> None:
    expected = expectation(spec())
    assert set(members(expected.of_class(0, "stray", COUNT))) == of_class(2)
    assert expected.of_class(0, "ghost", COUNT) == 0


RELAY = RelayRole(
    name="pay",
    user="u",
    queue="paid",
    outcomes=(
        Outcome(name="ok", share=0.7, destinations=("shipped",)),
        Outcome(name="no", share=0.3, destinations=("cancelled",)),
    ),
    failures=(0.8, 0.1, 0.1),
    retries=(Outcome(name="wait", destinations=("wait",)),),
    given_up=Outcome(name="given-up", destinations=("dead",), final="dead"),
)


def test_relay_leads_every_message_to_one_end() -> None:
    expected = expectation(spec(relays=(RELAY,)))
    ends = [owed(expected, name) for name in ("shipped", "cancelled", "dead")]
    assert set.union(*ends) == of_class(0)
    assert sum(map(len, ends)) == len(of_class(0))
    fails = plan.failures(RELAY.failures, SEED)
    assert ends[2] == {seq for seq in of_class(0) if fails.of(0, seq) == 2}
    assert "wait" not in expected.destinations[0]


def test_relays_in_a_row_pass_on_what_came_to_them() -> None:
    second = RelayRole(
        name="ship", user="u", queue="shipped", outcomes=(Outcome(name="on", destinations=("told",)),)
    )
    expected = expectation(spec(relays=(RELAY, second)))
    assert owed(expected, "told") == owed(expected, "shipped") != set()


def test_relay_that_only_gives_up_tells_success_from_failure() -> None:
    ways = plan.Ways((), (0.5, 0.5), tries=1, seed=SEED, salt=1)
    found = {ways.of(0, seq) for seq in range(100)}
    assert (found, ways.count) == ({0, 1}, 2)


def test_two_relays_choose_by_plans_of_their_own() -> None:
    one, two = (plan.Ways((0.5, 0.5), (1.0,), tries=1, seed=SEED, salt=plan.salt_of(n)) for n in ("a", "b"))
    assert [one.of(0, seq) for seq in range(64)] != [two.of(0, seq) for seq in range(64)]


def test_readers_of_all_owe_every_message_each() -> None:
    readers = ConsumerRole(name="r", user="u", queue="paid", reads="all", count=2)
    expected = expectation(spec(consumers=(readers,)))
    assert expected.destinations == {0: ("audit", "paid[r-0]", "paid[r-1]")}
    assert owed(expected, "paid[r-1]") == of_class(0)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 64])
def test_sets_end_where_the_count_does(count: int) -> None:
    sets = Members(Counting(), 0, 3)
    sets.of(0, 64)
    joined = sets.of(0, count) | sets.of(1, count) | sets.of(2, count)
    assert joined == below(count)


def test_flow_from_a_queue_that_owes_nothing_owes_nothing() -> None:
    flow = Flow(name="f", source="nowhere", target="b", way=0, ways=3, chooser=Counting())
    assert Expectation(destinations={0: ("a", "b")}, flows=(flow,)).owed("b", 0, 10) == 0
