"""Breaks nodes: the journal first, then the act, then the proof that it bit; undone whenever that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from chaos import course, observing
from chaos import fault as catalogue
from chaos.context import ChaosContext
from chaos.halt import refuse_when_halted, release
from chaos.halting import HaltReport, halt
from chaos.healing import HealReport, heal, heal_these
from chaos.observing import LEADER_MOVED_DEADLINE_S
from chaos.order import Order, Plan, plan
from chaos.status import Status, status
from chaos.striking import Struck, belongs, strike
from chaos.target import Target
from chaos.watchdog import SLACK_S
from warren.errors import BadInputError, NotReadyError
from warren.journal import Fault, Phase
from warren.signals import terminate_as_interrupt
from warren.wait import until

__all__ = [
    "HaltReport",
    "HealReport",
    "Order",
    "Plan",
    "Status",
    "Target",
    "begin",
    "halt",
    "heal",
    "inject",
    "inject_for",
    "missing",
    "observe",
    "plan",
    "release",
    "status",
]

_HOLD_POLL_S = 0.5


def inject(context: ChaosContext, order: Order) -> tuple[Fault, ...]:
    """Break what ``order`` says and leave it broken until `heal`; return a fault with its evidence for each
    target, in the order in which they were struck. A fault that is a `Course` has ended, and is healed, when
    this returns.

    Raises, before anything has changed, BadInputError for an unknown fault, parameter or target and
    RefusedError beyond the blast radius or while chaos is halted; NotReadyError when the act failed and
    InconclusiveError when it did not bite, both after it was undone on every target. An interrupt before the
    proof undoes it too.
    """
    order_id = _new_id(context, order)
    kind: object = catalogue.load(order.fault)
    if isinstance(kind, catalogue.Course):
        return (course.run(context, kind, order, order_id),)
    with terminate_as_interrupt():
        struck = strike(context, order, order_id)
        try:
            return _observe(context, order, struck, deadline_s=LEADER_MOVED_DEADLINE_S)
        except KeyboardInterrupt:
            for fault, _ in struck:
                context.say(f"{fault.target}: {fault.name} is proven, and stays until: make chaos-heal")
            raise


def inject_for(context: ChaosContext, order: Order, *, hold_s: float) -> HealReport:
    """Break what ``order`` says, hold it for ``hold_s`` seconds, and heal it whatever comes between.

    The hold ends early when another command heals the faults; where this process dies the watchdog heals
    them. Raises as `inject` and `heal` do, and BadInputError for a fault that ends by itself;
    KeyboardInterrupt (^C, SIGTERM, SIGHUP) passes through after healing.
    """
    if hold_s <= 0:
        raise BadInputError("--for", f"{hold_s:g} s is no time at all", "give a time above zero, like 20s")
    if isinstance(catalogue.load(order.fault), catalogue.Course):
        raise BadInputError("--for", f"'{order.fault}' takes the time that it takes, and ends by itself")
    refuse_when_halted(context)
    order_id = _new_id(context, order)
    known: tuple[Fault, ...] = ()
    report = HealReport()
    with context.watch(order_id, within_s=hold_s + SLACK_S), terminate_as_interrupt():
        try:
            struck = strike(context, order, order_id)
            known = tuple(fault for fault, _ in struck)
            end_s = context.clock.now() + hold_s
            for fault in known:
                context.say(f"{fault.target}: {fault.name} is proven, and held for {hold_s:g} s")
            _observe(context, order, struck, deadline_s=min(hold_s, LEADER_MOVED_DEADLINE_S))
            _hold(context, order_id, end_s)
        finally:
            remaining = _still_open(context, order_id, known)
            if remaining:
                report = heal_these(context, remaining)
    return report


def missing(opened: Callable[[], ChaosContext]) -> dict[str, str]:
    """By fault, why it cannot be had on the cluster at hand; of the others, and where there is no cluster
    that could be asked, nothing."""
    try:
        context = opened()
        site = replace(context.site, sights={})
        found = {name: catalogue.missing(site, catalogue.load(name)) for name in catalogue.names()}
    except NotReadyError:
        return {}
    return {name: why for name, why in found.items() if why}


def begin(context: ChaosContext, order: Order) -> Struck:
    """Break what ``order`` says and prove it, for a caller who holds and heals it: a game day.

    Raises as `inject` does, with the act undone; what is returned is open in the journal.
    """
    return strike(context, order, _new_id(context, order))


def observe(context: ChaosContext, order: Order, struck: Struck, *, deadline_s: float) -> None:
    """Journal who has now the roles by which the targets were chosen, as seen within ``deadline_s``."""
    _observe(context, order, struck, deadline_s=min(deadline_s, LEADER_MOVED_DEADLINE_S))


def _new_id(context: ChaosContext, order: Order) -> str:
    return f"{order.fault}-{context.fresh_id()}"


def _observe(context: ChaosContext, order: Order, struck: Struck, *, deadline_s: float) -> tuple[Fault, ...]:
    """Re-read the role by which each target was chosen, and journal who has it now."""
    kind = catalogue.load(order.fault)
    end_s = context.clock.now() + deadline_s
    found = []
    for fault, resolved in struck:
        left_s = max(0.0, end_s - context.clock.now())
        seen = observing.role_after(context, order.target, resolved, kind=kind, deadline_s=left_s)
        if seen:
            context.say(observing.told(resolved, seen))
        found.append(context.journal.append(fault, Phase.OBSERVED, evidence=seen) if seen else fault)
    return tuple(found)


def _hold(context: ChaosContext, order_id: str, end_s: float) -> None:
    def over() -> None:
        if context.clock.now() < end_s and not _is_healed(context, order_id):
            raise NotReadyError(order_id, "is held")

    remaining_s = max(0.0, end_s - context.clock.now())
    until(over, what="the hold", deadline_s=remaining_s + 60.0, every_s=_HOLD_POLL_S, clock=context.clock)


def _is_healed(context: ChaosContext, order_id: str) -> bool:
    mine = [fault for fault in context.journal.read().faults if belongs(fault, order_id)]
    healed = bool(mine) and not any(fault.is_open for fault in mine)
    if healed:
        context.say(f"{order_id}: another command healed it; the hold ends")
    return healed


def _still_open(context: ChaosContext, order_id: str, known: Sequence[Fault]) -> list[Fault]:
    """What to heal at the end, from the journal, or from memory where the journal is gone."""
    try:
        faults = context.journal.read().faults
    except NotReadyError as error:
        context.say(f"{error.where}: {error.what}")
        faults = ()
    mine = {fault.fault_id: fault for fault in faults if belongs(fault, order_id)}
    mine = {**{fault.fault_id: fault for fault in known}, **mine}
    return [fault for fault in mine.values() if fault.is_open]
