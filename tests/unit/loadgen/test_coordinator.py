"""The coordinator with workers that follow a script: who is not ready, who dies, when it stops."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loadgen import coordinator, engine, following
from loadgen.coordinator import Run
from loadgen.interrupts import Interrupts
from loadgen.replacing import Replacements
from loadgen.roster import consumers, expectation, publishers
from loadgen.spec import ConsumerRole, ConsumerSpec, LoadSpec, PublisherRole, to_plain
from loadgen.verdict import Timing, conclude
from warren.connection import Credentials, Endpoint
from warren.errors import NotReadyError, WarrenError
from warren.results import LoadResult, Verdict, iso

#: A worker that reads its spec, then does what the test appends for its role.
_WORKER = """
import json, os, sys, time
spec = json.loads(sys.stdin.readline())
def say(**fields): print(json.dumps(fields), flush=True)
def hear(): return json.loads(sys.stdin.readline() or '{"do": "finish"}')["do"]
def work():
    say(type="ready", where="a:1")
    while True:
        do = hear()
        if do == "start" and spec["role"] == "publisher": say(type="finished")
        if do == "finish": break
    say(type="end", counts={"consumed": 1}, cpu_s=0.5, max_rss_bytes=10)
"""


SPEC = LoadSpec(
    run_id="r",
    nonce=1,
    seed=1,
    profile="work",
    vhost="/",
    endpoints=(Endpoint(name="a", host="a", port=1), Endpoint(name="b", host="b", port=1)),
    ca_pem=None,
    users=(Credentials(username="u", password="p"),),
    publishers=(PublisherRole(name="p", user="u", exchange="", routing_key="q", destinations=("q",)),),
    consumers=(ConsumerRole(name="c", user="u", queue="q", count=2),),
    folder="",
    duration_s=0.1,
)


class Rig:
    """A run of one publisher and two consumers, all of them scripted."""

    def __init__(self, folder: Path, script: str, **changes: Any) -> None:
        program = folder / "worker.py"
        program.write_text(_WORKER + script, encoding="utf-8")
        (folder / "run").mkdir()
        self.events: list[Mapping[str, Any]] = []
        self.interrupts = Interrupts()
        self.spec = dataclasses.replace(SPEC, folder=str(folder / "run"), **changes)
        self.program = (sys.executable, str(program))
        self.run = Run(self.spec, self.events.append, self.interrupts, program=self.program)

    def go(self) -> None:
        try:
            self.run.open()
            expected = expectation(self.spec)
            self.run.publish(expected)
            self.run.drain(expected)
        finally:
            self.run.close()

    def judged(self, *, skips_drain: bool = False) -> LoadResult:
        """The result of a whole run."""
        expected, started = expectation(self.spec), datetime.now(UTC)
        try:
            self.run.open()
            published_ns = self.run.publish(expected)
            self.interrupts.count = 2 * skips_drain
            drained = self.run.drain(expected)
        finally:
            self.run.close()
        timing = Timing(
            started=started,
            ended=datetime.now(UTC),
            t0_ns=self.run.t0_ns,
            published_ns=published_ns,
            drained_ns=time.monotonic_ns(),
            drained=drained,
        )
        return conclude(self.run, expected, timing)

    def notes(self) -> str:
        return "\n".join(self.run.notes)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripted workers say all that they ever will at once: nothing comes late that a wait would show."""
    monkeypatch.setattr(coordinator, "QUIET_S", 0.05)
    monkeypatch.setattr(coordinator, "_CHECK_EVERY_S", 0.05)


def test_workers_that_do_as_told_make_a_run(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "work()")
    rig.go()
    assert rig.run.totals.counts["consumed"] == 3
    assert rig.run.totals.cpu_s == 1.5
    assert rig.notes() == ""
    assert not rig.run.publisher_died


def test_refused_account_ends_the_run_at_once_with_its_reason(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "say(type='refused', where='a:1', what='ACCESS_REFUSED'); time.sleep(60)")
    with pytest.raises(NotReadyError, match="ACCESS_REFUSED"):
        rig.go()


