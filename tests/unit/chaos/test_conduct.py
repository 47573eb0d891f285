"""A whole game day on a fake cluster: each way in which it can end, and that it heals in each."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chaos import record_file
from chaos.engine import Order, Target, inject
from chaos.eyes import entries
from chaos.healing import heal
from chaos.record import Verdict
from warren.errors import EXIT_NOT_READY, BadInputsError, NotReadyError
from warren.results import Ledger
from warren.results import Verdict as LoadVerdict
from warren.runtime.protocol import NodeState

from .fake_day import TEXT, FakeDay
from .test_driver_dies import assert_whole, forked, in_child, until_healed


@pytest.fixture
def day(ground: Any, tmp_path: Path) -> FakeDay:
    return FakeDay(ground, tmp_path)


def assert_healed(day: FakeDay) -> None:
    assert day.ground.states() == ["running"] * 3
    assert day.ground.journal.open_faults() == ()


def reasons(found: Any) -> str:
    return "; ".join(found.reasons)


def test_all_as_expected_passes_and_says_what_it_rests_on(day: FakeDay, tmp_path: Path) -> None:
    found = day.play()
    assert found.verdict is Verdict.PASSED, found.reasons
    assert found.reasons == (
        "1 fault proven and healed, 18000 confirmed, none lost, 2 of 2 figures within their intervals",
    )
    gap, redundancy = found.expectations
    assert gap.value == pytest.approx(0.6)
    assert redundancy.value is not None
    assert 0 <= redundancy.value < 3
    assert {each.name for each in found.checks} >= {"loss", "orphaned-unacked", "crash-reports", "sac-wedge"}
    assert all(each.passed is not False for each in found.checks)
    (alert,) = found.alerts
    assert alert.fired_at
    assert alert.cleared_at
    assert found.seed == 7
    (fault,) = day.ground.journal.read().faults
    assert (fault.run_id, fault.seed, fault.target) == ("day-1", 7, "rmq2")
    assert_healed(day)
    path = tmp_path / "gameday.json"
    record_file.write(found, path)
    assert record_file.read(path) == replace(found, load=json.loads(json.dumps(found.load)))


@pytest.mark.parametrize(("after_s", "measured"), [(45.0, True), (80.0, False)])
def test_redundancy_is_waited_for_as_long_as_it_may_take(
    day: FakeDay, monkeypatch: pytest.MonkeyPatch, after_s: float, measured: bool
) -> None:
    """Also where the load is over before, and no alert is waited for: a busy machine boots a node slowly."""
    day.text = re.sub(r"alerts:\n.*\n", "", TEXT)
    begun_s, plain = day.ground.time.seconds, type(day.eyes).members_running

    def late(eyes: Any) -> frozenset[str]:
        there: frozenset[str] = plain(eyes)
        at_s = day.ground.time.seconds - begun_s
        return there - {"rmq2"} if 20 < at_s < day.starts_after_s + 30 + after_s else there

    monkeypatch.setattr(type(day.eyes), "members_running", late)
    found = next(each for each in day.play().expectations if each.name == "redundancy_s")
    assert (found.value is not None) is measured
    if measured:
        assert found.value == pytest.approx(after_s, abs=3)


def test_fault_is_held_for_its_time_and_the_journal_says_so(day: FakeDay) -> None:
    day.play()
    (fault,) = day.ground.journal.read().faults
    at = [getattr(fault, key)[17:19] for key in ("injected_at", "healed_at")]
    assert (int(at[1]) - int(at[0])) % 60 in (10, 11)
    assert day.ground.watched[0][0] == "day-1"
    assert day.ground.watched[0][1] > 60


FAILED, OPEN, HANG = Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.HANG


def ledger(**counts: Any) -> dict[str, Any]:
    return {"changes": {"ledger": Ledger(confirmed=9, **counts)}}


def judged(verdict: LoadVerdict, reason: str) -> dict[str, Any]:
    return {"changes": {"verdict": verdict, "reasons": (reason,)}}


MUTATIONS = {
    "lost": (ledger(lost=2, lost_examples=("a", "b")), FAILED, "2 confirmed messages are lost"),
    "unexpected": (ledger(unexpected=1), FAILED, "nobody published"),
    "unflagged": (ledger(duplicates_unflagged=3), FAILED, "no redelivered flag"),
    "order": (ledger(reordered=3), FAILED, "came before earlier ones"),
    "load failed": (judged(LoadVerdict.FAILED, "late"), FAILED, "load: late"),
    "load open": (judged(LoadVerdict.INCONCLUSIVE, "saturated"), OPEN, "load: saturated"),
    "slow": ({"gap_s": 6.0}, FAILED, "confirm_gap_s is 6, 0.1 to 5 expected"),
    "fast": ({"gap_s": 0.05}, OPEN, "did the fault bite"),
    "elsewhere": ({"gap_s": 9.0, "gap_at_s": 48.0}, FAILED, "outside of the fault"),
    "stood still": ({"silent": True}, FAILED, "no confirms in the last"),
    "no alert": ({"fires": False}, FAILED, "WarrenNodeDown did not fire"),
    "alert stays": ({"clears": False}, FAILED, "WarrenNodeDown still fires"),
    "no Prometheus": ({"alerts_fail": True}, OPEN, "Prometheus could not be asked"),
    "suspicion": ({"suspected": lambda at_s: 99 * (at_s > 22)}, FAILED, "stopped: suspected: is 99"),
    "no result": ({"leaves_result": False}, OPEN, "without a result: its last words"),
    "load dies": ({"dies_at_s": 25.0}, OPEN, "the load ended before the method was over"),
    "never begins": ({"never_publishes": True, "drain_s": 1e9}, HANG, "did not begin to publish"),
    "never ends": ({"drain_s": 1e9, "deaf": True}, HANG, "did not end within"),
    "wedge": ({"wedges": True}, FAILED, "no active consumer"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_thing_that_can_be_wrong_is_told_and_everything_healed(day: FakeDay, name: str) -> None:
    changes, verdict, said = MUTATIONS[name]
    for key, value in changes.items():
        setattr(day, key, value)
    found = day.play()
    assert found.verdict is verdict, found.reasons
    assert said in reasons(found)
    assert_healed(day)


def test_what_no_channel_owned_before_is_no_reason_against_a_day(day: FakeDay) -> None:
    day.eyes.unacked = day.eyes.unacked_before = 4
    begun_s = day.ground.time.seconds
    found = day.play()
    assert found.verdict is Verdict.PASSED, found.reasons
    (each,) = [each for each in found.checks if each.name == "orphaned-unacked"]
    assert "but for 4 of before" in each.why
    assert day.ground.time.seconds - begun_s < 240, "what is known is not waited for"
    assert any("4 unacknowledged messages of /orders" in event.what for event in found.events)


def test_more_than_no_channel_owned_before_fails(day: FakeDay) -> None:
    day.eyes.unacked, day.eyes.unacked_before = 6, 4
    found = day.play()
    assert found.verdict is Verdict.FAILED
    assert "orphaned-unacked: 2 unacknowledged" in reasons(found)


def test_unacked_that_no_channel_owns_fail(day: FakeDay) -> None:
    day.eyes.unacked = 4
    found = day.play()
    assert found.verdict is Verdict.FAILED
    assert "4 unacknowledged messages of /orders:orders.work belong to no channel" in reasons(found)
    day.eyes.channels = 4
    (day.folder / "load.json").unlink()
    assert day.play().verdict is Verdict.PASSED


def crash(call: str, why: str) -> str:
    head = "2026-01-02 03:06:05.123456+00:00 [error] <0.3849.0>"
    lines = ("  crasher:", f"    initial call: {call}", "    pid: <0.3849.0>", f"    exception exit: {why}")
    return "".join(f"{head} {line}\n" for line in lines)


def test_crash_report_fails_unless_the_experiment_tolerates_it(day: FakeDay) -> None:
    day.eyes.log = entries(crash("ra_server_proc:init/1", "badmatch"), datetime(2026, 1, 2, tzinfo=UTC))
    assert len(day.eyes.log) == 1
    found = day.play()
    assert found.verdict is Verdict.FAILED
    assert "1 crash reports: ra_server_proc:init/1 on rmq1: badmatch (1)" in reasons(found)
    (day.folder / "load.json").unlink()
    day.text = TEXT + "tolerates: [crash-reports]\n"
    assert day.play().verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("call", "why", "told"),
    [
        (
            "rabbit_reader:init/3",
            "channel_termination_timeout",
            "1 connections that ended while their node stood still",
        ),
        (
            "rabbit_channel:init/1",
            "{{shutdown,{writer,send_failed,enotconn}},",
            "1 connections that ended while their node stood still",
        ),
        (
            "cowboy_stream_h:request_process/3",
            "in call from rabbit_mgmt_wm_nodes:all_nodes_raw/0 (rabbit_mgmt_wm_nodes.erl:52)",
            "1 questions to a node that was booting",
        ),
        (
            "cowboy_stream_h:request_process/3",
            "{{noproc,\n   {gen_server,call,\n   [rabbit_mgmt_db_cache_sup,\n   {start_child,",
            "1 questions to a node that was going down",
        ),
    ],
)
def test_crash_that_is_explained_is_told_and_does_not_fail(
    day: FakeDay, call: str, why: str, told: str
) -> None:
    day.eyes.log = [crash(call, why)]
    found = day.play()
    assert found.verdict is Verdict.PASSED
    assert told in str(found.checks)


def test_other_crash_of_the_same_process_is_not_explained(day: FakeDay) -> None:
    day.eyes.log = [crash("cowboy_stream_h:request_process/3", "badmatch")]
    assert day.play().verdict is Verdict.FAILED


def test_crash_is_told_with_what_it_died_of_and_where(day: FakeDay) -> None:
    """The nodes' logs end with the nodes."""
    why = "{no_match, " + "x" * 300 + "}\n      in function  rabbit_mgmt_x:y/2 (rabbit_mgmt_x.erl:52)"
    day.eyes.log = [crash("cowboy_stream_h:request_process/3", why)]
    found = day.play()
    (check,) = [each for each in found.checks if each.name == "crash-reports"]
    assert "cowboy_stream_h:request_process/3 on rmq1: {no_match, xxx" in check.why
    assert check.why.endswith("x… in rabbit_mgmt_x:y/2 (1)")


