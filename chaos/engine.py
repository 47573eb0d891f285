"""Breaks nodes: the journal first, then the act, then the proof that it bit; undone whenever that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos import fault as catalogue
from chaos.context import ChaosContext
from chaos.guard import refuse_unless_safe
from chaos.healing import HealReport, heal, heal_these
from chaos.status import Status, status
from chaos.target import LEADER_MOVED_DEADLINE_S, Resolved, Target, await_new_leader, resolve
from chaos.watchdog import SLACK_S
from warren.errors import BadInputError, DeadlineError, InconclusiveError, NotReadyError, WarrenError
from warren.journal import Fault, Phase
from warren.results import iso
from warren.signals import shielded, terminate_as_interrupt
from warren.wait import until

__all__ = [
    "HealReport",
    "Order",
    "Status",
    "Target",
    "begin",
    "heal",
    "inject",
    "inject_for",
    "observe",
    "status",
]

#: For the runtime to show what was done to a node.
PROOF_DEADLINE_S = 15.0
_HOLD_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be broken. ``args`` are the fault's own parameters, as they were typed; ``run_id`` and
    ``seed`` go to the journal, so that a result can be joined to what was done."""

    fault: str
    target: Target
    args: Mapping[str, str] = field(default_factory=dict)
    majority_loss: bool = False
    run_id: str | None = None
    seed: int | None = None


def inject(context: ChaosContext, order: Order) -> Fault:
    """Break what ``order`` says and leave it broken until `heal`; return the fault with its evidence.

    Raises, before anything has changed, BadInputError for an unknown fault, parameter or target and
    RefusedError beyond the blast radius; NotReadyError when the act failed and InconclusiveError when it
    did not bite, both after it was undone. An interrupt before the proof undoes it too.
    """
    with terminate_as_interrupt():
        fault, resolved = _inject(context, order, _new_id(context, order))
        try:
            return _observe(context, fault, resolved, deadline_s=LEADER_MOVED_DEADLINE_S)
        except KeyboardInterrupt:
            context.say(f"{fault.target}: {fault.name} is proven, and stays until: make chaos-heal")
            raise


def inject_for(context: ChaosContext, order: Order, *, hold_s: float) -> HealReport:
    """Break what ``order`` says, hold it for ``hold_s`` seconds, and heal it whatever comes between.

    The hold ends early when another command heals the fault; where this process dies the watchdog heals it.
    Raises as `inject` and `heal` do;
    KeyboardInterrupt (^C, SIGTERM, SIGHUP) passes through after healing.
    """
    if hold_s <= 0:
        raise BadInputError("--for", f"{hold_s:g} s is no time at all", "give a time above zero, like 20s")
    fault_id = _new_id(context, order)
    fault, report = None, HealReport()
    with context.watch(fault_id, within_s=hold_s + SLACK_S), terminate_as_interrupt():
        try:
            fault, resolved = _inject(context, order, fault_id)
            end_s = context.clock.now() + hold_s
            context.say(f"{fault.target}: {fault.name} is proven, and held for {hold_s:g} s")
            fault = _observe(context, fault, resolved, deadline_s=min(hold_s, LEADER_MOVED_DEADLINE_S))
            _hold(context, fault_id, end_s)
        finally:
            remaining = _still_open(context, fault_id, fault)
            if remaining:
                report = heal_these(context, remaining)
    return report


def begin(context: ChaosContext, order: Order) -> tuple[Fault, Resolved]:
    """Break what ``order`` says and prove it, for a caller who holds and heals it: a game day.

    Raises as `inject` does, with the act undone; what is returned is open in the journal.
    """
    return _inject(context, order, _new_id(context, order))


def observe(context: ChaosContext, fault: Fault, resolved: Resolved, *, deadline_s: float) -> Fault:
    """Who leads now the queue by which the target of ``fault`` was chosen; journaled too."""
    return _observe(context, fault, resolved, deadline_s=min(deadline_s, LEADER_MOVED_DEADLINE_S))


def _new_id(context: ChaosContext, order: Order) -> str:
    return f"{order.fault}-{context.fresh_id()}"


