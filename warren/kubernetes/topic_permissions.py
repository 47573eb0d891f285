"""Topic permissions of users in virtual hosts."""

from __future__ import annotations

from warren.kubernetes.place import Document, Place


def documents(place: Place) -> list[Document]:
    """A TopicPermission for each user and topic exchange."""
    return [
        place.object(
            "TopicPermission",
            place.of_vhost(vhost.name, each.user, each.exchange),
            {
                "vhost": vhost.name,
                "userReference": {"name": place.named(each.user)},
                "permissions": {"exchange": each.exchange, "write": each.write, "read": each.read},
            },
        )
        for vhost in place.topology.vhosts
        for each in vhost.topic_permissions
    ]