def test_crash_inside_of_a_library_is_told_with_the_brokers_own_function(day: FakeDay) -> None:
    why = "{{noproc,\n  in function  gen_server:call/3 (gen_server.erl:1301)\n"
    day.eyes.log = [
        crash("a:b/1", why + "  in call from rabbit_x:fetch/4 (x.erl:68)\n  in call from rabbit_y:z/0")
    ]
    assert "a:b/1 on rmq1: {{noproc, in rabbit_x:fetch/4 (1)" in reasons(day.play())


def test_entries_of_a_log_are_told_apart_and_old_ones_left_out() -> None:
    old, new = (
        crash("a:b/1", "x"),
        crash("c:d/1", "y").replace("03:06", "03:07").replace("<0.3849.0>", "<0.9.1>"),
    )
    found = entries(f"no stamp\n{old}{new}a line without\n", datetime(2026, 1, 2, 3, 7, tzinfo=UTC))
    assert len(found) == 1
    assert "initial call: c:d/1" in found[0]
    assert found[0].endswith("a line without")


def test_fault_that_does_not_bite_is_inconclusive(day: FakeDay) -> None:
    day.ground.runtime.ignored_steps.add("kill")
    found = day.play()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "did not bite" in reasons(found)
    assert_healed(day)


def test_engine_that_is_gone_at_the_act_is_told_and_undone(day: FakeDay) -> None:
    day.ground.runtime.fail("kill")
    found = day.play()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the engine does not answer" in reasons(found)
    assert_healed(day)


