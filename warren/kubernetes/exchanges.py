"""Exchanges."""

from __future__ import annotations

from collections.abc import Iterator

from warren.kubernetes.place import Document, Note, Place


def documents(place: Place) -> list[Document]:
    """An Exchange each."""
    return [
        place.object(
            "Exchange",
            place.of_vhost(vhost.name, each.name),
            {
                "name": each.name,
                "vhost": vhost.name,
                "type": each.type,
                "durable": each.durable,
                "autoDelete": False,
                **({"arguments": dict(each.arguments)} if each.arguments else {}),
            },
        )
        for vhost in place.topology.vhosts
        for each in vhost.exchanges
    ]


def notes(place: Place) -> Iterator[Note]:
    for vhost in place.topology.vhosts:
        for each in vhost.exchanges:
            if each.internal:
                where = f"exchange {each.name} of vhost {vhost.name}"
                what = "an Exchange cannot be internal: there, whoever may write to it can publish to it"
                yield Note(where, what)
