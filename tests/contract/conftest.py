"""What the contract tests share: topologies made from the deployed one, and Ansible's own way to render."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from warren import checkout, committed, inventory
from warren.topology import STREAM_PLUGIN, Node, Shares, Topology
from warren.topology_links import End, Federation, Links, Remote, Shovel
from warren.topology_reader import load
from warren.topology_shipping import RemoteWrite, Shipping

SHIPPED = Shipping(
    external_labels={"site": "berlin 1/a", "stage": "true"},
    remote_writes=(
        RemoteWrite(
            name="a", url="https://a.example/w?&<x>", user="lab", password_file="a.password", token_file="",
            ca_file="a.pem",
        ),
        RemoteWrite(name="b", url="https://b/", user="", password_file="", token_file="b.token", ca_file=""),
    ),
    retention="90d",
)  # fmt: skip
#: To hosts that no topology describes, by a shovel and a federated exchange.
LINKED = Links(
    remotes=(
        Remote(
            name="site",
            vhost="/inbox",
            user="link",
            topology="",
            hosts=("b1.example", "b2.example"),
            port=5671,
            password_file="site.password",
            ca_file="site.pem",
            certificate_file="own.pem",
            key_file="own.key",
        ),
    ),
    shovels=(
        Shovel(
            name="audit-out",
            source=End(remote="", vhost="/orders", queue="orders.audit", exchange="", routing_key=""),
            target=End(remote="site", vhost="", queue="inbox", exchange="", routing_key=""),
            ack_mode="on-confirm",
            prefetch=1000,
            reconnect_delay_s=5,
        ),
    ),
    federations=(
        Federation(
            name="events-in",
            source=End(remote="site", vhost="", queue="", exchange="events", routing_key=""),
            target=End(remote="", vhost="/orders", queue="", exchange="orders.events", routing_key=""),
            prefetch=1000,
            reconnect_delay_s=5,
            max_hops=1,
        ),
    ),
)
ROLE = checkout.ROOT / "ansible" / "roles" / "rabbitmq"


@pytest.fixture(scope="session")
def deployed() -> Topology:
    """``deploy/topology.yml``."""
    return load(checkout.path("deploy", "topology.yml"))


@pytest.fixture(scope="session")
def topologies(deployed: Topology) -> Mapping[str, Topology]:
    """The deployed topology in the sizes, versions and modes that templates know apart."""
    watched = variant(deployed, names=["a", "b", "c"], version="4.3.6", certificate="optional")
    sizes = {
        f"{nodes} nodes, {version}, certificate {certificate}": variant(
            deployed,
            names=[f"rmq{place}" for place in range(nodes)],
            version=version,
            certificate=certificate,
        )
        for nodes, version, certificate in (
            (1, "4.0.5", "required"),
            (3, "4.0.5", "optional"),
            (5, "4.2.0", "required"),
            (1, "4.3.6", "optional"),
            (3, "4.3.6", "optional"),
            (5, "4.3.6", "required"),
        )
    }
    return {
        **sizes,
        "with links": dataclasses.replace(deployed, links=LINKED),
        "drift watched": dataclasses.replace(watched, drift_user="drift"),
        "long term": dataclasses.replace(watched, shipping=Shipping(retention="1y")),
        "sent elsewhere": dataclasses.replace(watched, shipping=SHIPPED),
    }


def variant(
    topology: Topology, *, names: list[str], version: str, certificate: Literal["optional", "required"]
) -> Topology:
    """``topology`` with other nodes, another broker version and another rule for client certificates.

    Where certificates are required, messages are stamped too, and nodes begin with few feature flags: all
    settings appear on and off. A single node does without the stream protocol and promises nothing.
    """
    stamps = certificate == "required"
    plugins = tuple(each for each in topology.broker.plugins if len(names) > 1 or each != STREAM_PLUGIN)
    nothing = Shares(confirm_success=None, end_to_end=None, end_to_end_s=None, lag=None)
    return dataclasses.replace(
        topology,
        shares=topology.shares if len(names) > 1 else nothing,
        nodes=tuple(Node(name=name) for name in names),
        broker=dataclasses.replace(
            topology.broker,
            version=version,
            message_timestamps=stamps,
            plugins=plugins,
            feature_flags="required" if stamps else "all",
        ),
        tls=dataclasses.replace(topology.tls, client_certificate=certificate),
    )


@pytest.fixture(scope="session")
def by_ansible() -> Callable[[Path, Mapping[str, Any]], str]:
    """Renders a template file as ``ansible.builtin.template`` does with ``lstrip_blocks: true``."""
    loader = DataLoader()

    def render(template: Path, variables: Mapping[str, Any]) -> str:
        templar = Templar(loader=loader, variables=dict(variables))
        rendered = templar.template(
            trust_as_template(template.read_text(encoding="utf-8")),
            escape_backslashes=False,
            overrides={"trim_blocks": True, "lstrip_blocks": True, "newline_sequence": "\n"},
        )
        return str(rendered)

    return render


def inventory_variables(topology: Topology) -> dict[str, Any]:
    """The generated inventory's variables as Ansible reads them from the file."""
    read = DataLoader().load(inventory.inventory_file(topology), str(checkout.ROOT / committed.INVENTORY))
    variables: dict[str, Any] = read["all"]["vars"]
    return variables


def role_defaults() -> dict[str, Any]:
    """The role's defaults and vars, whose values may be templates themselves."""
    loader = DataLoader()
    found: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        found |= loader.load_from_file(str(ROLE / part / "main.yml"), trusted_as_template=True)
    return found
