"""The files that Prometheus is given for stores elsewhere: passwords, tokens and authorities.

The topology names them (``monitoring.remote_write``); they lie in the folder of secrets of the cluster's
state, and only Prometheus' volume gets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from warren import owners_file
from warren.errors import NotReadyError
from warren.state import State
from warren.topology import Topology
from warren.topology_shipping import RemoteWrite

_PUBLIC, _PRIVATE = 0o444, 0o400
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def files(topology: Topology, state: State) -> dict[str, tuple[bytes, int]]:
    """Path below Prometheus' configuration -> (content, mode), as the template of its configuration has it.

    Raises NotReadyError where a file that the topology names is missing, empty, no certificate, or where
    others than its owner may read a secret.
    """
    return {
        path: content
        for each in topology.shipping.remote_writes
        for path, content in _of(each, state.secrets)
    }


def _of(store: RemoteWrite, folder: Path) -> Iterator[tuple[str, tuple[bytes, int]]]:
    place = f"monitoring.remote_write[{store.name}]"
    # A line's end is no part of a password, though Prometheus would take one within for it.
    secret = owners_file.read(folder / store.secret_file, place, private=True).strip()
    yield f"secrets/remote-write-{store.name}.secret", (secret, _PRIVATE)
    if store.ca_file:
        path = folder / store.ca_file
        authority = owners_file.read(path, place, private=False)
        if _CERTIFICATE not in authority:
            raise NotReadyError(
                str(path), "holds no certificate", f"put the store's authority there, for {place}"
            )
        yield f"tls/remote-write-{store.name}-ca.pem", (authority, _PUBLIC)
