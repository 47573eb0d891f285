"""Compares the objects that a topology wants with those that the broker has; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from warren.definitions import password_hash, password_matches, stable_salt
from warren.errors import NotReadyError
from warren.objects import wanted
from warren.objects.found import Actual
from warren.objects.model import FIXED, PLACE, BrokerObject, Key, Kind, depends_on
from warren.objects.steps import Action, Difference, Plan, Step
from warren.topology import Topology


def plan(topology: Topology, actual: Actual, passwords: Mapping[str, str] | None) -> Plan:
    """Compare what ``topology`` wants with what the broker has.

    ``passwords`` by user: each is checked against the broker's hash, and a hash is made where it must be
    written. None for who knows none: passwords are not compared, and the plan may only be looked at.
    Raises NotReadyError naming the users without a password.
    """
    missing = [user.name for user in topology.users if passwords is not None and user.name not in passwords]
    if missing:
        raise NotReadyError("plan", f"no password for {', '.join(missing)}", "warren cluster up makes them")
    desired = {one.key: one for one in wanted.objects(topology)}
    steps = [step for one in desired.values() if (step := _step(one, actual, passwords))]
    steps += _lost_with_recreated(steps, desired, actual)
    steps += _extras(desired, actual)
    return Plan(steps=tuple(sorted(steps, key=_order)))


def _order(step: Step) -> tuple[bool, int, str, tuple[str, ...]]:
    place = PLACE[step.target.kind]
    extra = step.action is Action.EXTRA
    return not extra, -place if extra else place, step.target.vhost, step.target.name


def _step(one: BrokerObject, actual: Actual, passwords: Mapping[str, str] | None) -> Step | None:
    there = actual.objects.get(one.key)
    secret = _hash(one, passwords)
    if there is None:
        return Step(action=Action.ADD, target=one, password_hash=secret)
    differences = tuple(_differences("", there.body, one.body))
    if one.kind is Kind.USER and passwords is not None:
        differences += _password_difference(one.name[0], actual, passwords)
    if not differences:
        return None
    if one.kind in FIXED:
        note = _use(one, actual)
        return Step(action=Action.RECREATE, target=one, differences=differences, note=note)
    return Step(action=Action.CHANGE, target=one, differences=differences, password_hash=secret)


def _hash(one: BrokerObject, passwords: Mapping[str, str] | None) -> str:
    if one.kind is not Kind.USER or passwords is None:
        return ""
    user = one.name[0]
    return password_hash(passwords[user], stable_salt(user, passwords[user]))


def _password_difference(user: str, actual: Actual, passwords: Mapping[str, str]) -> tuple[Difference, ...]:
    algorithm, stored = actual.password_hashes.get(user, ("", ""))
    if password_matches(stored, passwords[user], algorithm):
        return ()
    return (Difference(path="password", actual="another", desired="the one in the state folder"),)


def _differences(path: str, actual: Mapping[str, Any], desired: Mapping[str, Any]) -> Iterator[Difference]:
    for key in sorted({*actual, *desired}):
        here, there = actual.get(key), desired.get(key)
        place = f"{path}.{key}" if path else key
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            yield from _differences(place, here, there)
        elif here != there or isinstance(here, bool) != isinstance(there, bool):
            yield Difference(path=place, actual=here, desired=there)


def _use(one: BrokerObject, actual: Actual) -> str:
    use = actual.queue_use.get((one.vhost, one.name[0])) if one.kind is Kind.QUEUE else None
    return f"holds {use.messages} messages, has {use.consumers} consumers" if use else ""


def _lost_with_recreated(
    steps: list[Step], desired: Mapping[Key, BrokerObject], actual: Actual
) -> Iterator[Step]:
    """What the broker removes along with an exchange or queue that is deleted, and we must write again."""
    gone = {
        (step.target.vhost, step.target.kind.value, step.target.name[0])
        for step in steps
        if step.action is Action.RECREATE
    }
    planned = {step.target.key for step in steps}
    for one in desired.values():
        if one.key not in actual.objects or one.key in planned:
            continue
        touched = {(one.vhost, kind, name) for kind, name in depends_on(one)} & gone
        if touched:
            names = ", ".join(sorted(f"{kind} {name}" for _, kind, name in touched))
            yield Step(action=Action.RECREATE, target=one, note=f"goes with {names}")


def _extras(desired: Mapping[Key, BrokerObject], actual: Actual) -> Iterator[Step]:
    """What nobody asked for; what goes with an extra vhost, user, exchange or queue is not told apart."""
    extra = {key for key in actual.objects if key not in desired}
    for key in extra:
        one = actual.objects[key]
        if any(owner in extra for owner in _owners(one)):
            continue
        yield Step(action=Action.EXTRA, target=one, note=_extra_note(one, actual))


def _owners(one: BrokerObject) -> Iterator[Key]:
    """Objects with which the broker removes ``one``."""
    if one.vhost and one.kind is not Kind.VHOST:
        yield Kind.VHOST, one.vhost, (one.vhost,)
    if one.kind in (Kind.USER_LIMIT, Kind.PERMISSION, Kind.TOPIC_PERMISSION):
        yield Kind.USER, "", (one.name[0],)
    for kind, name in depends_on(one):
        yield Kind(kind), one.vhost, (name,)


def _extra_note(one: BrokerObject, actual: Actual) -> str:
    if one.kind is not Kind.VHOST:
        return _use(one, actual)
    uses = [use for (vhost, _), use in actual.queue_use.items() if vhost == one.vhost]
    return f"{len(uses)} queues, {sum(use.messages for use in uses)} messages"
