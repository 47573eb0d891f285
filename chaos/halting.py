"""Stops whatever chaos is under way: the lock first, then the drivers, then everything is healed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.context import ChaosContext
from chaos.halt import write_lock
from chaos.healing import HealReport, heal
from warren.journal import Fault
from warren.processes import ask_to_end, wait_for_end
from warren.signals import terminate_as_interrupt

#: A driver that is asked to end heals what it holds, and waits for the cluster to be whole.
ENDS_S = 240.0
#: How long one look at a driver waits, so that an interrupt is heard.
_LOOK_S = 1.0

#: A process and the mark by which it is known again.
Driver = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltReport:
    """Since when (ISO-8601 UTC) nothing may be broken, the processes that were asked to end and those of them
    that did not in time, and what was healed after them."""

    since: str
    asked: tuple[int, ...]
    still_there: tuple[int, ...]
    report: HealReport


def halt(context: ChaosContext) -> HaltReport:
    """Let no fault begin, have every driver that holds one end and heal it, and heal what is left.

    Safe to repeat. Raises NotReadyError when the lock cannot be written (then nothing was done), and as
    `chaos.healing.heal` does (then the lock stays).
    """
    since = write_lock(context)
    with terminate_as_interrupt():
        asked = _ask(context, but=())
        with context.journal.exclusive():
            pass  # an injection that was under way when the lock was written has ended now
        asked = (*asked, *_ask(context, but=asked))
        left = _await_end(context, asked)
        for process, _ in left:
            context.say(f"process {process} has not ended after {ENDS_S:g} s; healing all the same")
        report = heal(context)
    return HaltReport(
        since=since,
        asked=tuple(process for process, _ in asked),
        still_there=tuple(process for process, _ in left),
        report=report,
    )


def _ask(context: ChaosContext, *, but: Sequence[Driver]) -> tuple[Driver, ...]:
    """Ask every driver of an open fault to end that lives and is not among ``but``."""
    asked = []
    for driver in dict.fromkeys(_driver(fault) for fault in context.journal.open_faults()):
        if driver is None or driver in but or driver[0] == os.getpid():
            continue
        if ask_to_end(*driver):
            context.say(f"process {driver[0]} was asked to end, and to heal what it holds")
            asked.append(driver)
    return tuple(asked)


def _driver(fault: Fault) -> Driver | None:
    if fault.driver is None or fault.driver_born is None:
        return None
    return fault.driver, fault.driver_born


def _await_end(context: ChaosContext, drivers: Sequence[Driver]) -> tuple[Driver, ...]:
    """Wait for ``drivers`` to end; those that did not."""
    end_s = context.clock.now() + ENDS_S
    left = tuple(drivers)
    while left and context.clock.now() < end_s:
        left = tuple(driver for driver in left if not wait_for_end(*driver, timeout_s=_LOOK_S))
    return left
