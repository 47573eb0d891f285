"""What faults of clients and accounts use beside the nodes: the broker's API, secrets and certificates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from chaos.handshake import refuses as shake_hands
from warren.connection import Credentials
from warren.pki import Pki
from warren.secrets import Secrets
from warren.topology import Topology


class Management(Protocol):
    """The part of `warren.management.ManagementClient` that is used; it raises as that does."""

    def get(self, *path: str) -> Any: ...

    def rows(self, *path: str, columns: Sequence[str] = ()) -> list[dict[str, Any]]: ...

    def put(self, *path: str, body: Any = None) -> None: ...

    def delete(self, *path: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The cluster's accounts and certificates, as its operator has them. ``handshake`` is
    `chaos.handshake.refuses`."""

    management: Management
    secrets: Secrets
    pki: Pki
    handshake: Callable[[Path, str, int, str], str] = shake_hands

    def refuses(self, host: str, port: int, name: str) -> str:
        """Why a client of the cluster's refuses the certificate that ``name`` shows there, or nothing."""
        return self.handshake(self.pki.authority("cluster").certificate, host, port, name)

    def account(self, topology: Topology, user: str) -> Credentials:
        """A user's password, and its certificate where the topology asks clients for one.

        Raises NotReadyError when the state folder does not hold them.
        """
        pair = self.pki.leaf("clients", user)
        shows = topology.tls.client_certificate == "required"
        return Credentials.from_file(
            user, self.secrets.path(user), certificate=(pair.certificate, pair.key) if shows else ()
        )

    def authority_pem(self) -> str:
        """The certificate of the authority that signed every server of the cluster."""
        return self.pki.authority("cluster").certificate.read_text(encoding="utf-8")


def count(row: Mapping[str, Any], *path: str) -> float:
    """A figure of the API's, however deep; 0 where it is not there, as before the first statistics."""
    found: Any = row
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, (int, float)) else 0.0
