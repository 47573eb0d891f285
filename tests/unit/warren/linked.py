"""Two topologies that are linked, as data to edit: the deployed one, and a small one that it links to."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from warren.topology import Topology
from warren.topology_reader import load

Data = dict[str, Any]
#: What the small cluster is called, and its file.
FAR, FILE = "far", "far.yml"

SHOVEL: Data = {
    "name": "audit-out",
    "from": {"vhost": "/orders", "queue": "orders.audit"},
    "to": {"remote": "far", "queue": "inbox.audit"},
}
EVENTS: Data = {
    "name": "events-in",
    "from": {"remote": "far", "exchange": "inbox.events"},
    "to": {"vhost": "/orders", "exchange": "orders.events"},
}
WORK: Data = {
    "name": "work-in",
    "from": {"remote": "far", "queue": "inbox.work"},
    "to": {"vhost": "/orders", "queue": "orders.work"},
}
#: A remote that no topology describes.
SITE: Data = {
    "name": "site",
    "hosts": ["b1.example", "b2.example"],
    "vhost": "/orders",
    "user": "link",
    "password_file": "site.password",
    "ca_file": "site.pem",
}


def far(data: Data) -> Data:
    """A single-node cluster beside the one of ``data``, with a vhost, a link's user and what it may reach."""
    found = copy.deepcopy(data)
    found.pop("links", None)
    found["cluster"] |= {"name": FAR, "nodes": [{"name": "rmq1"}], "published": {"base_port": 17000}}
    canary = "^warren\\.canary"
    found["cluster"]["broker"]["plugins"].append("rabbitmq_exchange_federation")
    found["users"] = [
        {"name": "operator", "tags": ["administrator"], "role": "operator"},
        {"name": "monitoring", "tags": ["monitoring"], "role": "monitoring"},
        {"name": "canary", "role": "canary"},
        {"name": "link", "max_connections": 32},
    ]
    settings = {"dead-letter-exchange": "inbox.dlx", "delivery-limit": 20}
    found["vhosts"] = [
        {
            "name": "/inbox",
            "exchanges": [
                {"name": "inbox.dlx", "type": "fanout"},
                {"name": "inbox.events", "type": "fanout"},
                {"name": "inbox.direct", "type": "direct"},
            ],
            "queues": [{"name": f"inbox.{name}"} for name in ("audit", "work", "failed")],
            "bindings": [
                {"source": "inbox.dlx", "queue": "inbox.failed"},
                {"source": "inbox.direct", "queue": "inbox.audit", "routing_key": "audit"},
            ],
            "policies": [{"name": "work", "pattern": r"\.(audit|work)$", "definition": settings}],
            "permissions": [
                {"user": "operator", "configure": ".*", "write": ".*", "read": ".*"},
                {"user": "canary", "configure": canary, "write": canary, "read": canary},
                {
                    "user": "link",
                    "configure": "^federation: ",
                    "write": r"^(amq\.default|inbox\.|federation: )",
                    "read": r"^(inbox\.|federation: )",
                },
            ],
        }
    ]
    found["waivers"] = []
    return found


def links(*shovels: Data, federation: tuple[Data, ...] = (), remotes: tuple[Data, ...] = ()) -> Data:
    """The ``links`` of a topology; without ``remotes`` to the small cluster."""
    near = {"name": "far", "topology": FILE, "vhost": "/inbox", "user": "link"}
    return {
        "remotes": copy.deepcopy(list(remotes or (near,))),
        "shovels": copy.deepcopy(list(shovels)),
        "federation": copy.deepcopy(list(federation)),
    }


def write(folder: Path, near: Data, other: Data, *, name: str = "near.yml") -> Path:
    """Write both beside each other; returns the path of the first."""
    for file, data in ((name, near), (FILE, other)):
        (folder / file).write_text(yaml.dump(data, sort_keys=False), encoding="utf-8")
    return folder / name


def read(folder: Path, near: Data, other: Data) -> Topology:
    """`write`, and what the first then says."""
    return load(write(folder, near, other))
