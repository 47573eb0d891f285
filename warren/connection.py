"""The only builder of pika parameters and TLS contexts.

Everything that speaks AMQP 0-9-1 (load, canary, checks) asks here, so that verification, server name,
heartbeat and connection naming cannot differ between them.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warren.errors import BadInputError, NotReadyError

if TYPE_CHECKING:
    import pika

#: Below the broker's 60 s: a dead path shows within two of these (https://www.rabbitmq.com/docs/heartbeats).
HEARTBEAT_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One broker node: ``name`` is what its certificate is checked for, ``host`` where to connect to."""

    name: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user and its password; the password shows in no repr, log or traceback.

    ``client_pem`` is the user's certificate and key as PEM text, for a broker that asks for one.
    """

    username: str
    password: str = field(repr=False)
    client_pem: str | None = field(default=None, repr=False)

    @staticmethod
    def from_file(username: str, path: Path, *, certificate: Sequence[Path] = ()) -> Credentials:
        """Read the password from ``path`` (one trailing newline is dropped), and the user's certificate from
        PEM files, where there are any.

        Raises NotReadyError when a file cannot be read, BadInputError when there is no password in it.
        """
        try:
            password = path.read_text(encoding="utf-8").removesuffix("\n")
        except OSError as error:
            raise NotReadyError(str(path), f"the password of {username!r} cannot be read: {error}") from error
        if not password:
            raise BadInputError(str(path), f"holds no password for {username!r}")
        try:
            pem = "\n".join(each.read_text(encoding="utf-8") for each in certificate)
        except OSError as error:
            files = ", ".join(map(str, certificate))
            raise NotReadyError(files, f"the certificate of {username!r} cannot be read: {error}") from error
        return Credentials(username=username, password=password, client_pem=pem or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMaterial:
    """What verifies the broker, and what shows who we are where the broker asks for it.

    Give the CA as a path or as PEM text. Client certificate and key are paths, both or none, or one PEM
    text with both.
    """

    ca_path: Path | None = None
    ca_pem: str | None = None
    client_cert_path: Path | None = None
    client_key_path: Path | None = field(default=None, repr=False)
    client_pem: str | None = field(default=None, repr=False)


def tls_context(material: TlsMaterial) -> ssl.SSLContext:
    """A client context: TLS 1.2 or later, certificate and host name verified, no other CA trusted.

    Raises NotReadyError when a file is missing or does not parse.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if material.ca_path is not None or material.ca_pem is not None:
            ca_file = str(material.ca_path) if material.ca_path is not None else None
            context.load_verify_locations(cafile=ca_file, cadata=material.ca_pem)
        else:
            context.load_default_certs()
        if material.client_cert_path is not None:
            context.load_cert_chain(material.client_cert_path, material.client_key_path)
        elif material.client_pem:
            _load_pem(context, material.client_pem)
    except (OSError, ssl.SSLError) as error:
        place = material.client_cert_path or material.ca_path or "the CA given"
        raise NotReadyError(str(place), f"cannot be used for TLS: {error}") from error
    return context


def _load_pem(context: ssl.SSLContext, pem: str) -> None:
    """OpenSSL reads a certificate chain from a file only: this one never touches a disk."""
    descriptor = os.memfd_create("client-pem")
    with os.fdopen(descriptor, "w") as handle:
        handle.write(pem)
        handle.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")


def parameters(
    endpoint: Endpoint,
    *,
    vhost: str,
    credentials: Credentials,
    tls: ssl.SSLContext | None,
    connection_name: str,
    heartbeat_s: int = HEARTBEAT_S,
    connect_timeout_s: float = 5.0,
    open_timeout_s: float | None = None,
    blocked_timeout_s: float | None = None,
) -> pika.ConnectionParameters:
    """Parameters for one connection to ``endpoint``; ``tls`` None means plain AMQP.

    ``connection_name`` is what the management pages and logs show. The client asks to be told when
    the broker cancels a consumer (https://www.rabbitmq.com/docs/consumer-cancel). One attempt, no
    retries inside: who connects decides where to try next. A node has ``connect_timeout_s`` to take the
    connection, and ``open_timeout_s`` from the beginning until it is open, by default twice as long.
    """
    import pika  # noqa: PLC0415 - who speaks the stream protocol starts without it

    options = pika.SSLOptions(tls, server_hostname=endpoint.name) if tls is not None else None
    return pika.ConnectionParameters(
        host=endpoint.host,
        port=endpoint.port,
        virtual_host=vhost,
        credentials=pika.PlainCredentials(credentials.username, credentials.password, erase_on_connect=False),
        ssl_options=options,
        heartbeat=heartbeat_s,
        connection_attempts=1,
        socket_timeout=connect_timeout_s,
        stack_timeout=open_timeout_s or connect_timeout_s * 2,
        blocked_connection_timeout=blocked_timeout_s,
        client_properties=_client_properties(connection_name),
    )


def _client_properties(connection_name: str) -> dict[str, Any]:
    return {
        "product": "Warren",
        "connection_name": connection_name,
        "capabilities": {
            "consumer_cancel_notify": True,
            "connection.blocked": True,
            "basic.nack": True,
            "publisher_confirms": True,
            "authentication_failure_close": True,
        },
    }
