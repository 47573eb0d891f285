"""Reads ``deploy/topology.yml`` strictly into `warren.topology.Topology`. Nobody else parses that file.

Faults are reported all at once as ``file:key.path: reason`` (`warren.errors.BadInputsError`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from warren import topology_checks, topology_links, topology_shipping
from warren.reader import Document, Section, parse, parse_file
from warren.topology import (
    Binding,
    Broker,
    Exchange,
    Node,
    Objective,
    Permission,
    Policy,
    Ports,
    Queue,
    Shares,
    Tls,
    TopicPermission,
    Topology,
    User,
    Vhost,
    Waiver,
)

#: The version of the file's form that this code reads.
SCHEMA = 1
#: Ports that need not be given. The first is what the plugin itself takes for TLS:
#: https://www.rabbitmq.com/docs/stream#tls
_DEFAULT_PORTS = {"streams": 5551, "drift": 9422, "victoriametrics": 8428}

_NAME = r"[a-z][a-z0-9-]{0,39}"
OBJECT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
_OBJECT_HINT = "letters, digits, dots, dashes and underscores; at most 200 of them"
#: The common name of a user's certificate has 64 characters at most (RFC 5280, ub-common-name).
ACCOUNT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_ACCOUNT_HINT = "letters, digits, dots, dashes and underscores; at most 64 of them"
_RELEASE = r"\d+\.\d+\.\d+"
_IMAGE_HINT = "name:version, or name:version@sha256:… with the digest of what a registry gives for it"
_FILE = r"[a-z0-9][a-z0-9-]*\.yml"
_FILE_HINT = "the bare name of a .yml file in the state's folder of secrets, such as receivers.yml"
#: Below it an error of all traffic would not burn fast enough to page: 14.4 times the budget is all there is.
_LEAST_SHARE = 0.94
#: The bounds of the canary's histogram, in seconds: only at one of them can late messages be told apart.
LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def load(path: Path) -> Topology:
    """Read and check the topology file, and those of the clusters that it links to; raises BadInputsError
    with every fault found."""
    return _checked(*parse_file(path), beside=lambda name: _load_far(path.parent / name))


def _load_far(path: Path) -> Topology:
    """A remote's topology; its own remotes are not followed, so that two may name each other."""
    return _checked(*parse_file(path), beside=lambda _: None)


def loads(text: str, name: str = "topology.yml") -> Topology:
    """`load` of text, for tests and for topologies made by programs."""
    return _checked(*parse(text, name))


def from_data(data: dict[str, Any], name: str = "topology.yml") -> Topology:
    """`load` of what such a file would say, for a topology that is being put together."""
    document = Document(name)
    return _checked(document, Section(document, "", data))


def _checked(document: Document, root: Section, beside: topology_links.Beside | None = None) -> Topology:
    topology = _read(root, beside)
    document.finish()
    for path, what, remedy in topology_checks.faults(topology):
        document.fault(path, what, remedy)
    document.finish()
    return topology


def _read(root: Section, beside: topology_links.Beside | None) -> Topology:
    schema = root.integer("schema")
    if schema != SCHEMA and "schema" in root.data:
        root.fault("schema", f"{schema} is not a form that this version reads", f"use schema: {SCHEMA}")
    cluster = root.section("cluster")
    published = cluster.section("published")
    monitoring = root.section("monitoring", required=False)
    shipping = topology_shipping.read(monitoring)
    broker = _read_broker(cluster.section("broker"))
    topology = Topology(
        cluster=cluster.text("name", pattern=_NAME, hint="lower-case letters, digits and dashes; 40 at most"),
        nodes=cluster.sections("nodes", _read_node, required=True),
        broker=broker,
        tls=_read_tls(cluster.section("tls")),
        ports=_read_ports(cluster.section("ports")),
        base_port=published.integer("base_port", low=1024, high=65000),
        images=_read_images(root.section("images"), long_term=shipping.long_term),
        scrape_interval_s=monitoring.integer("scrape_interval_s", 5, low=1, high=300),
        retention=monitoring.text("retention", "7d", pattern=r"[1-9]\d*(h|d|w|y)", hint="like 12h or 7d"),
        time_scale=monitoring.number("time_scale", 1.0, low=0.001, high=10),
        receivers_file=monitoring.text("receivers_file", "", pattern=_FILE, hint=_FILE_HINT),
        shares=_read_shares(root.section("objectives", required=False)),
        users=root.sections("users", _read_user, required=True),
        vhosts=root.sections("vhosts", partial(_read_vhost, protected=broker.protects_vhosts), required=True),
        waivers=root.sections("waivers", _read_waiver),
        drift_user=_read_drift(monitoring),
        shipping=shipping,
        links=topology_links.read(root, beside),
    )
    for section in (published, monitoring, cluster, root):
        section.finish()
    return topology


