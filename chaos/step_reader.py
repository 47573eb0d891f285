"""Steps of a game day's method as its file writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from chaos import fault as faults
from chaos import probe_reader
from chaos.experiment import Edge, Moment, Step
from chaos.known import Known
from chaos.probe_reader import seconds
from chaos.target import Target
from warren.errors import BadInputError
from warren.reader import Section


def read(section: Section, there: Known, *, back: bool = False) -> Step:
    name = section.text("name")
    kinds = [key for key in ("fault", "heal", "probe") if key in section.data]
    if back and "fault" in section.data:
        section.fault("fault", "a rollback breaks nothing", "heal: all, heal: STEP, or probe")
    if len(kinds) != 1:
        section.fault("", "does nothing, or several things", "give one of fault, heal and probe")
    moment = Moment() if back else _moment(section)
    if "probe" in section.data:
        inner = section.section("probe")
        probe = probe_reader.read(inner, when=("during",), fixed=True)
        inner.finish()
        return Step(name=name, moment=moment, probe=probe)
    if "heal" in section.data:
        return Step(name=name, moment=moment, heals=section.text("heal"))
    fault, target, args = _fault(section, there)
    return Step(
        name=name,
        moment=moment,
        fault=fault,
        target=target,
        args=args,
        hold_s=seconds(section, "for"),
        majority_loss=section.flag("majority-loss", False),
    )


def _moment(section: Section) -> Moment:
    at_s, after = seconds(section, "at"), section.text("after", "")
    if (at_s is None) == (not after):
        section.fault(
            "at", "when is it due?", "give 'at: 20s' after publishing began, or 'after: NAME' of a step"
        )
    edge: Edge = (
        "healed" if section.choice("edge", ("injected", "healed"), "injected") == "healed" else "injected"
    )
    until = None
    if "until" in section.data:
        inner = section.section("until")
        until = probe_reader.read(inner, when=("during",), fixed=True)
        inner.finish()
    return Moment(
        at_s=at_s,
        after=after,
        edge=edge,
        wait_s=seconds(section, "wait", 0.0) or 0.0,
        until=until,
        within_s=seconds(section, "within", 60.0) or 0.0,
    )


def _fault(section: Section, there: Known) -> tuple[str, Target, dict[str, str]]:
    name = section.choice("fault", there.faults)
    args = {key: str(value) for key, value in section.table("args", {}).items()}
    target = _target(section.section("target", required=False))
    if name in there.faults:
        _check_fault(section, name, target, args, there)
    return name, target, args


def _target(section: Section) -> Target:
    """Every field of `Target`, with hyphens: texts, and numbers of those that count."""
    given: dict[str, Any] = {}
    for each in fields(Target):
        key = each.name.replace("_", "-")
        section.known.add(key)
        value = section.data.get(key)
        if value is not None:
            given[each.name] = value if isinstance(value, int) else str(value)
    section.finish()
    found = Target(**given)
    if given and len(found.ways) != 1:
        section.fault("", "names somebody in several ways, or in none", "give one: node, leader-of, any, …")
    return found


def _check_fault(section: Section, name: str, target: Target, args: Mapping[str, str], there: Known) -> None:
    kind = faults.load(name)
    try:
        faults.arguments(name, kind, args)
    except BadInputError as error:
        section.fault("args", f"{error.where}: {error.what}", error.remedy)
    if kind.is_wide != (target == Target()):
        what = "strikes the whole cluster: it has no target" if kind.is_wide else "must strike somebody"
        section.fault("target", what, "" if kind.is_wide else "target: {leader-of: orders.work}")
        return
    try:
        if target.node is not None:
            there.topology.node(target.node)
        for queue in (target.leader_of, target.follower_of):
            if queue is not None and target.vhost is None and not queue.startswith(("/warren.", "warren.")):
                there.topology.find_queue(queue)
    except BadInputError as error:
        section.fault("target", error.what, error.remedy)
