"""The red switch, with drivers that are real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from chaos.engine import Order, Target, halt, heal, inject, inject_for, plan, release, status
from chaos.halt import halted_since
from warren.errors import NotReadyError, RefusedError
from warren.journal import Journal, Phase
from warren.wait import Clock


def order(fault: str = "pause") -> Order:
    return Order(fault=fault, target=Target(node="rmq2"))


def real_time(ground: Any) -> Any:
    """The ground's context by the real clock, as a driver beside this process has it."""
    context = ground.context()
    return replace(context, clock=Clock(), journal=Journal(ground.journal.path, context.now))


@pytest.fixture
def stored(make_ground: Callable[..., Any]) -> Any:
    return make_ground(store=True)


@pytest.fixture
def driver(stored: Any) -> Iterator[Callable[[Callable[[], object]], int]]:
    """Forks a driver and waits until its fault is proven; what is left of it at the end is killed."""
    children = []

    def start(act: Callable[[], object]) -> int:
        child = os.fork()
        if child == 0:
            status = 99
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.alarm(60)
            try:
                act()
                status = 0
            except KeyboardInterrupt:
                status = 130
            finally:
                os._exit(status)
        children.append(child)
        give_up = time.monotonic() + 10
        while not any(fault.is_proven for fault in stored.journal.open_faults()):
            assert time.monotonic() < give_up
            time.sleep(0.02)
        return child

    yield start
    for child in children:
        try:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def reaped(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_driver_that_holds_a_fault_is_ended_and_heals_it_itself(stored: Any, driver: Any) -> None:
    child = driver(lambda: inject_for(real_time(stored), order(), hold_s=600))
    report = halt(real_time(stored))
    assert report.asked == (child,)
    assert report.still_there == ()
    assert reaped(child) == 130
    assert stored.states() == ["running"] * 3
    assert report.report.healed == (), "the driver did it"
    assert stored.journal.read().faults[0].phase is Phase.HEALED


def test_fault_that_nobody_holds_is_healed(ground: Any) -> None:
    inject(ground.context(), order("kill"))
    report = halt(ground.context())
    assert [fault.target for fault in report.report.healed] == ["rmq2"]
    assert report.asked == ()


def test_halting_process_does_not_end_itself(ground: Any) -> None:
    inject(ground.context(), order("kill"))
    assert ground.journal.open_faults()[0].driver == os.getpid()
    assert halt(ground.context()).asked == ()


def test_process_that_only_has_the_drivers_number_is_left_alone(stored: Any, driver: Any) -> None:
    """Its number was given to somebody else: the mark of its birth is another one."""
    child = driver(lambda: inject_for(real_time(stored), order(), hold_s=600))
    text = stored.journal.path.read_text(encoding="utf-8")
    (fault,) = stored.journal.open_faults()
    stored.journal.path.write_text(text.replace(str(fault.driver_born), "an-older-one"), encoding="utf-8")
    report = halt(real_time(stored))
    assert report.asked == ()
    os.kill(child, 0)
    assert [each.target for each in report.report.healed] == ["rmq2"]


def test_nothing_is_broken_until_the_halt_is_released(ground: Any) -> None:
    halt(ground.context())
    for strike in (
        lambda: inject(ground.context(), order()),
        lambda: inject_for(ground.context(), order(), hold_s=5),
        lambda: inject(ground.context(), Order(fault="restart", target=Target())),
    ):
        with pytest.raises(RefusedError, match="halted since") as caught:
            strike()
        assert "--release" in caught.value.remedy
    assert ground.watched == []
    assert ground.journal.read().faults == ()
    plan(ground.context(), order())
    assert release(ground.context())
    inject(ground.context(), order())


def test_halting_and_releasing_twice_is_once(ground: Any) -> None:
    first = halt(ground.context())
    ground.time.sleep(60)
    assert halt(ground.context()).since == first.since
    assert release(ground.context())
    assert not release(ground.context())
    assert halted_since(ground.context()) is None


def test_status_says_that_chaos_is_halted(ground: Any) -> None:
    assert status(ground.context()).halted_since is None
    since = halt(ground.context()).since
    assert status(ground.context()).halted_since == since


def test_lock_that_cannot_be_read_is_a_lock(ground: Any) -> None:
    ground.journal.path.with_name("halted.json").write_text("{", encoding="utf-8")
    with pytest.raises(RefusedError, match="unknown time"):
        inject(ground.context(), order())


def test_lock_stays_when_the_healing_fails(ground: Any) -> None:
    inject(ground.context(), order("kill"))
    ground.runtime.fail("start", times=None)
    with pytest.raises(NotReadyError):
        halt(ground.context())
    assert halted_since(ground.context()) is not None
    ground.runtime.scripts.clear()
    halt(ground.context())
    assert ground.states() == ["running"] * 3


def test_healing_is_not_refused_by_the_halt(ground: Any) -> None:
    inject(ground.context(), order("kill"))
    ground.journal.path.with_name("halted.json").write_text('{"since": "x"}', encoding="utf-8")
    assert heal(ground.context()).healed


def test_injection_that_is_under_way_is_waited_for_and_then_ended(stored: Any, driver: Any) -> None:
    """It holds the lock and has journaled nothing when the halt begins."""
    arrived = stored.journal.path.with_name("arrived")

    def slowly() -> None:
        arrived.touch()
        time.sleep(0.5)

    def act() -> None:
        stored.runtime.on("states", slowly)
        inject_for(real_time(stored), order(), hold_s=600)

    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(60)
        try:
            act()
        except KeyboardInterrupt:
            os._exit(130)
        finally:
            os._exit(99)
    while not arrived.exists():
        time.sleep(0.01)
    report = halt(real_time(stored))
    assert report.asked == (child,)
    assert reaped(child) == 130
    assert stored.states() == ["running"] * 3
    assert stored.journal.open_faults() == ()
