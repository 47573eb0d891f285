"""Which certificate a server shows, to a client that verifies it, and whether it takes the client's."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from cryptography import x509

from warren.connection import TlsMaterial, tls_context
from warren.errors import NotReadyError
from warren.pki import Pair

_TIMEOUT_S = 5.0
#: With TLS 1.3 a client's certificate is refused after the client has ended its handshake, by an alert that
#: is on its way already: https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2.4
_ALERT_S = 1.0
#: What a client of AMQP 0-9-1 says first; a broker that goes on answers it.
_HEADER = b"AMQP\x00\x00\x09\x01"


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


def takes(ca: Path, host: str, port: int, name: str, pair: Pair) -> bool:
    """Whether the broker at ``host:port``, verified as ``name`` by ``ca``, goes on with a client that shows
    ``pair``; raises NotReadyError where its own certificate is refused, and NoAnswerError where nobody
    answers."""
    context = tls_context(
        TlsMaterial(ca_path=ca, client_cert_path=pair.certificate, client_key_path=pair.key)
    )
    try:
        with (
            _connected(host, port, name) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            return _goes_on(secured)
    except ssl.SSLCertVerificationError as error:
        what = f"its certificate is refused: {error.verify_message or error}"
        raise NotReadyError(f"{name}, port {port}", what) from error
    except ssl.SSLError as error:
        if "ALERT" in str(error.reason):
            return False
        raise NotReadyError(f"{name}, port {port}", f"no handshake: {error}") from error
    except ConnectionResetError:
        return False
    except OSError as error:
        raise NotReadyError(f"{name}, port {port}", f"no handshake: {error}") from error


def _goes_on(secured: ssl.SSLSocket) -> bool:
    """Waits for an alert first: one that meets what was sent is lost in a reset."""
    secured.settimeout(_ALERT_S)
    try:
        if not secured.recv(1):
            return False
    except TimeoutError:
        pass
    secured.settimeout(_TIMEOUT_S)
    secured.sendall(_HEADER)
    return bool(secured.recv(1))
