"""The RabbitmqCluster, and what its pods need beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from warren.kubernetes import configuration
from warren.kubernetes.place import Document, Note, Place

#: What the operator takes where nothing is said; the topology does not say how large disks are.
_STORAGE = "10Gi"
_CPU = "1"


def documents(place: Place) -> list[Document]:
    """The cluster and the configuration of TLS between its nodes."""
    files = configuration.inter_node_files(place)
    config_map = place.document(
        "v1",
        "ConfigMap",
        _inter_node(place),
        data={"inter_node_tls.config": files["inter_node_tls.config"]},
    )
    cluster = place.document(
        "rabbitmq.com/v1beta1", "RabbitmqCluster", place.cluster, spec=_spec(place, files)
    )
    return [config_map, cluster]


def _spec(place: Place, files: dict[str, str]) -> dict[str, Any]:
    topology = place.topology
    memory = f"{topology.broker.memory_limit_mib}Mi"
    return {
        "replicas": len(topology.nodes),
        "image": topology.images["rabbitmq"],
        "resources": {"requests": {"cpu": _CPU, "memory": memory}, "limits": {"memory": memory}},
        "persistence": {"storage": _STORAGE},
        "affinity": _apart(place),
        "tls": {
            "secretName": place.secret("server-tls"),
            "caSecretName": place.secret("clients-ca"),
            "disableNonTLSListeners": True,
        },
        "rabbitmq": {
            "additionalPlugins": configuration.additional_plugins(place),
            "additionalConfig": configuration.additional_config(place),
            "envConfig": files["rabbitmq-env.conf"],
        },
        "override": {"statefulSet": {"spec": {"template": {"spec": _inter_node_tls(place)}}}},
    }


def _apart(place: Place) -> dict[str, Any]:
    """No two nodes on one machine: its loss would take the majority with it."""
    term = {
        "labelSelector": {"matchLabels": place.broker_pods},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _inter_node(place: Place) -> str:
    return f"{place.cluster}-inter-node"


def _inter_node_tls(place: Place) -> dict[str, Any]:
    """Mounts for `inter_node_files`, as in the operator's example mtls-inter-node."""
    file = "inter_node_tls.config"
    paths = {"ca.crt": "inter-node-ca.pem", "tls.crt": "inter-node.pem", "tls.key": "inter-node.key"}
    items = [{"key": key, "path": path, "mode": 0o440} for key, path in paths.items()]
    return {
        "containers": [
            {
                "name": "rabbitmq",
                "volumeMounts": [
                    {"name": "inter-node-tls", "mountPath": configuration.TLS_DIR, "readOnly": True},
                    {
                        "name": "inter-node-config",
                        "mountPath": f"/etc/rabbitmq/{file}",
                        "subPath": file,
                        "readOnly": True,
                    },
                ],
            }
        ],
        "volumes": [
            {
                "name": "inter-node-tls",
                "secret": {"secretName": place.secret("inter-node-tls"), "items": items},
            },
            {"name": "inter-node-config", "configMap": {"name": _inter_node(place)}},
        ],
    }


def _links(place: Place) -> Iterator[Note]:
    """The operators have Shovel and Federation resources, which want the whole URI as a secret, in a form of
    its own for each; and nodes there reach other hosts than here."""
    for link in place.topology.links.all:
        what = (
            "is not rendered, nor are its plugins: make a Shovel or a Federation of the topology operator's"
        )
        yield Note(f"links[{link.name}]", what)


def notes(place: Place) -> Iterator[Note]:
    administrator = place.secret("default-user")
    yield Note("users", f"the operators work as an administrator of their own, of the secret {administrator}")
    hosts = ", ".join(f"rabbit@{each}" for each in place.hosts)
    yield Note("cluster.nodes", f"names are the operator's: {hosts}")
    size = f"{_STORAGE} of storage and {_CPU} processor a node"
    yield Note("disks and processors", f"the topology says no size: {size}")
    yield from configuration.notes(place)
    yield from _links(place)
