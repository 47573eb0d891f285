"""How a node's HTTPS listeners are reached: verified, and no attempt that nobody asked for."""

from __future__ import annotations

import http.client
import io
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from urllib3.connection import HTTPSConnection

#: The listeners of RabbitMQ 4.3.6 close a connection five seconds after its last answer (measured; it is
#: Cowboy's ``request_timeout``). A question of that moment is lost, and a scrape asks every five seconds.
KEPT_FOR_S = 4.0

#: What our own servers take of TLS 1.2, in OpenSSL's terms: keys made anew for each connection, and
#: encryption that authenticates. Python's own list has suites in CBC mode too. Those of TLS 1.3 are given.
SERVER_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"

#: An answer may take so many times as long as one read of it may: a node that sends a byte now and then would
#: else hold whoever asked for ever.
_WHOLE_TIMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEndpoint:
    """Where a node's listener is reached; ``server_name`` is what its certificate must name."""

    node: str
    host: str
    port: int
    server_name: str


class _Until(io.RawIOBase):
    """Reads from ``raw`` until a moment of the monotonic clock."""

    def __init__(self, raw: io.RawIOBase, end_s: float) -> None:
        self._raw, self._end_s = raw, end_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._end_s:
            raise TimeoutError("the answer takes too long")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """One that has to come to its end in `_WHOLE_TIMES` the socket's time-out."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        patience_s = sock.gettimeout()
        if patience_s is not None:
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_Until(raw, time.monotonic() + _WHOLE_TIMES * patience_s))


class _Kept(HTTPSConnection):
    """Counts as closed once idle for ``kept_for_s``, so that no question meets the broker's closing."""

    response_class = _Answer

    def __init__(self, *args: Any, kept_for_s: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept_for_s = kept_for_s
        self._answered_s = time.monotonic()

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self._answered_s < self._kept_for_s and super().is_connected

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3's own is typed
        answer = super().getresponse()
        self._answered_s = time.monotonic()
        return answer


class _NodePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Kept


def node_pool(
    endpoint: HttpEndpoint,
    *,
    ca: Path,
    timeout: urllib3.Timeout,
    maxsize: int = 1,
    client_certificate: Path | None = None,
    client_key: Path | None = None,
    kept_for_s: float = KEPT_FOR_S,
) -> urllib3.HTTPSConnectionPool:
    """Connections to one listener, up to ``maxsize`` of them kept while idle for less than ``kept_for_s``; a
    request that fails is not sent again. ``timeout`` bounds each read, and thrice that the whole answer."""
    return _NodePool(
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
        kept_for_s=kept_for_s,
    )
