"""What a misbehaving client is told when it starts, known on both sides. A password is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from warren.connection import Credentials, Endpoint

#: Begins the names of the connections of all of them, in the broker's lists and logs.
CONNECTION_PREFIX = "warren-fault"
#: What they declare is called so: Warren's own, never drift, never judged.
QUEUE_PREFIX = "warren.fault."
DEAD_SUFFIX = ".dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """One client: which ``program``, where and as whom, for how long at most, and the fault's own settings.

    ``peer_pem`` is a certificate and its key that the broker is to refuse, for the one that shows it.
    """

    program: str
    endpoints: tuple[Endpoint, ...]
    vhost: str
    credentials: Credentials
    ca_pem: str = field(repr=False)
    limit_s: float
    settings: Mapping[str, float | str]
    queue: str = ""
    peer_pem: str = field(default="", repr=False)

    def number(self, name: str) -> float:
        """A setting that is a number."""
        return float(self.settings[name])

    def whole(self, name: str) -> int:
        """A setting that counts something."""
        return int(self.number(name))


def connection_name(fault: str, number: int | None = None) -> str:
    """What a connection of ``fault`` is called, or what the names of all of them begin with."""
    return f"{CONNECTION_PREFIX} {fault} {'' if number is None else number}"


def own_queue(fault: str, part: str = "") -> str:
    """A queue that the client of ``fault`` makes for itself."""
    return f"{QUEUE_PREFIX}{fault}{part}"


def written(orders: Orders) -> bytes:
    """``orders`` as the client reads them, in one line of JSON."""
    return json.dumps(asdict(orders)).encode() + b"\n"


def read(text: str) -> Orders:
    """What was `written`."""
    raw: dict[str, Any] = json.loads(text)
    raw["endpoints"] = tuple(Endpoint(**each) for each in raw["endpoints"])
    raw["credentials"] = Credentials(**raw["credentials"])
    return Orders(**raw)
