"""What is to be broken, and what that means now: whom it would strike, and whether it may."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chaos import fault as catalogue
from chaos.context import ChaosContext
from chaos.fault import Args, Facts
from chaos.guard import refuse_unless_safe
from chaos.target import Resolved, Target, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be broken. ``args`` are the fault's own parameters, as they were typed; ``run_id`` and
    ``seed`` go to the journal, so that a result can be joined to what was done. Where a target has to be
    drawn, ``seed`` (or a fresh one, which is journaled) decides."""

    fault: str
    target: Target
    args: Mapping[str, str] = field(default_factory=dict)
    majority_loss: bool = False
    run_id: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One node that would be struck (or `CLUSTER`), and what the proof would be held against."""

    resolved: Resolved
    facts: Facts

    @property
    def node(self) -> str:
        return self.resolved.node


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an order comes to at this moment; in turn, and undone together."""

    fault: str
    args: Args
    targets: tuple[Planned, ...]
    seed: int | None


def plan(context: ChaosContext, order: Order) -> Plan:
    """Resolve, check and probe as an injection would; changes and journals nothing.

    Raises BadInputError for an unknown fault, parameter or target, RefusedError beyond the blast radius,
    and NotReadyError when what must be asked does not answer.
    """
    kind = catalogue.load(order.fault)
    catalogue.refuse_lacking(context.site, order.fault, kind)
    args = catalogue.arguments(order.fault, kind, order.args)
    catalogue.refuse_unknown(context.topology, kind, args)
    seed = order.seed
    if seed is None and order.target.is_drawn:
        seed = zlib.crc32(context.fresh_id().encode())
    resolved = resolve(context, order.target, wide=kind.is_wide, seed=seed or 0)
    nodes = [each.node for each in resolved]
    refuse_unless_safe(context, order.fault, nodes, majority_loss=order.majority_loss)
    targets = tuple(Planned(resolved=each, facts=_facts(context, kind, args, each)) for each in resolved)
    return Plan(fault=order.fault, args=args, targets=targets, seed=seed)


def _facts(context: ChaosContext, kind: catalogue.Fault, args: Args, resolved: Resolved) -> Facts:
    """What is journaled before the act: the fault's own facts, and why that node."""
    facts = dict(kind.before(replace(context.site, args=args), resolved.node))
    if catalogue.outlives_process(kind):
        facts["outlives_process"] = True
    if resolved.role:
        facts["chosen_as"] = resolved.role
    if resolved.queue:
        facts["queue"] = list(resolved.queue)
    return facts
