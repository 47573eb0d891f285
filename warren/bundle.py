"""Every file that goes into a container's configuration volume: text, certificates and secrets, with modes.

`warren.volume_archive` says how they get there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt

from warren import checkout, definitions, receivers, render, rules, secrets, shipping
from warren.errors import WarrenError
from warren.links import material as links
from warren.pki import Pki
from warren.secrets import Secrets
from warren.state import State, write_atomically
from warren.topology import Topology

_PUBLIC, _PRIVATE = 0o444, 0o400
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
    files = {name: (text.encode(), _PRIVATE) for name, text in texts.items()}
    files["definitions.json"] = (material.state.boot_definitions.read_bytes(), _PRIVATE)
    files |= _certificates(material, node)
    for authority in ("clients", "inter-node"):
        certificate = material.pki.authority(authority).certificate
        files[f"tls/{authority}-ca.pem"] = (certificate.read_bytes(), _PUBLIC)
    pair = material.pki.leaf("inter-node", node)
    files["tls/inter-node.pem"] = (pair.certificate.read_bytes(), _PUBLIC)
    files["tls/inter-node.key"] = (pair.key.read_bytes(), _PRIVATE)
    files |= {
        f"tls/{name}": content for name, content in links.files(material.topology, material.state).items()
    }
    cookie = (material.secrets.read(secrets.COOKIE).encode(), _PRIVATE)
    config = Volume(name=f"{node}-config", uid=999, gid=999, files=files)
    return config, Volume(name=f"{node}-data", uid=999, gid=999, files={".erlang.cookie": cookie})


def service_volumes(material: Material, *, grafana: bool) -> Iterable[Volume]:
    """The configuration volumes of everything that is not a broker node."""
    variables = _variables(material)
    yield _prometheus(material, variables)
    yield _alertmanager(material, variables)
    if material.topology.shipping.long_term:
        yield _victoriametrics(material)
    yield _exporter(material)
    if material.topology.drift_user:
        yield _drift(material)
    yield _probe(material)
    yield _grafana(material, variables) if grafana else _view(material)
    # Empty, but owned by whom the service runs as: a new volume belongs to root.
    yield Volume(name="prometheus-data", uid=65534, gid=65534, files={})
    yield Volume(name="alertmanager-data", uid=65534, gid=65534, files={})
    if material.topology.shipping.long_term:
        yield Volume(name="victoriametrics-data", uid=65534, gid=65534, files={})
    if grafana:
        yield Volume(name="grafana-data", uid=472, gid=0, files={})


def _variables(material: Material) -> dict[str, Any]:
    return {**render.role_vars(material.topology), **render.CONTAINER_PATHS, **web_users(material)}


def web_users(material: Material) -> dict[str, dict[str, str]]:
    """Who may come in at Prometheus and at Alertmanager: names with bcrypt hashes, by template variable."""
    return {
        "prometheus_web_users": {"prometheus": _hash(material, secrets.PROMETHEUS_WEB)},
        "alertmanager_web_users": {"alertmanager": _hash(material, secrets.ALERTMANAGER_WEB)},
    }


def _hash(material: Material, name: str) -> str:
    """The bcrypt hash of a password, made once so that a rendering does not differ from the last."""
    path = material.secrets.path(secrets.hash_name(name))
    password = material.secrets.read(name).encode()
    if not path.exists() or not bcrypt.checkpw(password, path.read_bytes()):
        write_atomically(path, bcrypt.hashpw(password, bcrypt.gensalt(10)), mode=0o600)
    return path.read_text(encoding="ascii")


def _certificates(material: Material, name: str, folder: str = "tls/") -> dict[str, tuple[bytes, int]]:
    pair = material.pki.leaf("cluster", name)
    return {
        f"{folder}ca.pem": (material.pki.authority("cluster").certificate.read_bytes(), _PUBLIC),
        f"{folder}server.pem": (pair.certificate.read_bytes(), _PUBLIC),
        f"{folder}server.key": (pair.key.read_bytes(), _PRIVATE),
    }


def _secret(material: Material, name: str) -> tuple[bytes, int]:
    return material.secrets.read(name).encode(), _PRIVATE


def _prometheus(material: Material, variables: Mapping[str, Any]) -> Volume:
    scrape = material.pki.leaf("scrape", "prometheus")
    monitoring = material.topology.account("monitoring").name
    config = render.role_template("prometheus", "prometheus.yml", variables)
    files = {
        "prometheus.yml": (config.encode(), _PUBLIC),
        "secrets/web.yml": (render.role_template("prometheus", "web.yml", variables).encode(), _PRIVATE),
        "secrets/monitoring.password": _secret(material, monitoring),
        "secrets/alertmanager.password": _secret(material, secrets.ALERTMANAGER_WEB),
        "secrets/prometheus.password": _secret(material, secrets.PROMETHEUS_WEB),
        "tls/scrape.pem": (scrape.certificate.read_bytes(), _PUBLIC),
        "tls/scrape.key": (scrape.key.read_bytes(), _PRIVATE),
        "rules/objectives.yml": (
            render.role_template("prometheus", "objectives.yml", variables).encode(),
            _PUBLIC,
        ),
        "targets/.keep": (b"", _PUBLIC),
        **_store_password(material, "secrets/"),
        **shipping.files(material.topology, material.state),
        **_certificates(material, "prometheus"),
    }
    pace = rules.pace(material.topology.time_scale, config)
    for rule in rules.files():
        text = rules.scaled(rule.read_text(encoding="utf-8"), pace, rule.name)
        files[f"rules/{rule.name}"] = (text.encode(), _PUBLIC)
    return Volume(name="prometheus-config", uid=65534, gid=65534, files=files)


def _alertmanager(material: Material, variables: Mapping[str, Any]) -> Volume:
    own = receivers.read(material.topology, material.state)
    given = {**variables, "alertmanager_receivers": own.receivers, "alertmanager_routes": own.routes}
    config = render.role_template("alertmanager", "alertmanager.yml", given).encode()
    web = render.role_template("alertmanager", "web.yml", variables).encode()
    files = {
        "alertmanager.yml": (config, _PRIVATE),  # a receiver's address may be a secret in itself
        "secrets/web.yml": (web, _PRIVATE),
        **_certificates(material, "alertmanager"),
    }
    return Volume(name="alertmanager-config", uid=65534, gid=65534, files=files)


def _store_password(material: Material, folder: str) -> dict[str, tuple[bytes, int]]:
    """The long-term store's, for who sends to it or asks it; nothing where there is no such store."""
    if not material.topology.shipping.long_term:
        return {}
    return {f"{folder}victoriametrics.password": _secret(material, secrets.VICTORIAMETRICS_WEB)}


