"""Operator policies, which hold for queues only."""

from __future__ import annotations

from collections.abc import Iterator

from warren.kubernetes.place import Document, Note, Place
from warren.topology import Policy, Vhost

_QUEUES = ("queues", "classic_queues", "quorum_queues", "streams")


def documents(place: Place) -> list[Document]:
    """An OperatorPolicy each, but for those that no queue could have."""
    return [
        place.object(
            "OperatorPolicy",
            place.of_vhost(vhost.name, policy.name),
            {
                "name": policy.name,
                "vhost": vhost.name,
                "pattern": policy.pattern,
                "applyTo": _applies(policy),
                "priority": policy.priority,
                "definition": dict(policy.definition),
            },
        )
        for vhost, policy in _policies(place)
        if _applies(policy) in _QUEUES
    ]


def notes(place: Place) -> Iterator[Note]:
    for vhost, policy in _policies(place):
        where = f"operator policy {policy.name} of vhost {vhost.name}"
        if policy.apply_to == "all":
            yield Note(where, "an OperatorPolicy cannot apply to 'all', and applies to 'queues' there")
        elif policy.apply_to not in _QUEUES:
            yield Note(where, f"an OperatorPolicy cannot apply to '{policy.apply_to}'; it is left out")


def _applies(policy: Policy) -> str:
    """All keys of operator policies are those of queues (https://www.rabbitmq.com/docs/policies)."""
    return "queues" if policy.apply_to == "all" else policy.apply_to


def _policies(place: Place) -> Iterator[tuple[Vhost, Policy]]:
    for vhost in place.topology.vhosts:
        for policy in vhost.operator_policies:
            yield vhost, policy
