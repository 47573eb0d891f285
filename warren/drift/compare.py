"""The topology against what was read of a cluster: one report over all kinds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from warren.drift import listeners, nodes
from warren.drift.model import Difference, DriftKind, Report
from warren.drift.reading import Answers
from warren.links import objects as links
from warren.objects.comparing import plan
from warren.objects.found import from_tables
from warren.objects.steps import Action, Step
from warren.topology import RESERVED_PREFIX, Topology

#: Runtime parameters that are objects of other kinds.
_OTHER_KINDS = ("policy", "operator_policy", "vhost-limits", *links.COMPONENTS)


def compare(
    topology: Topology,
    answers: Answers,
    *,
    passwords: Mapping[str, str] | None,
    kinds: Collection[DriftKind] = tuple(DriftKind),
) -> Report:
    """Every difference of ``kinds``, as far as they were read. ``passwords`` by user, or None: not compared.

    Raises NotReadyError as `warren.plan.plan` does.
    """
    asked = tuple(kind for kind in DriftKind if kind in kinds)
    read = [kind for kind in asked if kind not in answers.unread]
    found = [each for kind in read if kind in _CLUSTER for each in _CLUSTER[kind](topology, answers)]
    whole = plan(topology, from_tables(answers.tables), passwords)
    steps = tuple(step for step in whole.steps if DriftKind(step.target.kind.value) in read)
    found += [each for step in steps for each in _of_step(step)]
    order = {kind: place for place, kind in enumerate(asked)}
    return Report(
        user=answers.user,
        kinds=asked,
        differences=tuple(sorted(found, key=lambda each: order[each.kind])),
        unread={kind: answers.unread[kind] for kind in asked if kind in answers.unread},
        plan=replace(whole, steps=steps),
    )


def _of_step(step: Step) -> Iterator[Difference]:
    """One for an object that is missing or extra, else one for each value. What only goes with another object
    that must be declared anew is as it should be."""
    kind, where = DriftKind(step.target.kind.value), step.target.title
    if step.action is Action.ADD:
        yield Difference(kind=kind, where=where, wanted="there", found=None)
    elif step.action is Action.EXTRA:
        yield Difference(kind=kind, where=where, wanted=None, found="there", note=step.note)
    for each in step.differences:
        wanted, found = (None if value is None else str(value) for value in (each.desired, each.actual))
        yield Difference(kind=kind, where=where, what=each.path, wanted=wanted, found=found, note=step.note)


def _parameters(_topology: Topology, answers: Answers) -> Iterator[Difference]:
    """Parameters of plugins of which a topology says nothing. Their values may hold passwords. Shovels and
    upstreams are objects of the plan."""
    for row in answers.tables["parameters"]:
        component, name, vhost = (str(row.get(key, "")) for key in ("component", "name", "vhost"))
        reserved = any(each.startswith(RESERVED_PREFIX) for each in (name, vhost.removeprefix("/")))
        if component not in _OTHER_KINDS and not reserved:
            where = f"parameter {component} {name} in {vhost}"
            yield Difference(kind=DriftKind.PARAMETER, where=where, wanted=None, found="there")


_CLUSTER: Mapping[DriftKind, Callable[[Topology, Answers], Iterator[Difference]]] = {
    DriftKind.NODE: nodes.members,
    DriftKind.SETTING: nodes.settings,
    DriftKind.LISTENER: listeners.listeners,
    DriftKind.FEATURE_FLAG: nodes.feature_flags,
    DriftKind.DEPRECATED_FEATURE: nodes.deprecated_features,
    DriftKind.PARAMETER: _parameters,
}
