"""Queues."""

from __future__ import annotations

from warren.kubernetes.place import Document, Place


def documents(place: Place) -> list[Document]:
    """A Queue each. ``retain``: deleting a resource must not delete messages with it."""
    return [
        place.object(
            "Queue",
            place.of_vhost(vhost.name, each.name),
            {
                "name": each.name,
                "vhost": vhost.name,
                "type": each.type,
                "durable": each.durable,
                "autoDelete": False,
                "deletionPolicy": "retain",
                **({"arguments": dict(each.arguments)} if each.arguments else {}),
            },
        )
        for vhost in place.topology.vhosts
        for each in vhost.queues
    ]
