"""Streams: where a reader begins and resumes, and what the profile's oracle makes of what readers saw."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pika import spec as amqp

from loadgen import oracles, resolve, roster, scenario
from loadgen.catching_up import unread
from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.ledger import Event, EventLog, Kind, LogPart, read_log
from loadgen.replacing import Replacements
from loadgen.spec import LOAD_USER, ConsumerRole, ConsumerSpec, Link, LoadSpec, PublisherRole
from loadgen.stream import KEY, Offsets, before
from loadgen.wire import Delivery
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputsError
from warren.topology import Topology
from warren.topology_reader import load as load_topology

MS = 1_000_000
COUNT = 1000
START = 400
#: Message ``seq`` is meant for ``seq`` ms after the start and confirmed 2 ms later; offset = seq.
MOMENT_MS = 600


def delivery(offset: int) -> Delivery:
    header = b"".join(amqp.BasicProperties(headers={KEY: 1 << 40}).encode())
    return Delivery(1, False, header.replace((1 << 40).to_bytes(8, "big"), offset.to_bytes(8, "big")), b"")


# --- readers


def test_reader_resumes_after_the_last_offset_that_it_had(tmp_path: Path) -> None:
    offsets, log = Offsets(), EventLog(tmp_path / "w.log", {})
    assert offsets.resume({KEY: "first", "x": 1}) == {KEY: "first", "x": 1}
    assert [offsets.check(delivery(at), log, 0) for at in (7, 8)] == [7, 8]
    assert offsets.resume({KEY: "first", "x": 1}) == {KEY: 9, "x": 1}


def test_gap_and_step_back_are_logged(tmp_path: Path) -> None:
    offsets, log = Offsets(), EventLog(tmp_path / "w.log", {})
    for at in (7, 9, 8, 10):
        offsets.check(delivery(at), log, 0)
    log.close()
    found = [(each.detail, each.aux, each.aux2) for each in read_log(tmp_path / "w.log").events]
    assert found == [(0, 8, 9), (1, 10, 8)]


def test_reader_by_time_asks_for_a_moment_first_and_for_an_offset_later(tmp_path: Path) -> None:
    offsets, log = Offsets(1_700_000_000), EventLog(tmp_path / "w.log", {})
    assert offsets.resume({})[KEY] == datetime.fromtimestamp(1_700_000_000, UTC)
    offsets.check(delivery(5), log, 0)
    assert offsets.resume({})[KEY] == 6


@pytest.mark.parametrize(("asked", "offset"), [(300, 299), ("first", -1), (None, -1)])
def test_what_is_before_the_first_offset_asked_for_is_not_waited_for(asked: Any, offset: int) -> None:
    assert before({} if asked is None else {KEY: asked}) == offset


# --- the profile

PROFILE = scenario.load("stream")


@pytest.fixture(scope="module")
def topology(checkout_root: Path) -> Topology:
    return load_topology(checkout_root / "deploy" / "topology.yml")


def test_readers_that_replay_owe_the_ledger_nothing(topology: Topology) -> None:
    resolved = resolve.resolve(PROFILE, topology)
    spec = run_of(resolved.publishers, resolved.consumers, user=LOAD_USER)
    assert roster.expectation(spec).destinations[0] == ("warren.stream.log[live-0]",)
    early = roster.consumers(spec, "", begins="before_publishing")
    late = roster.consumers(spec, "", begins="after_publishing", began_epoch_s=1000.7)
    assert [each.name for each in early] == ["live-0"]
    assert [each.name for each in late] == ["from-offset-0", "from-moment-0"]
    by_time = late[1]
    assert isinstance(by_time, ConsumerSpec)
    assert (by_time.from_epoch_s, by_time.log_offsets, by_time.does) == (1003, True, "replay")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("consumers.from-moment.begins", "before_publishing", "has to be over"),
        ("duration", "2s", "not before the end of the run"),
    ],
)
def test_moment_that_is_not_over_is_refused(key: str, value: str, match: str) -> None:
    with pytest.raises(BadInputsError, match=match):
        scenario.load("stream", {key: value})


def test_replay_of_what_is_no_stream_is_refused(topology: Topology) -> None:
    queues = PROFILE.objects.queues if PROFILE.objects else ()
    plain = dataclasses.replace(queues[0], type="quorum", arguments={})
    assert PROFILE.objects is not None
    changed = dataclasses.replace(PROFILE, objects=dataclasses.replace(PROFILE.objects, queues=(plain,)))
    with pytest.raises(BadInputsError, match="is no stream"):
        resolve.resolve(changed, topology)


def test_replay_that_would_wait_for_what_never_comes_is_refused(topology: Topology) -> None:
    changed = scenario.load("stream", {"consumers.from-offset.arguments": "{}"})
    with pytest.raises(BadInputsError, match="nothing comes any more"):
        resolve.resolve(changed, topology)


# --- catching up


def reader_spec(name: str, does: str = "replay", **arguments: Any) -> ConsumerSpec:
    link = Link(
        endpoints=(Endpoint(name="a", host="a", port=1),),
        vhost="/",
        credentials=Credentials(username="u", password="p"),
        ca_pem=None,
        connection_name="c",
    )
    return ConsumerSpec(
        name=name,
        link=link,
        folder="",
        nonce=1,
        seed=1,
        publishers=1,
        queue="s",
        does=does,  # type: ignore[arg-type]
        arguments=arguments,
    )


LIVE_READER = reader_spec("live-0", "work")
LATE = reader_spec("at-0", **{KEY: 300})


@pytest.mark.parametrize(
    ("offsets", "behind"),
    [
        ({}, 0),
        ({"live-0": 299}, 0),
        ({"live-0": 999}, 700),
        ({"live-0": 999, "at-0": 998}, 1),
        ({"live-0": 999, "at-0": 999}, 0),
        ({"live-0": 999, "at-0": 400, "at-0~1": 999}, 0),
    ],
)
def test_replay_is_waited_for_until_it_is_where_the_furthest_is(offsets: dict[str, int], behind: int) -> None:
    assert unread((LIVE_READER, LATE, reader_spec("at-0~1", **{KEY: 300})), offsets) == behind


def test_who_replaces_a_dead_reader_begins_at_its_moment(topology: Topology) -> None:
    resolved = resolve.resolve(PROFILE, topology)
    spec = run_of(resolved.publishers, resolved.consumers, user=LOAD_USER)
    dead = roster.consumers(spec, "", begins="after_publishing", began_epoch_s=1000.7)[1]
    after = Replacements(spec, "").next(dead)
    assert isinstance(after, ConsumerSpec)
    assert (after.name, after.from_epoch_s) == ("from-moment-0~1", 1003)


# --- the oracle

LIVE = ConsumerRole(name="live", user="u", queue="s", stream=True, reads="all")
AT = dataclasses.replace(LIVE, name="at", does="replay", arguments={KEY: START})
SINCE = dataclasses.replace(LIVE, name="since", does="replay", from_s=0.6)


def run_of(publishers: Any, consumers: Any, user: str = "u") -> LoadSpec:
    return LoadSpec(
        run_id="r",
        nonce=1,
        seed=1,
        profile="stream",
        vhost="/",
        endpoints=(Endpoint(name="a", host="a", port=1),),
        ca_pem=None,
        users=(Credentials(username=user, password="p"),),
        publishers=publishers,
        consumers=consumers,
        folder="",
    )


def read(at: range, **instead: int) -> list[Event]:
    """What a reader noted; ``o5=7`` lets it see message 7 at offset 5."""
    seqs = {offset: instead.get(f"o{offset}", offset) for offset in at}
    return [Event(Kind.READ, 0, seq, 0, aux=offset, aux2=seq * MS) for offset, seq in seqs.items()]


def checked(
    live: list[Event] | None = None,
    at: list[Event] | None = None,
    since: list[Event] | None = None,
    *,
    confirmed: int = COUNT,
    sent_again: tuple[int, ...] = (),
    moment_ms: int = MOMENT_MS,
) -> Any:
    publisher = PublisherRole(name="p", user="u", exchange="", routing_key="s", destinations=("s",))
    confirms = [Event(Kind.CONFIRMED_AT, 0, seq, (seq + 2) * MS) for seq in range(confirmed)]
    again = [Event(Kind.REPUBLISHED, 0, seq, 0) for seq in sent_again]
    logs = [LogPart(meaning={"worker": "p-0"}, events=(*confirms, *again))]
    for name, events, default in (
        ("live-0", live, read(range(COUNT))),
        ("at-0", at, read(range(START, COUNT))),
        ("since-0", since, read(range(MOMENT_MS - 20, COUNT))),
    ):
        meaning = {"worker": name, "from_ns": moment_ms * MS if name == "since-0" else None}
        logs.append(LogPart(meaning=meaning, events=tuple(default if events is None else events)))
    evidence = Evidence(published={0: COUNT}, confirmed={0: (1 << confirmed) - 1}, logs=logs)
    spec = run_of((publisher,), (LIVE, AT, SINCE))
    return oracles.check(spec, evidence, roster.expectation(spec), Totals())


def test_replay_that_equals_the_original_holds() -> None:
    found = checked()
    assert [each["passed"] for each in found.values()] == [True, True, True]
    assert found["offsets"]["read"] == COUNT + (COUNT - START) + (COUNT - MOMENT_MS + 20)


def test_gap_in_the_offsets_is_found() -> None:
    found = checked(live=[*read(range(500)), *read(range(501, COUNT))])
    assert (found["offsets"]["passed"], found["offsets"]["gaps"]) == (False, 1)
    assert (found["stored"]["passed"], found["stored"]["missing"]) == (False, 1)


def test_offset_that_nobody_saw_is_the_brokers_own_unless_a_message_is_missing() -> None:
    def without(events: list[Event], offset: int) -> list[Event]:
        return [event for event in events if event.aux != offset]

    everybody = {
        "live": without(read(range(COUNT)), 700),
        "at": without(read(range(START, COUNT)), 700),
        "since": without(read(range(MOMENT_MS - 20, COUNT)), 700),
    }
    found = checked(**everybody)
    assert (found["offsets"]["passed"], found["offsets"]["brokers_own"]) == (True, 1)
    assert (found["stored"]["passed"], found["stored"]["missing"]) == (False, 1)
    own = {name: [moved(each) for each in events] for name, events in everybody.items()}
    found = checked(**own, confirmed=COUNT - 1)
    assert [each["passed"] for each in found.values()] == [True, True, True]


def moved(event: Event) -> Event:
    """Message 700 and those after it stand one offset further on: 700 is the broker's."""
    if event.aux < 700:
        return event
    return dataclasses.replace(event, seq=event.aux - 1, aux2=(event.aux - 1) * MS)