def _victoriametrics(material: Material) -> Volume:
    files = {**_store_password(material, "secrets/"), **_certificates(material, "victoriametrics")}
    return Volume(name="victoriametrics-config", uid=65534, gid=65534, files=files)


def _exporter(material: Material) -> Volume:
    monitoring = material.topology.account("monitoring").name
    return _exporting(material, "exporter", {"monitoring.password": _secret(material, monitoring)})


def _drift(material: Material) -> Volume:
    if material.topology_path is None:
        raise WarrenError("drift", "there is no topology file that it can be given", "report this bug")
    files = {
        "drift.password": _secret(material, material.topology.drift_user),
        "topology.yml": (material.topology_path.read_bytes(), _PUBLIC),
        **{
            each.topology: (material.topology_path.with_name(each.topology).read_bytes(), _PUBLIC)
            for each in material.topology.links.remotes
            if each.topology
        },
    }
    return _exporting(material, "drift", files)


def _probe(material: Material) -> Volume:
    """The canary's own account, with the certificate that a broker may ask clients for."""
    canary = material.topology.account("canary").name
    pair = material.pki.leaf("clients", canary)
    files = {
        "inter-node-ca.pem": (material.pki.authority("inter-node").certificate.read_bytes(), _PUBLIC),
        "canary.password": _secret(material, canary),
        "client.pem": (pair.certificate.read_bytes(), _PUBLIC),
        "client.key": (pair.key.read_bytes(), _PRIVATE),
    }
    return _exporting(material, "probe", files)


