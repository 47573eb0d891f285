"""Every file that goes into a container's configuration volume: text, certificates and secrets, with modes.

`warren.volume_archive` says how they get there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from warren import definitions, render, secrets, shipping
from warren.links import material as links
from warren.pki import Pki
from warren.secrets import Secrets
from warren.state import State, write_atomically
from warren.topology import Topology

PUBLIC, PRIVATE = 0o444, 0o400
#: Definitions that a node imports without effect.
_NOTHING = b"{}"
_LOCALHOST = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The wanted content of one volume: ``files`` maps a relative path to (content, mode)."""

    name: str
    uid: int
    gid: int
    files: Mapping[str, tuple[bytes, int]]

    def digest(self) -> str:
        """A hash of the owner, paths, modes and contents."""
        total = hashlib.sha256(f"{self.uid}:{self.gid}\n".encode())
        for path in sorted(self.files):
            content, mode = self.files[path]
            total.update(f"{path} {mode:o} {len(content)}\n".encode() + content)
        return total.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the volumes are made from. ``topology_path`` is the file that ``topology`` was read from: who
    watches for drift is given it."""

    topology: Topology
    state: State
    secrets: Secrets
    pki: Pki
    topology_path: Path | None = None


def prepare(material: Material, *, nodes: bool = True) -> None:
    """Make every secret and certificate that is not there yet, or no longer good; idempotent. Without
    ``nodes`` their certificates are left alone: who only has services take something must not make anew what
    a running node then does not show.

    Raises NotReadyError, before anything is made, for a file of the owner's that cannot be used: later there
    would be containers already that wait for it.
    """
    topology, pki = material.topology, material.pki
    shipping.files(topology, material.state)
    links.files(topology, material.state)
    for user in topology.users:
        material.secrets.ensure(user.name)
    for name in (*secrets.service_accounts(long_term=topology.shipping.long_term), secrets.COOKIE):
        material.secrets.ensure(name)
    pki.ensure_authorities()
    for node in topology.nodes if nodes else ():
        pki.ensure_leaf("cluster", node.name, hosts=(node.name, *_LOCALHOST), purpose="server")
        pki.ensure_leaf("inter-node", node.name, hosts=(node.name,), purpose="both")
    for service in ("prometheus", "alertmanager", "grafana", "exporter", "probe", "view", "load"):
        pki.ensure_leaf("cluster", service, hosts=(service, *_LOCALHOST), purpose="server")
    for service, wanted in (("drift", topology.drift_user), ("victoriametrics", topology.shipping.long_term)):
        if wanted:
            pki.ensure_leaf("cluster", service, hosts=(service, *_LOCALHOST), purpose="server")
    pki.ensure_leaf("scrape", "prometheus", hosts=("prometheus",), purpose="client")
    for user in topology.users:
        pki.ensure_leaf("clients", user.name, hosts=(user.name,), purpose="client")
    _ensure_boot_definitions(material)


def _ensure_boot_definitions(material: Material) -> None:
    """Written once: the broker imports definitions again whenever they changed, which would revert
    passwords that were rotated since. Never in place of those that were put away."""
    path = material.state.boot_definitions
    if not path.exists():
        passwords = {user.name: material.secrets.read(user.name) for user in material.topology.users}
        document = definitions.document(material.topology, definitions.password_hashes(passwords))
        write_atomically(path, json.dumps(document, indent=1).encode(), mode=0o600)


def put_definitions_away(state: State) -> bool:
    """Once a cluster is formed: have its nodes import nothing any more, those that are made later too. Says
    whether that is new. All nodes must then be given the same: the cluster keeps one hash of what was
    imported last, and a node with another file imports its own
    (`rabbit_definitions_import_local_filesystem`, 4.3.6)."""
    if state.boot_definitions.read_bytes() == _NOTHING:
        return False
    write_atomically(state.boot_definitions, _NOTHING, mode=0o600)
    return True


def node_volumes(material: Material, node: str) -> tuple[Volume, Volume]:
    """Configuration and data volume of a broker node; of the data only the cookie is ours."""
    texts = render.broker_files(material.topology)
    files = {name: (text.encode(), PRIVATE) for name, text in texts.items()}
    files["definitions.json"] = (material.state.boot_definitions.read_bytes(), PRIVATE)
    files |= certificates(material, node)
    for authority in ("clients", "inter-node"):
        certificate = material.pki.authority(authority).certificate
        files[f"tls/{authority}-ca.pem"] = (certificate.read_bytes(), PUBLIC)
    pair = material.pki.leaf("inter-node", node)
    files["tls/inter-node.pem"] = (pair.certificate.read_bytes(), PUBLIC)
    files["tls/inter-node.key"] = (pair.key.read_bytes(), PRIVATE)
    files |= {
        f"tls/{name}": content for name, content in links.files(material.topology, material.state).items()
    }
    cookie = (material.secrets.read(secrets.COOKIE).encode(), PRIVATE)
    config = Volume(name=f"{node}-config", uid=999, gid=999, files=files)
    return config, Volume(name=f"{node}-data", uid=999, gid=999, files={".erlang.cookie": cookie})


def certificates(material: Material, name: str, folder: str = "tls/") -> dict[str, tuple[bytes, int]]:
    """What a process that others reach by TLS is given: the authority, its certificate and key."""
    pair = material.pki.leaf("cluster", name)
    return {
        f"{folder}ca.pem": (material.pki.authority("cluster").certificate.read_bytes(), PUBLIC),
        f"{folder}server.pem": (pair.certificate.read_bytes(), PUBLIC),
        f"{folder}server.key": (pair.key.read_bytes(), PRIVATE),
    }


def secret(material: Material, name: str) -> tuple[bytes, int]:
    """A secret as a file that only its owner reads."""
    return material.secrets.read(name).encode(), PRIVATE