def test_engine_that_is_gone_at_the_healing_is_tried_again(day: FakeDay) -> None:
    day.ground.runtime.fail("start", times=2)
    assert day.play().verdict is Verdict.PASSED
    assert_healed(day)


def test_what_cannot_be_healed_is_a_hang_and_stays_open(day: FakeDay) -> None:
    day.ground.runtime.fail("start", times=None)
    found = day.play()
    assert found.verdict is Verdict.HANG
    assert "healing" in reasons(found)
    assert len(day.ground.journal.open_faults()) == 1


def test_target_that_is_gone_is_told(day: FakeDay) -> None:
    day.ground.runtime.on("kill", lambda: day.ground.runtime.put("rmq2", NodeState.ABSENT), moment="after")
    found = day.play()
    assert found.verdict is Verdict.HANG
    assert "no such container" in reasons(found)


def test_gate_after_that_does_not_pass_is_a_hang_that_names_the_residue(day: FakeDay) -> None:
    def spoil() -> None:
        if day.loads and day.loads[-1].ended:
            day.ground.gate.problem = NotReadyError("queue orders.work", "has 2 of 3 members online")

    day.on_sleep = spoil
    found = day.play()
    assert found.verdict is Verdict.HANG
    assert "has 2 of 3 members online" in reasons(found)


