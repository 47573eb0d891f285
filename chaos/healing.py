"""Puts back what chaos broke: what the journal says and what can be seen, whoever broke it and whenever.

Healing twice is healing once. A fault that cannot be healed does not keep the others from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chaos.context import ChaosContext
from chaos.fault import CLUSTER, Facts, Site, load, names
from chaos.fault import Fault as Kind
from chaos.status import is_down
from warren.errors import NotReadyError, WarrenError
from warren.journal import Fault, Phase
from warren.results import iso
from warren.runtime.protocol import NodeState
from warren.signals import Shield, interruptible, shielded, terminate_as_interrupt
from warren.wait import until

#: For one fault: longer than a stop whose driver died may take to end (its grace of 60 s).
ACT_DEADLINE_S = 120.0
#: For the cluster to be whole again: a node is back within 10 s, its queues' members follow.
GATE_DEADLINE_S = 180.0
#: A node that was only silent is counted out and in once more after it is back: the failure detector looks
#: every 5 s, and the queues' members that the gate asks for are as old.
STEADY_S = 7.0
#: How often the user must ask before a healing that keeps failing is given up.
ENOUGH_INTERRUPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HealReport:
    """What was put back. ``found`` were seen without being in the journal.

    ``whole_after_s`` runs from the first act until the gate passed; None when the gate was not asked
    because nodes that were not to be healed are ``still_down``.
    """

    healed: tuple[Fault, ...] = ()
    found: tuple[Fault, ...] = ()
    whole_after_s: float | None = None
    still_down: tuple[str, ...] = ()


def heal(context: ChaosContext, node: str | None = None) -> HealReport:
    """Heal every fault, or those of ``node``, and wait until the cluster is whole.

    Raises BadInputError for an unknown node; NotReadyError when the whole cluster is down (that is no
    fault of ours), when a fault cannot be healed (after all others were tried) or the engine does not
    answer; DeadlineError when the cluster does not become whole. All leave the rest open, to try again.
    """
    if node is not None:
        context.topology.node(node)
    with terminate_as_interrupt():
        begun_s = context.clock.now()
        with context.journal.exclusive():
            reading = context.journal.read()
            for line in reading.damage:
                context.say(line)
            refuse_when_down(context.runtime.states(), reading.open)
            healed = _undo_all(context, [fault for fault in reading.open if node in (None, fault.target)])
            done = {(fault.name, fault.target) for fault in healed.faults}
            blind: list[WarrenError] = []
            but = {fault.target for fault, _ in healed.failed}
            found = _undo_all(context, _residue(context, node, but=but, done=done, blind=blind))
        return _close(context, healed, found, begun_s, blind=blind)


def heal_these(context: ChaosContext, faults: Sequence[Fault]) -> HealReport:
    """Heal just ``faults``, and wait until the cluster is whole; raises as `heal` does."""
    begun_s = context.clock.now()
    return _close(context, _undo_all(context, faults), _Undone(), begun_s)


def lift(context: ChaosContext, faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Undo ``faults`` and close them in the journal without asking whether the cluster is whole: another
    fault may last. Who lifts the last one asks the gate.

    Raises NotReadyError when one cannot be undone, after all others were tried; it stays open then.
    """
    undone = _undo_all(context, faults)
    closed = tuple(_close_one(context, fault, {}) for fault in undone.faults)
    if undone.failed:
        raise _joined([error for _, error in undone.failed])
    return closed


def visible(context: ChaosContext) -> tuple[Fault, ...]:
    """What can be seen broken right now and is not in the journal; changes nothing. Raises NotReadyError
    where it cannot be looked for."""
    known = {(fault.name, fault.target) for fault in context.journal.open_faults()}
    blind: list[WarrenError] = []
    found = _residue(context, None, but=set(), done=known, blind=blind)
    if blind:
        raise _joined(blind)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Undone:
    """What was undone, each with the time of it in ``healed_at`` and still open, and what could not be."""

    faults: tuple[Fault, ...] = ()
    failed: tuple[tuple[Fault, WarrenError], ...] = ()


def _undo_all(context: ChaosContext, faults: Sequence[Fault]) -> _Undone:
    """Undo each of ``faults``, the last injected first, without closing them in the journal."""
    undone, failed = [], []
    for fault in reversed(faults):
        try:
            undone.append(_undo(context, fault))
        except WarrenError as error:
            _note(context, fault, Phase.FAILED, error=error.what)
            failed.append((fault, error))
    return _Undone(tuple(undone), tuple(failed))


def refuse_when_down(states: Mapping[str, NodeState], open_faults: Sequence[Fault]) -> None:
    """Raise NotReadyError when no node is up and not all of that is the doing of open faults."""
    if is_down(states, open_faults):
        raise NotReadyError(
            "cluster", "no node is up: the cluster is down, which is not a fault to heal", "make cluster-up"
        )


