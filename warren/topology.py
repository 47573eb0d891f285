"""``deploy/topology.yml`` as frozen dataclasses: the one truth about the cluster.

Terms are RabbitMQ's own; sizes and times carry their units. `warren.topology_reader` reads the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from warren.errors import BadInputError
from warren.nearest import meant
from warren.topology_links import Links
from warren.topology_shipping import Shipping

#: Prefix of objects that canaries, benchmarks and profiles make for themselves: never drift, never judged.
RESERVED_PREFIX = "warren."
#: Begins the names of what the canary makes in every virtual host; `exporters.canary.pair` calls it so too.
CANARY_PREFIX = f"{RESERVED_PREFIX}canary"
#: The plugin that brings the stream protocol; without it nodes have no port for it.
STREAM_PLUGIN = "rabbitmq_stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A broker node; ``name`` is also its host name inside the cluster."""

    name: str

    @property
    def erlang_name(self) -> str:
        return f"rabbit@{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Settings that every node shares."""

    version: str
    memory_limit_mib: int
    memory_watermark: float
    net_ticktime_s: int
    failure_detector_poll_ms: int
    channel_max: int
    max_message_bytes: int
    consumer_timeout_ms: int
    message_timestamps: bool
    #: Which feature flags a new cluster begins with: all that are stable, or those alone that are required.
    feature_flags: Literal["all", "required"]
    plugins: tuple[str, ...]

    @property
    def series(self) -> tuple[int, int]:
        """Major and minor version, by which configuration keys are gated."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def protects_vhosts(self) -> bool:
        """Whether virtual hosts can be protected from deletion (rabbitmq-server#13015, after 4.0.5)."""
        return self.series >= (4, 1)

    @property
    def streams(self) -> bool:
        """Whether the broker speaks the stream protocol (https://www.rabbitmq.com/docs/stream)."""
        return STREAM_PLUGIN in self.plugins

    @property
    def disk_free_limit_mib(self) -> int:
        """At least the memory watermark, so that what is in memory can be written (production checklist)."""
        return -(-self.memory_limit_mib * 7 // 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    versions: tuple[str, ...]
    client_certificate: Literal["optional", "required"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports inside the cluster's network, by service; ``streams`` is used where the plugin is on, ``drift``
    where drift is watched, ``victoriametrics`` where there is a long-term store."""

    amqps: int
    management: int
    metrics: int
    inter_node: int
    epmd: int
    prometheus: int
    alertmanager: int
    grafana: int
    exporter: int
    load: int
    view: int
    streams: int
    drift: int
    probe: int
    victoriametrics: int


#: Services published once, in the order of their ports from the base port on.
PUBLISHED_SERVICES = (
    "prometheus", "alertmanager", "grafana", "view", "exporter", "probe", "victoriametrics",
)  # fmt: skip
#: Ports of a node that are published, each ten apart: base + 10 * (place + 1) + the node's place.
PUBLISHED_NODE_PORTS = ("amqps", "management", "metrics", "streams")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A broker account. ``role`` marks those that Warren itself uses: operator, monitoring and canary."""

    name: str
    tags: tuple[str, ...]
    role: Literal["operator", "monitoring", "canary", "application"]
    max_connections: int | None
    max_channels: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    name: str
    type: str
    durable: bool
    internal: bool
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What the queue's owner promises: greatest depth in messages, greatest age of the oldest in seconds."""

    depth: int | None
    lag_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What the cluster's owner promises of all traffic together, as shares; None: not promised.

    ``end_to_end`` is the share of messages that arrive within ``end_to_end_s``, ``lag`` the share of time and
    queues with a promised lag in which it is kept.
    """

    confirm_success: float | None
    end_to_end: float | None
    end_to_end_s: float | None
    lag: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    name: str
    type: str
    durable: bool
    arguments: Mapping[str, Any]
    objective: Objective | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """From exchange ``source`` to one destination: a queue or another exchange."""

    source: str
    destination: str
    destination_type: Literal["queue", "exchange"]
    routing_key: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    name: str
    pattern: str
    apply_to: str
    priority: int
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    user: str
    configure: str
    write: str
    read: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPermission:
    user: str
    exchange: str
    write: str
    read: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vhost:
    name: str
    description: str
    default_queue_type: str
    protected: bool
    limits: Mapping[str, int]
    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    policies: tuple[Policy, ...]
    operator_policies: tuple[Policy, ...]
    permissions: tuple[Permission, ...]
    topic_permissions: tuple[TopicPermission, ...]

    def queue(self, name: str) -> Queue:
        """The queue called ``name``; raises BadInputError naming those there are."""
        for queue in self.queues:
            if queue.name == name:
                return queue
        names = [queue.name for queue in self.queues]
        raise BadInputError(
            f"vhost {self.name}", f"has no queue '{name}'", _meant(name, names, "queues here")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A production assertion that this cluster is known not to meet, and why."""

    assertion: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Everything that ``deploy/topology.yml`` says. ``drift_user`` is the account of the process that watches
    for drift, empty where none does; ``shipping`` says where samples go beside the cluster's Prometheus, and
    ``links`` which messages go to other clusters and come from there."""

    cluster: str
    nodes: tuple[Node, ...]
    broker: Broker
    tls: Tls
    ports: Ports
    base_port: int
    images: Mapping[str, str]
    scrape_interval_s: int
    retention: str
    users: tuple[User, ...]
    vhosts: tuple[Vhost, ...]
    shares: Shares
    #: On every window and ``for`` of the rules; 1 but for tests.
    time_scale: float
    #: Name of a file in the state's folder of secrets with receivers and routes of Alertmanager's, or empty.
    receivers_file: str
    waivers: tuple[Waiver, ...] = field(default=())
    drift_user: str = ""
    shipping: Shipping = field(default_factory=Shipping)
    links: Links = field(default_factory=Links)

    @property
    def plugins(self) -> tuple[str, ...]:
        """What a node is started with: the broker's plugins, and what links need beside them."""
        extra = self.links.plugins(self.broker.series)
        return (*self.broker.plugins, *(name for name in extra if name not in self.broker.plugins))

    def vhost(self, name: str) -> Vhost:
        """The virtual host called ``name``; raises BadInputError naming those there are."""
        for vhost in self.vhosts:
            if vhost.name == name:
                return vhost
        names = [vhost.name for vhost in self.vhosts]
        raise BadInputError("topology", f"has no vhost '{name}'", _meant(name, names, "vhosts"))

    @property
    def by_erlang_name(self) -> dict[str, str]:
        """The nodes' names by what Erlang, and with it the API, calls them; in the file's order."""
        return {node.erlang_name: node.name for node in self.nodes}

    def node(self, name: str) -> Node:
        """The node called ``name``; raises BadInputError naming those there are."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise BadInputError(
            "topology", f"has no node '{name}'", f"nodes: {', '.join(node.name for node in self.nodes)}"
        )

    def find_queue(self, name: str) -> tuple[Vhost, Queue]:
        """The queue called ``name``, or ``vhost:name`` where the bare name stands in several vhosts."""
        vhost_name, _, bare = name.rpartition(":")
        found = [
            (vhost, queue)
            for vhost in self.vhosts
            if vhost_name in ("", vhost.name)
            for queue in vhost.queues
            if queue.name == bare
        ]
        if len(found) == 1:
            return found[0]
        if found:
            whole = ", ".join(f"{vhost.name}:{queue.name}" for vhost, queue in found)
            raise BadInputError("topology", f"queue '{name}' stands in several vhosts", f"say one of {whole}")
        names = [queue.name for vhost in self.vhosts for queue in vhost.queues]
        raise BadInputError("topology", f"has no queue '{name}'", _meant(bare, names, "queues"))

    def user(self, name: str) -> User:
        """The user called ``name``; raises BadInputError naming those there are."""
        for user in self.users:
            if user.name == name:
                return user
        names = [user.name for user in self.users]
        raise BadInputError("topology", f"has no user '{name}'", _meant(name, names, "users"))

    def is_own(self, name: str) -> bool:
        """Whether the cluster's own services work by the account ``name``; raises as `user` does."""
        return self.user(name).role != "application" or name == self.drift_user

    def account(self, role: Literal["operator", "monitoring", "canary"]) -> User:
        """The user whom Warren itself uses in ``role``; the checks see to it that there is exactly one."""
        return next(user for user in self.users if user.role == role)

    @property
    def node_ports(self) -> tuple[str, ...]:
        """The names of the ports that each node publishes; all of them speak TLS."""
        return tuple(name for name in PUBLISHED_NODE_PORTS if name != "streams" or self.broker.streams)

    def published(self, service: str) -> int:
        """The port on 127.0.0.1 of a service that is there once."""
        return self.base_port + PUBLISHED_SERVICES.index(service)

    def published_node(self, node: str, port: str) -> int:
        """The port on 127.0.0.1 of ``port`` (one of `node_ports`) of ``node``."""
        place = [each.name for each in self.nodes].index(node)
        return self.base_port + 10 * (PUBLISHED_NODE_PORTS.index(port) + 1) + place


def _meant(name: str, known: Sequence[str], kind: str) -> str:
    """The nearest of the names that there are, or all of them."""
    return meant(name, known, f"{kind}: {', '.join(known)}")
