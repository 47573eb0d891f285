"""Where a topology stands on Kubernetes: its namespace, and the names that follow from both.

Names of resources are labels of RFC 1123: 63 lower-case letters, digits and dashes at most. Hosts and ports
are those that the cluster operator gives (`internal/resource` of rabbitmq/cluster-operator).
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from warren.errors import BadInputError
from warren.topology import Node, Topology
from warren.topology_links import Links

#: A resource as plain data, in the order in which its fields are to be read.
Document = dict[str, Any]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LONGEST = 63
_HASH_DIGITS = 8
#: Ports of a broker pod with TLS only; the operator has no field for any of them.
PORTS = {
    "amqps": 5671,
    "management": 15671,
    "metrics": 15691,
    "streams": 5551,
    "inter_node": 25672,
    "epmd": 4369,
}
#: Where both operators run when they are installed from their own manifests.
OPERATORS_NAMESPACE = "rabbitmq-system"
#: Where Prometheus runs, unless somebody says otherwise.
MONITORING_NAMESPACE = "monitoring"


@dataclass(frozen=True, slots=True)
class Note:
    """Something of the topology that the rendered resources do not say, by name."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``topology`` in ``namespace``; ``monitoring`` is the namespace that Prometheus runs in.

    Raises BadInputError where a namespace is no label of RFC 1123.
    """

    topology: Topology
    namespace: str
    monitoring: str = MONITORING_NAMESPACE

    def __post_init__(self) -> None:
        for option, given in (("--namespace", self.namespace), ("--monitoring-namespace", self.monitoring)):
            if not (_LABEL.fullmatch(given) and len(given) <= _LONGEST):
                what = f"'{given}' cannot be the name of a namespace"
                raise BadInputError(option, what, "lower-case letters, digits and dashes; at most 63 of them")

    @property
    def cluster(self) -> str:
        return self.topology.cluster

    @property
    def service(self) -> str:
        """The name of the service in front of all nodes, in full within the cluster."""
        return f"{self.cluster}.{self.namespace}.svc"

    @property
    def host_suffix(self) -> str:
        """What stands behind a pod's name in the host part of its node's name."""
        return f"{self.cluster}-nodes.{self.namespace}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host part of each node's name."""
        count = len(self.topology.nodes)
        return tuple(f"{self.cluster}-server-{place}.{self.host_suffix}" for place in range(count))

    @property
    def there(self) -> Topology:
        """The topology with the nodes and ports that it has there, for templates that name them."""
        ports = dataclasses.replace(self.topology.ports, **PORTS)
        nodes = tuple(Node(name=host) for host in self.hosts)
        # Links are not rendered, so that no rule may wait for them to run.
        return dataclasses.replace(self.topology, nodes=nodes, ports=ports, links=Links())

    def named(self, *parts: str, suffix: str = "") -> str:
        """The name of the resource that ``parts`` tell apart from others of its kind.

        Parts that one name cannot hold as they are get a hash of them all behind it: two objects never share
        a name, and an object always has the same one.
        """
        plain = len(parts) == 1 and bool(_LABEL.fullmatch(parts[0]))
        tail = f"-{suffix}" if suffix else ""
        room = _LONGEST - len(self.cluster) - len(tail) - 1
        if plain and len(parts[0]) <= room:
            return f"{self.cluster}-{parts[0]}{tail}"
        slug = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
        slug = slug[: room - _HASH_DIGITS - 1].strip("-")
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH_DIGITS]
        return "-".join(part for part in (self.cluster, slug, digest) if part) + tail

    def of_vhost(self, vhost: str, *parts: str) -> str:
        """`named` for what is in a virtual host; the slash that begins each host's name is no part of it."""
        return self.named(vhost.removeprefix("/"), *parts)

    def secret(self, what: str) -> str:
        """The name of a secret that belongs to the whole cluster, such as ``server-tls``."""
        return f"{self.cluster}-{what}"

    def password(self, user: str) -> str:
        """The name of the secret with ``username`` and ``password`` of a user."""
        return self.named(user, suffix="password")

    def labels(self, component: str) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": component,
            "app.kubernetes.io/part-of": self.cluster,
            "app.kubernetes.io/managed-by": "warren",
        }

    @property
    def broker_pods(self) -> dict[str, str]:
        """The labels by which the cluster operator's pods and services are told from others."""
        return {"app.kubernetes.io/name": self.cluster, "app.kubernetes.io/component": "rabbitmq"}

    def document(
        self, api: str, kind: str, name: str, *, labels: dict[str, str] | None = None, **fields: Any
    ) -> Document:
        """A resource in this namespace; ``labels`` are those of the topology where none are given."""
        metadata = {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels("topology") if labels is None else labels,
        }
        return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}

    def object(self, kind: str, name: str, spec: dict[str, Any]) -> Document:
        """A resource of the messaging topology operator, for this cluster."""
        reference = {"rabbitmqClusterReference": {"name": self.cluster}}
        return self.document("rabbitmq.com/v1beta1", kind, name, spec={**spec, **reference})
