"""The files of everything that is not a broker node: Prometheus, Alertmanager, dashboards, exporters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import bcrypt

from warren import checkout, receivers, render, rules, secrets, shipping
from warren.bundle import PRIVATE, PUBLIC, Material, Volume, certificates, secret
from warren.errors import WarrenError
from warren.state import write_atomically


def volumes(material: Material, *, grafana: bool) -> Iterable[Volume]:
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


def _prometheus(material: Material, variables: Mapping[str, Any]) -> Volume:
    scrape = material.pki.leaf("scrape", "prometheus")
    monitoring = material.topology.account("monitoring").name
    config = render.role_template("prometheus", "prometheus.yml", variables)
    files = {
        "prometheus.yml": (config.encode(), PUBLIC),
        "secrets/web.yml": (render.role_template("prometheus", "web.yml", variables).encode(), PRIVATE),
        "secrets/monitoring.password": secret(material, monitoring),
        "secrets/alertmanager.password": secret(material, secrets.ALERTMANAGER_WEB),
        "secrets/prometheus.password": secret(material, secrets.PROMETHEUS_WEB),
        "tls/scrape.pem": (scrape.certificate.read_bytes(), PUBLIC),
        "tls/scrape.key": (scrape.key.read_bytes(), PRIVATE),
        "rules/objectives.yml": (
            render.role_template("prometheus", "objectives.yml", variables).encode(),
            PUBLIC,
        ),
        "targets/.keep": (b"", PUBLIC),
        **_store_password(material, "secrets/"),
        **shipping.files(material.topology, material.state),
        **certificates(material, "prometheus"),
    }
    pace = rules.pace(material.topology.time_scale, config)
    for rule in rules.files():
        text = rules.scaled(rule.read_text(encoding="utf-8"), pace, rule.name)
        files[f"rules/{rule.name}"] = (text.encode(), PUBLIC)
    return Volume(name="prometheus-config", uid=65534, gid=65534, files=files)


def _alertmanager(material: Material, variables: Mapping[str, Any]) -> Volume:
    own = receivers.read(material.topology, material.state)
    given = {**variables, "alertmanager_receivers": own.receivers, "alertmanager_routes": own.routes}
    config = render.role_template("alertmanager", "alertmanager.yml", given).encode()
    web = render.role_template("alertmanager", "web.yml", variables).encode()
    files = {
        "alertmanager.yml": (config, PRIVATE),  # a receiver's address may be a secret in itself
        "secrets/web.yml": (web, PRIVATE),
        **certificates(material, "alertmanager"),
    }
    return Volume(name="alertmanager-config", uid=65534, gid=65534, files=files)


def _store_password(material: Material, folder: str) -> dict[str, tuple[bytes, int]]:
    """The long-term store's, for who sends to it or asks it; nothing where there is no such store."""
    if not material.topology.shipping.long_term:
        return {}
    return {f"{folder}victoriametrics.password": secret(material, secrets.VICTORIAMETRICS_WEB)}


def _victoriametrics(material: Material) -> Volume:
    files = {**_store_password(material, "secrets/"), **certificates(material, "victoriametrics")}
    return Volume(name="victoriametrics-config", uid=65534, gid=65534, files=files)


def _exporter(material: Material) -> Volume:
    monitoring = material.topology.account("monitoring").name
    return _exporting(material, "exporter", {"monitoring.password": secret(material, monitoring)})


def _drift(material: Material) -> Volume:
    if material.topology_path is None:
        raise WarrenError("drift", "there is no topology file that it can be given", "report this bug")
    files = {
        "drift.password": secret(material, material.topology.drift_user),
        "topology.yml": (material.topology_path.read_bytes(), PUBLIC),
        **{
            each.topology: (material.topology_path.with_name(each.topology).read_bytes(), PUBLIC)
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
        "inter-node-ca.pem": (material.pki.authority("inter-node").certificate.read_bytes(), PUBLIC),
        "canary.password": secret(material, canary),
        "client.pem": (pair.certificate.read_bytes(), PUBLIC),
        "client.key": (pair.key.read_bytes(), PRIVATE),
    }
    return _exporting(material, "probe", files)


def _exporting(material: Material, service: str, own: Mapping[str, tuple[bytes, int]]) -> Volume:
    """What every process that Prometheus scrapes by certificate is given, and what is its ``own``."""
    files = {
        "scrape-ca.pem": (material.pki.authority("scrape").certificate.read_bytes(), PUBLIC),
        **own,
        **certificates(material, service, ""),
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
        "view.json": (json.dumps(config, indent=1).encode(), PRIVATE),
        "prometheus.password": secret(material, secrets.PROMETHEUS_WEB),
        "alertmanager.password": secret(material, secrets.ALERTMANAGER_WEB),
        **_store_password(material, ""),
        **certificates(material, "view", ""),
    }
    for dashboard in sorted(checkout.path("dashboards", "generated").glob("*.json")):
        files[f"dashboards/{dashboard.name}"] = (dashboard.read_bytes(), PUBLIC)
    for runbook in sorted(checkout.path("docs", "runbooks").glob("*.md")):
        files[f"runbooks/{runbook.name}"] = (runbook.read_bytes(), PUBLIC)
    return Volume(name="view-config", uid=10001, gid=10001, files=files)


def _grafana(material: Material, variables: Mapping[str, Any]) -> Volume:
    files = {
        "secrets/admin.password": secret(material, secrets.GRAFANA_ADMIN),
        "secrets/prometheus.password": secret(material, secrets.PROMETHEUS_WEB),
        **_store_password(material, "secrets/"),
        **certificates(material, "grafana"),
    }
    templates = {
        "grafana.ini": "grafana.ini",
        "provisioning/datasources/prometheus.yml": "datasource.yml",
        "provisioning/dashboards/warren.yml": "dashboards.yml",
    }
    for path, name in templates.items():
        files[path] = (render.role_template("grafana", name, variables).encode(), PUBLIC)
    for dashboard in sorted(checkout.path("dashboards", "generated").glob("*.json")):
        files[f"dashboards/{dashboard.name}"] = (dashboard.read_bytes(), PUBLIC)
    return Volume(name="grafana-config", uid=472, gid=0, files=files)
