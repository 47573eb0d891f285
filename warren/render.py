"""Pure: a topology becomes the text of every generated file, through the templates of the Ansible roles.

Ansible renders the same templates from the same mapping (`role_vars`) for hosts, so that a rehearsed
setting is the deployed one. Core Jinja only; an undefined name is an error.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from warren import checkout, routing
from warren.errors import WarrenError
from warren.links.addresses import link_files
from warren.topology import PUBLISHED_SERVICES, Topology

#: Paths inside the containers, which are those of the official images.
CONTAINER_PATHS: Mapping[str, str] = {
    "rabbitmq_config_dir": "/etc/rabbitmq",
    "rabbitmq_tls_dir": "/etc/rabbitmq/tls",
    "rabbitmq_definitions_path": "/etc/rabbitmq/definitions.json",
    "prometheus_tls_dir": "/etc/prometheus/tls",
    "prometheus_secrets_dir": "/etc/prometheus/secrets",
    "alertmanager_tls_dir": "/etc/alertmanager/tls",
    "grafana_tls_dir": "/etc/grafana/tls",
    "grafana_secrets_dir": "/etc/grafana/secrets",
    "victoriametrics_tls_dir": "/etc/victoriametrics/tls",
    "victoriametrics_secrets_dir": "/etc/victoriametrics/secrets",
}
MANAGED = "Made by Warren from deploy/topology.yml; changes here are lost"


def role_vars(topology: Topology) -> dict[str, Any]:
    """The one mapping that every template gets; plain lists and mappings, no secrets."""
    broker = topology.broker
    return {
        "warren_managed": MANAGED,
        "warren_cluster": topology.cluster,
        "warren_nodes": [{"name": node.name, "erlang_name": node.erlang_name} for node in topology.nodes],
        "warren_ports": {name: getattr(topology.ports, name) for name in topology.ports.__dataclass_fields__},
        "warren_tls_versions": list(topology.tls.versions),
        "warren_client_certificate": topology.tls.client_certificate,
        "warren_scrape_interval_s": topology.scrape_interval_s,
        "warren_retention": topology.retention,
        "warren_external_labels": dict(topology.shipping.external_labels),
        "warren_long_term": topology.shipping.retention,
        "warren_remote_writes": remote_writes(topology),
        "warren_vhosts": [vhost.name for vhost in topology.vhosts],
        "warren_objectives": objectives(topology),
        "warren_shares": shares(topology),
        "warren_failed_queues": failed_queues(topology),
        "warren_time_scale": topology.time_scale,
        "rabbitmq_version": broker.version,
        "rabbitmq_net_ticktime_s": broker.net_ticktime_s,
        "rabbitmq_failure_detector_poll_ms": broker.failure_detector_poll_ms,
        "rabbitmq_memory_limit_mib": broker.memory_limit_mib,
        "rabbitmq_memory_watermark": broker.memory_watermark,
        "rabbitmq_disk_free_limit_mib": broker.disk_free_limit_mib,
        "rabbitmq_channel_max": broker.channel_max,
        "rabbitmq_max_message_bytes": broker.max_message_bytes,
        "rabbitmq_consumer_timeout_ms": broker.consumer_timeout_ms,
        "rabbitmq_message_timestamps": broker.message_timestamps,
        "rabbitmq_feature_flags": broker.feature_flags,
        "rabbitmq_plugins": list(topology.plugins),
        "prometheus_monitoring_user": topology.account("monitoring").name,
        "warren_drift_user": topology.drift_user,
        "warren_canary_user": topology.account("canary").name,
        **_links(topology),
    }


def _links(topology: Topology) -> dict[str, Any]:
    """Of links: how many there are to be of each kind, and what files nodes are given for them. Without any
    there is no such variable, so that nothing that is rendered changes."""
    links = topology.links
    if not links:
        return {}
    kinds = {"shovel": len(links.shovels), "federation": len(links.federations)}
    return {
        "warren_links": {kind: count for kind, count in kinds.items() if count},
        "warren_link_topologies": [
            {"src": f"hosts/{each.topology}", "dest": each.topology}
            for each in links.remotes
            if each.topology
        ],
        "rabbitmq_link_files": [{"name": name, "mode": mode} for name, mode in link_files(links)],
    }


def objectives(topology: Topology) -> list[dict[str, Any]]:
    """Per queue with an objective: vhost, queue, depth in messages, lag_s in seconds (None: not promised)."""
    return [
        {
            "vhost": vhost.name,
            "queue": queue.name,
            "depth": queue.objective.depth,
            "lag_s": queue.objective.lag_s,
        }
        for vhost in topology.vhosts
        for queue in vhost.queues
        if queue.objective is not None
    ]


def shares(topology: Topology) -> dict[str, Any]:
    """What is promised of all traffic: ``of`` maps an objective to its share, ``end_to_end_s`` is the bound
    of the one on latency, in seconds (None: not promised)."""
    promised = topology.shares
    of = {"confirm_success": promised.confirm_success, "end_to_end": promised.end_to_end, "lag": promised.lag}
    return {
        "of": {name: share for name, share in of.items() if share is not None},
        "end_to_end_s": promised.end_to_end_s,
    }


def remote_writes(topology: Topology) -> list[dict[str, Any]]:
    """Per store elsewhere: name, url, user (empty: it takes a token), own_ca. Nothing secret."""
    return [
        {"name": each.name, "url": each.url, "user": each.user, "own_ca": bool(each.ca_file)}
        for each in topology.shipping.remote_writes
    ]


def failed_queues(topology: Topology) -> list[dict[str, str]]:
    """Where messages end that were given up: targets of dead-lettering that dead-letter no further."""
    return [
        {"vhost": vhost.name, "queue": queue.name}
        for vhost in topology.vhosts
        for queue in vhost.queues
        if routing.effective(vhost, queue).get("dead-letter-exchange") is None
        and any(queue in routing.dead_letter_targets(vhost, source) for source in vhost.queues)
    ]


def render_template(template: Path, variables: Mapping[str, Any]) -> str:
    """The text of one template; raises WarrenError (a bug of ours) on an undefined name."""
    try:
        return _compiled(template.read_text(encoding="utf-8")).render(variables)
    except jinja2.TemplateError as error:
        raise WarrenError(str(template), f"cannot be rendered: {error}", "report this bug") from error


@functools.cache
def _compiled(text: str) -> jinja2.Template:
    """Compiling takes longer than rendering, and most are rendered once for each node."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
    )
    return environment.from_string(text)


