"""Compares the objects that a topology wants with those that the broker has; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.definitions import password_hash, password_matches, stable_salt
from warren.errors import NotReadyError
from warren.links import objects as links
from warren.objects import wanted
from warren.objects.found import Actual
from warren.objects.model import FIXED, PLACE, BrokerObject, Key, Kind, depends_on
from warren.objects.steps import Action, Difference, Plan, Step
from warren.topology import Topology


def password_key(remote: str) -> str:
    """Under which a remote's password is handed on beside those of users, no name of which has a colon."""
    return f"link:{remote}"


def plan(topology: Topology, actual: Actual, passwords: Mapping[str, str] | None) -> Plan:
    """Compare what ``topology`` wants with what the broker has.

    ``passwords`` by user, and by `password_key` those of remotes: each is checked against what the broker has
    (of users a hash, which is made where it must be written). None for who knows none: passwords are not
    compared, and the plan may only be looked at. Raises NotReadyError naming who has no password.
    """
    owners = [user.name for user in topology.users]
    owners += [password_key(remote.name) for remote in topology.links.remotes]
    missing = [owner for owner in owners if passwords is not None and owner not in passwords]
    if missing:
        raise NotReadyError("plan", f"no password for {', '.join(missing)}", "warren cluster up makes them")
    desired = {one.key: one for one in wanted.objects(topology)}
    known = _Passwords(topology, passwords) if passwords is not None else None
    steps = [step for one in desired.values() if (step := _step(one, actual, known))]
    steps += _lost_with_recreated(steps, desired, actual)
    steps += _extras(desired, actual)
    return Plan(steps=tuple(sorted(steps, key=_order)))


def _order(step: Step) -> tuple[bool, int, str, tuple[str, ...]]:
    place = PLACE[step.target.kind]
    extra = step.action is Action.EXTRA
    return not extra, -place if extra else place, step.target.vhost, step.target.name


@dataclass(frozen=True, slots=True)
class _Passwords:
    """What is known of passwords: ``known`` by user and by `password_key`."""

    topology: Topology
    known: Mapping[str, str] = field(repr=False)

    def hash_of(self, one: BrokerObject) -> str:
        """What is written of a user's password; empty for what is no user."""
        if one.kind is not Kind.USER:
            return ""
        user = one.name[0]
        return password_hash(self.known[user], stable_salt(user, self.known[user]))

    def of_link(self, one: BrokerObject) -> str:
        """The password that stands in a link's URIs; empty for what is no link."""
        if one.kind is not Kind.PARAMETER:
            return ""
        return self.known[password_key(links.remote_of(self.topology, one.name[1]))]

    def differences(self, one: BrokerObject, actual: Actual) -> tuple[Difference, ...]:
        """Whether the broker has another password; neither is told."""
        same = True
        if one.kind is Kind.USER:
            algorithm, stored = actual.password_hashes.get(one.name[0], ("", ""))
            same = password_matches(stored, self.known[one.name[0]], algorithm)
        elif one.kind is Kind.PARAMETER:
            same = set(actual.link_passwords.get(one.key, ())) == {self.of_link(one)}
        other = Difference(path="password", actual="another", desired="the one in the state folder")
        return () if same else (other,)


def _step(one: BrokerObject, actual: Actual, passwords: _Passwords | None) -> Step | None:
    there = actual.objects.get(one.key)
    secret = passwords.hash_of(one) if passwords else ""
    in_uris = passwords.of_link(one) if passwords else ""
    if there is None:
        return Step(action=Action.ADD, target=one, password_hash=secret, password=in_uris)
    differences = tuple(_differences("", there.body, one.body))
    if passwords is not None:
        differences += passwords.differences(one, actual)
    if not differences:
        return None
    if one.kind in FIXED:
        note = _use(one, actual)
        return Step(action=Action.RECREATE, target=one, differences=differences, note=note)
    return Step(
        action=Action.CHANGE, target=one, differences=differences, password_hash=secret, password=in_uris
    )


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
