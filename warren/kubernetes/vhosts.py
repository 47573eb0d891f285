"""Virtual hosts, with their limits."""

from __future__ import annotations

from collections.abc import Iterator

from warren.kubernetes.place import Document, Note, Place

#: The broker's name of a limit -> the operator's.
_LIMITS = {"max-connections": "connections", "max-queues": "queues"}


def documents(place: Place) -> list[Document]:
    """A Vhost each. ``retain``: deleting a resource must not delete messages with it."""
    return [
        place.object(
            "Vhost",
            place.of_vhost(vhost.name),
            {
                "name": vhost.name,
                "defaultQueueType": vhost.default_queue_type,
                "deletionPolicy": "retain",
                **_limits({_LIMITS[key]: value for key, value in vhost.limits.items() if key in _LIMITS}),
            },
        )
        for vhost in place.topology.vhosts
    ]


def _limits(found: dict[str, int]) -> dict[str, dict[str, int]]:
    return {"limits": found} if found else {}


def notes(place: Place) -> Iterator[Note]:
    for vhost in place.topology.vhosts:
        where = f"vhost {vhost.name}"
        if vhost.description:
            yield Note(where, "a Vhost has no description")
        if vhost.protected:
            what = "a Vhost has no protection from deletion; its resource is made to retain it instead"
            yield Note(where, what)
        for key in vhost.limits:
            if key not in _LIMITS:
                yield Note(where, f"a Vhost has no limit '{key}'")
