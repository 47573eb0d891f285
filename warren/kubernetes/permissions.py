"""Permissions of users in virtual hosts."""

from __future__ import annotations

from warren.kubernetes.place import Document, Place


def documents(place: Place) -> list[Document]:
    """A Permission for each user of each virtual host; the operator waits for the User that it refers to."""
    return [
        place.object(
            "Permission",
            place.of_vhost(vhost.name, each.user),
            {
                "vhost": vhost.name,
                "userReference": {"name": place.named(each.user)},
                "permissions": {"configure": each.configure, "write": each.write, "read": each.read},
            },
        )
        for vhost in place.topology.vhosts
        for each in vhost.permissions
    ]
