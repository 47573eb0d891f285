"""Carries out the steps of a plan over the management API, in their order, each said before it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from warren.console import Say
from warren.definitions import HASHING_ALGORITHM
from warren.errors import NotReadyError, RefusedError, WarrenError
from warren.links import addresses
from warren.management import ApiError, ManagementClient, NotFoundError, RejectedError
from warren.objects import guard
from warren.objects.model import FIXED, BrokerObject, Kind, depends_on
from warren.objects.steps import Action, Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was done and what was left because nobody allowed it."""

    done: tuple[Step, ...]
    left: tuple[Step, ...]

    def as_result(self) -> dict[str, Any]:
        """For ``--json``; no secret is in it."""
        return {
            "done": [step.as_result() for step in self.done],
            "left": [step.as_result() for step in self.left],
        }


def apply(
    plan: Plan,
    client: ManagementClient,
    *,
    say: Say,
    additions_only: bool = False,
    prune: bool = False,
    recreate: bool = False,
) -> Applied:
    """Carry out the steps that are allowed: additions always, changes unless ``additions_only``, removal of
    what is extra with ``prune``, and deleting and declaring anew with ``recreate``. What is extra and would
    go with a queue or exchange that is declared anew needs both.

    Links are refused where nodes run without the plugins that they need, before anything is written.
    Whatever would be deleted is looked at first, and all of it, before anything is written: a queue that
    holds messages or has consumers is never deleted. Raises RefusedError naming what stands in the way
    (nothing was changed then); after the additions with ``additions_only`` when other steps are left.
    Every step can be repeated, so a run that broke off is simply run again.
    """
    allowed = _allowed(additions_only=additions_only, prune=prune, recreate=recreate)
    chosen = plan.of(*allowed)
    if recreate and not prune:
        _refuse_to_take_along(plan)
    guard.refuse_losses(client, chosen)
    guard.refuse_without_plugins(client, chosen)
    for step in chosen:
        say(step.line)
        try:
            _carry_out(client, step)
        except WarrenError:
            say(f"stopped at {step.target.title}; what was said before it is done, and the rest is not")
            raise
    left = tuple(step for step in plan.steps if step.action not in allowed)
    if additions_only and left:
        raise _left_by_additions(left)
    return Applied(done=chosen, left=left)


def _allowed(*, additions_only: bool, prune: bool, recreate: bool) -> tuple[Action, ...]:
    if additions_only:
        return (Action.ADD,)
    optional = ((prune, Action.EXTRA), (recreate, Action.RECREATE))
    return (Action.ADD, Action.CHANGE, *(action for wanted, action in optional if wanted))


def _refuse_to_take_along(plan: Plan) -> None:
    """Raise RefusedError where the broker would delete what is extra along with what is declared anew."""
    anew = {
        (step.target.vhost, step.target.kind.value, step.target.name[0])
        for step in plan.of(Action.RECREATE)
        if step.target.kind in FIXED
    }
    lost = [
        f"\n    {step.target.title}"
        for step in plan.of(Action.EXTRA)
        if any((step.target.vhost, *each) in anew for each in depends_on(step.target))
    ]
    if lost:
        raise RefusedError(
            "the running cluster",
            f"declaring anew would take along what the topology does not have:{''.join(lost)}",
            f"add it to the topology, or let it go: {command_for(plan.of(Action.RECREATE, Action.EXTRA))}",
        )


def command_for(left: tuple[Step, ...]) -> str:
    """The command that would do the steps of ``left``."""
    flags = [
        flag
        for action, flag in ((Action.RECREATE, "--recreate"), (Action.EXTRA, "--prune"))
        if any(step.action is action for step in left)
    ]
    return " ".join(["warren topology apply", *flags])


def _left_by_additions(left: tuple[Step, ...]) -> RefusedError:
    lines = "".join(f"\n    {step.line}" for step in left)
    return RefusedError(
        "the running cluster",
        f"differs from the topology in {len(left)} more than additions, and these are not made here:{lines}",
        f"look at it with 'warren topology plan', then: {command_for(left)}",
    )


def _carry_out(client: ManagementClient, step: Step) -> None:
    if step.action in (Action.EXTRA, Action.RECREATE):
        guard.refuse_loss(client, step)
        _remove(client, step)
    if step.action is not Action.EXTRA:
        _WRITERS[step.target.kind](client, step)