def test_worker_that_dies_before_it_is_ready_is_told_with_its_last_words(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "sys.exit('the disk is full')")
    with pytest.raises(NotReadyError, match="the disk is full"):
        rig.go()


def test_consumer_that_dies_is_noted_and_replaced(tmp_path: Path) -> None:
    script = (
        "if spec['name'] == 'c-0':\n    say(type='ready', where='a:1'); hear(); os.kill(os.getpid(), 9)\n"
        "if spec['role'] == 'publisher':\n"
        "    say(type='ready', where='a:1'); hear(); time.sleep(0.2); say(type='finished'); hear()\n"
        "    say(type='end'); sys.exit()\n"
        "work()"
    )
    rig = Rig(tmp_path, script)
    rig.go()
    assert "c-0 died: killed by signal 9" in rig.notes()
    assert "c-0~1" in rig.run.worker_names[1]
    assert "c-0" in rig.run.totals.to_plain()["silent_ns"]
    assert not rig.run.publisher_died


_PUBLISHES_FOR_A_WHILE = """
if spec["role"] == "publisher":
    say(type="ready", where="a:1"); hear(); time.sleep(1.5); say(type="finished"); hear()
    say(type="end"); sys.exit()
if spec["name"] == "c-0":
    say(type="ready", where="a:1"); hear(); os.kill(os.getpid(), 9)
"""


def test_replacement_that_dies_before_it_is_ready_is_replaced_in_its_turn(tmp_path: Path) -> None:
    script = _PUBLISHES_FOR_A_WHILE + "if spec['name'] == 'c-0~1': sys.exit('no memory')\nwork()"
    rig = Rig(tmp_path, script)
    rig.go()
    assert "c-0~1 died: exit status 1: no memory" in rig.notes()
    assert "c-0~2" in rig.run.worker_names[1]


def test_replacement_that_a_node_going_down_refuses_does_not_end_the_run(tmp_path: Path) -> None:
    script = _PUBLISHES_FOR_A_WHILE + (
        "if spec['name'] == 'c-0~1':\n"
        "    say(type='refused', where='a:1', what='ACCESS_REFUSED')\n"
        "    say(type='lost', where='a:1', what='ACCESS_REFUSED')\n"
        "work()"
    )
    rig = Rig(tmp_path, script)
    rig.go()
    assert "c-0~1 does not reach a:1: ACCESS_REFUSED" in rig.notes()


def test_vain_tries_to_connect_are_told_once_for_as_long_as_none_succeeds(tmp_path: Path) -> None:
    refused = "say(type='lost', where='a:1', what='refused'); "
    script = (
        "if spec['name'] == 'c-0':\n"
        f"    {refused}{refused}say(type='lost', where='b:1', what='refused'); {refused}\n"
        f"    say(type='connected', where='b:1'); {refused}{refused}{refused}\n"
        "work()"
    )
    rig = Rig(tmp_path, script)
    rig.go()
    told = [each for each in rig.run.notes if each.startswith("c-0 ") or " c-0 " in each]
    assert [each.partition("c-0 ")[2] for each in told][:5] == [
        "does not reach a:1: refused",
        "does not reach b:1: refused",
        "connected to b:1",
        "lost a:1: refused",
        "does not reach a:1: refused",
    ]


def test_vain_tries_after_a_worker_was_ready_are_told_anew(tmp_path: Path) -> None:
    refused = "say(type='lost', where='a:1', what='refused'); "
    script = (
        "if spec['name'] == 'c-0':\n"
        f"    {refused}say(type='ready', where='a:1'); hear(); {refused}{refused}hear()\n"
        "else:\n    work()"
    )
    rig = Rig(tmp_path, script)
    rig.go()
    told = [each.partition("c-0 ")[2] for each in rig.run.notes if "c-0 " in each]
    assert told[:3] == ["does not reach a:1: refused", "lost a:1: refused", "does not reach a:1: refused"]


