"""What `stream-native` asks of roles, and what its oracle makes of readers of which one is to be active."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from loadgen import oracles, resolve, roster, scenario
from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.ledger import Event, Kind, LogPart
from loadgen.spec import LOAD_USER, ConsumerRole, ConsumerSpec, LoadSpec, PublisherRole, from_plain, to_plain
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputsError
from warren.topology import Topology
from warren.topology_reader import load as load_topology

MS = 1_000_000
COUNT = 1000
PROFILE = scenario.load("stream-native")


@pytest.fixture(scope="module")
def topology(checkout_root: Path) -> Topology:
    return load_topology(checkout_root / "deploy" / "topology.yml")


def run_of(publishers: Any, consumers: Any, **changes: Any) -> LoadSpec:
    values: dict[str, Any] = {
        "run_id": "r",
        "nonce": 1,
        "seed": 1,
        "profile": "stream-native",
        "vhost": "/",
        "endpoints": (Endpoint(name="a", host="a", port=1),),
        "stream_endpoints": (Endpoint(name="a", host="a", port=2),),
        "ca_pem": None,
        "users": (Credentials(username=LOAD_USER, password="p"),),
        "folder": "",
    }
    return LoadSpec(**{**values, **changes}, publishers=publishers, consumers=consumers)


# --- roles


def test_roles_go_where_their_protocol_is_spoken(topology: Topology) -> None:
    found = resolve.resolve(PROFILE, topology)
    spec = run_of(found.publishers, found.consumers)
    assert {each.link.endpoints[0].port for each in roster.publishers(spec, "")} == {2}
    ports = {each.name: each.link.endpoints[0].port for each in roster.consumers(spec, "")}
    assert (ports["live-0"], ports["one-active-1"], ports["over-amqp-0"]) == (2, 2, 1)


def test_readers_of_one_group_owe_the_stream_once_together(topology: Topology) -> None:
    found = resolve.resolve(PROFILE, topology)
    spec = run_of(found.publishers, found.consumers)
    assert set(roster.expectation(spec).destinations[0]) == {
        "warren.stream.log[live-0]",
        "warren.stream.log[one-active]",
        "warren.stream.log[over-amqp-0]",
    }
    group = [each for each in roster.consumers(spec, "") if each.name.startswith("one-active")]
    assert all(isinstance(each, ConsumerSpec) for each in group)
    assert {(each.unit, each.group) for each in group if isinstance(each, ConsumerSpec)} == {
        ("warren.stream.log[one-active]", "warren-load r one-active")
    }
    again = from_plain(ConsumerSpec, to_plain(group[0]))
    assert again == group[0]


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("publishers.shop.exchange", "amq.topic", "nothing is routed"),
        ("publishers.shop.classes", "[{name: a, headers: {x: 1}}]", "no properties"),
        ("publishers.shop.renews", "channel", "renews"),
        ("consumers.live.failure_rate", "0.1", "failures"),
        ("consumers.live.work_time_s", "0.1", "work_time_s"),
        ("consumers.live.does", "hold", "does"),
        ("consumers.over-amqp.single_active", "true", "say protocol: stream"),
        ("consumers.from-offset.single_active", "true", "for readers that work"),
        ("body", "varied", "does not vary bodies"),
    ],
)
def test_what_the_stream_protocol_does_not_have_is_refused_by_name(key: str, value: str, match: str) -> None:
    with pytest.raises(BadInputsError, match=match):
        scenario.load("stream-native", {key: value})


def test_what_is_no_stream_is_not_reached_over_the_stream_protocol(topology: Topology) -> None:
    assert PROFILE.objects is not None
    plain = dataclasses.replace(PROFILE.objects.queues[0], type="quorum", arguments={})
    changed = dataclasses.replace(PROFILE, objects=dataclasses.replace(PROFILE.objects, queues=(plain,)))
    with pytest.raises(BadInputsError, match="say protocol: amqp"):
        resolve.resolve(changed, topology)


def test_brokers_without_the_plugin_are_told_before_anything_runs(topology: Topology) -> None:
    bare = dataclasses.replace(topology, broker=dataclasses.replace(topology.broker, plugins=()))
    with pytest.raises(BadInputsError, match="rabbitmq_stream is off"):
        resolve.resolve(PROFILE, bare)
    resolve.resolve(PROFILE, bare, foreign=True)
    resolve.resolve(scenario.load("stream"), bare)


# --- the oracle

SHOP = PublisherRole(name="p", user="u", exchange="", routing_key="s", destinations=("s",), protocol="stream")
LIVE = ConsumerRole(name="live", user="u", queue="s", stream=True, reads="all", protocol="stream")
ONE = dataclasses.replace(LIVE, name="one", single_active=True, count=2)


def read(at: range, **instead: int) -> list[Event]:
    """What a reader noted, offset ``n`` at ``n`` ms; ``o5=7`` lets it see message 7 at offset 5."""
    return [
        Event(Kind.READ, 0, instead.get(f"o{offset}", offset), offset * MS, aux=offset, aux2=offset * MS)
        for offset in at
    ]


def active(at_ms: float, offset: int, *, stored: bool = True) -> Event:
    return Event(Kind.ACTIVE, 0, 0, int(at_ms * MS), detail=int(stored), aux=offset)


#: One reader up to 399, then, from an offset stored somewhat before, the other.
FIRST = [active(-1, 0, stored=False), *read(range(400))]
SECOND = [
    active(410, 390),
    *[dataclasses.replace(e, at_ns=(e.aux + 30) * MS) for e in read(range(390, COUNT))],
]


def checked(
    first: list[Event] | None = None,
    second: list[Event] | None = None,
    *,
    live: list[Event] | None = None,
    sent_again: tuple[int, ...] = (5,),
    stored_already: tuple[int, ...] = (5,),
    publisher: PublisherRole = SHOP,
    **changes: Any,
) -> Any:
    own = [Event(Kind.IN_DOUBT, 0, seq, 0) for seq in sent_again]
    own += [Event(Kind.REPUBLISHED, 0, seq, 0) for seq in sent_again]
    own += [Event(Kind.STORED_ALREADY, 0, seq, 0, aux=seq) for seq in stored_already]
    logs = [
        LogPart(meaning={"worker": "p-0"}, events=tuple(own)),
        LogPart(
            meaning={"worker": "live-0", "group": ""},
            events=tuple(read(range(COUNT)) if live is None else live),
        ),
        LogPart(meaning={"worker": "one-0", "group": "g"}, events=tuple(FIRST if first is None else first)),
        LogPart(
            meaning={"worker": "one-1", "group": "g"}, events=tuple(SECOND if second is None else second)
        ),
    ]
    evidence = Evidence(published={0: COUNT}, confirmed={0: (1 << COUNT) - 1}, logs=logs)
    spec = run_of((publisher,), (LIVE, ONE), **changes)
    return oracles.check(spec, evidence, roster.expectation(spec), Totals())


def test_one_active_reader_after_another_holds_and_each_takeover_is_told() -> None:
    found = checked()
    assert found["offsets"]["passed"] is True
    assert found["stored"]["passed"] is True
    single = found["single_active"]
    assert single["passed"] is True
    assert (single["takeovers"], single["reread"], single["gap_max_s"]) == (1, 10, 0.011)
    assert single["each"] == [
        {
            "from": "one-0",
            "to": "one-1",
            "gap_s": 0.011,
            "reread": 10,
            "left_out": 0,
            "from_stored_offset": True,
        }
    ]


def test_group_does_not_count_as_readers_that_go_back() -> None:
    assert checked()["offsets"]["back"] == 0


def test_two_active_at_once_are_found() -> None:
    early = [active(350, 390), *SECOND[1:]]
    found = checked(second=early)["single_active"]
    assert (found["passed"], found["at_once"]) == (False, 1)
    assert "1 at once" in found["why"]


def test_clocks_of_several_machines_may_differ_somewhat() -> None:
    early = [active(350, 390), *SECOND[1:]]
    assert checked(second=early, parts=2)["single_active"]["at_once"] == 0
    assert checked(second=[active(250, 390), *SECOND[1:]], parts=2)["single_active"]["at_once"] == 1


def test_term_ends_where_the_reader_is_told_so() -> None:
    """What a reader read in a later term does not make its first one longer."""
    back = [*FIRST, Event(Kind.INACTIVE, 0, 0, 400 * MS, aux=399), active(2000, 900)]
    later = [dataclasses.replace(e, at_ns=2001 * MS) for e in read(range(900, COUNT))]
    second = [each for each in SECOND if each.aux < 900 or each.kind is Kind.ACTIVE]
    found = checked(first=[*back, *later], second=second)["single_active"]
    assert (found["passed"], found["takeovers"]) == (True, 2)
    unended = [each for each in [*back, *later] if each.kind not in (Kind.INACTIVE,)]
    assert checked(first=unended, second=second)["single_active"]["takeovers"] == 2


@pytest.mark.parametrize("end", [Kind.CONNECTION_LOST, Kind.INACTIVE])
def test_what_is_read_when_a_term_has_ended_is_found(end: Kind) -> None:
    late = [dataclasses.replace(each, at_ns=900 * MS) for each in read(range(400, 403))]
    found = checked(first=[*FIRST, Event(end, 0, 0, 400 * MS), *late])["single_active"]
    assert (found["passed"], found["while_inactive"], found["at_once"]) == (False, 3, 0)


def test_what_is_read_before_anybody_said_active_is_found() -> None:
    assert checked(first=[*read(range(3)), *FIRST])["single_active"]["while_inactive"] == 3


def test_takeover_that_leaves_messages_out_is_found() -> None:
    found = checked(second=[active(410, 405), *SECOND[16:]])["single_active"]
    assert (found["passed"], found["left_out"], found["unread"]) == (False, 5, 5)


def test_gap_within_a_term_is_found() -> None:
    found = checked(second=[*SECOND[:100], *SECOND[101:]])["single_active"]
    assert (found["passed"], found["left_out"], found["unread"]) == (False, 1, 1)


def test_step_back_within_a_term_is_found() -> None:
    found = checked(second=[*SECOND[:100], *SECOND[99:]])["single_active"]
    assert (found["passed"], found["steps_back"]) == (False, 1)


def test_group_that_ends_early_is_found() -> None:
    assert checked(second=SECOND[:-3])["single_active"]["unread"] == 3


def test_without_a_group_nothing_is_said_of_one() -> None:
    evidence = Evidence(logs=[LogPart(meaning={"worker": "live-0"}, events=tuple(read(range(3))))])
    spec = run_of((SHOP,), (LIVE,))
    found = oracles.check(spec, evidence, roster.expectation(spec), Totals())
    assert found["single_active"]["passed"] is None


def test_what_was_stored_and_published_again_is_stored_once() -> None:
    found = checked(sent_again=(5, 6), stored_already=(5,))["deduplication"]
    assert found == {
        "passed": True,
        "in_doubt": 2,
        "republished": 2,
        "stored_already": 1,
        "stored_once": 2,
        "stored_twice": 0,
    }


def test_message_stored_twice_is_found_although_its_publisher_sent_it_again() -> None:
    live = read(range(COUNT + 1), **{f"o{COUNT}": 5})
    found = checked(live=live)["deduplication"]
    assert (found["passed"], found["stored_twice"], found["stored_once"]) == (False, 1, 0)


def test_deduplication_that_was_not_put_to_the_test_is_not_judged() -> None:
    assert checked(sent_again=(), stored_already=())["deduplication"]["passed"] is None
    assert checked(sent_again=(5,), stored_already=())["deduplication"]["passed"] is None


def test_publisher_over_amqp_has_no_name_and_may_store_twice() -> None:
    live = read(range(COUNT + 1), **{f"o{COUNT}": 5})
    plain = dataclasses.replace(SHOP, protocol="amqp")
    found = checked(live=live, publisher=plain)["deduplication"]
    assert (found["passed"], found["stored_twice"], found["in_doubt"]) == (None, 0, 0)
