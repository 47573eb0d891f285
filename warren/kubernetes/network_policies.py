"""NetworkPolicies: who may open a connection to the broker, the exporter and the probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from warren.kubernetes.place import OPERATORS_NAMESPACE, PORTS, Document, Place

#: Ports that command line tools listen on between nodes: https://www.rabbitmq.com/docs/networking#ports
_TOOLS = (35672, 35682)
_NAMESPACE = "kubernetes.io/metadata.name"


def broker(place: Place) -> list[Document]:
    """Clients from anywhere, with TLS and an account; only nodes and probe reach what is between nodes."""
    own: dict[str, Any] = {"podSelector": {}}
    nodes = {"podSelector": {"matchLabels": place.broker_pods}}
    probe = {"podSelector": {"matchLabels": place.labels("probe")}}
    clients = [PORTS["amqps"], *([PORTS["streams"]] if place.topology.broker.streams else [])]
    between = [*_ports([PORTS["epmd"], PORTS["inter_node"]]), _range(*_TOOLS)]
    ingress = [
        {"ports": _ports(clients)},
        {"from": [own, _namespace(OPERATORS_NAMESPACE)], "ports": _ports([PORTS["management"]])},
        {"from": [own, _namespace(place.monitoring)], "ports": _ports([PORTS["metrics"]])},
        {"from": [nodes], "ports": between},
        {"from": [probe], "ports": _ports([PORTS["inter_node"]])},
    ]
    return [_policy(place, place.cluster, place.broker_pods, ingress)]


def monitoring(place: Place) -> list[Document]:
    """Prometheus reaches exporter and probe, and they each other."""
    ports = {"exporter": place.topology.ports.exporter, "probe": place.topology.ports.probe}
    sources: list[dict[str, Any]] = [{"podSelector": {}}, _namespace(place.monitoring)]
    return [
        _policy(
            place,
            place.secret(name),
            place.labels(name),
            [{"from": sources, "ports": _ports([port])}],
        )
        for name, port in ports.items()
    ]


def _policy(place: Place, name: str, pods: dict[str, str], ingress: list[dict[str, Any]]) -> Document:
    spec = {"podSelector": {"matchLabels": pods}, "policyTypes": ["Ingress"], "ingress": ingress}
    return place.document("networking.k8s.io/v1", "NetworkPolicy", name, spec=spec)


def _namespace(name: str) -> dict[str, Any]:
    """Every namespace has its name as a label since Kubernetes 1.22."""
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE: name}}}


def _ports(ports: Iterable[int]) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _range(first: int, last: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": first, "endPort": last}