#: The publisher has one confirmed message on record, which nobody brings to an end.
_CONFIRMS_ONE = """
from pathlib import Path
from loadgen.ledger import Bitmap
if spec["role"] == "publisher":
    kind = {"publisher": 0, "kind": "confirmed", "worker": "p-0"}
    confirmed = Bitmap(Path(spec["folder"]) / "p-0.confirmed", kind)
    confirmed.set_counter(1)
    confirmed.test_and_set(0)
"""


def test_drain_that_waited_in_vain_leaves_what_is_missing_lost(tmp_path: Path) -> None:
    rig = Rig(tmp_path, _CONFIRMS_ONE + "work()", drain_silence_s=0.2)
    found = rig.judged()
    assert (found.verdict, found.ledger.lost, found.ledger.stuck) == (Verdict.FAILED, 1, 0)
    assert rig.notes().count("the drain gave up: nothing came for 0.2 s, 1 still missing") == 2


#: A consumer that has its message only from a new connection.
_COMES_ANEW = """
def anew():
    say(type="ready", where="a:1")
    while hear() != "anew": pass
    kind = {"publisher": 0, "kind": "done", "worker": "c-0", "queue": "q"}
    Bitmap(Path(spec["folder"]) / "c-0.done-0", kind).test_and_set(0)
    while hear() != "finish": pass
    say(type="end"); sys.exit()
if spec["name"] == "c-0": anew()
"""


def test_message_that_comes_only_when_consumers_connect_anew_was_stuck_and_not_lost(tmp_path: Path) -> None:
    rig = Rig(tmp_path, _CONFIRMS_ONE + _COMES_ANEW + "work()", drain_silence_s=0.5)
    found = rig.judged()
    assert (found.verdict, found.ledger.lost, found.ledger.stuck) == (Verdict.FAILED, 0, 1)
    assert found.reasons[0].startswith("1 confirmed messages were stuck")
    assert "nothing came for 0.5 s, 1 still missing" in rig.notes()
    assert "the consumers connect anew" in rig.notes()
    assert [event["type"] for event in rig.events].count("anew") == 1


def test_consumers_that_do_not_come_back_from_connecting_anew_lose_nothing(tmp_path: Path) -> None:
    script = _CONFIRMS_ONE + (
        "if spec['role'] == 'consumer':\n"
        "    say(type='ready', where='a:1')\n"
        "    while hear() != 'anew': pass\n"
        "    say(type='lost', where='a:1', what='connecting anew')\n"
        "    while hear() != 'finish': pass\n"
        "    say(type='end'); sys.exit()\n"
        "work()"
    )
    found = Rig(tmp_path, script, drain_silence_s=0.5).judged()
    assert (found.verdict, found.ledger.lost) == (Verdict.INCONCLUSIVE, 0)
    assert "nobody was connected to take from q: 1 confirmed" in "; ".join(found.reasons)


#: A publisher that was blocked hears of its message when it is told to end; the message comes later still.
_CONFIRMS_AT_THE_END = """
import threading
from pathlib import Path
from loadgen.ledger import Bitmap
folder = Path(spec["folder"])
def publisher():
    kind = {"publisher": 0, "kind": "confirmed", "worker": "p-0"}
    confirmed = Bitmap(folder / "p-0.confirmed", kind)
    confirmed.set_counter(1)
    say(type="ready", where="a:1"); hear(); say(type="finished"); hear()
    confirmed.test_and_set(0)
    (folder.parent / "confirmed").touch()
    say(type="end"); sys.exit()
def deliver():
    done = Bitmap(folder / "c-0.done-0", {"publisher": 0, "kind": "done", "worker": "c-0", "queue": "q"})
    while not (folder.parent / "confirmed").exists(): time.sleep(0.01)
    time.sleep(0.3)
    done.test_and_set(0)
if spec["role"] == "publisher": publisher()
if spec["name"] == "c-0": threading.Thread(target=deliver, daemon=True).start()
"""


