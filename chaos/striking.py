"""The act itself: journaled, done, proven, for one target after the other; undone whenever that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaos import fault as catalogue
from chaos.context import ChaosContext
from chaos.halt import refuse_when_halted
from chaos.healing import heal_these
from chaos.order import Order, Plan, Planned, plan
from chaos.target import Resolved
from warren.errors import DeadlineError, InconclusiveError, NotReadyError, WarrenError
from warren.journal import Fault, Phase
from warren.results import iso
from warren.signals import shielded
from warren.wait import until

#: For the runtime to show what was done to a node.
PROOF_DEADLINE_S = 15.0

Struck = tuple[tuple[Fault, Resolved], ...]


def strike(context: ChaosContext, order: Order, order_id: str) -> Struck:
    """Look, journal, act and prove under the lock, for each target in turn; what failed after the journal's
    first line is undone, with all that was done before it. Raises as `chaos.engine.inject` does."""
    kind = catalogue.load(order.fault)
    begun: list[Fault] = []
    try:
        with context.journal.exclusive():
            refuse_when_halted(context)
            meant = plan(context, order)
            struck = []
            for fault, planned in zip(faults(order, meant, order_id), meant.targets, strict=True):
                struck.append((_strike(context, kind, fault, planned, begun), planned.resolved))
            return tuple(struck)
    except BaseException as error:
        undo(context, begun, error)
        raise


def faults(order: Order, meant: Plan, order_id: str) -> list[Fault]:
    """A fault for each target. Where there are several, their ids are the order's with a number behind."""
    several = len(meant.targets) > 1
    return [
        Fault(
            fault_id=f"{order_id}.{place}" if several else order_id,
            name=meant.fault,
            target=planned.node,
            args=meant.args,
            run_id=order.run_id,
            seed=meant.seed,
        )
        for place, planned in enumerate(meant.targets, start=1)
    ]


def belongs(fault: Fault, order_id: str) -> bool:
    """Whether ``fault`` is one of an order's."""
    return fault.fault_id == order_id or fault.fault_id.startswith(f"{order_id}.")


def _strike(
    context: ChaosContext, kind: catalogue.Fault, fault: Fault, planned: Planned, begun: list[Fault]
) -> Fault:
    """Journal, act, prove. ``begun`` gets the fault as soon as the act may have happened."""
    with shielded(context.say, f"the act on {fault.target}"):
        fault = context.journal.append(fault, Phase.INJECTING, evidence=planned.facts)
        begun.append(fault)
        kind.inject(context.site, fault)
        acted_at = iso(context.now())
    deadline_s = max(PROOF_DEADLINE_S, catalogue.proof_s(kind, fault))
    if deadline_s > PROOF_DEADLINE_S:
        context.say(f"{fault.target}: the proof that {fault.name} bit may take up to {deadline_s:g} s")
    evidence = proven(context, fault, lambda: kind.prove(context.site, fault), deadline_s=deadline_s)
    return context.journal.append(fault, Phase.INJECTED, acted_at=acted_at, evidence=evidence)


def proven(
    context: ChaosContext,
    fault: Fault,
    probe: Callable[[], catalogue.Facts],
    *,
    deadline_s: float = PROOF_DEADLINE_S,
) -> catalogue.Facts:
    """The evidence that the fault bit, by ``probe``; raises InconclusiveError when there is none in time."""
    try:
        return until(
            probe,
            what="the proof that the fault bit",
            deadline_s=deadline_s,
            every_s=0.1,
            clock=context.clock,
        )
    except DeadlineError as error:
        raise InconclusiveError(
            error.where, f"the fault '{fault.name}' did not bite: {error.what}", "it was undone; try again"
        ) from error


def undo(context: ChaosContext, begun: Sequence[Fault], cause: BaseException) -> None:
    """Put back what an injection did that failed with ``cause``, which the caller goes on to raise."""
    if not begun:
        return
    reason = cause.what if isinstance(cause, WarrenError) else type(cause).__name__
    named = ", ".join(fault.target for fault in begun)
    context.say(f"{named}: the injection did not go through ({reason}); undoing it")
    for fault in begun:
        try:
            context.journal.append(fault, Phase.FAILED, error=reason)
        except NotReadyError as error:  # what was done is put back all the same
            context.say(f"{error.where}: {error.what}")
    try:
        heal_these(context, begun)
    except WarrenError as error:
        context.say(f"{error.where}: the undoing failed too: {error.what}")
        context.say("the fault stays open in the journal; heal it with: make chaos-heal")
