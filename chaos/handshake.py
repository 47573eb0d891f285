"""What a client that verifies says of the certificate which a server shows."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from warren.connection import TlsMaterial, tls_context

_TIMEOUT_S = 5.0


def refuses(ca: Path, host: str, port: int, name: str) -> str:
    """Why the certificate that is shown at ``host:port`` is refused as that of ``name``; empty where it is
    accepted, and where nobody answers: then nothing is known of it. Raises NotReadyError without ``ca``."""
    context = tls_context(TlsMaterial(ca_path=ca))
    try:
        with (
            socket.create_connection((host, port), _TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=name),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message or str(error)
    except OSError:
        return ""
