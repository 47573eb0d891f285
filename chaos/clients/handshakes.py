"""A client that shows a certificate which no node should accept, and tries again and again."""

from __future__ import annotations

import socket
import ssl

from chaos.clients.orders import Orders
from chaos.clients.telling import EVERY_S, Tally
from warren.connection import Endpoint, TlsMaterial, tls_context
from warren.wait import Clock

_TIMEOUT_S = 5.0
#: With TLS 1.3 a client hears only after its handshake that it was refused: it must say something and listen.
_HEADER = b"AMQP\x00\x00\x09\x01"


def shown(orders: Orders) -> None:
    """Shake hands until the time is over; counts how often each alert was the answer, and ``accepted``."""
    tally, clock, number = Tally(), Clock(), 0
    context = tls_context(TlsMaterial(ca_pem=orders.ca_pem, client_pem=orders.peer_pem))
    begun_s = told_s = clock.now()
    while clock.now() - begun_s < orders.limit_s:
        answer = _attempt(orders.endpoints[number % len(orders.endpoints)], context)
        number += 1
        tally.counts[answer] += 1
        tally.counts["attempts"] = number
        if number == 1 or clock.now() - told_s >= EVERY_S:
            tally.tell()
            told_s = clock.now()
        clock.sleep(max(0.0, begun_s + number / orders.number("connections_per_s") - clock.now()))


def _attempt(endpoint: Endpoint, context: ssl.SSLContext) -> str:
    """``accepted``, the alert by OpenSSL's name, or what else went wrong."""
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), _TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.name) as wrapped,
        ):
            wrapped.sendall(_HEADER)
            return "accepted" if wrapped.recv(1) else "closed"
    except ssl.SSLError as error:
        return str(error.reason or type(error).__name__).lower()
    except OSError as error:
        return type(error).__name__
