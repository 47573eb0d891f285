"""Builds the site of an operation where the nodes are services of hosts: everything is done over SSH."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from warren import cluster
from warren.context import Context
from warren.errors import NotReadyError, RefusedError
from warren.inventory import SERVICE_GROUPS
from warren.operating import handshake
from warren.operating.host_package import Package
from warren.operating.host_refusals import OTHER_NODES, Refusals, refuse_other_places
from warren.operating.host_services import Services
from warren.operating.model import Site
from warren.runtime import host_groups, host_scripts
from warren.runtime.host_groups import Member
from warren.runtime.host_inventory import GROUP
from warren.runtime.units import BROKER_USER
from warren.secrets import COOKIE

_COOKIE_FILE = ".erlang.cookie"
#: Asks for what is shown at an address (DER, in hexadecimal), verified by the authorities on standard input.
_SHOW = """
import socket, ssl, sys
context = ssl.create_default_context(cadata=sys.stdin.read())
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as plain:
        with context.wrap_socket(plain, server_hostname=sys.argv[3]) as secured:
            print(secured.getpeercert(True).hex())
except OSError as error:
    sys.exit(f"no handshake: {error}")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the acts of a `Site` need: the hosts by the inventory at ``inventory``."""

    context: Context
    nodes: Mapping[str, Member]
    services: Services

    def empty_data(self, node: str) -> None:
        self.context.hosts.empty_data(node)
        self._have_cookie(node)

    def fill_data(self, node: str, archive: Path) -> None:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.context.hosts.fill_data(node, archive, sha256=digest)
        self._have_cookie(node)

    def make_anew(self, node: str) -> None:
        self.package(node).replace()

    def package(self, node: str) -> Package:
        return Package(
            hosts=self.context.hosts,
            topology=self.context.topology,
            node=node,
            variables=self.nodes[node].variables,
        )

    def serial(self, ca: Path, host: str, port: int, name: str) -> int:
        """As everybody sees it; where the way from here is shut, as the host itself does."""
        try:
            return handshake.serial(ca, host, port, name)
        except handshake.NoAnswerError:
            return self._serial_there(ca, port, name)

    def _serial_there(self, ca: Path, port: int, name: str) -> int:
        address = self.context.hosts.network_address(name)
        argv = ["python3", "-c", _SHOW, address, str(port), name]
        done = self.context.hosts.in_network(name, argv, timeout_s=30.0, stdin=ca.read_bytes())
        if not done.ok:
            raise NotReadyError(f"{name}, port {port}", f"asked on the host itself: {done.reason()}")
        return handshake.serial_of(bytes.fromhex(done.stdout.strip()))

    def _have_cookie(self, node: str) -> None:
        """That of the cluster as it is today."""
        cookie = self.context.secrets.read(COOKIE).encode()
        self.context.hosts.put(
            node, host_scripts.DATA, {_COOKIE_FILE: cookie}, owner=BROKER_USER, only_changed=True
        )


def site_of(context: Context, now: Callable[[], datetime]) -> Site:
    """The parts of ``context`` that operations need. Raises BadInputError or RefusedError for an inventory
    whose hosts are not as operations know them, NotReadyError where the cluster was never made."""
    place = _place(context)
    refuse_other_places(context.state.root, place.nodes)
    refusals = Refusals(
        hosts=context.hosts,
        management=context.management,
        topology=context.topology,
        nodes=place.nodes,
        services=place.services,
        package=place.package,
    )
    return Site(
        runtime=context.hosts,
        topology=context.topology,
        management=context.management,
        secrets=context.secrets,
        pki=context.pki,
        state=context.state,
        keeps_data=context.hosts.keeps_data,
        empty_data=place.empty_data,
        copy_data=context.hosts.copy_data,
        fill_data=place.fill_data,
        make_anew=place.make_anew,
        have_services_take=place.services.take,
        among=lambda _names: _refuse_other_nodes(),
        laid_out=lambda: tuple(node.name for node in context.topology.nodes),
        lay_out=lambda _gone: _refuse_other_nodes(),
        whole=lambda deadline_s: cluster.wait_ready(context, deadline_s=deadline_s),
        serial=place.serial,
        takes=handshake.takes,
        clock=context.clock,
        now=now,
        say=context.say,
        anew_from=f"the package of RabbitMQ {context.topology.broker.version} and the inventory's settings",
        refuse=refusals.refuse,
        options=context.options,
    )


def _refuse_other_nodes() -> NoReturn:
    raise RefusedError("hosts", OTHER_NODES, "add it to topology and inventory: ansible-playbook site.yml")


def _place(context: Context) -> Place:
    _ = context.hosts  # raises where the nodes are containers
    assert context.inventory is not None  # noqa: S101
    found = host_groups.read(context.inventory.path)
    services = Services(context=context, groups={group: found.members(group) for group in SERVICE_GROUPS})
    return Place(context=context, nodes=found.members(GROUP), services=services)