def test_offset_read_twice_is_found() -> None:
    found = checked(live=[*read(range(500)), *read(range(498, COUNT))])["offsets"]
    assert (found["passed"], found["back"]) == (False, 1)


def test_other_message_at_an_offset_is_found() -> None:
    found = checked(at=read(range(START, COUNT), o700=701))["replay"]
    assert (found["passed"], found["different"]) == (False, 1)


def test_replay_that_ends_early_is_found() -> None:
    found = checked(at=read(range(START, COUNT - 3)))["replay"]
    assert (found["passed"], found["missing"]) == (False, 3)


def test_reader_that_died_and_the_one_in_its_place_are_one() -> None:
    died = LogPart(meaning={"worker": "at-0"}, events=tuple(read(range(START, 500))))
    after = LogPart(meaning={"worker": "at-0~1"}, events=tuple(read(range(START, COUNT))))
    live = LogPart(meaning={"worker": "live-0"}, events=tuple(read(range(COUNT))))
    publisher = PublisherRole(name="p", user="u", exchange="", routing_key="s", destinations=("s",))
    spec = run_of((publisher,), (LIVE, AT))
    evidence = Evidence(published={0: COUNT}, confirmed={0: (1 << COUNT) - 1}, logs=[live, died, after])
    found = oracles.check(spec, evidence, roster.expectation(spec), Totals())
    assert [each["passed"] for each in found.values()] == [True, True, True]