def test_confirm_that_comes_at_the_very_end_is_of_no_lost_message(tmp_path: Path) -> None:
    found = Rig(tmp_path, _CONFIRMS_AT_THE_END + "work()", drain_silence_s=5.0).judged()
    assert (found.verdict, found.ledger.lost, found.ledger.received) == (Verdict.PASSED, 0, 1)


def test_drain_that_was_skipped_calls_nothing_lost(tmp_path: Path) -> None:
    found = Rig(tmp_path, _CONFIRMS_ONE + "work()", drain_silence_s=60.0).judged(skips_drain=True)
    assert (found.verdict, found.ledger.lost) == (Verdict.INCONCLUSIVE, 0)
    assert "it was skipped: 1 confirmed messages are unaccounted for" in "; ".join(found.reasons)


def test_holder_that_was_released_leaves_loss_what_it_is(tmp_path: Path) -> None:
    script = _CONFIRMS_ONE + (
        "if spec['name'] == 'h-0':\n"
        "    say(type='ready', where='a:1'); hear(); hear(); say(type='end'); sys.exit()\n"
        "work()"
    )
    holds = ConsumerRole(name="h", user="u", queue="held", does="hold")
    rig = Rig(tmp_path, script, drain_silence_s=0.2, consumers=(*SPEC.consumers, holds))
    found = rig.judged()
    assert (found.verdict, found.ledger.lost) == (Verdict.FAILED, 1)


def test_queue_that_nobody_is_left_to_take_from_loses_nothing(tmp_path: Path) -> None:
    script = _CONFIRMS_ONE + (
        "if spec['role'] == 'consumer':\n"
        "    say(type='ready', where='a:1'); hear(); say(type='lost', where='a:1', what='refused'); hear()\n"
        "    say(type='end'); sys.exit()\n"
        "work()"
    )
    found = Rig(tmp_path, script, drain_silence_s=0.2).judged()
    assert (found.verdict, found.ledger.lost) == (Verdict.INCONCLUSIVE, 0)
    assert "nobody was connected to take from q: 1 confirmed" in "; ".join(found.reasons)


def test_publisher_that_dies_is_remembered(tmp_path: Path) -> None:
    script = (
        "if spec['role'] == 'publisher':\n"
        "    say(type='ready', where='a:1'); hear(); os.kill(os.getpid(), 9)\n"
        "work()"
    )
    rig = Rig(tmp_path, script)
    rig.go()
    assert rig.run.publisher_died


def test_interrupt_before_the_run_begins_is_told_as_such(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "time.sleep(60)")
    rig.interrupts(2, None)
    with pytest.raises(WarrenError, match="interrupted before the run began") as caught:
        rig.go()
    told = {"where": "load", "what": "w", "remedy": "", "exit_code": caught.value.exit_code}
    assert (caught.value.exit_code, following.error_of(told).exit_code) == (130, 130)


@pytest.mark.parametrize(
    ("trouble", "exit_code", "word"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 3, "No space left"),
        (ValueError("x"), 70, "ValueError"),
    ],
)
def test_full_disk_ends_a_run_as_trouble_of_the_machine_and_not_as_a_bug(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception, exit_code: int, word: str
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise trouble

    said: list[Mapping[str, Any]] = []
    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(engine, "say", said.append)
    monkeypatch.setattr(engine.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(to_plain(SPEC)) + "\n"))
    with suppress(ValueError):
        assert engine.execute() == exit_code
    assert (said[-1]["type"], said[-1]["exit_code"]) == ("error", exit_code)
    assert word in said[-1]["what"]


def test_interrupt_tells_publishers_to_stop(tmp_path: Path) -> None:
    script = (
        "if spec['role'] == 'publisher':\n"
        "    say(type='ready', where='a:1'); hear(); assert hear() == 'stop'; say(type='finished'); hear()\n"
        "    say(type='end'); sys.exit()\n"
        "work()"
    )
    rig = Rig(tmp_path, script)
    rig.run.open()
    rig.interrupts(2, None)
    rig.run.publish(expectation(rig.spec))
    rig.run.close()
    assert rig.run.interrupted
    assert "interrupted" in rig.notes()


