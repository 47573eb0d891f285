"""What is attacked, and how a stranger knocks: a cluster as addresses, so that hosts can be given as well as
containers.

Nothing here asks Docker, nor the code under test, what should be refused. Traffic goes to the addresses of
the `Target` alone; every try has a deadline.
"""

from __future__ import annotations

import socket
import ssl
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from warren import secrets
from warren.context import Context
from warren.https import HttpEndpoint, node_pool
from warren.runtime.host_inventory import Inventory
from warren.topology import Topology

#: For one try: a busy machine answers within a second.
PATIENCE_S = 10.0
#: Ports at which a client must show a certificate, and whose authority must have signed it.
CERTIFICATE_OF = {"exporter": "scrape", "probe": "scrape", "inter_node": "inter-node"}
#: Ports that nobody but the nodes needs.
BETWEEN_NODES = ("inter_node", "epmd")
#: What listens on the first host of a group, by its name in the topology's ports.
SERVICES_OF: Mapping[str, Sequence[str]] = {
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager",),
    "grafana": ("grafana",),
    "exporters": ("exporter", "probe"),
}
#: What is said to a port in plain text, by the protocol that would understand it.
GREETINGS: Mapping[str, bytes] = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "AMQP 0-9-1": b"AMQP\x00\x00\x09\x01",
    "AMQP 1.0": b"AMQP\x03\x01\x00\x00",
    "stream": struct.pack(">IHHII", 12, 17, 1, 1, 0),
    "MQTT": bytes.fromhex("101000044d5154540402003c000461747461"),
    "distribution": b"\x00\x17N" + bytes(12) + b"\x00\x06a@evil",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One listener. ``owner`` is the node or service whose name its certificate must have, ``kind`` its name
    in the topology's ports."""

    owner: str
    kind: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.owner} {self.kind}"

    @property
    def is_http(self) -> bool:
        return self.kind not in ("amqps", "streams", "inter_node", "epmd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cluster to attack. ``folder`` is the state's, with passwords and certificates: an attacker has none
    of them, and the tests need them to prove that the very same try succeeds with the right ones.

    ``machines`` are the nodes' own addresses, ``guarded`` the ports that a firewall keeps from this machine,
    ``besides`` those that are open on a machine and none of the cluster's."""

    topology: Topology
    topology_path: Path
    ports: tuple[Port, ...]
    folder: Path
    machines: Mapping[str, str]
    guarded: tuple[Port, ...] = ()
    besides: frozenset[int] = frozenset()

    @property
    def ca(self) -> Path:
        return self.folder / "pki" / "cluster-ca.pem"

    def password(self, user: str) -> str:
        return (self.folder / "secrets" / user).read_text(encoding="utf-8").strip()

    def pair(self, authority: str, name: str) -> tuple[Path, Path]:
        """Certificate and key of a leaf."""
        folder = self.folder / "pki" / authority
        return folder / f"{name}.pem", folder / f"{name}.key"

    def of(self, *kinds: str) -> tuple[Port, ...]:
        return tuple(port for port in self.ports if port.kind in kinds)

    def one(self, kind: str, owner: str = "") -> Port:
        return next(port for port in self.of(kind) if owner in ("", port.owner))

    def client_pair(self, port: Port) -> tuple[Path, Path] | None:
        """The certificate that a client must show at ``port``, if any."""
        authority = CERTIFICATE_OF.get(port.kind)
        if authority == "inter-node":
            return self.pair(authority, self.topology.nodes[0].name)
        if authority == "scrape":
            return self.pair(authority, "prometheus")
        if port.kind in ("amqps", "streams") and self.topology.tls.client_certificate == "required":
            return self.pair("clients", self.topology.account("operator").name)
        return None


def containers(context: Context) -> Target:
    """The containers of ``context``: their published ports, and those of nodes on the cluster's network,
    which this machine reaches too."""
    topology, ports = context.topology, []
    machines = {node.name: context.runtime.network_address(node.name) for node in topology.nodes}
    for node in topology.nodes:
        for kind in topology.node_ports:
            host, number = context.runtime.address(node.name, kind)
            ports.append(Port(owner=node.name, kind=kind, host=host, port=number))
        for kind in BETWEEN_NODES:
            number = getattr(topology.ports, kind)
            ports.append(Port(owner=node.name, kind=kind, host=machines[node.name], port=number))
    for service in services(topology):
        if context.runtime.runs(service):
            number = topology.published(service)
            ports.append(Port(owner=service, kind=service, host="127.0.0.1", port=number))
    return Target(
        topology=topology,
        topology_path=context.topology_path,
        ports=tuple(ports),
        folder=context.state.root,
        machines=machines,
    )


def hosts(context: Context, inventory: Inventory) -> Target:
    """Hosts: each node and the first host of each service, on the ports that the topology says, by the
    host's own name. Ports between nodes may be guarded; that any other is not open is found by whoever
    tries it."""
    topology, ports = context.topology, []
    machines = {name: login.address for name, login in inventory.logins.items()}
    for name, address in machines.items():
        for kind in (*topology.node_ports, *BETWEEN_NODES):
            number = getattr(topology.ports, kind)
            ports.append(Port(owner=name, kind=kind, host=address, port=number))
    for group, kinds in SERVICES_OF.items():
        if at := inventory.services.get(group):
            for kind in kinds:
                number = getattr(topology.ports, kind)
                ports.append(Port(owner=at.name, kind=kind, host=at.address, port=number))
    guarded = [port for port in ports if port.kind in BETWEEN_NODES and not is_open(port.host, port.port)]
    return Target(
        topology=topology,
        topology_path=context.topology_path,
        ports=tuple(port for port in ports if port not in guarded),
        folder=context.state.root,
        machines=machines,
        guarded=tuple(guarded),
        besides=frozenset(login.port for login in inventory.logins.values()),
    )


def services(topology: Topology) -> tuple[str, ...]:
    more = ("victoriametrics",) if topology.shipping.long_term else ()
    return ("prometheus", "alertmanager", "exporter", "probe", "view", "grafana", *more)


# -- tries -------------------------------------------------------------------------------------------------


def is_open(host: str, number: int) -> bool:
    """Whether somebody listens there, within a second."""
    with socket.socket() as knock:
        knock.settimeout(1.0)
        return knock.connect_ex((host, number)) == 0


@contextmanager
def connected(port: Port) -> Iterator[socket.socket]:
    with socket.create_connection((port.host, port.port), PATIENCE_S) as plain:
        yield plain


def said_in_plain(port: Port, greeting: bytes) -> bytes:
    """What ``port`` answers to plain text before it closes, at most a kilobyte."""
    answer = b""
    with suppress(OSError), connected(port) as plain:
        plain.sendall(greeting)
        plain.settimeout(PATIENCE_S)
        while len(answer) < 1024 and (part := plain.recv(1024)):
            answer += part
            if is_refusal(answer):
                break
    return answer


def is_refusal(answer: bytes) -> bool:
    """Whether an answer to plain text is a TLS alert, or a web server's word that it wants TLS and nothing
    more. An empty one is a refusal too."""
    wants_tls = answer.startswith(b"HTTP/1.") and b" 400 " in answer[:16]
    return not answer or answer[:2] == b"\x15\x03" or wants_tls


def client_context(target: Target, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """As a proper client has it: TLS 1.2 or later, the cluster's authority and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(target.ca)
    if pair:
        context.load_cert_chain(*pair)
    return context


def careless_context(pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """As an attacker has it: whoever answers is good, and everything that OpenSSL can do is offered."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    if pair:
        context.load_cert_chain(*pair)
    return context


def admitted(port: Port, context: ssl.SSLContext, *, name: str = "") -> str:
    """Empty where ``port`` takes this client, else why it does not. With TLS 1.3 a client's certificate is
    judged after the handshake, so that something is said and the answer waited for."""
    greeting = {"amqps": GREETINGS["AMQP 0-9-1"], "streams": GREETINGS["stream"]}.get(
        port.kind, GREETINGS["HTTP"]
    )
    try:
        with connected(port) as plain, context.wrap_socket(plain, server_hostname=name or port.owner) as tls:
            if port.kind == "inter_node":  # waits for the other's name
                tls.settimeout(1.5)
                return "" if _is_silent(tls) else "closed"
            tls.sendall(greeting)
            return "" if tls.recv(1) else "closed"
    except (OSError, ssl.SSLError) as error:
        return str(error) or type(error).__name__


def _is_silent(tls: ssl.SSLSocket) -> bool:
    try:
        return bool(tls.recv(1))
    except TimeoutError:
        return True


def http(
    target: Target, port: Port, method: str, path: str, *, login: tuple[str, str] | None = None, **more: Any
) -> urllib3.BaseHTTPResponse:
    """One question; the certificate that the port asks for is shown."""
    place = HttpEndpoint(node=port.owner, host=port.host, port=port.port, server_name=port.owner)
    pair = target.client_pair(port) or (None, None)
    pool = node_pool(
        place,
        ca=target.ca,
        timeout=urllib3.Timeout(PATIENCE_S),
        client_certificate=pair[0],
        client_key=pair[1],
    )
    headers = {
        **(urllib3.make_headers(basic_auth=":".join(login)) if login else {}),
        **more.pop("headers", {}),
    }
    try:
        return pool.request(method, path, headers=headers, **more)
    finally:
        pool.close()


def service_login(target: Target, service: str) -> tuple[str, str]:
    """Who may ask a service that wants a name and a password."""
    kept = {
        "prometheus": ("prometheus", secrets.PROMETHEUS_WEB),
        "alertmanager": ("alertmanager", secrets.ALERTMANAGER_WEB),
        "view": ("view", secrets.VIEW),
        "grafana": ("admin", secrets.GRAFANA_ADMIN),
        "victoriametrics": ("victoriametrics", secrets.VICTORIAMETRICS_WEB),
    }
    user, secret = kept[service]
    return user, target.password(secret)