def test_replay_that_begins_behind_its_offset_is_found() -> None:
    assert checked(at=read(range(START + 2, COUNT)))["replay"]["missing"] == 2


def test_replay_that_begins_before_its_offset_is_found() -> None:
    assert checked(at=read(range(START - 1, COUNT)))["replay"]["wrong_start"] == 1


def test_replay_that_leaves_out_what_came_after_its_moment_is_found() -> None:
    assert checked(since=read(range(MOMENT_MS + 150, COUNT)))["replay"]["wrong_start"] == 1


def test_replay_that_begins_long_before_its_moment_is_found() -> None:
    assert checked(since=read(range(0, COUNT)), moment_ms=2500)["replay"]["wrong_start"] == 1


def test_replay_that_read_nothing_is_found() -> None:
    assert checked(at=[])["replay"]["missing"] == COUNT - START
    assert checked(since=[])["replay"]["wrong_start"] == 1


def test_message_stored_twice_is_its_publishers_doing_or_a_fault() -> None:
    twice = read(range(COUNT + 1), **{f"o{COUNT}": 5})
    later = {"at": read(range(START, COUNT + 1), **{f"o{COUNT}": 5}), "since": twice[MOMENT_MS:]}
    assert checked(live=twice, **later)["stored"]["twice"] == 1
    found = checked(live=twice, **later, sent_again=(5,))
    assert (found["stored"]["passed"], found["stored"]["twice_own_retry"]) == (True, 1)
    assert found["replay"]["passed"] is True


def test_replay_is_not_judged_where_nobody_reads_again() -> None:
    publisher = PublisherRole(name="p", user="u", exchange="", routing_key="s", destinations=("s",))
    spec = run_of((publisher,), (LIVE,))
    found = oracles.check(spec, Evidence(), roster.expectation(spec), Totals())
    assert found["replay"]["passed"] is None