def test_endpoints_are_spread_over_workers_and_publishers_numbered_through(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "work()")
    rig.run.close()
    places = [each.link.first_endpoint for each in consumers(rig.spec, "x")]
    assert places == [1, 0]
    assert [each.index for each in publishers(rig.spec, "x")] == [0]


def test_clients_are_spread_over_the_nodes_that_they_are_to_attach_to(tmp_path: Path) -> None:
    """The others are behind these, for a client that loses its node."""
    rig = Rig(tmp_path, "work()", spread=1)
    rig.run.close()
    assert [each.link.first_endpoint for each in consumers(rig.spec, "x")] == [0, 0]
    assert all(each.link.endpoints == rig.spec.endpoints for each in consumers(rig.spec, "x"))


# --- a part of a run

_TELLS_START = """
def told():
    say(type="ready", where="a:1")
    start = json.loads(sys.stdin.readline())
    if spec["role"] == "publisher": say(type="finished")
    say(type="tick", s=0, counts={"body_clock_ns": start["body_clock_ns"]})
    hear()
    say(type="end")
told()
"""


def test_part_ends_after_its_silence_whatever_is_missing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "work()", part=0, parts=2, part_silence_s=0.3, drain_silence_s=60.0)
    began = time.monotonic()
    rig.go()
    assert time.monotonic() - began < 30
    assert rig.run.quiet_s == 0.3


def test_part_that_lost_a_connection_waits_for_what_the_broker_may_hold_back(tmp_path: Path) -> None:
    script = "say(type='lost', where='a:1', what='reset')\nwork()"
    rig = Rig(tmp_path, script, part=0, parts=2, part_silence_s=0.1, drain_silence_s=0.3, hold_back_s=0.1)
    rig.go()
    assert rig.run.quiet_s == pytest.approx(0.4)


def test_bodies_of_a_part_are_stamped_by_the_epoch_and_of_a_whole_run_by_the_monotonic_clock(
    tmp_path: Path,
) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "whole").mkdir()
    part = Rig(tmp_path / "part", _TELLS_START, part=1, parts=2, part_silence_s=0.1)
    part.go()
    ahead = part.run.totals.counts["body_clock_ns"] / 3
    assert ahead == pytest.approx(time.time_ns() - time.monotonic_ns(), abs=1e9)
    whole = Rig(tmp_path / "whole", _TELLS_START)
    whole.go()
    assert whole.run.totals.counts["body_clock_ns"] == 0


def test_run_begins_when_it_was_told_to(tmp_path: Path) -> None:
    at_s = time.time() + 20
    rig = Rig(tmp_path, "work()", part=0, parts=2, part_silence_s=0.1, start_at_s=at_s)
    rig.go()
    assert rig.run.t0_ns + rig.run.clock_offset_ns == pytest.approx(at_s * 1e9, abs=1e6)


def test_part_that_is_late_runs_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "work()", part=0, parts=2, start_at_s=time.time() - 5)
    with pytest.raises(NotReadyError, match="when the workers were ready"):
        rig.go()


def armed(crashes: int, count: int = 2) -> tuple[Replacements, list[ConsumerSpec]]:
    role = ConsumerRole(name="c", user="u", queue="q", count=count, crash_every=10, crashes=crashes)
    spec = dataclasses.replace(SPEC, consumers=(role,))
    started = [each for each in consumers(spec, "f") if isinstance(each, ConsumerSpec)]
    return Replacements(spec, "f"), started


def test_profile_kills_as_many_as_it_says_and_all_are_replaced() -> None:
    replacements, ahead = armed(crashes=9)
    died = 0
    while ahead:
        each = ahead.pop()
        if each.crash_after is not None:
            died += 1
            following = replacements.next(each)
            assert isinstance(following, ConsumerSpec)
            ahead.append(following)
    assert died == 9


