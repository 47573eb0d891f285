"""Clusters that Warren did not make: read from URLs, which must not hold a password."""

from __future__ import annotations

from pathlib import Path

from loadgen import address
from loadgen.specify import Foreign
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputError, NotReadyError

_PORTS = {"amqps": 5671, "amqp": 5672}


def foreign(urls: str, *, user: str, password: str, vhost: str | None, ca_file: Path | None) -> Foreign:
    """Where ``amqps://host:port,…`` points. All URLs must be of one scheme; without a CA file, the
    system's authorities verify amqps.

    Raises BadInputError, naming the URL without its password, for anything else.
    """
    endpoints, schemes = places(urls)
    return Foreign(
        endpoints=endpoints,
        credentials=Credentials(username=user, password=password),
        ca_pem=_authority(ca_file) if schemes == {"amqps"} else None,
        vhost=vhost,
    )


def places(urls: str) -> tuple[tuple[Endpoint, ...], set[str]]:
    """The endpoints and the one scheme of comma-separated ``urls``; raises as `foreign` does."""
    endpoints, schemes = [], set()
    for url in urls.split(","):
        scheme, endpoint = address.read(url, _PORTS, form="amqps://host[:port] or amqp://host[:port]")
        schemes.add(scheme)
        endpoints.append(endpoint)
    if len(schemes) > 1:
        raise BadInputError("--url", "mixes amqp and amqps", "give URLs of one scheme")
    return tuple(endpoints), schemes


def _authority(ca_file: Path | None) -> str:
    """PEM text; empty means the system's own authorities."""
    if ca_file is None:
        return ""
    try:
        return ca_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not PEM text"
        raise NotReadyError(str(ca_file), f"cannot be read: {reason}") from error
