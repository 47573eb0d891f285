"""Names that a topology may not give, since something else of a cluster is called so already. Each check
yields (key path, reason, remedy)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from warren import secrets
from warren.state import BOOT_DEFINITIONS
from warren.topology import PUBLISHED_SERVICES, STREAM_PLUGIN, Topology

Fault = tuple[str, str, str]

#: Services and nodes are hosts of one network and sign their certificates in one folder.
_HOSTS = frozenset({*PUBLISHED_SERVICES, "drift", "load", "localhost"})
#: Plain words that YAML 1.1 or 1.2 reads as a truth value or as nothing: https://yaml.org/type/bool.html
_NO_NAMES = frozenset({"true", "false", "yes", "no", "on", "off", "null"})
_PLUGIN = r"[a-z][a-z0-9_]*"
#: Without these nothing can be asked of a node.
_PLUGINS = ("rabbitmq_management", "rabbitmq_prometheus")


def faults(topology: Topology) -> Iterator[Fault]:
    """Every name of ``topology`` that is taken, or that files in which it stands would not keep."""
    if topology.cluster in _NO_NAMES:
        yield "cluster.name", *_no_name(topology.cluster)
    for node in topology.nodes:
        if node.name in _HOSTS:
            what = f"'{node.name}' is taken: a host of the cluster's network is called so already"
            yield f"cluster.nodes[{node.name}]", what, "choose another name, like rmq1"
        elif node.name in _NO_NAMES:
            yield f"cluster.nodes[{node.name}]", *_no_name(node.name)
    yield from _users(topology)
    yield from _plugins(topology)


def _no_name(name: str) -> tuple[str, str]:
    return f"YAML reads '{name}' as other than a name wherever it stands alone", "choose another name"


def _users(topology: Topology) -> Iterator[Fault]:
    """Each user's password is a file of its name, in the folder that holds the other secrets too."""
    accounts = secrets.service_accounts(long_term=True)
    taken = {*accounts, secrets.COOKIE, BOOT_DEFINITIONS, topology.receivers_file}
    taken |= {secrets.hash_name(account) for account in accounts}
    for user in topology.users:
        if user.name in taken:
            what = "there is a secret of that name already, and a user's password is kept under its name"
            yield f"users[{user.name}]", what, "choose another name"
        elif user.name in _NO_NAMES:
            yield f"users[{user.name}]", *_no_name(user.name)


def _plugins(topology: Topology) -> Iterator[Fault]:
    place = "cluster.broker.plugins"
    for name in topology.broker.plugins:
        if not re.fullmatch(_PLUGIN, name):
            yield place, f"{name!r} is not a plugin's name", f"give names like {STREAM_PLUGIN}"
    for name in _PLUGINS:
        if name not in topology.broker.plugins:
            yield place, f"{name} is missing: Warren asks the nodes through it", f"add {name}"
