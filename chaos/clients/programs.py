"""Which program is which fault's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chaos.clients import handshakes, holding, pouring
from chaos.clients.orders import Orders

PROGRAMS: Mapping[str, Callable[[Orders], None]] = {
    "connection-storm": holding.storm,
    "channel-leak": holding.leak,
    "stuck-consumer": holding.stuck,
    "publisher-flood": pouring.flood,
    "queue-churn": pouring.churn,
    "poison": pouring.poison,
    "bad-certificate": handshakes.shown,
}