def _read_shares(section: Section) -> Shares:
    def share(key: str) -> float | None:
        return section.number(key, 0.0, low=_LEAST_SHARE, high=0.99999) or None

    shares = Shares(
        confirm_success=share("confirm_success"),
        end_to_end=share("end_to_end_share"),
        end_to_end_s=section.number("end_to_end_s", 0.0, low=0.001) or None,
        lag=share("lag_share"),
    )
    if (shares.end_to_end is None) != (shares.end_to_end_s is None):
        section.fault(
            "", "end_to_end_s and end_to_end_share say nothing one without the other", "give both or none"
        )
    if shares.end_to_end_s not in (None, *LATENCY_BOUNDS_S):
        known = ", ".join(f"{bound:g}" for bound in LATENCY_BOUNDS_S)
        section.fault("end_to_end_s", "the canary does not count up to this bound", f"give one of {known}")
    section.finish()
    return shares


def _read_node(section: Section) -> Node:
    return Node(
        name=section.text("name", pattern=_NAME, hint="a host name: lower-case letters, digits, dashes")
    )


def _read_broker(section: Section) -> Broker:
    # What is no version was told as a fault; the rest is read on, so that all faults are told together.
    version = section.text("version", pattern=_RELEASE, hint="like 4.3.6")
    flags = section.choice("feature_flags", ("all", "required"), "all")
    broker = Broker(
        version=version if re.fullmatch(_RELEASE, version) else "0.0.0",
        memory_limit_mib=section.integer("memory_limit_mib", low=256, high=1048576),
        memory_watermark=section.number("memory_watermark", 0.6, low=0.4, high=0.7),
        net_ticktime_s=section.integer("net_ticktime_s", 60, low=5, high=600),
        failure_detector_poll_ms=section.integer("failure_detector_poll_ms", 5000, low=100, high=60000),
        channel_max=section.integer("channel_max", 256, low=1, high=2047),
        max_message_bytes=section.integer("max_message_bytes", 16777216, low=1024, high=536870912),
        consumer_timeout_ms=section.integer("consumer_timeout_ms", 1800000, low=60000),
        message_timestamps=section.flag("message_timestamps", False),
        feature_flags="required" if flags == "required" else "all",
        plugins=section.texts("plugins"),
    )
    section.finish()
    return broker


def _read_tls(section: Section) -> Tls:
    versions = section.texts("versions", ("tlsv1.3", "tlsv1.2"))
    if not versions and section.data.get("versions") == []:
        section.fault("versions", "names none", "use tlsv1.3 and tlsv1.2, or leave the key out")
    for version in versions:
        if version not in ("tlsv1.3", "tlsv1.2"):
            section.fault("versions", f"'{version}' is not allowed", "use tlsv1.3 and tlsv1.2 only")
    choice = section.choice("client_certificate", ("optional", "required"), "optional")
    section.finish()
    return Tls(versions=versions, client_certificate="required" if choice == "required" else "optional")


def _read_ports(section: Section) -> Ports:
    names = [name for name in Ports.__dataclass_fields__ if name not in _DEFAULT_PORTS]
    ports = Ports(
        **{name: section.integer(name, low=1, high=65535) for name in names},
        **{name: section.integer(name, port, low=1, high=65535) for name, port in _DEFAULT_PORTS.items()},
    )
    section.finish()
    return ports


def _read_images(section: Section, *, long_term: bool) -> Mapping[str, str]:
    """By service. The long-term store's, which need not be named, is wanted only where it runs."""
    pattern = r"[a-z0-9./_-]+:[A-Za-z0-9._-]+(@sha256:[0-9a-f]{64})?"
    images = {
        name: section.text(name, pattern=pattern, hint=_IMAGE_HINT)
        for name in ("rabbitmq", "prometheus", "alertmanager", "grafana")
    }
    default = topology_shipping.LONG_TERM_IMAGE
    store = section.text("victoriametrics", default, pattern=pattern, hint=_IMAGE_HINT)
    if long_term:
        images["victoriametrics"] = store
    section.finish()
    return images


