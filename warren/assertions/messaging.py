"""Assertions about queues, policies and objects. https://www.rabbitmq.com/docs/quorum-queues"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from warren import routing
from warren.assertions.facts import Facts
from warren.assertions.model import Assertion, Outcome, everywhere
from warren.gate import leader_spread
from warren.management_facts import QueueInfo
from warren.topology import Queue, Vhost


def _pairs(facts: Facts) -> Iterator[tuple[Vhost, Queue, QueueInfo | None]]:
    running = {(queue.vhost, queue.name): queue for queue in facts.queues}
    for vhost in facts.topology.vhosts:
        for queue in vhost.queues:
            yield vhost, queue, running.get((vhost.name, queue.name))


def _default_types(facts: Facts) -> Outcome:
    types = {vhost["name"]: vhost.get("default_queue_type") for vhost in facts.vhosts}
    bad = {
        vhost.name: str(types.get(vhost.name, "missing"))
        for vhost in facts.topology.vhosts
        if types.get(vhost.name) != vhost.default_queue_type
    }
    return everywhere(bad, ", ".join(f"{name}: {kind}" for name, kind in sorted(types.items())))


def _types(facts: Facts) -> Outcome:
    bad = {
        f"{vhost.name} {queue.name}": found.type if found else "missing"
        for vhost, queue, found in _pairs(facts)
        if found is None or found.type != queue.type
    }
    return everywhere(bad, f"{len(facts.queues)} queues")


def _replicas(facts: Facts) -> Outcome:
    wanted = len(facts.topology.nodes)
    bad = {
        f"{vhost.name} {queue.name}": f"{len(found.members)} members, {len(found.online)} online"
        for vhost, queue, found in _pairs(facts)
        if found and found.type == "quorum" and not len(found.members) == len(found.online) == wanted
    }
    return everywhere(bad, f"{wanted} members online for each quorum queue")


def _balance(facts: Facts) -> Outcome:
    counts = Counter(dict.fromkeys(facts.topology.by_erlang_name, 0))
    counts.update(queue.leader for queue in facts.queues if queue.type == "quorum" and queue.leader)
    shown = ", ".join(f"{name.removeprefix('rabbit@')} {count}" for name, count in sorted(counts.items()))
    spread = leader_spread(facts.queues, list(facts.topology.by_erlang_name))
    after = "" if spread.even else "; cluster-up spreads them again after a failover"
    return Outcome(spread.even, f"leaders: {shown}{after}")


def _effective(facts: Facts) -> Outcome:
    """The broker shows policy and operator policy merged, without the queue's own arguments."""
    bad: dict[str, str] = {}
    for vhost, queue, found in _pairs(facts):
        policy, guard = routing.matching_policies(vhost, queue)
        wanted = tuple(each.name if each else None for each in (policy, guard))
        seen = (found.policy, found.operator_policy) if found else (None, None)
        if seen != wanted:
            bad[f"{vhost.name} {queue.name}"] = f"has {seen}, wanted {wanted}"
            continue
        effective = routing.effective(vhost, queue)
        for key, value in (found.effective_policy if found else {}).items():
            if f"x-{key}" not in queue.arguments and effective.get(key) != value:
                bad[f"{vhost.name} {queue.name} {key}"] = f"is {value}, wanted {effective.get(key)}"
    return everywhere(bad, "every queue has its policy and operator policy, with the values that follow")


def _dead_lettering(facts: Facts) -> Outcome:
    """Without reject-publish the broker falls back to at-most-once and says so in its log only."""
    bad = {
        f"{queue.vhost} {queue.name}": f"overflow {queue.effective_policy.get('overflow', 'drop-head')}"
        for queue in facts.queues
        if queue.effective_policy.get("dead-letter-strategy") == "at-least-once"
        and queue.effective_policy.get("overflow") != "reject-publish"
    }
    count = sum("dead-letter-strategy" in queue.effective_policy for queue in facts.queues)
    return everywhere(bad, f"{count} queues dead-letter at least once")


def _in_sync(facts: Facts) -> Outcome:
    lines = [step.line for step in facts.plan.steps]
    return Outcome(not lines, "; ".join(lines) or facts.plan.summary())


_API = "management API"

ASSERTIONS = (
    Assertion(
        id="default-queue-types",
        level="must",
        title="each vhost's default queue type is the topology's",
        reads=_API,
        check=_default_types,
    ),
    Assertion(
        id="queue-types",
        level="must",
        title="each queue is there and of its type",
        reads=_API,
        check=_types,
    ),
    Assertion(
        id="queue-replicas",
        level="must",
        title="each quorum queue has a member online on every node",
        reads=_API,
        check=_replicas,
    ),
    Assertion(
        id="leaders-balanced",
        level="production",
        title="leaders are spread evenly over the nodes",
        reads=_API,
        check=_balance,
    ),
    Assertion(
        id="policies-effective",
        level="must",
        title="the policies that apply to each queue are those that should",
        reads=_API,
        check=_effective,
    ),
    Assertion(
        id="dead-lettering-safe",
        level="must",
        title="at-least-once dead-lettering does not silently fall back",
        reads=_API,
        check=_dead_lettering,
    ),
    Assertion(
        id="objects-in-sync",
        level="must",
        title="the broker has the objects of the topology and no others",
        reads=_API,
        check=_in_sync,
    ),
)
