"""Certificates, secrets and rendered files that hosts are given, made on the controller and only there.

A host has one server certificate, whatever it serves: its own name is in it. Where a host is a node of the
cluster it is the node's, the very one that a rehearsal in containers has.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from warren import bundle, checkout, receivers, render, rules, service_bundle, shipping
from warren.bundle import Material
from warren.errors import BadInputError, NotReadyError, WarrenError
from warren.links import material as links
from warren.pki import Pki
from warren.secrets import Secrets
from warren.state import State, open_state, write_atomically
from warren.topology import Topology
from warren.topology_links import Remote

#: Files for hosts that are no templates. Receivers and shipping may hold secrets: for the owner only.
FOLDER = "hosts"
_LOCALHOST = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """For which hosts, by name, and whose certificates verify brokers that came with their own."""

    topology: Topology
    topology_path: Path
    hosts: Sequence[str]
    given_authority: Path | None = None


def ensure(wanted: Wanted, env: Mapping[str, str]) -> list[str]:
    """Make what is missing or no longer good in the cluster's state folder; returns the names of the files
    that were written, below that folder. Idempotent, one command at a time.

    Raises NotReadyError where the folder is in use or the owner's files cannot be used.
    """
    _authority(wanted)
    state = open_state(wanted.topology.cluster, env)
    with state.lock("ansible"):
        before = _digests(state.root)
        _make(wanted, state, datetime.now(UTC))
        return _changed(before, _digests(state.root))


def renew(wanted: Wanted, state: State, now: datetime) -> None:
    """`ensure` as of ``now``, for who holds the cluster's lock already; certificates of nodes, on whose hosts
    services may stand too, are left alone."""
    _authority(wanted)
    _make(wanted, state, now, nodes=False)


def missing(wanted: Wanted, state: State) -> list[str]:
    """The names that `ensure` would write, found by doing it to a copy that is thrown away."""
    _authority(wanted)
    with tempfile.TemporaryDirectory(prefix="warren-check-") as folder:  # mode 0700
        copy = open_state(wanted.topology.cluster, {"WARREN_STATE": folder})
        for part in ("pki", "secrets", FOLDER):
            if (state.root / part).is_dir():
                shutil.copytree(state.root / part, copy.root / part, dirs_exist_ok=True)
        for remote in wanted.topology.links.remotes:
            _copy_far(remote, state, copy)
        before = _digests(copy.root)
        _make(wanted, copy, datetime.now(UTC))
        return _changed(before, _digests(copy.root))


def _copy_far(remote: Remote, state: State, copy: State) -> None:
    """What is read of the cluster that is linked to, which lies beside the state and so beside its copy."""
    if remote.far is None:
        return
    theirs, mine = links.far_state(remote, state), links.far_state(remote, copy)
    for part in ("pki", "secrets"):
        if (theirs.root / part).is_dir():
            shutil.copytree(theirs.root / part, mine.root / part, dirs_exist_ok=True)


def _refuse_containers(topology: Topology) -> None:
    for remote in topology.links.remotes:
        if remote.in_containers:
            raise BadInputError(
                f"links.remotes[{remote.name}]",
                "names no hosts: its nodes would be containers, which hosts do not reach",
                "add hosts: [name, …] beside topology:, as the certificates there have them",
            )


def _make(wanted: Wanted, state: State, now: datetime, *, nodes: bool = True) -> None:
    _refuse_containers(wanted.topology)
    material = Material(
        topology=wanted.topology,
        state=state,
        secrets=Secrets(state.secrets),
        pki=Pki(state.pki, now),
        topology_path=wanted.topology_path,
    )
    bundle.prepare(material, nodes=nodes)
    service_bundle.web_users(material)
    apart = () if nodes else tuple(node.name for node in wanted.topology.nodes)
    for host in [each for each in wanted.hosts if each not in apart]:
        material.pki.ensure_leaf("cluster", host, hosts=(host, *_LOCALHOST), purpose="server")
    authorities = [material.pki.authority("cluster").certificate.read_bytes().strip(), _authority(wanted)]
    _write(state.hosts_ca, b"\n".join(each for each in authorities if each) + b"\n")
    _write_files(state.root / FOLDER, _files(material))


def _authority(wanted: Wanted) -> bytes:
    """The given authority as PEM; empty where none is given."""
    path = wanted.given_authority
    if path is None:
        return b""
    try:
        content = path.read_bytes()
        x509.load_pem_x509_certificates(content)
    except OSError as error:
        raise NotReadyError(str(path), f"cannot be read: {error.strerror}", "give another file") from error
    except ValueError as error:
        raise BadInputError(str(path), "holds no certificate in PEM", "give the authority's file") from error
    return content.strip()


def _files(material: Material) -> dict[str, bytes]:
    """Rules at the topology's pace, boards, receivers, and what stores elsewhere are told, by path."""
    variables = {**render.role_vars(material.topology), **render.CONTAINER_PATHS}
    config = render.role_template("prometheus", "prometheus.yml", variables)
    pace = rules.pace(material.topology.time_scale, config)
    found = {f"prometheus/{path}": content for path, (content, _) in _shipped(material).items()}
    found["rules.yml"] = one_file(
        rules.scaled(path.read_text("utf-8"), pace, path.name) for path in rules.files()
    ).encode()
    for path in checkout.path("dashboards", "generated").glob("*.json"):
        found[f"dashboards/{path.name}"] = path.read_bytes()
    own = receivers.read(material.topology, material.state)
    told = {"alertmanager_receivers": own.receivers, "alertmanager_routes": own.routes}
    found["receivers.json"] = json.dumps(told, sort_keys=True).encode()
    if material.topology_path is not None:
        found["topology.yml"] = material.topology_path.read_bytes()
        for name in {each.topology for each in material.topology.links.remotes if each.topology}:
            found[name] = material.topology_path.with_name(name).read_bytes()
    for name, (content, _) in links.files(material.topology, material.state).items():
        found[f"links/{name}"] = content
    return found


def _shipped(material: Material) -> dict[str, tuple[bytes, int]]:
    return shipping.files(material.topology, material.state)


def one_file(texts: Iterable[str]) -> str:
    """Rule files as one, remarks included: sixty files are sixty questions to a host, run by run."""
    parts = []
    for text in texts:
        head, found, groups = text.partition("groups:\n")
        if not found or any(line and not line.startswith("#") for line in head.splitlines()):
            raise WarrenError(
                "a rule file", f"does not begin with its groups: {head[:80]}", "report this bug"
            )
        parts.append(head + groups.rstrip("\n") + "\n")
    return "groups:\n" + "\n".join(parts)


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Exactly these below ``folder``: what is there besides was of an older topology."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in [each for each in folder.rglob("*") if each.is_file()]:
        if str(path.relative_to(folder)) not in files:
            path.unlink()
    for name, content in files.items():
        _write(folder / name, content)


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, content, mode=0o600)


def _digests(root: Path) -> dict[str, str]:
    folders: Iterable[Path] = (root / part for part in ("pki", "secrets", FOLDER))
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
