"""No port speaks plain text, an old version or a weak suite, and no port takes a certificate that it should
not.

What `warren cluster verify` asks of the nodes' own listeners (versions, names, authorities) is
test_assertions'; here it is every port, and what OpenSSL cannot offer any more is offered by hand. A client
without a certificate where the topology wants one is test_mutual_tls's.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from warren.pki import Pki
from warren.topology import PUBLISHED_NODE_PORTS, PUBLISHED_SERVICES

from . import attack, hello
from .attack import Port, Target
from .scan import Scan, find_scanner, grade, scan

Tell = Callable[[str], None]
#: Ports of what RabbitMQ and those around it speak in plain text where nobody forbids it.
PLAIN = {
    "AMQP": 5672, "management": 15672, "metrics": 15692, "MQTT": 1883, "MQTT over TLS": 8883, "STOMP": 61613,
    "STOMP over TLS": 61614, "stream": 5552, "web MQTT": 15675, "web STOMP": 15674, "web AMQP": 15678,
    "command line": 35672, "debugger": 8080,
}  # fmt: skip


def tls_ports(target: Target) -> list[Port]:
    return [port for port in target.ports if port.kind != "epmd"]


def test_no_port_answers_in_plain_text(target: Target, tell: Tell) -> None:
    told = []
    for port in tls_ports(target):
        for protocol, greeting in attack.GREETINGS.items():
            answer = attack.said_in_plain(port, greeting)
            if not attack.is_refusal(answer):
                told.append(f"{port} answers {protocol} with {answer[:60]!r}")
    assert told == []
    tell(
        f"{len(tls_ports(target))} ports, {len(attack.GREETINGS)} greetings each: none answers in plain text"
    )


def test_ports_of_plain_text_are_not_open(target: Target) -> None:
    """At the nodes' own addresses, whatever is published of them."""
    found = [
        f"{node} listens on {number} ({name})"
        for node, address in target.machines.items()
        for name, number in PLAIN.items()
        if attack.is_open(address, number)
    ]
    assert found == []


@pytest.mark.full
@pytest.mark.timeout(900)
def test_no_port_is_open_but_those_of_the_topology(target: Target) -> None:
    """Every one of 65,535, at each node."""
    kinds = (*target.topology.node_ports, *attack.BETWEEN_NODES)
    of_nodes = {getattr(target.topology.ports, kind) for kind in kinds}
    for node, address in target.machines.items():
        of_services = {port.port for port in target.ports if port.host == address}
        guarded = {port.port for port in target.guarded if port.host == address}
        found = {number for number in range(1, 65536) if attack.is_open(address, number)}
        assert found == (of_nodes | of_services | target.besides) - guarded, node


def test_epmd_is_not_published(target: Target) -> None:
    assert not {"epmd", "inter_node"} & {*PUBLISHED_NODE_PORTS, *PUBLISHED_SERVICES}
    for port in target.of("epmd"):
        assert not port.host.startswith("127.")


def test_old_versions_are_refused_on_every_port(target: Target) -> None:
    """SSL 3.0 to TLS 1.1, with every suite that there was."""
    everything = (*hello.STRONG, *hello.CBC, *hello.WEAK)
    taken = [
        f"{port} in {name}: {answer}"
        for port in tls_ports(target)
        for name, version in hello.VERSIONS.items()
        if not (answer := hello.say_hello(port, version, everything)).refused
    ]
    assert taken == []


def test_weak_suites_are_refused_on_every_port_and_good_ones_are_not(target: Target) -> None:
    taken, untaken = [], []
    for port in tls_ports(target):
        answer = hello.say_hello(port, hello.TLS12, hello.WEAK)
        if not answer.refused:
            taken.append(f"{port} {answer}")
        if hello.say_hello(port, hello.TLS12, hello.STRONG).refused:
            untaken.append(str(port))
    assert taken == []
    assert untaken == []


def test_suites_in_cbc_mode_are_refused_on_every_port(target: Target) -> None:
    taken = [
        f"{port} {answer}"
        for port in tls_ports(target)
        if not (answer := hello.say_hello(port, hello.TLS12, hello.CBC)).refused
    ]
    assert taken == []


