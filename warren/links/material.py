"""What a cluster needs of those that it links to: their authority, its own account there, a certificate.

Of a remote that another topology describes it is read from that cluster's state folder, which lies beside
ours; of one that is named by hosts, from files in our own folder of secrets.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from warren import owners_file
from warren.errors import NotReadyError
from warren.links.addresses import file_name
from warren.pki import Pki
from warren.state import State
from warren.topology import Topology
from warren.topology_links import Remote

_PUBLIC, _PRIVATE = 0o444, 0o400
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def far_state(remote: Remote, state: State) -> State:
    """The state of the cluster that ``remote`` is, beside ``state``; nothing is made."""
    assert remote.far is not None  # noqa: S101 - asked of remotes with a topology only
    return State(state.root.parent / remote.far.cluster)


def password(remote: Remote, state: State) -> str:
    """The password of our account at ``remote``. Raises NotReadyError where there is none to be read."""
    if remote.far is not None:
        path = far_state(remote, state).secrets / remote.user
        return _of_cluster(remote, path).decode().strip()
    path = state.secrets / remote.password_file
    return _of_owner(remote, path, private=True).decode().strip()


def files(topology: Topology, state: State) -> dict[str, tuple[bytes, int]]:
    """File name in a node's TLS folder -> (content, mode), of every remote.

    Raises NotReadyError where something is missing, empty, no certificate, or a secret that others than its
    owner may read: before anything is made.
    """
    found: dict[str, tuple[bytes, int]] = {}
    for remote in topology.links.remotes:
        password(remote, state)
        found |= _of_far(remote, state) if remote.far is not None else _of_hosts(remote, state)
    return found


def _of_far(remote: Remote, state: State) -> dict[str, tuple[bytes, int]]:
    pki = Pki(far_state(remote, state).pki, datetime.now(UTC))
    pair = pki.leaf("clients", remote.user)
    return {
        file_name(remote, "ca"): (_of_cluster(remote, pki.authority("cluster").certificate), _PUBLIC),
        file_name(remote, "certificate"): (_of_cluster(remote, pair.certificate), _PUBLIC),
        file_name(remote, "key"): (_of_cluster(remote, pair.key), _PRIVATE),
    }


def _of_hosts(remote: Remote, state: State) -> dict[str, tuple[bytes, int]]:
    def certificate(name: str) -> tuple[bytes, int]:
        content = _of_owner(remote, state.secrets / name, private=False)
        if _CERTIFICATE not in content:
            what, remedy = "holds no certificate", f"put it there as PEM, for links.remotes[{remote.name}]"
            raise NotReadyError(str(state.secrets / name), what, remedy)
        return content, _PUBLIC

    found = {file_name(remote, "ca"): certificate(remote.ca_file)}
    if remote.certificate_file:
        key = _of_owner(remote, state.secrets / remote.key_file, private=True)
        found[file_name(remote, "certificate")] = certificate(remote.certificate_file)
        found[file_name(remote, "key")] = key, _PRIVATE
    return found


def _of_cluster(remote: Remote, path: Path) -> bytes:
    """A file that the other cluster has made for itself."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotReadyError(
            str(path),
            f"cannot be read, and links.remotes[{remote.name}] needs it: {error.strerror}",
            f"bring that cluster up first: WARREN_TOPOLOGY={remote.topology} warren cluster up",
        ) from error


def _of_owner(remote: Remote, path: Path, *, private: bool) -> bytes:
    return owners_file.read(path, f"links.remotes[{remote.name}]", private=private)