def _remove(client: ManagementClient, step: Step) -> None:
    one = step.target
    if step.action is Action.RECREATE and one.kind not in (Kind.EXCHANGE, Kind.QUEUE):
        return  # gone with its exchange or queue
    with contextlib.suppress(NotFoundError):  # gone already, which is what was wanted
        client.delete(*_path(one), query=_conditions(step))


def _conditions(step: Step) -> dict[str, str] | None:
    """The broker's own guards, where it has them: it refuses both flags for quorum queues and streams."""
    if step.target.kind is Kind.QUEUE and guard.declared_type(step.target) == "classic":
        return {"if-empty": "true", "if-unused": "true"}
    return None


def _path(one: BrokerObject) -> tuple[str, ...]:
    if one.kind is Kind.BINDING:
        return (*_binding_path(one), one.handle)
    if one.kind in (Kind.USER, Kind.USER_LIMIT, Kind.VHOST):
        return _COLLECTIONS[one.kind], *one.name
    if one.kind is Kind.PARAMETER:
        component, name = one.name
        return _COLLECTIONS[one.kind], component, one.vhost, name
    return _COLLECTIONS[one.kind], one.vhost, *one.name


def _binding_path(one: BrokerObject) -> tuple[str, ...]:
    source, kind, destination, _, _ = one.name
    return "bindings", one.vhost, "e", source, "q" if kind == "queue" else "e", destination


def _write_body(client: ManagementClient, step: Step) -> None:
    client.put(*_path(step.target), body=dict(step.target.body))


def _write_vhost(client: ManagementClient, step: Step) -> None:
    """Protection has an endpoint of its own; a PUT leaves it as it is."""
    body = dict(step.target.body)
    protected = body.pop("protected_from_deletion")
    client.put(*_path(step.target), body={**body, "tags": []})
    if protected:
        client.post(*_path(step.target), "deletion", "protection")
    elif step.action is Action.CHANGE:
        client.delete(*_path(step.target), "deletion", "protection")


def _write_user(client: ManagementClient, step: Step) -> None:
    if not step.password_hash:  # the broker would take an account that nobody can use
        raise WarrenError(step.target.title, "would be written without a password", "report this bug")
    body = {
        "password_hash": step.password_hash,
        "hashing_algorithm": HASHING_ALGORITHM,
        "tags": list(step.target.body["tags"]),
    }
    client.put(*_path(step.target), body=body)


def _write_topic_permission(client: ManagementClient, step: Step) -> None:
    user, exchange = step.target.name
    body = {**step.target.body, "exchange": exchange}
    client.put(_COLLECTIONS[Kind.TOPIC_PERMISSION], step.target.vhost, user, body=body)


def _write_parameter(client: ManagementClient, step: Step) -> None:
    """The broker repeats a URI that it refuses, password and all."""
    one = step.target
    if not step.password:
        raise WarrenError(one.title, "would be written without a password", "report this bug")
    body = {"value": addresses.with_passwords(one.body, step.password)}
    try:
        client.put(*_path(one), body=body)
    except (RejectedError, ApiError) as error:
        told = addresses.hidden(error.what, [step.password])
        raise NotReadyError(one.title, f"the broker refuses it: {told}", _PLUGINS) from None


def _write_binding(client: ManagementClient, step: Step) -> None:
    body = {"routing_key": step.target.name[3], "arguments": dict(step.target.body["arguments"])}
    client.post(*_binding_path(step.target), body=body)


_COLLECTIONS = {
    Kind.VHOST: "vhosts",
    Kind.VHOST_LIMIT: "vhost-limits",
    Kind.USER: "users",
    Kind.USER_LIMIT: "user-limits",
    Kind.PERMISSION: "permissions",
    Kind.POLICY: "policies",
    Kind.OPERATOR_POLICY: "operator-policies",
    Kind.EXCHANGE: "exchanges",
    Kind.TOPIC_PERMISSION: "topic-permissions",
    Kind.QUEUE: "queues",
    Kind.PARAMETER: "parameters",
}

_WRITERS: dict[Kind, Callable[[ManagementClient, Step], None]] = {
    **dict.fromkeys(_COLLECTIONS, _write_body),
    Kind.VHOST: _write_vhost,
    Kind.USER: _write_user,
    Kind.TOPIC_PERMISSION: _write_topic_permission,
    Kind.BINDING: _write_binding,
    Kind.PARAMETER: _write_parameter,
}
_PLUGINS = "do the nodes run with the plugins of its links? warren topology diff --kind setting"