def test_truncated_journal_is_no_obstacle(day: FakeDay) -> None:
    def tear() -> None:
        path = day.ground.journal.path
        if day.ground.journal.open_faults():
            path.write_bytes(path.read_bytes()[:-20])
            day.on_sleep = lambda: None

    day.on_sleep = tear
    found = day.play()
    assert day.ground.states() == ["running"] * 3
    assert found.verdict in (Verdict.PASSED, Verdict.INCONCLUSIVE)


def test_another_command_that_heals_is_noticed(day: FakeDay) -> None:
    def interfere() -> None:
        if day.ground.journal.open_faults() and day.loads[-1].at_s > 24:
            heal(day.ground.context())

    day.on_sleep = interfere
    found = day.play()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "healed by another command" in reasons(found)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda day: day.ground.runtime.pause("rmq3"), "rmq3 is under 'pause'"),
        (lambda day: setattr(day.ground.gate, "problem", NotReadyError("rmq1", "an alarm")), "an alarm"),
        (lambda day: setattr(day.eyes, "blind", True), "could not be asked"),
    ],
)
def test_nothing_begins_on_a_cluster_that_is_not_as_it_should_be(day: FakeDay, spoil: Any, said: str) -> None:
    spoil(day)
    with pytest.raises(NotReadyError, match=said):
        day.play()
    assert not day.loads
    assert not day.ground.watched


def test_open_fault_of_another_day_is_named(day: FakeDay) -> None:
    (left,) = inject(day.ground.context(), Order(fault="pause", target=Target(node="rmq3")))
    with pytest.raises(NotReadyError, match=left.fault_id):
        day.play()


def test_settings_that_are_not_as_presumed_are_refused(day: FakeDay) -> None:
    day.text = TEXT + "presumes: {failure_detector_poll_ms: 1000}\n"
    with pytest.raises(NotReadyError, match="is 5000, the experiment presumes 1000"):
        day.play()


@pytest.mark.parametrize("at_s", [1.0, 10.0, 25.0, 45.0])
def test_interrupt_heals_and_judges(day: FakeDay, at_s: float) -> None:
    begun = day.ground.time.seconds

    def interrupt() -> None:
        if day.ground.time.seconds - begun > at_s:
            day.on_sleep = lambda: None
            signal.raise_signal(signal.SIGINT)

    day.on_sleep = interrupt
    found, interrupted = day.played()
    assert interrupted
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "it was interrupted" in found.reasons
    assert day.loads[-1].interrupted
    assert_healed(day)