def _exporting(material: Material, service: str, own: Mapping[str, tuple[bytes, int]]) -> Volume:
    """What every process that Prometheus scrapes by certificate is given, and what is its ``own``."""
    files = {
        "scrape-ca.pem": (material.pki.authority("scrape").certificate.read_bytes(), _PUBLIC),
        **own,
        **_certificates(material, service, ""),
    }
    return Volume(name=f"{service}-config", uid=10001, gid=10001, files=files)


def _view(material: Material) -> Volume:
    ports = material.topology.ports
    config = {
        "listen_host": "0.0.0.0",  # noqa: S104 - inside its container; published on 127.0.0.1 only
        "listen_port": ports.view,
        "tls_certificate_file": "server.pem",
        "tls_key_file": "server.key",
        "users": [{"user": "view", "password_bcrypt": _hash(material, secrets.VIEW)}],
        "prometheus_url": f"https://prometheus:{ports.prometheus}",
        "prometheus_ca_file": "ca.pem",
        "prometheus_user": "prometheus",
        "prometheus_password_file": "prometheus.password",
        "alertmanager_url": f"https://alertmanager:{ports.alertmanager}",
        "alertmanager_ca_file": "ca.pem",
        "alertmanager_user": "alertmanager",
        "alertmanager_password_file": "alertmanager.password",
        "dashboards_dir": "dashboards",
        "runbooks_dir": "runbooks",
        "scrape_interval_s": material.topology.scrape_interval_s,
    }
    if material.topology.shipping.long_term:
        config |= {
            "long_term_url": f"https://victoriametrics:{ports.victoriametrics}",
            "long_term_ca_file": "ca.pem",
            "long_term_user": "victoriametrics",
            "long_term_password_file": "victoriametrics.password",
        }
    files = {
        "view.json": (json.dumps(config, indent=1).encode(), _PRIVATE),
        "prometheus.password": _secret(material, secrets.PROMETHEUS_WEB),
        "alertmanager.password": _secret(material, secrets.ALERTMANAGER_WEB),
        **_store_password(material, ""),
        **_certificates(material, "view", ""),
    }
    for dashboard in sorted(checkout.path("dashboards", "generated").glob("*.json")):
        files[f"dashboards/{dashboard.name}"] = (dashboard.read_bytes(), _PUBLIC)
    for runbook in sorted(checkout.path("docs", "runbooks").glob("*.md")):
        files[f"runbooks/{runbook.name}"] = (runbook.read_bytes(), _PUBLIC)
    return Volume(name="view-config", uid=10001, gid=10001, files=files)


def _grafana(material: Material, variables: Mapping[str, Any]) -> Volume:
    files = {
        "secrets/admin.password": _secret(material, secrets.GRAFANA_ADMIN),
        "secrets/prometheus.password": _secret(material, secrets.PROMETHEUS_WEB),
        **_store_password(material, "secrets/"),
        **_certificates(material, "grafana"),
    }
    templates = {
        "grafana.ini": "grafana.ini",
        "provisioning/datasources/prometheus.yml": "datasource.yml",
        "provisioning/dashboards/warren.yml": "dashboards.yml",
    }
    for path, name in templates.items():
        files[path] = (render.role_template("grafana", name, variables).encode(), _PUBLIC)
    for dashboard in sorted(checkout.path("dashboards", "generated").glob("*.json")):
        files[f"dashboards/{dashboard.name}"] = (dashboard.read_bytes(), _PUBLIC)
    return Volume(name="grafana-config", uid=472, gid=0, files=files)
