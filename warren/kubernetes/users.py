"""Users. Their passwords come from secrets that are named here and made by `warren.kubernetes.secrets`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from warren.kubernetes.place import Document, Note, Place
from warren.topology import User

#: What the resource definition allows; the broker takes any word.
TAGS = ("management", "policymaker", "monitoring", "administrator")


def documents(place: Place) -> list[Document]:
    """A User each, whose secret has ``username`` and ``password``."""
    return [place.object("User", place.named(user.name), _spec(place, user)) for user in place.topology.users]


def _spec(place: Place, user: User) -> dict[str, Any]:
    limits = {"connections": user.max_connections, "channels": user.max_channels}
    limits = {key: value for key, value in limits.items() if value is not None}
    tags = [tag for tag in user.tags if tag in TAGS]
    return {
        **({"tags": tags} if tags else {}),
        "importCredentialsSecret": {"name": place.password(user.name)},
        **({"limits": limits} if limits else {}),
    }


def notes(place: Place) -> Iterator[Note]:
    for user in place.topology.users:
        for tag in user.tags:
            if tag not in TAGS:
                yield Note(f"user {user.name}", f"a User cannot have the tag '{tag}'")