def test_interrupt_of_the_last_look_leaves_a_verdict(day: FakeDay) -> None:
    day.eyes.unacked = 4

    def interrupt() -> None:
        if day.loads and day.loads[-1].ended and not day.lookouts:
            day.on_sleep = lambda: None
            signal.raise_signal(signal.SIGTERM)

    day.on_sleep = interrupt
    found, interrupted = day.played()
    assert interrupted
    assert found.verdict is Verdict.INCONCLUSIVE
    assert {each.name for each in found.checks if each.passed is None} >= {"orphaned-unacked", "redundancy"}


def test_two_faults_overlap_and_each_is_healed_in_its_time(day: FakeDay) -> None:
    day.text = TEXT.replace(
        "expectations:",
        "  - {name: squeeze, after: kill it, wait: 2s, fault: cpu, target: {node: rmq3},\n"
        "     args: {cores_count: 0.5}, majority-loss: true, for: 15s}\nexpectations:",
    )
    found = day.play()
    kill, cpu = found.faults
    assert cpu["injected_at"] < kill["healed_at"] < cpu["healed_at"]
    assert_healed(day)


def test_step_that_heals_another_and_a_probe_in_between(day: FakeDay) -> None:
    day.text = TEXT.replace(", for: 10s}", "}\n" + "\n".join((
        "  - name: one is away",
        "    after: kill it",
        "    wait: 3s",
        "    probe: {name: nodes, tolerance: 2, provider: {type: broker, ask: nodes_running}}",
        "  - {name: back, after: one is away, wait: 3s, heal: kill it}",
    )))  # fmt: skip
    found = day.play()
    assert found.verdict is Verdict.PASSED, found.reasons
    assert [event.what for event in found.events if event.kind == "probe"] == ["nodes: is 2"]


def test_rollbacks_are_played_in_their_order_and_everything_is_healed_after_them(day: FakeDay) -> None:
    day.suspected = lambda at_s: 99 * (at_s > 25)
    day.text = TEXT.replace("expectations:", "\n".join((
        "  - {name: squeeze, after: kill it, fault: cpu, target: {node: rmq3},",
        "     majority-loss: true, for: 20s}",
        "rollbacks:",
        "  - {name: first, heal: kill it}",
        "  - name: look",
        "    probe: {name: run, tolerance: 3, provider: {type: broker, ask: nodes_running}}",
        "expectations:",
    )))  # fmt: skip
    found = day.play()
    told = [event.what for event in found.events if event.kind in ("heal", "probe")]
    assert told == ["kill it: rmq2 is healed of kill", "run: is 3", "rmq3 is healed of cpu"]
    assert_healed(day)


def test_condition_that_does_not_come_is_a_hang(day: FakeDay) -> None:
    day.text = TEXT.replace(
        "at: 20s,",
        "at: 5s, until: {name: alarm, tolerance: 3, provider: {type: broker, ask: alarms}}, within: 8s,",
    )
    found = day.play()
    assert found.verdict is Verdict.HANG
    assert "waited 8 s for 'alarm' before 'kill it'" in reasons(found)
    assert found.faults == ()


MONKEY = """
monkey: {faults: {kill: {}, cpu: {cores_count: 0.5}}, every: [1s, 3s], for: [2s, 4s], from: 5s, until: 50s}
"""


@pytest.fixture
def monkey(day: FakeDay) -> FakeDay:
    """A day that has nothing but a monkey."""
    head, rest = TEXT.split("method:")
    middle = rest[rest.index("alerts:") : rest.index("stop-conditions:")]
    day.text = head + rest[rest.index("expectations:") :].replace(middle, "") + MONKEY
    day.text = day.text.replace("  confirm_gap_s: {low: 0.1, high: 5, source: a test}\n", "")
    return day