def _undo(context: ChaosContext, fault: Fault) -> Fault:
    """Undo one fault; the result carries when that was in ``healed_at``, and is still open."""
    kind = load(fault.name)
    if fault.target != CLUSTER and context.site.state(fault.target) is NodeState.ABSENT:
        raise NotReadyError(
            fault.target, "there is no such container", "bring the cluster up: make cluster-up"
        )
    _note(context, fault, Phase.HEALING)
    with shielded(context.say, f"healing {fault.target}") as shield:
        facts = until(
            lambda: _attempt(context, kind, fault, shield),
            what=f"{fault.target} to be healed of {fault.name}",
            deadline_s=ACT_DEADLINE_S,
            remedy="see what the engine says, then: make chaos-heal",
            clock=context.clock,
        )
        healed_at = iso(context.now())
    return replace(fault, healed_at=healed_at, evidence={**fault.evidence, **facts})


def _attempt(context: ChaosContext, kind: Kind, fault: Fault, shield: Shield) -> Facts:
    try:
        return kind.heal(context.site, fault)
    except NotReadyError as error:
        if shield.noted >= ENOUGH_INTERRUPTS:
            raise KeyboardInterrupt from error
        context.say(f"{fault.target}: cannot be healed yet: {error.what}")
        raise


def _residue(
    context: ChaosContext,
    node: str | None,
    *,
    but: set[str],
    done: set[tuple[str, str]],
    blind: list[WarrenError],
) -> list[Fault]:
    """What can be seen broken, as faults that nobody journaled. What is ``done`` (fault and target) was seen
    to be healed a moment ago, by something fresher than what residue may look at. ``blind`` gets why a fault
    could not be looked for, which keeps nobody from looking for the others."""
    found = []
    site = replace(context.site, sights={})
    for name in names():
        for target in _seen(context, site, name, blind):
            if node in (None, target) and target not in but and (name, target) not in done:
                context.say(f"{target}: found under '{name}' without a word of it in the journal")
                found.append(
                    Fault(
                        fault_id=f"{name}-{context.fresh_id()}",
                        name=name,
                        target=target,
                        evidence={"found": "in the runtime's states, not in the journal"},
                    )
                )
    return found


def _seen(context: ChaosContext, site: Site, name: str, blind: list[WarrenError]) -> tuple[str, ...]:
    try:
        return load(name).residue(site)
    except NotReadyError as error:
        context.say(f"{error.where}: cannot be looked at for '{name}': {error.what}")
        blind.append(error)
        return ()


def _close(
    context: ChaosContext,
    healed: _Undone,
    found: _Undone,
    begun_s: float,
    *,
    blind: Sequence[WarrenError] = (),
) -> HealReport:
    """Ask the gate, close in the journal what was undone, and raise for what was not, or not looked for."""
    undone, failed = (*healed.faults, *found.faults), (*healed.failed, *found.failed)
    states = context.runtime.states()
    still_down = tuple(node for node, state in states.items() if state is not NodeState.RUNNING)
    evidence: dict[str, float] = {}
    if not still_down:
        _await_whole(context, undone)
        evidence["whole_after_s"] = round(context.clock.now() - begun_s, 2)
    closed = {fault.fault_id: _close_one(context, fault, evidence) for fault in undone}
    if failed or blind:
        raise _joined([*(error for _, error in failed), *blind])
    if undone and not still_down:
        _spread_leaders(context)
    return HealReport(
        healed=tuple(closed[fault.fault_id] for fault in healed.faults),
        found=tuple(closed[fault.fault_id] for fault in found.faults),
        whole_after_s=evidence.get("whole_after_s"),
        still_down=still_down,
    )


def _await_whole(context: ChaosContext, undone: Sequence[Fault]) -> None:
    context.say("waiting until the cluster is whole: every node, every queue's leader and members")
    try:
        silent = any(load(fault.name).is_silent for fault in undone)
        with interruptible():
            context.wait_ready(deadline_s=GATE_DEADLINE_S, steady_s=STEADY_S if silent else 0.0)
    except WarrenError as error:
        for fault in undone:
            _note(context, fault, Phase.FAILED, error=f"not whole: {error.what}")
        raise


def _spread_leaders(context: ChaosContext) -> None:
    """A failover leaves the leaders gathered on the nodes that stayed: that, too, is put back.

    The cluster is whole without it, so trouble here is told and no failure.
    """
    try:
        with interruptible():
            context.spread_leaders()
    except WarrenError as error:
        context.say(f"{error.where}: {error.what}")


def _close_one(context: ChaosContext, fault: Fault, evidence: Facts) -> Fault:
    whole = {**fault.evidence, **evidence}
    return _note(context, fault, Phase.HEALED, acted_at=fault.healed_at, evidence=whole)


def _joined(errors: Sequence[WarrenError]) -> WarrenError:
    if len(errors) == 1:
        return errors[0]
    reasons = "; ".join(f"{error.where}: {error.what}" for error in errors)
    return NotReadyError(
        "heal", f"{len(errors)} things could not be done or looked for: {reasons}", errors[0].remedy
    )


def _note(
    context: ChaosContext,
    fault: Fault,
    phase: Phase,
    *,
    acted_at: str | None = None,
    evidence: Facts | None = None,
    error: str | None = None,
) -> Fault:
    """Journal a step of healing. A journal that cannot be written never stops the healing itself."""
    try:
        return context.journal.append(fault, phase, acted_at=acted_at, evidence=evidence, error=error)
    except NotReadyError as problem:
        context.say(f"{problem.where}: {problem.what}")
        return fault
