"""The topology against the running cluster, for a command: read, compare, and carry out under the lock."""

from __future__ import annotations

import secrets as random
from collections.abc import Iterable

from warren.context import Context
from warren.errors import NotReadyError, RefusedError
from warren.links import material
from warren.objects.comparing import password_key, plan
from warren.objects.found import read_actual
from warren.objects.steps import Action, Plan
from warren.objects.writing import Applied, apply
from warren.topology import Topology

_HEADINGS = {
    Action.ADD: "missing on the broker",
    Action.CHANGE: "differs, and can be changed in place (broker -> topology)",
    Action.RECREATE: "differs, and can only be deleted and declared anew (broker -> topology)",
    Action.EXTRA: "on the broker, and nobody asked for it",
}


def current_plan(context: Context) -> Plan:
    """Compare now; changes nothing. Raises NotReadyError when the cluster does not answer."""
    return plan(context.topology, read_actual(context.management), passwords(context, make=False))


def apply_now(context: Context, *, prune: bool, recreate: bool, agreed: Plan | None = None) -> Applied:
    """Compare again and carry out, one command at a time; `warren.objects.writing.apply` has the rules.

    Raises RefusedError where that takes steps which are not in ``agreed`` (None: whatever it takes).
    """
    with context.state.lock("warren topology apply"):
        found = plan(context.topology, read_actual(context.management), passwords(context, make=True))
        if agreed is not None:
            _refuse_unseen(found, agreed)
        return apply(found, context.management, say=context.say, prune=prune, recreate=recreate)


def _refuse_unseen(found: Plan, agreed: Plan) -> None:
    """Steps are told apart by what they do to what, not by counters or salts that change meanwhile."""
    seen = [(step.action, step.target.key, step.differences) for step in agreed.steps]
    lines = [
        f"\n    {step.line}"
        for step in found.steps
        if (step.action, step.target.key, step.differences) not in seen
    ]
    if lines:
        what = f"has changed since the plan was shown; nothing was changed:{''.join(lines)}"
        raise RefusedError("the running cluster", what, "look again: warren topology apply")


def passwords(context: Context, *, make: bool) -> dict[str, str]:
    """Passwords by user, and those of remotes by `password_key`. A user whose secret was not made yet gets it
    now, or for a mere look one that matches nothing; a remote's is never made here, and raises NotReadyError
    where it is wanted and is not there."""
    kept = context.secrets
    found = {
        user.name: kept.ensure(user.name)
        if make or kept.path(user.name).exists()
        else random.token_urlsafe(24)
        for user in context.topology.users
    }
    for remote in context.topology.links.remotes:
        try:
            found[password_key(remote.name)] = material.password(remote, context.state)
        except NotReadyError:
            if make:
                raise
            found[password_key(remote.name)] = random.token_urlsafe(24)
    return found


def summary(topology: Topology) -> str:
    """What a topology holds, in one line."""
    vhosts = topology.vhosts
    counts = {
        "nodes": len(topology.nodes),
        "vhosts": len(vhosts),
        "users": len(topology.users),
        "exchanges": sum(len(vhost.exchanges) for vhost in vhosts),
        "queues": sum(len(vhost.queues) for vhost in vhosts),
        "bindings": sum(len(vhost.bindings) for vhost in vhosts),
        "policies": sum(len(vhost.policies) + len(vhost.operator_policies) for vhost in vhosts),
        "waivers": len(topology.waivers),
        **({"links": len(topology.links.all)} if topology.links else {}),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def text(found: Plan) -> str:
    """A plan for a person: one heading per kind of step, one line per object, one line per difference."""
    lines: list[str] = []
    for action, heading in _HEADINGS.items():
        steps = found.of(action)
        if not steps:
            continue
        lines.append(f"{heading} ({len(steps)}):")
        for step in steps:
            lines.append(f"  {step.target.title}" + (f"  [{step.note}]" if step.note else ""))
            lines += [f"      {difference}" for difference in step.differences]
    return "\n".join([*lines, found.summary()])


def left_text(left: Iterable[str], command: str) -> str:
    """What an application left undone, and the command that would do it."""
    lines = list(left)
    if not lines:
        return ""
    shown = "\n".join(f"  {line}" for line in lines)
    return f"not done, since nobody allowed it ({len(lines)}):\n{shown}\nwith: {command}"