def test_monkey_breaks_one_thing_after_the_other_and_only_when_all_is_whole(monkey: FakeDay) -> None:
    day = monkey
    found = day.play(seed=3)
    assert len(found.faults) > 3
    for before, fault in pairwise(found.faults):
        assert before["healed_at"] <= fault["begun_at"]
    assert {fault["name"] for fault in found.faults} == {"kill", "cpu"}
    (day.folder / "load.json").unlink()
    again = day.play(seed=3)
    drawn = [[(fault["name"], fault["target"]) for fault in each.faults] for each in (found, again)]
    assert drawn[0] == drawn[1]
    assert_healed(day)


def test_monkey_begins_nothing_that_would_not_be_over_in_its_time(monkey: FakeDay) -> None:
    """Seen in an hour of it: what was drawn took longer than drawn, and the load ended meanwhile."""

    def slowly() -> None:
        monkey.ground.time.seconds += 1

    monkey.on_sleep = slowly
    found = monkey.play(seed=3)
    assert found.verdict is Verdict.PASSED, found.reasons
    assert len(found.faults) > 3
    begun = monkey.starts_after_s
    assert max(event.t_s for event in found.events if event.kind == "heal") <= begun + 50 + 5
    (left_out,) = [event for event in found.events if event.kind == "left out"]
    assert "its time is over" in left_out.what


def test_condition_that_comes_lets_the_step_begin(day: FakeDay) -> None:
    wait = "until: {name: all, tolerance: 3, provider: {type: broker, ask: nodes_running}}, within: 8s,"
    day.text = TEXT.replace("at: 20s,", f"at: 20s, {wait}")
    assert day.play().verdict is Verdict.PASSED


def test_during_probe_that_is_not_tolerated_fails_once(day: FakeDay) -> None:
    day.text = TEXT.replace(
        "method:",
        "    - {name: all run, when: [during], tolerance: 3,\n"
        "       provider: {type: broker, ask: nodes_running}}\nmethod:",
    )
    found = day.play()
    assert found.verdict is Verdict.FAILED
    assert reasons(found).count("all run: is 2, not 3") == 1


STEPS = {
    "before it publishes": lambda day: day.loads and day.loads[-1].at_s < 0,
    "before the act": "kill before",
    "after the act": "kill after",
    "in the hold": lambda day: day.loads and day.loads[-1].at_s > 23,
    "before the healing": "start before",
    "after the healing": "start after",
    "when all is healed": lambda day: day.loads and day.loads[-1].at_s > 40,
    "while the load drains": lambda day: day.loads and day.loads[-1].at_s > 60,
    "in the last look": lambda day: day.loads and day.loads[-1].ended and not day.lookouts,
}


@pytest.mark.parametrize("step", STEPS)
def test_sigkill_of_the_driver_at_any_step_is_healed_by_the_watchdog_alone(
    make_ground: Any, tmp_path: Path, step: str
) -> None:
    ground, moment = make_ground(store=True), STEPS[step]
    day = FakeDay(ground, tmp_path)
    day.eyes.unacked = 4
    day.watch = forked(ground)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if isinstance(moment, str):
        act, when = moment.split()
        ground.runtime.on(act, die, moment=when)
    else:
        day.on_sleep = lambda: die() if moment(day) else None
    assert os.WIFSIGNALED(in_child(day.play))
    ground.runtime.scripts.clear()
    until_healed(ground)
    assert_whole(ground)


def test_sigkill_of_the_driver_is_healed_by_the_watchdog(make_ground: Any, tmp_path: Path) -> None:
    ground = make_ground(store=True)
    day = FakeDay(ground, tmp_path)

    def die() -> None:
        if day.loads and day.loads[-1].at_s > 23:
            os.kill(os.getpid(), signal.SIGKILL)

    day.on_sleep = die
    day.watch = forked(ground)
    assert os.WIFSIGNALED(in_child(day.play))
    until_healed(ground)
    assert_whole(ground)