def role_template(role: str, name: str, variables: Mapping[str, Any]) -> str:
    """The text of ``ansible/roles/<role>/templates/<name>.j2``."""
    return render_template(checkout.path("ansible", "roles", role, "templates", f"{name}.j2"), variables)


def broker_files(topology: Topology) -> dict[str, str]:
    """A node's configuration files by name, the same on every node; no secrets."""
    variables = {**role_vars(topology), **CONTAINER_PATHS}
    names = ("rabbitmq.conf", "enabled_plugins", "rabbitmq-env.conf", "inter_node_tls.config")
    return {name: role_template("rabbitmq", name, variables) for name in names}


def subnet(cluster: str) -> str:
    """The cluster network's IPv4 subnet. It follows from the name, so that two clusters fit on a machine."""
    return f"10.213.{zlib.crc32(cluster.encode()) % 256}.0/24"


def compose_file(topology: Topology, *, grafana: bool, disk_faults: Mapping[str, str] | None = None) -> str:
    """The Compose file. Images, state folder and user ids stay variables, so that it is the same anywhere.

    ``grafana`` says whether Grafana's image is to be had; without it the preview of its dashboards runs.
    ``disk_faults`` are the paths of a library for nodes to preload (`warren.disk_faults.PATHS`), or None.
    """
    variables = {
        **role_vars(topology),
        **CONTAINER_PATHS,
        "subnet": subnet(topology.cluster),
        "published": {service: topology.published(service) for service in PUBLISHED_SERVICES},
        "published_node": {
            node.name: {port: topology.published_node(node.name, port) for port in topology.node_ports}
            for node in topology.nodes
        },
        "grafana": grafana,
        "disk_faults": disk_faults,
    }
    return render_template(checkout.path("deploy", "compose.yml.j2"), variables)