def test_server_is_taken_by_its_own_name_and_authority_only(target: Target, tmp_path: Path) -> None:
    """So that a client which checks is safe from whoever stands between."""
    other = _authority(tmp_path / "other")
    for port in tls_ports(target):
        if port.kind == "inter_node":
            continue  # of another authority, which clients do not have
        good = attack.client_context(target, target.client_pair(port))
        assert attack.admitted(port, good) == ""
        assert "Hostname mismatch" in attack.admitted(port, good, name="rmq9")
        stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        stranger.load_verify_locations(other.authority("cluster").certificate)
        assert "certificate verify failed" in attack.admitted(port, stranger)


def _authority(folder: Path, now: datetime | None = None) -> Pki:
    folder.mkdir()
    pki = Pki(folder, now or datetime.now(UTC))
    pki.ensure_authorities()
    return pki


@pytest.mark.parametrize("kind", ["amqps", "streams", "exporter", "probe", "inter_node"])
def test_clients_certificate_of_a_stranger_or_of_yesterday_is_refused(
    target: Target, tmp_path: Path, kind: str
) -> None:
    """Where one is only asked for, too: a bad one is worse than none."""
    if not target.of(kind):
        pytest.skip(f"no port for {kind}")
    port = target.one(kind)
    right = {"amqps": "clients", "streams": "clients"}.get(kind) or attack.CERTIFICATE_OF[kind]
    stranger = _authority(tmp_path / "stranger")
    yesterday = Pki(tmp_path / "yesterday", datetime.now(UTC) - timedelta(days=400))
    _borrow(target, right, yesterday.folder)
    servers = target.pair("cluster", target.topology.nodes[0].name)
    others = {
        "another authority's": _leaf(stranger, right),
        "an expired": _leaf(yesterday, right),
        "a server's": servers,
        "of another use": target.pair(
            "scrape" if right != "scrape" else "clients",
            _NAMES["scrape" if right != "scrape" else "clients"](target),
        ),
    }
    for called, pair in others.items():
        assert attack.admitted(port, attack.careless_context(pair)) != "", (
            f"{kind} takes {called} certificate"
        )
    own = target.pair(right, _NAMES[right](target))
    assert attack.admitted(port, attack.careless_context(own)) == ""


_NAMES = {
    "clients": lambda target: target.topology.account("operator").name,
    "scrape": lambda target: "prometheus",
    "inter-node": lambda target: target.topology.nodes[0].name,
}


def _leaf(pki: Pki, authority: str) -> tuple[Path, Path]:
    pair = pki.ensure_leaf(authority, "attack", hosts=("attack",), purpose="both")
    return pair.certificate, pair.key


def _borrow(target: Target, authority: str, folder: Path) -> None:
    """The cluster's own authority, for a certificate that was good once."""
    folder.mkdir()
    for end in ("pem", "key"):
        name = f"{authority}-ca.{end}"
        (folder / name).write_bytes((target.folder / "pki" / name).read_bytes())


@pytest.mark.parametrize("kind", ["exporter", "probe", "inter_node"])
def test_client_without_a_certificate_is_refused(target: Target, kind: str) -> None:
    """By those that none but their own may ask."""
    for port in target.of(kind):
        assert attack.admitted(port, attack.careless_context()) != "", port


@pytest.mark.full
@pytest.mark.timeout(600)
def test_scan_gives_each_port_a_good_grade(target: Target, tmp_path: Path, tell: Tell) -> None:
    """By sslscan, from Debian where it is not installed."""
    scanner = find_scanner(tmp_path)
    if scanner is None:
        pytest.skip("sslscan is not installed, and Debian's package could not be had")
    ports = [target.one("amqps"), target.one("management"), target.one("metrics"), target.one("inter_node")]
    ports += [port for port in target.ports if port.kind in (*attack.services(target.topology), "streams")][
        :7
    ]
    found: dict[str, Scan] = {}
    for port in ports:
        found[str(port)] = scan(scanner, port)
    for name, seen in found.items():
        tell(f"{name:24} grade {grade(seen)}  {seen}")
    assert {grade(seen) for seen in found.values()} <= {"A+", "A"}, found
