"""The oracles of ttl and delayed, checked by mutation of evidence that a right broker would leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loadgen import expiry, oracles, roster
from loadgen.collect import Totals
from loadgen.evidence import Evidence, members
from loadgen.ledger import Event, Kind, LogPart
from loadgen.spec import LoadSpec

COUNT = 100
MS = 1_000_000
S = 1000 * MS
EVERYTHING = (1 << COUNT) - 1


def sent_at(seq: int) -> int:
    return S + seq * 10 * MS


def published(spec: LoadSpec) -> list[Event]:
    """Every message sent at its time, and confirmed 5 ms later."""
    classes = roster.expectation(spec).classes[0]
    found = []
    for seq in range(COUNT):
        kind = classes.chooser.of(0, seq)
        found.append(Event(Kind.SENT_AT, 0, seq, sent_at(seq), detail=kind))
        found.append(Event(Kind.CONFIRMED_AT, 0, seq, sent_at(seq) + 5 * MS, detail=kind))
    return found


def arrived(spec: LoadSpec, seq: int, after_ns: int) -> Event:
    kind = roster.expectation(spec).classes[0].chooser.of(0, seq)
    return Event(Kind.ARRIVED, 0, seq, sent_at(seq) + after_ns, detail=kind)


def of_class(spec: LoadSpec, name: str) -> list[int]:
    return list(members(roster.expectation(spec).of_class(0, name, COUNT)))


def evidence_of(spec: LoadSpec, logs: dict[str, list[Event]], **parts: Any) -> Evidence:
    found = [LogPart(meaning={"queue": queue}, events=tuple(events)) for queue, events in logs.items()]
    publisher = LogPart(meaning={}, events=tuple(published(spec)))
    return Evidence(published={0: COUNT}, confirmed={0: EVERYTHING}, logs=[publisher, *found], **parts)


def checked(spec: LoadSpec, evidence: Evidence) -> Any:
    return oracles.check(spec, evidence, roster.expectation(spec), Totals())


def change(evidence: Evidence, queue: str, seq: int, after_ns: int) -> None:
    """Let the arrival of one message in ``queue`` be another."""
    for at, log in enumerate(evidence.logs):
        if log.meaning.get("queue") == queue:
            events = tuple(
                replace(each, at_ns=sent_at(seq) + after_ns) if each.seq == seq else each
                for each in log.events
            )
            evidence.logs[at] = replace(log, events=events)


# --- how long messages live


def test_message_lives_as_long_as_the_lesser_of_its_own_time_and_its_queues(ttl: LoadSpec) -> None:
    assert expiry.said(ttl) == {"plain": 2.0, "short": 0.5, "long": 2.0, "unattended": 1.0}


def test_message_without_any_time_lives_for_ever(spec_of: Callable[[str], LoadSpec]) -> None:
    assert expiry.said(spec_of("pubsub")) == {}


# --- ttl


@pytest.fixture
def ttl(spec_of: Callable[[str], LoadSpec]) -> LoadSpec:
    return spec_of("ttl")


def lived(spec: LoadSpec) -> Evidence:
    """Every second plain message is delivered in time; all others expire, 20 ms late."""
    times = expiry.said(spec)
    delivered = set(of_class(spec, "plain")[::2])
    lives = {seq: times[name] for name in times for seq in of_class(spec, name)}
    unattended = set(of_class(spec, "unattended"))
    died = [seq for seq in range(COUNT) if seq not in delivered]
    dead = {
        ("warren.hurried", 0, "expired"): [sum(1 << seq for seq in died if seq not in unattended)],
        ("warren.unattended", 0, "expired"): [sum(1 << seq for seq in unattended)],
    }
    logs = {
        "warren.hurried": [arrived(spec, seq, 1900 * MS) for seq in sorted(delivered)],
        "warren.expired": [arrived(spec, seq, int(lives[seq] * S) + 20 * MS) for seq in died],
    }
    done = {("warren.hurried", 0): [sum(1 << seq for seq in delivered)]}
    return evidence_of(spec, logs, done=done, dead=dead)


def test_messages_that_expire_in_time_hold(ttl: LoadSpec) -> None:
    found = checked(ttl, lived(ttl))
    assert [found[name]["passed"] for name in ("expiry", "in_time", "ends")] == [True, True, True]
    assert found["expiry"]["short"]["late_max_s"] == pytest.approx(0.02)
    assert found["expiry"]["short"]["count"] == len(of_class(ttl, "short"))
    assert found["ends"]["delivered"] + found["ends"]["expired"] == COUNT
    assert found["in_time"]["furthest_over_s"] == pytest.approx(1.9 - 0.005 - 2)


def test_message_that_expired_before_its_time_is_found(ttl: LoadSpec) -> None:
    evidence = lived(ttl)
    change(evidence, "warren.expired", of_class(ttl, "long")[0], 1900 * MS)
    found = checked(ttl, evidence)["expiry"]
    assert (found["passed"], found["early"], found["long"]["early"]) == (False, 1, 1)
    assert "1 messages expired before" in found["why"]


def test_rejected_message_is_no_early_expiry_but_ended_otherwise(ttl: LoadSpec) -> None:
    evidence = lived(ttl)
    one = of_class(ttl, "long")[0]
    change(evidence, "warren.expired", one, 100 * MS)
    evidence.dead["warren.hurried", 0, "expired"][0] ^= 1 << one
    evidence.dead["warren.hurried", 0, "rejected"] = [1 << one]
    found = checked(ttl, evidence)
    assert found["expiry"]["passed"] is True
    assert (found["ends"]["passed"], found["ends"]["otherwise"]) == (False, 1)


def test_message_that_was_delivered_after_its_time_is_found(ttl: LoadSpec) -> None:
    evidence = lived(ttl)
    change(evidence, "warren.hurried", of_class(ttl, "plain")[0], 3100 * MS)
    found = checked(ttl, evidence)["in_time"]
    assert (found["passed"], found["after_expiry"]) == (False, 1)


def test_way_to_a_busy_worker_is_no_expiry(ttl: LoadSpec) -> None:
    evidence = lived(ttl)
    change(evidence, "warren.hurried", of_class(ttl, "plain")[0], 2900 * MS)
    assert checked(ttl, evidence)["in_time"]["passed"] is True


def test_run_in_which_nothing_expired_proves_nothing(ttl: LoadSpec) -> None:
    evidence = evidence_of(ttl, {}, done={("warren.hurried", 0): [EVERYTHING]})
    assert checked(ttl, evidence)["ends"]["passed"] is None


# --- delayed


@pytest.fixture
def delayed(spec_of: Callable[[str], LoadSpec]) -> LoadSpec:
    return spec_of("delayed")


def waited(spec: LoadSpec) -> Evidence:
    """Every message is due 30 ms after its delay."""
    times = expiry.said(spec)
    events, done = [], {}
    for name, said_s in times.items():
        seqs = of_class(spec, name)
        events += [arrived(spec, seq, int(said_s * S) + 30 * MS) for seq in seqs]
        done[f"warren.wait-{said_s:g}s", 0] = [sum(1 << seq for seq in seqs)]
    return evidence_of(spec, {"warren.due": events}, done=done)


def test_delays_that_are_kept_hold(delayed: LoadSpec) -> None:
    found = checked(delayed, waited(delayed))
    assert (found["delays"]["passed"], found["arrived"]["passed"]) == (True, True)
    assert found["arrived"]["arrived"] == COUNT
    assert [found["delays"][f"after-{each}s"]["said_s"] for each in (1, 3, 8)] == [1, 3, 8]
    assert found["delays"]["after-8s"]["late_p99_s"] == pytest.approx(0.03)


def test_message_that_came_before_its_delay_was_over_is_found(delayed: LoadSpec) -> None:
    evidence = waited(delayed)
    change(evidence, "warren.due", of_class(delayed, "after-3s")[0], 2900 * MS)
    found = checked(delayed, evidence)["delays"]
    assert (found["passed"], found["after-3s"]["early"], found["after-1s"]["early"]) == (False, 1, 0)


def test_message_that_never_came_is_found(delayed: LoadSpec) -> None:
    evidence = waited(delayed)
    evidence.done["warren.wait-8s", 0][0] ^= 1 << of_class(delayed, "after-8s")[0]
    found = checked(delayed, evidence)["arrived"]
    assert (found["passed"], found["missing"]) == (False, 1)


def test_second_send_does_not_make_the_first_one_early(delayed: LoadSpec) -> None:
    evidence = waited(delayed)
    one = of_class(delayed, "after-1s")[0]
    again = Event(Kind.SENT_AT, 0, one, sent_at(one) + S)
    evidence.logs.append(LogPart(meaning={}, events=(again,)))
    assert checked(delayed, evidence)["delays"]["passed"] is True
