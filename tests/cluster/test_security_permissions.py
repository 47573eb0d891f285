"""The permission matrix: each user against each vhost, exchange, queue and routing key, and what the topology
grants is what the broker grants, nothing more and nothing less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pika.exceptions import AMQPError

from . import attack, trying
from .attack import Target
from .permission_matrix import REFUSED, Rights, Try, tries

Tell = Callable[[str], None]
#: Each user is tried over a connection of its own; so many at once.
_AT_ONCE = 4


@pytest.fixture(scope="module")
def rights(target: Target) -> Rights:
    return Rights.of(target.topology_path)


def test_each_user_enters_its_own_vhosts_and_no_other(target: Target, rights: Rights, tell: Tell) -> None:
    port, vhosts = target.one("amqps"), [*rights.vhosts, "/", "/attack", rights.vhosts[0].upper()]
    wrong, size = [], 0
    for user in rights.users:
        for vhost in vhosts:
            size += 1
            expected = vhost in rights.vhosts and rights.may_enter(user, vhost)
            if trying.may_enter(target, port, user, vhost) != expected:
                wrong.append(f"{user} in {vhost}: {'is refused' if expected else 'comes in'}")
    assert wrong == []
    tell(f"{len(rights.users)} users by {len(vhosts)} vhosts: {size} logins as the topology says")


def _matrix(target: Target, rights: Rights, *, full: bool) -> tuple[list[str], Counter[str]]:
    """What is not as it should be, and how many tries there were, by operation and expectation."""
    seats = [
        (user, vhost) for user in rights.users for vhost in rights.vhosts if rights.may_enter(user, vhost)
    ]

    def one(seat: tuple[str, str]) -> tuple[list[str], Counter[str]]:
        wrong, counted = [], Counter[str]()
        connection = trying.connect(target, target.one("amqps"), *seat)
        try:
            for each in tries(rights, *seat, full=full):
                code = trying.code(connection, each)
                counted[f"{each.operation} {each.kind}: {'granted' if each.allowed else 'refused'}"] += 1
                if (code != REFUSED) != each.allowed:
                    wrong.append(f"{each}: {'should be granted' if each.allowed else 'is granted'} ({code})")
        finally:
            if connection.is_open:
                connection.close()
        return wrong, counted

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(one, seats))
    return [each for wrong, _ in found for each in wrong], sum((counted for _, counted in found), Counter())


def _tell(tell: Tell, rights: Rights, wrong: list[str], counted: Counter[str]) -> None:
    size = sum(counted.values())
    granted = sum(count for name, count in counted.items() if name.endswith("granted"))
    tell(f"permission matrix: {len(rights.users)} users, {len(rights.vhosts)} vhosts, {size} operations:")
    tell(f"  {granted} granted, {size - granted} refused, {len(wrong)} not as the topology says")
    for name, count in sorted(counted.items()):
        tell(f"  {name:28} {count}")


def test_matrix_is_what_the_topology_grants(target: Target, rights: Rights, tell: Tell) -> None:
    before = _objects(target)
    wrong, counted = _matrix(target, rights, full=False)
    _tell(tell, rights, wrong, counted)
    assert wrong == []
    assert len(counted) >= 9  # each operation, granted and refused, but what nobody may
    assert _objects(target) == before


@pytest.mark.full
def test_whole_matrix_is_what_the_topology_grants(target: Target, rights: Rights, tell: Tell) -> None:
    """With the broker's own exchanges, each exchange with each queue, and near misses of every key."""
    wrong, counted = _matrix(target, rights, full=True)
    _tell(tell, rights, wrong, counted)
    assert wrong == []


def _objects(target: Target) -> set[tuple[str, ...]]:
    """What the topology's vhosts hold, of which the tries may have changed nothing."""
    name = target.topology.account("operator").name
    found: set[tuple[str, ...]] = set()
    for kind in ("queues", "exchanges", "bindings"):
        answer = attack.http(
            target, target.one("management"), "GET", f"/api/{kind}", login=(name, target.password(name))
        ).json()
        keys = ("vhost", "name", "source", "destination", "routing_key")
        found |= {
            (kind, *(str(row.get(key, "")) for key in keys))
            for row in answer
            if not str(row.get("name", row.get("destination"))).startswith("warren.canary")
        }
    return found


def test_try_that_is_expected_wrong_is_found(target: Target, rights: Rights) -> None:
    """The matrix itself: told the opposite of what holds, it says so."""
    user, vhost = "orders-support", "/orders"
    if user not in rights.users:
        pytest.skip("not the deployed topology")
    connection = trying.connect(target, target.one("amqps"), user, vhost)
    try:
        queue = Try(
            user=user, vhost=vhost, operation="read", kind="queue", name="orders.failed", allowed=True
        )
        other = Try(user=user, vhost=vhost, operation="read", kind="queue", name="orders.work", allowed=True)
        assert trying.code(connection, queue) != REFUSED
        assert trying.code(connection, other) == REFUSED
        with pytest.raises(AMQPError):
            trying.connect(target, target.one("amqps"), user, "/users")
    finally:
        connection.close()
