"""Which certificate a server shows, to a client that verifies it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from cryptography import x509

from warren.connection import TlsMaterial, tls_context
from warren.errors import NotReadyError

_TIMEOUT_S = 5.0


class NoAnswerError(NotReadyError):
    """Nobody answered at all, which says nothing about a certificate."""


def serial(ca: Path, host: str, port: int, name: str) -> int:
    """The serial number of what is shown at ``host:port`` as the certificate of ``name``.

    Raises NotReadyError where a client that trusts ``ca`` alone refuses it, and NoAnswerError where nobody
    answers.
    """
    context = tls_context(TlsMaterial(ca_path=ca))
    try:
        with (
            _connected(host, port, name) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError as error:
        what = f"its certificate is refused: {error.verify_message or error}"
        raise NotReadyError(f"{name}, port {port}", what) from error
    except OSError as error:
        raise NotReadyError(f"{name}, port {port}", f"no handshake: {error}") from error
    if shown is None:
        raise NotReadyError(f"{name}, port {port}", "shows no certificate")
    return serial_of(shown)


def serial_of(der: bytes) -> int:
    """The serial number of a certificate."""
    return x509.load_der_x509_certificate(der).serial_number


def _connected(host: str, port: int, name: str) -> socket.socket:
    try:
        return socket.create_connection((host, port), _TIMEOUT_S)
    except OSError as error:
        raise NoAnswerError(f"{name}, port {port}", f"no handshake: {error}") from error
