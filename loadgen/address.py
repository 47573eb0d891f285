"""Addresses that are given on the command line: what may hold a password is not repeated."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from warren.connection import Endpoint
from warren.errors import BadInputError


def read(url: str, ports: Mapping[str, int], *, form: str) -> tuple[str, Endpoint]:
    """The scheme of ``url`` and where it leads; ``ports`` maps the schemes that will do to their usual ports,
    ``form`` is what one looks like.

    Raises BadInputError for another scheme, an account, a path, or a port that is none.
    """
    where = f"--url {_without_account(url)}"
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise BadInputError(where, f"is not {form}") from error
    if parts.username is not None or parts.password is not None:
        raise BadInputError(where, "holds an account", "give --user and --password-file")
    if parts.scheme not in ports or not parts.hostname:
        raise BadInputError(where, f"is not {form}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadInputError(where, f"says more than {form}", "give --vhost for a virtual host")
    name = parts.hostname
    return parts.scheme, Endpoint(name=name, host=name, port=port or ports[parts.scheme])


def _without_account(url: str) -> str:
    """``url`` without what stands before an @, whether it can be read as an account or not."""
    account, at, rest = url.strip().rpartition("@")
    scheme, slashes, _ = account.partition("://")
    return f"{scheme}{slashes}…@{rest}" if slashes else f"…@{rest}" if at else rest
