"""The driver is killed for real, at every step of every fault; what it leaves must be healed by the next.

The nodes' states are kept in a file, so that the child that dies and the parent that heals see the same.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.engine import Order, Target, heal, inject, inject_for
from chaos.fault import CLUSTER
from chaos.watchdog import Watchdog, keep_watch
from warren.errors import NotReadyError
from warren.journal import Journal
from warren.wait import Clock

from .conftest import LOOKS, MOMENTARY, STEPS, aimed, struck

FAULTS = tuple(STEPS)
ACTS = {fault: steps[0] for fault, steps in STEPS.items()}
PROOFS = {fault: steps[1] for fault, steps in STEPS.items()}
HEALS = {fault: steps[2] for fault, steps in STEPS.items()}


def in_child(act: Callable[[], object]) -> int:
    """Run ``act`` in a forked process; its wait status."""
    child = os.fork()
    if child == 0:
        status = 99
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.alarm(30)  # an orphan that hangs must not outlive its test
        try:
            act()
            status = 0
        except KeyboardInterrupt:
            status = 130
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def order(fault: str) -> Order:
    return Order(fault=fault, target=aimed(fault))


def assert_whole(ground: Any) -> None:
    assert not [node for node in (*ground.runtime.nodes, CLUSTER) if ground.is_broken(node)]
    assert not ground.left()
    assert ground.journal.open_faults() == ()


def heal_after(ground: Any) -> None:
    """What the user does next, in another process and a little later."""
    ground.runtime.scripts.clear()
    ground.time.sleep(1)
    heal(ground.context())


@pytest.fixture
def stored(make_ground: Callable[..., Any]) -> Any:
    return make_ground(store=True)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("look", "before"),  # nothing journaled
        ("act", "before"),  # journaled, nothing done
        ("act", "after"),  # done, not proven
    ],
)
def test_sigkill_during_the_injection_is_healed(stored: Any, fault: str, step: str, moment: str) -> None:
    if step == "act":
        stored.runtime.on(ACTS[fault], die, moment=moment, skip=LOOKS.get(fault, 0))
    else:
        stored.runtime.on("states", die)
    status = in_child(lambda: inject(stored.context(), order(fault)))
    assert os.WIFSIGNALED(status)
    stored.runtime.scripts.clear()
    assert stored.is_broken(struck(fault)) is (moment == "after" and fault not in MOMENTARY)
    assert len(stored.journal.open_faults()) == (step == "act")
    heal_after(stored)
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
def test_sigkill_right_after_the_proof_is_healed(stored: Any, fault: str) -> None:
    def inject_and_die() -> None:
        inject(stored.context(), order(fault))
        die()

    in_child(inject_and_die)
    assert stored.is_broken(struck(fault)) is (fault not in MOMENTARY)
    assert stored.journal.open_faults()[0].is_proven
    heal_after(stored)
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_sigkill_of_the_healing_itself_is_healed(stored: Any, fault: str, moment: str) -> None:
    inject(stored.context(), order(fault))
    stored.runtime.on(HEALS[fault], die, moment=moment)
    assert os.WIFSIGNALED(in_child(lambda: heal(stored.context())))
    assert len(stored.journal.open_faults()) == 1
    heal_after(stored)
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
def test_sigkill_while_waiting_for_the_gate_is_healed(
    stored: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inject(stored.context(), order(fault))

    def gate(self: object, *, deadline_s: float, steady_s: float) -> None:
        die()

    with monkeypatch.context() as patch:
        patch.setattr(type(stored.gate), "__call__", gate)
        assert os.WIFSIGNALED(in_child(lambda: heal(stored.context())))
    assert len(stored.journal.open_faults()) == 1
    heal_after(stored)
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
def test_sigkill_while_the_journal_is_written_is_healed(
    stored: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line (the proof) is cut in the middle by the death of its writer."""
    real, lines = os.write, [0]

    def torn(descriptor: int, data: Any) -> int:
        if b'"fault_id"' in bytes(data):
            lines[0] += 1
            if lines[0] == 2:
                real(descriptor, bytes(data)[: len(data) // 2])
                die()
        return real(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", torn)
        assert os.WIFSIGNALED(in_child(lambda: inject(stored.context(), order(fault))))
    assert len(stored.journal.read().damage) == 1
    heal_after(stored)
    assert_whole(stored)


def forked(ground: Any) -> Callable[..., AbstractContextManager[None]]:
    """A watchdog that is a fork of this process: it does what the command does that is started for real."""

    @contextmanager
    def watch(fault_id: str, *, within_s: float) -> Iterator[None]:
        reads, writes = os.pipe()
        if os.fork() == 0:
            os.close(writes)
            signal.alarm(30)
            ground.runtime.scripts.clear()
            # By the real clock: the kernel may close the dead driver's pipe before it frees its lock.
            journal = Journal(ground.journal.path, ground.time.wall)
            try:
                context = replace(ground.context(), journal=journal)
                keep_watch(context, fault_id, within_s=within_s, pipe=reads)
            finally:
                os._exit(0)
        os.close(reads)
        yield
        os.close(writes)

    return watch


def until_healed(ground: Any) -> None:
    give_up = time.monotonic() + 10
    while ground.journal.open_faults():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.mark.parametrize("fault", FAULTS)
def test_sigkill_of_the_hold_is_healed_by_the_watchdog_alone(stored: Any, fault: str) -> None:
    def sleep(duration_s: float) -> None:
        stored.time.sleep(duration_s)
        if stored.journal.open_faults()[0].is_proven:
            die()

    context = replace(stored.context(), watch=forked(stored), clock=Clock(now=stored.time.now, sleep=sleep))
    assert os.WIFSIGNALED(in_child(lambda: inject_for(context, order(fault), hold_s=30)))
    until_healed(stored)
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
def test_sigkill_of_the_act_is_healed_by_the_watchdog_alone(stored: Any, fault: str) -> None:
    stored.runtime.on(ACTS[fault], die, moment="after", skip=LOOKS.get(fault, 0))
    context = replace(stored.context(), watch=forked(stored))
    assert os.WIFSIGNALED(in_child(lambda: inject_for(context, order(fault), hold_s=30)))
    stored.runtime.scripts.clear()
    until_healed(stored)
    assert_whole(stored)


def test_watchdog_ends_a_fault_whose_time_is_over_though_its_driver_lives(stored: Any) -> None:
    (left,) = inject(stored.context(), order("pause"))
    reads, writes = os.pipe()
    report = keep_watch(stored.context(), left.fault_id, within_s=0.01, pipe=reads)
    os.close(reads)
    os.close(writes)
    assert report is not None
    assert_whole(stored)


def test_watchdog_leaves_alone_what_is_healed_and_what_is_anothers(stored: Any) -> None:
    inject(stored.context(), order("pause"))
    reads, writes = os.pipe()
    os.close(writes)
    assert keep_watch(stored.context(), "another", within_s=10, pipe=reads) is None
    os.close(reads)
    assert stored.is_broken("rmq2")


def test_held_fault_is_watched_for_longer_than_it_is_held(ground: Any) -> None:
    inject_for(ground.context(), order("pause"), hold_s=30)
    ((fault_id, within_s),) = ground.watched
    assert fault_id == ground.journal.read().faults[0].fault_id
    assert within_s > 30


def test_without_a_watch_nothing_is_broken(ground: Any, tmp_path: Path) -> None:
    context = replace(ground.context(), watch=Watchdog(("/no/such/program",), tmp_path / "log"))
    with pytest.raises(NotReadyError, match="cannot be started"):
        inject_for(context, order("pause"), hold_s=30)
    assert ground.runtime.calls == []


def test_lock_of_a_dead_driver_is_free(stored: Any) -> None:
    stored.runtime.on("kill", die)
    in_child(lambda: inject(stored.context(), order("kill")))
    with Journal(stored.journal.path, stored.time.wall).exclusive(deadline_s=0):
        pass


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_interrupt_during_the_act_is_held_back_and_the_act_undone(
    stored: Any, fault: str, number: signal.Signals, moment: str
) -> None:
    stored.runtime.on(
        ACTS[fault], lambda: signal.raise_signal(number), moment=moment, skip=LOOKS.get(fault, 0)
    )
    status = in_child(lambda: inject(stored.context(), order(fault)))
    assert os.waitstatus_to_exitcode(status) == 130
    assert_whole(stored)
    assert len(stored.journal.read().faults) == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_of_the_proof_undoes_the_act(stored: Any, fault: str, number: signal.Signals) -> None:
    def arm() -> None:
        stored.runtime.on(PROOFS[fault], lambda: signal.raise_signal(number))

    stored.runtime.on(ACTS[fault], arm, moment="after", skip=LOOKS.get(fault, 0))
    assert os.waitstatus_to_exitcode(in_child(lambda: inject(stored.context(), order(fault)))) == 130
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_of_the_hold_heals(stored: Any, fault: str, number: signal.Signals) -> None:
    context = stored.context()

    def sleep(duration_s: float) -> None:
        stored.time.sleep(duration_s)
        assert stored.is_broken(struck(fault)) is (fault not in MOMENTARY)
        signal.raise_signal(number)

    object.__setattr__(context, "clock", type(context.clock)(now=stored.time.now, sleep=sleep))
    status = in_child(lambda: inject_for(context, order(fault), hold_s=30))
    assert os.waitstatus_to_exitcode(status) == 130
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
def test_second_interrupt_does_not_stop_the_healing(stored: Any, fault: str) -> None:
    context = stored.context()
    stored.runtime.on(HEALS[fault], lambda: signal.raise_signal(signal.SIGINT))
    stored.runtime.fail(HEALS[fault])  # and the first try fails on top
    interrupted = []

    def sleep(duration_s: float) -> None:
        stored.time.sleep(duration_s)
        if not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)

    object.__setattr__(context, "clock", type(context.clock)(now=stored.time.now, sleep=sleep))
    status = in_child(lambda: inject_for(context, order(fault), hold_s=30))
    assert os.waitstatus_to_exitcode(status) == 130
    assert stored.states() == ["running"] * 3
    heal_after(stored)
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_that_comes_twice_does_not_stop_the_healing_before_it_begins(
    stored: Any, fault: str, number: signal.Signals
) -> None:
    """`make` hands on what its whole group was sent, and a shell hangs up on its jobs once more."""
    context = stored.context()

    def sleep(duration_s: float) -> None:
        stored.time.sleep(duration_s)
        stored.runtime.on("states", lambda: signal.raise_signal(number))  # the healing's first look
        signal.raise_signal(number)

    object.__setattr__(context, "clock", type(context.clock)(now=stored.time.now, sleep=sleep))
    status = in_child(lambda: inject_for(context, order(fault), hold_s=30))
    assert os.waitstatus_to_exitcode(status) == 130
    assert_whole(stored)


@pytest.mark.parametrize("fault", FAULTS)
def test_signal_that_comes_twice_does_not_keep_an_unproven_act(stored: Any, fault: str) -> None:
    def arm() -> None:
        stored.runtime.on(PROOFS[fault], lambda: signal.raise_signal(signal.SIGTERM))
        stored.runtime.on("states", lambda: signal.raise_signal(signal.SIGTERM))

    stored.runtime.on(ACTS[fault], arm, moment="after", skip=LOOKS.get(fault, 0))
    assert os.waitstatus_to_exitcode(in_child(lambda: inject(stored.context(), order(fault)))) == 130
    assert_whole(stored)


def test_waiting_for_the_gate_after_an_interrupt_can_be_interrupted_again(
    stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = stored.context()

    def sleep(duration_s: float) -> None:
        stored.time.sleep(duration_s)
        signal.raise_signal(signal.SIGINT)

    def gate(self: object, *, deadline_s: float, steady_s: float) -> None:
        signal.raise_signal(signal.SIGINT)

    object.__setattr__(context, "clock", type(context.clock)(now=stored.time.now, sleep=sleep))
    with monkeypatch.context() as patch:
        patch.setattr(type(stored.gate), "__call__", gate)
        status = in_child(lambda: inject_for(context, order("kill"), hold_s=30))
    assert os.waitstatus_to_exitcode(status) == 130
    assert stored.states() == ["running"] * 3
    assert len(stored.journal.open_faults()) == 1, "nobody has seen that the cluster is whole"


def test_user_who_insists_is_let_go_and_the_fault_stays_open(stored: Any, tmp_path: Path) -> None:
    inject(stored.context(), order("kill"))
    tries = tmp_path / "tries"

    def interrupted() -> None:
        with tries.open("a", encoding="utf-8") as handle:
            handle.write("x")
        signal.raise_signal(signal.SIGINT)

    stored.runtime.on("start", interrupted, times=None)
    stored.runtime.fail("start", times=None)
    assert os.waitstatus_to_exitcode(in_child(lambda: heal(stored.context()))) == 130
    assert len(tries.read_text(encoding="utf-8")) == 3
    assert len(stored.journal.open_faults()) == 1


def test_of_two_commands_at_once_only_one_takes_its_node_down(stored: Any) -> None:
    """Both look while all nodes run; the lock makes the second look again after the first has acted."""

    def strike(node: str) -> None:
        context = stored.context()
        object.__setattr__(context, "journal", Journal(stored.journal.path, stored.time.wall))
        stored.runtime.on("kill", lambda: time.sleep(0.3))
        inject(context, Order(fault="kill", target=Target(node=node)))

    children = []
    for node in ("rmq1", "rmq2"):
        child = os.fork()
        if child == 0:
            status = 2
            try:
                strike(node)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sorted(codes) == [0, 2]
    assert stored.states().count("stopped") == 1


def test_closed_terminal_is_ignored_under_nohup(stored: Any) -> None:
    def held() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        stored.runtime.on("kill", lambda: signal.raise_signal(signal.SIGHUP), moment="after")
        inject(stored.context(), order("kill"))

    assert os.waitstatus_to_exitcode(in_child(held)) == 0
    assert stored.states()[1] == "stopped"


def test_sigterm_means_what_it_did_before_once_the_command_has_ended(ground: Any) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    inject_for(ground.context(), order("kill"), hold_s=1)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