@pytest.mark.parametrize("monkey", [False, True])
def test_day_whose_fault_cannot_be_had_is_refused_before_anything_begins(day: FakeDay, monkey: bool) -> None:
    """Seen on a plain cluster: the load ran up to the step, which then could not be made."""
    if monkey:
        head, _, rest = TEXT.partition("method:")
        drawn = "monkey: {faults: {slow-disk: {}}, every: [1s, 2s], for: [2s, 3s], until: 50s}\n"
        day.text = f"{head}{drawn}expectations:{rest.partition('expectations:')[2]}"
    else:
        day.text = TEXT.replace("fault: kill", "fault: slow-disk")
    for node in day.ground.runtime.nodes:
        day.ground.runtime.machine(node)["disk"] = []
    with pytest.raises(NotReadyError, match="slow-disk cannot be had here") as caught:
        day.play()
    assert "cluster up --with-disk-faults" in str(caught.value)
    assert caught.value.exit_code == EXIT_NOT_READY
    assert (day.loads, day.ground.journal.read().faults) == ([], ())


@pytest.mark.parametrize(
    ("fault", "drain_s", "wanted_s"), [("kill", 2.0, 0.0), ("pause", 2.0, 0.0), ("pause", -25.0, 7.0)]
)
def test_cluster_is_watched_for_longer_only_where_it_may_still_lose_a_node(
    day: FakeDay, fault: str, drain_s: float, wanted_s: float
) -> None:
    """Every day waited 7 s in the end, whatever had been broken and however long that was ago."""
    day.text, day.drain_s = TEXT.replace("fault: kill", f"fault: {fault}"), drain_s
    day.play()
    assert day.ground.gate.steady_s == pytest.approx(wanted_s, abs=1)


@pytest.mark.parametrize(
    ("attach", "target", "nodes"),
    [
        ("target", "leader-of: orders.work", ("rmq2",)),
        ("not-target", "leader-of: orders.work", ("rmq1", "rmq3")),
        ("not-target", "node: rmq3", ("rmq1", "rmq2")),
        ("any", "leader-of: orders.work", ()),
    ],
)
def test_clients_attach_by_what_the_first_fault_will_strike(
    day: FakeDay, attach: str, target: str, nodes: tuple[str, ...]
) -> None:
    day.text = TEXT.replace("duration: 60s", f"duration: 60s, attach: {attach}")
    day.text = day.text.replace("leader-of: orders.work", target)
    found = day.play()
    assert day.loads[0].wish.attach == nodes
    (fault,) = day.ground.journal.read().faults
    assert (fault.target in nodes) is (attach == "target")
    said = f"work attaches to {', '.join(nodes)}: {attach} of the first fault"
    assert (said in [event.what for event in found.events]) is bool(nodes)


def test_follower_that_clients_attach_to_is_the_one_that_is_struck(day: FakeDay) -> None:
    """Drawn twice, by the same seed."""
    day.text = TEXT.replace("duration: 60s", "duration: 60s, attach: target")
    day.text = day.text.replace("leader-of: orders.work", "follower-of: orders.work")
    for seed in range(4):
        (day.folder / "load.json").unlink(missing_ok=True)
        day.play(seed=seed)
        assert day.loads[-1].wish.attach == (day.ground.journal.read().faults[-1].target,)


@pytest.mark.parametrize("target", ["attached-to: orders-shop", "all: true"])
def test_attaching_to_what_is_not_known_before_is_refused(day: FakeDay, target: str) -> None:
    day.text = TEXT.replace("duration: 60s", "duration: 60s, attach: target")
    day.text = day.text.replace("leader-of: orders.work", target)
    with pytest.raises(BadInputsError, match=r"load\.attach"):
        day.play()
