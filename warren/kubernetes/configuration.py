"""The broker's configuration on Kubernetes: the template of the lab, without the operator's keys.

The operator puts ``additionalConfig`` behind its own settings, so that a key given here wins over its
defaults; what it must decide itself (peers, files of certificates, ports) is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from warren.kubernetes.place import PORTS, Note, Place
from warren.render import CONTAINER_PATHS, role_template, role_vars

#: Where the files of `inter_node_files` lie in a pod. The operator's own lie in /etc/rabbitmq-tls.
TLS_DIR = CONTAINER_PATHS["rabbitmq_tls_dir"]
#: Keys that the operator writes for a cluster with TLS and an authority for clients, and nothing else may.
OWNED = re.compile(
    r"cluster_name|cluster_formation\..*|(stream\.)?listeners\..*"
    r"|ssl_options\.(cacertfile|certfile|keyfile|verify)"
    r"|(management|prometheus)\.ssl\.(port|cacertfile|certfile|keyfile)"
)
#: Objects come from the topology operator, so that no file of definitions is there.
_NO_FILE = re.compile(r"definitions\..*")
#: Files of the official image stand beside the operator's; the lab's containers have none of them.
_FIGURES = """\
# The image without the management plugin switches the figures of the management API off
management_agent.disable_metrics_collector = false"""
#: What the operator enables on every node.
_ALWAYS = ("rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_peer_discovery_k8s")


def additional_config(place: Place) -> str:
    """rabbitmq.conf as far as it is not the operator's; remarks stay where a setting below them does."""
    text = role_template("rabbitmq", "rabbitmq.conf", {**role_vars(place.there), **CONTAINER_PATHS})
    return "\n\n".join([*_paragraphs(text), _FIGURES]) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        kept: list[str] = []
        remarks: list[str] = []
        for line in paragraph.strip().splitlines():
            key = line.partition("=")[0].strip()
            if line.startswith("#"):
                remarks.append(line)
            elif OWNED.fullmatch(key) or _NO_FILE.fullmatch(key):
                continue
            else:
                kept += [*remarks, line]
                remarks = []
        if kept:
            yield "\n".join(kept)


def additional_plugins(place: Place) -> list[str]:
    return [name for name in place.topology.broker.plugins if name not in _ALWAYS]


def inter_node_files(place: Place) -> dict[str, str]:
    """The files by which nodes speak TLS to each other; no secrets."""
    variables = {**role_vars(place.there), **CONTAINER_PATHS}
    return {
        name: role_template("rabbitmq", name, variables)
        for name in ("rabbitmq-env.conf", "inter_node_tls.config")
    }


def notes(place: Place) -> Iterator[Note]:
    used = {"amqps", "management", "metrics", "inter_node", "epmd"}
    used |= {"streams"} if place.topology.broker.streams else set()
    for name in sorted(used):
        wanted = getattr(place.topology.ports, name)
        if wanted != PORTS[name]:
            yield Note(
                f"cluster.ports.{name}", f"the cluster operator has {PORTS[name]} for it, not {wanted}"
            )