def test_each_process_dies_at_a_try_of_its_own_and_who_replaces_it_at_the_next() -> None:
    role = ConsumerRole(name="c", user="u", queue="q", count=2, crash_on_tries=(0, 1, 3))
    spec = dataclasses.replace(SPEC, consumers=(role,))
    replacements = Replacements(spec, "f")
    alive = [each for each in consumers(spec, "f") if isinstance(each, ConsumerSpec)]
    assert [each.crash_try for each in alive] == [0, 1]
    following = [replacements.next(each) for each in alive]
    assert [each.crash_try for each in following if each] == [3, None]
    assert {each.crash_after for each in (*alive, *following) if each} == {None}


def test_planned_deaths_at_tries_use_up_nothing_of_what_unplanned_ones_may(tmp_path: Path) -> None:
    role = ConsumerRole(name="c", user="u", queue="q", crash_on_tries=(1,) * 9)
    spec = dataclasses.replace(SPEC, consumers=(role,))
    replacements, (each,) = Replacements(spec, "f"), consumers(spec, "f")
    for _ in range(9):
        following = replacements.next(each)
        assert following is not None
        each = following
    assert [replacements.next(each) is None for _ in range(6)] == [False] * 5 + [True]


def test_only_so_many_processes_are_armed_as_are_to_die() -> None:
    _, started = armed(crashes=1)
    assert [each.crash_after for each in started] == [10, None]


def test_deaths_that_nobody_planned_are_replaced_five_times() -> None:
    replacements, (_, plain) = armed(crashes=1)
    found = [replacements.next(plain) for _ in range(6)]
    assert [each.name if each else None for each in found] == [f"c-1~{n}" for n in range(1, 6)] + [None]


def test_holder_that_was_released_is_not_mourned(tmp_path: Path) -> None:
    script = (
        "if spec['name'] == 'c-0':\n"
        "    say(type='ready', where='a:1')\n"
        "    while hear() != 'release': pass\n"
        "    say(type='end'); sys.exit()\n"
        "work()"
    )
    rig = Rig(tmp_path, script)
    rig.go()
    assert rig.notes() == ""
    assert rig.run.worker_names[1] == ["c-0", "c-1"]


def test_held_run_says_that_it_is_ready_and_begins_when_it_is_released(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "work()", held=True)
    asked: list[bool] = []

    def released() -> bool:
        asked.append(bool(rig.events))
        return len(asked) > 2

    rig.run.open()
    try:
        rig.run.hold(released)
    finally:
        rig.run.close()
    assert asked == [True, True, True]
    assert rig.events[0] == {"type": "ready"}


def test_held_run_that_nobody_releases_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "_HOLD_DEADLINE_S", 0.2)
    rig = Rig(tmp_path, "work()", held=True)
    rig.run.open()
    try:
        with pytest.raises(NotReadyError, match=r"not released within 0\.2 s"):
            rig.run.hold(lambda: False)
    finally:
        rig.run.close()


def test_interrupt_lets_a_held_run_go_on_to_its_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "work()", held=True)
    rig.run.open()
    rig.interrupts(2, None)
    try:
        rig.run.hold(lambda: False)
    finally:
        rig.run.close()


def test_held_run_begins_when_it_is_released_and_not_when_it_connects(tmp_path: Path) -> None:
    """Its series and its faults are drawn from the start that it tells."""
    rig = Rig(tmp_path, "work()", held=True)
    at: list[datetime] = []

    def released() -> bool:
        at.append(datetime.now(UTC))
        return len(at) > 3

    shutil.rmtree(rig.spec.folder)
    Path(rig.spec.folder).mkdir()
    result = engine.run(
        rig.spec,
        emit=rig.events.append,
        interrupts=rig.interrupts,
        program=rig.program,
        released=released,
    )
    assert result.started_at >= iso(at[-1])