def _inject(context: ChaosContext, order: Order, fault_id: str) -> tuple[Fault, Resolved]:
    """Look, journal, act and prove under the lock; what failed after the journal's line is undone."""
    kind = catalogue.load(order.fault)
    args = catalogue.arguments(order.fault, kind, order.args)
    begun: list[Fault] = []
    try:
        with context.journal.exclusive():
            resolved = resolve(context, order.target, wide=kind.is_wide)
            refuse_unless_safe(context, order.fault, resolved.node, majority_loss=order.majority_loss)
            fault = Fault(
                fault_id=fault_id,
                name=order.fault,
                target=resolved.node,
                args=args,
                run_id=order.run_id,
                seed=order.seed,
            )
            return _strike(context, kind, fault, resolved, begun), resolved
    except BaseException as error:
        for fault in begun:
            _undo(context, fault, error)
        raise


def _strike(
    context: ChaosContext, kind: catalogue.Fault, fault: Fault, resolved: Resolved, begun: list[Fault]
) -> Fault:
    """Journal, act, prove. ``begun`` gets the fault as soon as the act may have happened."""
    facts = dict(kind.before(context.site, fault.target))
    if resolved.role:
        facts["chosen_as"] = resolved.role
    with shielded(context.say, f"the act on {fault.target}"):
        fault = context.journal.append(fault, Phase.INJECTING, evidence=facts)
        begun.append(fault)
        kind.inject(context.site, fault)
        acted_at = iso(context.now())
    evidence = _prove(context, kind, fault)
    return context.journal.append(fault, Phase.INJECTED, acted_at=acted_at, evidence=evidence)


def _prove(context: ChaosContext, kind: catalogue.Fault, fault: Fault) -> catalogue.Facts:
    try:
        return until(
            lambda: kind.prove(context.site, fault),
            what="the proof that the fault bit",
            deadline_s=PROOF_DEADLINE_S,
            every_s=0.1,
            clock=context.clock,
        )
    except DeadlineError as error:
        raise InconclusiveError(
            error.where, f"the fault '{fault.name}' did not bite: {error.what}", "it was undone; try again"
        ) from error


def _undo(context: ChaosContext, fault: Fault, cause: BaseException) -> None:
    """Put back what an injection did that failed with ``cause``, which the caller goes on to raise."""
    reason = cause.what if isinstance(cause, WarrenError) else type(cause).__name__
    context.say(f"{fault.target}: the injection did not go through ({reason}); undoing it")
    try:
        context.journal.append(fault, Phase.FAILED, error=reason)
        heal_these(context, [fault])
    except WarrenError as error:
        context.say(f"{error.where}: the undoing failed too: {error.what}")
        context.say("the fault stays open in the journal; heal it with: make chaos-heal")


def _observe(context: ChaosContext, fault: Fault, resolved: Resolved, *, deadline_s: float) -> Fault:
    """Re-read the role by which the target was chosen, and journal who has it now."""
    silent = catalogue.load(fault.name).is_silent
    seen = await_new_leader(context, resolved, silent=silent, deadline_s=deadline_s)
    if not seen:
        return fault
    context.say(_told(resolved, seen))
    return context.journal.append(fault, Phase.OBSERVED, evidence=seen)


def _told(resolved: Resolved, seen: Mapping[str, object]) -> str:
    queue = resolved.queue[1] if resolved.queue else ""
    if seen["leader_after"] is None:
        return f"{queue}: no other leader was seen ({seen['leader_after_reason']})"
    return f"{queue}: led by {seen['leader_after']} now, seen {seen['leader_seen_after_s']} s after the proof"


def _hold(context: ChaosContext, fault_id: str, end_s: float) -> None:
    def over() -> None:
        if context.clock.now() < end_s and not _is_healed(context, fault_id):
            raise NotReadyError(fault_id, "is held")

    remaining_s = max(0.0, end_s - context.clock.now())
    until(over, what="the hold", deadline_s=remaining_s + 60.0, every_s=_HOLD_POLL_S, clock=context.clock)


def _is_healed(context: ChaosContext, fault_id: str) -> bool:
    faults = context.journal.read().faults
    healed = any(fault.fault_id == fault_id and not fault.is_open for fault in faults)
    if healed:
        context.say(f"{fault_id}: another command healed it; the hold ends")
    return healed


def _still_open(context: ChaosContext, fault_id: str, known: Fault | None) -> list[Fault]:
    """The fault to heal at the end, from the journal, or from memory where the journal is gone."""
    try:
        faults = context.journal.read().faults
    except NotReadyError as error:
        context.say(f"{error.where}: {error.what}")
        faults = ()
    for fault in faults:
        if fault.fault_id == fault_id:
            return [fault] if fault.is_open else []
    return [known] if known is not None else []
