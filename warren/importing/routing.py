"""Exchanges, queues and bindings of an export, in the terms of a topology."""

from __future__ import annotations

import re
from typing import Any

from warren.importing.rows import Row
from warren.importing.translation import NO_NAME, TYPES, Translation
from warren.importing.vhosts import alive
from warren.topology_reader import OBJECT

_EXCHANGES = ("direct", "fanout", "topic", "headers")
#: How the broker calls a queue that asked it for a name.
_SERVER_NAMED = "amq."


def exchange(found: Translation, place: str, row: Row) -> None:
    """Takes over an exchange, unless every virtual host has it or a topology cannot say it."""
    home = found.home(row, "exchanges")
    if home is None or row["name"] == "" or row["name"].startswith("amq."):
        return  # every virtual host has those
    title = f"{row['name']} in {row['vhost']}"
    if not re.fullmatch(OBJECT, row["name"]):
        found.left_out(place, title, NO_NAME)
        return
    if row["type"] not in _EXCHANGES:
        found.left_out(place, title, f"the exchange type {row['type']} cannot be said")
        return
    if row.get("auto_delete"):
        found.changed(place, title, "it went with its last binding; now it stays")
    home["exchanges"].append(
        {
            "name": row["name"],
            "type": row["type"],
            "durable": row.get("durable", True),
            "internal": row.get("internal", False),
            "arguments": dict(row.get("arguments") or {}),
        }
    )


def queue(found: Translation, place: str, row: Row) -> None:
    """Takes over a queue, unless it belongs to a client or a topology cannot say it."""
    home = found.home(row, "queues")
    if home is None:
        return
    title, arguments = f"{row['name']} in {row['vhost']}", dict(row.get("arguments") or {})
    kind = arguments.pop("x-queue-type", None) or row.get("type") or "classic"
    if why := _belongs_to_a_client(row, kind) or ("" if re.fullmatch(OBJECT, row["name"]) else NO_NAME):
        found.left_out(place, title, why)
        return
    if row.get("durable") is False:
        found.changed(place, title, "transient queues that clients share are gone: it is durable now")
    home["queues"].append(
        {"name": row["name"], "type": kind, "arguments": alive(found, place, title, arguments, "x-")}
    )


def _belongs_to_a_client(row: Row, kind: Any) -> str:
    if row["name"].startswith(_SERVER_NAMED):
        return "the broker named it for a client, which makes another when it comes"
    if row.get("exclusive"):
        return "it belongs to one connection, which makes it anew when it comes"
    if row.get("auto_delete"):
        return "it goes with its last consumer, which makes it anew when it comes"
    return "" if kind in TYPES else f"the queue type {kind} cannot be said"


def binding(found: Translation, place: str, row: Row) -> None:
    """Takes over a binding, unless it is of one of the broker's own exchanges."""
    home = found.home(row, "bindings")
    if home is None:
        return
    if row["source"] == "" and row["destination"] == row["routing_key"]:
        return  # every queue is bound to the default exchange by its name
    title = f"{row['source']} -> {row['destination']} in {row['vhost']}"
    if row["source"] == "" or row["source"].startswith("amq."):
        why = "the broker's own exchanges are not said: declare one, and publish there"
        found.left_out(place, title, why)
        return
    if row["destination_type"] not in ("queue", "exchange"):
        found.left_out(place, title, f"the destination type {row['destination_type']} cannot be said")
        return
    said = {
        "source": row["source"],
        row["destination_type"]: row["destination"],
        "routing_key": row["routing_key"],
    }
    home["bindings"].append({**said, "arguments": dict(row.get("arguments") or {})})
