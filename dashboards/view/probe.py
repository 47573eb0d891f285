"""Whether a preview is up, as a container's health check asks it: without a password, over pinned TLS."""

from __future__ import annotations

import http.client
import ssl

from dashboards.view.config import ViewConfig
from warren.errors import NotReadyError

_TIMEOUT_S = 5.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the probe's way to a wildcard listener


def probe(config: ViewConfig) -> None:
    """Connect to the preview's own port; it is up when it asks for credentials. Raises NotReadyError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is pinned: no other would be accepted
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(config.tls_certificate_file)
    host = _WILDCARDS.get(config.listen_host, config.listen_host)
    connection = http.client.HTTPSConnection(host, config.listen_port, timeout=_TIMEOUT_S, context=context)
    try:
        connection.request("GET", "/api/settings")
        status = connection.getresponse().status
    except OSError as error:
        raise NotReadyError(
            f"{host}:{config.listen_port}", f"the preview does not answer: {error}"
        ) from error
    finally:
        connection.close()
    if status != http.client.UNAUTHORIZED:
        raise NotReadyError(
            f"{host}:{config.listen_port}", f"answered {status} to a request without a password"
        )
