"""Goes through a fault whose act takes minutes: each step journaled before it, and healing at its end.

The lock is held only while it begins, so that whoever wants to heal or to halt need not wait for its end.
"""

from __future__ import annotations

from collections.abc import Callable

from chaos.context import ChaosContext
from chaos.fault import Course, Facts, Step
from chaos.halt import refuse_when_halted
from chaos.healing import heal_these
from chaos.order import Order, plan
from chaos.striking import faults, proven, undo
from warren.errors import InconclusiveError, NotReadyError
from warren.journal import Fault, Phase
from warren.results import iso
from warren.signals import shielded, terminate_as_interrupt

#: For the whole course: the watchdog of one that hangs ends it then.
LONGEST_S = 3600.0


def run(context: ChaosContext, kind: Course, order: Order, order_id: str) -> Fault:
    """Do the whole course that ``order`` says and heal what it leaves; the fault, closed.

    Raises as `chaos.engine.inject` does, with the cluster put back first, KeyboardInterrupt included; where
    this process dies the watchdog heals.
    """
    refuse_when_halted(context)
    begun: list[Fault] = []
    with context.watch(order_id, within_s=LONGEST_S), terminate_as_interrupt():
        try:
            _begin(context, order, order_id, begun)
            _go_through(context, kind, begun)
        except BaseException as error:
            undo(context, begun[-1:], error)
            raise
        (healed,) = heal_these(context, begun[-1:]).healed
        return healed


def _begin(context: ChaosContext, order: Order, order_id: str, begun: list[Fault]) -> None:
    """Look and journal the intent, under the lock."""
    with context.journal.exclusive():
        refuse_when_halted(context)
        meant = plan(context, order)
        (fault,) = faults(order, meant, order_id)
        with shielded(context.say, "writing down what is about to be done"):
            begun.append(context.journal.append(fault, Phase.INJECTING, evidence=meant.targets[0].facts))


def _go_through(context: ChaosContext, kind: Course, begun: list[Fault]) -> None:
    """Take every step; ``begun`` gets the fault as the journal has it after each."""
    acted_at = iso(context.now())
    for step in kind.course(context.site, begun[-1]):
        _refuse_when_ended(context, begun[-1])
        context.say(step.what)
        if step.facts:
            begun.append(context.journal.append(begun[-1], Phase.OBSERVED, evidence=step.facts))
        if step.is_act:
            with shielded(context.say, step.what):
                step.do()
            acted_at = iso(context.now())
        elif step.is_proof:
            evidence = proven(context, begun[-1], _found(step, begun[-1]))
            begun.append(
                context.journal.append(begun[-1], Phase.INJECTED, acted_at=acted_at, evidence=evidence)
            )
        elif found := step.do():
            begun.append(context.journal.append(begun[-1], Phase.OBSERVED, evidence=found))


def _refuse_when_ended(context: ChaosContext, fault: Fault) -> None:
    """Raise InconclusiveError when another command has healed the fault while it was at work."""
    known = [each for each in context.journal.read().faults if each.fault_id == fault.fault_id]
    if known and not known[0].is_open:
        what = f"{fault.fault_id} was healed by another command before its end"
        raise InconclusiveError(fault.target, what)


def _found(step: Step, fault: Fault) -> Callable[[], Facts]:
    def probe() -> Facts:
        found = step.do()
        if not found:
            raise NotReadyError(fault.target, "there is no evidence yet")
        return found

    return probe
