"""Bindings."""

from __future__ import annotations

import json

from warren.kubernetes.place import Document, Place
from warren.topology import Binding


def documents(place: Place) -> list[Document]:
    """A Binding each; its name follows from all that tells it from others."""
    return [
        place.object(
            "Binding",
            place.of_vhost(vhost.name, each.source, each.destination, *_rest(each)),
            {
                "vhost": vhost.name,
                "source": each.source,
                "destination": each.destination,
                "destinationType": each.destination_type,
                **({"routingKey": each.routing_key} if each.routing_key else {}),
                **({"arguments": dict(each.arguments)} if each.arguments else {}),
            },
        )
        for vhost in place.topology.vhosts
        for each in vhost.bindings
    ]


def _rest(binding: Binding) -> tuple[str, ...]:
    return binding.routing_key, binding.destination_type, json.dumps(dict(binding.arguments), sort_keys=True)
