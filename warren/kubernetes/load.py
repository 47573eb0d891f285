"""The load Job: one run of the work profile against the cluster there, whose success is the verdict's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from warren.kubernetes.exporters import IMAGE, pod_security
from warren.kubernetes.place import PORTS, Document, Note, Place

_SECRETS = "/run/secrets/warren"
_STATE = "/var/lib/warren"
_RESULT = f"{_STATE}/result.json"
#: The result goes to the pod's log, since the pod keeps nothing: `kubectl logs` has it, below the progress.
_SCRIPT = """\
warren load run work --rate 200 --duration 60s --quiet --json {result} \\
  --topology /etc/warren/topology.yml --url amqps://{host}:{port} --user {user} \\
  --password-file {secrets}/password --ca-file {secrets}/ca.pem
code=$?
cat {result}
exit "$code"
"""


def documents(place: Place, topology_text: str) -> list[Document]:
    """The Job, and the topology file that it reads; ``topology_text`` holds no secret."""
    name = place.secret("load")
    config_map = place.document("v1", "ConfigMap", name, data={"topology.yml": topology_text})
    labels = place.labels("load")
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": 1800,
        "template": {"metadata": {"labels": labels}, "spec": _pod(place, name)},
    }
    return [config_map, place.document("batch/v1", "Job", name, labels=labels, spec=spec)]


def _pod(place: Place, config_map: str) -> dict[str, Any]:
    container = {
        "name": "load",
        "image": IMAGE,
        "command": ["sh", "-c", _script(place)],
        "env": [{"name": "WARREN_STATE", "value": _STATE}],
        "resources": {"requests": {"cpu": "1", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "topology", "mountPath": "/etc/warren", "readOnly": True},
            {"name": "account", "mountPath": _SECRETS, "readOnly": True},
            {"name": "state", "mountPath": _STATE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the pod
        ],
    }
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # they would bring variables that begin with WARREN_
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [
            {"name": "topology", "configMap": {"name": config_map}},
            {"name": "account", "projected": {"defaultMode": 0o440, "sources": _account(place)}},
            {"name": "state", "emptyDir": {"sizeLimit": "2Gi"}},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        ],
    }


def _account(place: Place) -> list[dict[str, Any]]:
    def secret(name: str, key: str, path: str) -> dict[str, Any]:
        return {"secret": {"name": name, "items": [{"key": key, "path": path}]}}

    password = place.password(place.topology.account("operator").name)
    return [secret(password, "password", "password"), secret(place.secret("ca"), "ca.crt", "ca.pem")]


def _script(place: Place) -> str:
    return _SCRIPT.format(
        host=place.service,
        port=PORTS["amqps"],
        user=place.topology.account("operator").name,
        secrets=_SECRETS,
        result=_RESULT,
    )


def notes(place: Place) -> Iterator[Note]:
    operator = place.topology.account("operator").name
    what = f"runs as '{operator}', since one account does all there, and nobody scrapes it"
    yield Note("load", what)
    if place.topology.tls.client_certificate == "required":
        yield Note("load", "has no client certificate to show, which this broker requires: it cannot connect")
