"""The exporter and the probe, with the arguments that they have in the lab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from warren import render
from warren.kubernetes.place import Document, Note, Place
from warren.reader import plain

NAMES = ("exporter", "probe")
#: Of the image of this project; the folder's kustomization says which registry and tag.
IMAGE = "warren"
UID = 10001
_FOLDER = "/etc/warren"
#: Arguments that read what is only in the lab.
_LAB_ONLY = ("--collect=faults", "--faults=")


def documents(place: Place) -> list[Document]:
    """A Deployment and a Service each."""
    compose = plain(render.compose_file(place.there, grafana=True))
    return [
        document
        for name in NAMES
        for document in (_deployment(place, name, compose["services"][name]), _service(place, name))
    ]


def _service(place: Place, name: str) -> Document:
    spec = {
        "selector": place.labels(name),
        "ports": [{"name": "metrics", "port": _port(place, name), "targetPort": "metrics"}],
    }
    return place.document("v1", "Service", place.secret(name), labels=place.labels(name), spec=spec)


def _port(place: Place, name: str) -> int:
    port: int = getattr(place.topology.ports, name)
    return port


def _deployment(place: Place, name: str, service: dict[str, Any]) -> Document:
    labels = place.labels(name)
    template = {"metadata": {"labels": labels}, "spec": _pod(place, name, service)}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return place.document("apps/v1", "Deployment", place.secret(name), labels=labels, spec=spec)


def _pod(place: Place, name: str, service: dict[str, Any]) -> dict[str, Any]:
    memory = service["mem_limit"].upper() + "i"
    container = {
        "name": name,
        "image": IMAGE,
        "command": list(service["entrypoint"]),
        "args": list(_arguments(place, service["command"])),
        "ports": [{"name": "metrics", "containerPort": _port(place, name)}],
        "resources": {"requests": {"cpu": "50m", "memory": memory}, "limits": {"memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": _FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the pod
        ],
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # they would bring variables that begin with WARREN_
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [
            {"name": "config", "projected": {"defaultMode": 0o440, "sources": _sources(place, name)}},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        ],
    }


def pod_security() -> dict[str, Any]:
    """What every pod of this project's image runs as."""
    return {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _arguments(place: Place, command: list[str]) -> Iterator[str]:
    for argument in command:
        if argument.startswith(_LAB_ONLY):
            continue
        if argument.startswith("--listener="):
            _, what, where = argument.split("=")
            host, port = where.split(":")
            if host in NAMES:
                where = f"{place.secret(host)}.{place.namespace}.svc:{port}"
            elif host not in place.hosts:
                continue
            yield f"--listener={what}={where}"
            continue
        yield argument


def _sources(place: Place, name: str) -> list[dict[str, Any]]:
    """The files of the container's volume in the lab (`warren.bundle`), from secrets that are only named."""
    account = place.topology.account("monitoring" if name == "exporter" else "canary").name
    found = [
        _files(place.password(account), {"password": f"{account}.password"}),
        _files(place.secret("ca"), {"ca.crt": "ca.pem"}),
        _files(place.secret(f"{name}-tls"), {"tls.crt": "server.pem", "tls.key": "server.key"}),
        _files(place.secret("scrape-ca"), {"ca.crt": "scrape-ca.pem"}),
    ]
    if name == "probe":
        client = {"tls.crt": "client.pem", "tls.key": "client.key"}
        found.append(_files(place.secret("canary-tls"), client))
        found.append(_files(place.secret("inter-node-ca"), {"ca.crt": "inter-node-ca.pem"}))
    return found


def _files(secret: str, paths: dict[str, str]) -> dict[str, Any]:
    return {"secret": {"name": secret, "items": [{"key": key, "path": path} for key, path in paths.items()]}}


def notes(place: Place) -> Iterator[Note]:
    yield Note("exporter", "which faults are open is not told there: chaos is for the lab")
    yield Note(
        "probe", "listeners of Prometheus, Alertmanager and Grafana are not probed: their names are not known"
    )
    if place.topology.drift_user:
        yield Note("monitoring.drift", "the process that watches for drift is not rendered")
