"""Clusters that Warren did not make: read from URLs, which must not hold a password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadgen import address
from loadgen.specify import Foreign
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputError, NotReadyError

_PORTS = {"amqps": 5671, "amqp": 5672}


#: Options that say how another cluster is reached.
_ONLY_THERE = ("user", "password_file", "ca_file", "vhost")


def check_options(given: Mapping[str, Any], *, only_there: Sequence[str] = _ONLY_THERE) -> None:
    """Raise BadInputError for an option that would be passed over: one for another cluster without ``url``,
    and one that cannot be done there beside it."""
    if not given["url"]:
        for name in (each for each in only_there if given.get(each) is not None):
            what = "is for another cluster, and there is no --url"
            raise BadInputError(f"--{name.replace('_', '-')}", what, "give the --url too, or leave it out")
    elif given.get("purge"):
        what = "empties queues over the management API, of which --url does not tell"
        raise BadInputError("--purge", what, "empty them there, and leave it out")


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
