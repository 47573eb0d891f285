"""How a node's HTTPS listeners are reached: verified, and no attempt that nobody asked for."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import urllib3


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEndpoint:
    """Where a node's listener is reached; ``server_name`` is what its certificate must name."""

    node: str
    host: str
    port: int
    server_name: str


def node_pool(
    endpoint: HttpEndpoint,
    *,
    ca: Path,
    timeout: urllib3.Timeout,
    maxsize: int = 1,
    client_certificate: Path | None = None,
    client_key: Path | None = None,
) -> urllib3.HTTPSConnectionPool:
    """Connections to one listener, kept up to ``maxsize``; a request that fails is not sent again."""
    return urllib3.HTTPSConnectionPool(
        endpoint.host,
        endpoint.port,
        timeout=timeout,
        maxsize=maxsize,
        retries=False,
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(ca),
        cert_file=str(client_certificate) if client_certificate else None,
        key_file=str(client_key) if client_key else None,
        server_hostname=endpoint.server_name,
        assert_hostname=endpoint.server_name,
        ssl_minimum_version=ssl.TLSVersion.TLSv1_2,
    )