def _read_drift(monitoring: Section) -> str:
    """The user of ``monitoring.drift``; without that key nobody watches for drift."""
    if "drift" not in monitoring.data:
        return ""
    section = monitoring.section("drift")
    user = section.text("user", pattern=ACCOUNT, hint=_ACCOUNT_HINT)
    section.finish()
    return user


def _read_user(section: Section) -> User:
    role = section.choice("role", ("operator", "monitoring", "canary", "application"), "application")
    limits = {key: section.integer(key, -1, low=1) for key in ("max_connections", "max_channels")}
    return User(
        name=section.text("name", pattern=ACCOUNT, hint=_ACCOUNT_HINT),
        tags=section.texts("tags", ()),
        role=role if role in ("operator", "monitoring", "canary") else "application",  # type: ignore[arg-type]
        max_connections=limits["max_connections"] if limits["max_connections"] > 0 else None,
        max_channels=limits["max_channels"] if limits["max_channels"] > 0 else None,
    )


def _read_vhost(section: Section, *, protected: bool) -> Vhost:
    return Vhost(
        name=section.text("name", pattern=r"/[A-Za-z0-9._-]*", hint="a slash and then a name, like /orders"),
        description=section.text("description", ""),
        default_queue_type=section.choice("default_queue_type", ("quorum", "classic", "stream"), "quorum"),
        protected=section.flag("protected", protected),
        limits=section.table("limits", {}),
        exchanges=section.sections("exchanges", read_exchange),
        queues=section.sections("queues", read_queue),
        bindings=section.sections("bindings", read_binding),
        policies=section.sections("policies", _read_policy),
        operator_policies=section.sections("operator_policies", _read_policy),
        permissions=section.sections("permissions", _read_permission),
        topic_permissions=section.sections("topic_permissions", _read_topic_permission),
    )


def read_exchange(section: Section) -> Exchange:
    return Exchange(
        name=section.text("name", pattern=OBJECT, hint=_OBJECT_HINT),
        type=section.choice("type", ("direct", "fanout", "topic", "headers")),
        durable=section.flag("durable", True),
        internal=section.flag("internal", False),
        arguments=section.table("arguments", {}),
    )


def read_queue(section: Section) -> Queue:
    objective = None
    if "objective" in section.data:
        part = section.section("objective")
        depth, lag_s = part.integer("depth", 0, low=1), part.number("lag_s", 0.0, low=0.1)
        objective = Objective(depth=depth or None, lag_s=lag_s or None)
        part.finish()
    return Queue(
        name=section.text("name", pattern=OBJECT, hint=_OBJECT_HINT),
        type=section.choice("type", ("quorum", "classic", "stream"), "quorum"),
        durable=section.flag("durable", True),
        arguments=section.table("arguments", {}),
        objective=objective,
    )


def read_binding(section: Section) -> Binding:
    queue, exchange = section.text("queue", ""), section.text("exchange", "")
    if bool(queue) == bool(exchange):
        section.fault("", "must name one destination", "give either 'queue:' or 'exchange:'")
    return Binding(
        source=section.text("source"),
        destination=queue or exchange,
        destination_type="queue" if queue else "exchange",
        routing_key=section.text("routing_key", ""),
        arguments=section.table("arguments", {}),
    )


def _read_policy(section: Section) -> Policy:
    return Policy(
        name=section.text("name", pattern=OBJECT, hint=_OBJECT_HINT),
        pattern=section.text("pattern"),
        apply_to=section.choice(
            "apply_to",
            ("all", "queues", "classic_queues", "quorum_queues", "streams", "exchanges"),
            "quorum_queues",
        ),
        priority=section.integer("priority", 0, low=0),
        definition=section.table("definition"),
    )


def _read_permission(section: Section) -> Permission:
    return Permission(
        user=section.text("user"),
        configure=section.text("configure", "^$"),
        write=section.text("write", "^$"),
        read=section.text("read", "^$"),
    )


def _read_topic_permission(section: Section) -> TopicPermission:
    return TopicPermission(
        user=section.text("user"),
        exchange=section.text("exchange"),
        write=section.text("write", "^$"),
        read=section.text("read", "^$"),
    )


def _read_waiver(section: Section) -> Waiver:
    return Waiver(assertion=section.text("assertion", pattern=_NAME), reason=section.text("reason"))
