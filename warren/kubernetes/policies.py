"""Policies."""

from __future__ import annotations

from warren.kubernetes.place import Document, Place


def documents(place: Place) -> list[Document]:
    """A Policy each."""
    return [
        place.object(
            "Policy",
            place.of_vhost(vhost.name, policy.name),
            {
                "name": policy.name,
                "vhost": vhost.name,
                "pattern": policy.pattern,
                "applyTo": policy.apply_to,
                "priority": policy.priority,
                "definition": dict(policy.definition),
            },
        )
        for vhost in place.topology.vhosts
        for policy in vhost.policies
    ]
