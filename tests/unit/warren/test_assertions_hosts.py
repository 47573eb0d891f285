"""What is read of hosts for the assertions: the very script, in a shell, beside programs that stand for a
host's; and ports that are reached by way of a host."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren import checkout, process
from warren.assertions import gather, hosts, probes, verify
from warren.assertions.facts import Around
from warren.console import silent
from warren.context import open_context
from warren.pki import Pki
from warren.process import Completed
from warren.runtime import host_inventory
from warren.runtime.host_login import Login
from warren.runtime.ssh_login import Ssh
from warren.runtime.units import BROKER
from warren.topology import Topology

PROGRAMS = Path(__file__).parent / "host_programs"
RULES = """\
table inet warren {
	chain input {
		type filter hook input priority filter - 5; policy accept;
		tcp dport 15691 ip saddr @nodes4 accept
		tcp dport 15691 counter packets 3 bytes 180 drop
		tcp dport 25672 counter packets 0 bytes 0 drop
		tcp dport 35672-35682 counter packets 0 bytes 0 drop
	}
}"""

Look = Callable[..., Around]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Looks at two hosts whose brokers are this very process, and whose programs say what they are told."""

    def run(units: Sequence[str] = (BROKER,), **says: str) -> Around:
        programs = tmp_path / "bin"
        programs.mkdir(exist_ok=True)
        for name, text in {
            "timedatectl": "echo yes",
            "stat": "echo 65024:131",
            "findmnt": "echo ext4 /dev/vda1",
            "nft": f"cat <<'END'\n{RULES}\nEND",
            **says,
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (programs / name).chmod(0o755)
        for host in ("rmq1", "rmq2"):
            for unit in units:
                _unit(tmp_path / host / "units" / unit)

        def ask(host: str, argv: Sequence[str], timeout_s: float) -> Completed:
            path = f"{programs}:{PROGRAMS}:{os.environ['PATH']}"
            env = {**os.environ, "PATH": path, "FAKE_HOST": str(tmp_path / host)}
            return process.check(process.run(argv, timeout_s=timeout_s, env=env))

        return hosts.around(["rmq1", "rmq2"], ["rmq1"], ask)

    return run


def _unit(folder: Path) -> None:
    folder.mkdir(parents=True)
    properties = {
        "MainPID": str(os.getpid()),
        "MemoryMax": "1073741824",
        "TasksMax": "infinity",
        "Environment": "LANG=C.UTF-8",
    }
    for key, value in properties.items():
        (folder / key).write_text(f"{value}\n", encoding="utf-8")


def test_services_are_judged_by_their_processes_and_their_units(look: Look) -> None:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    around = look(units=(BROKER, "warren-probe.service", "another.service"))
    assert [(each.host, each.unit, each.is_node) for each in around.services] == [
        (host, unit, unit == BROKER) for host in ("rmq1", "rmq2") for unit in (BROKER, "warren-probe.service")
    ]
    found = around.services[0]
    assert found.user == os.getuid()
    assert found.capabilities == re.search(r"CapBnd:\s+(\w+)", status)[1]  # type: ignore[index]
    assert found.no_new_privileges is ("NoNewPrivs:\t1" in status)
    assert found.root == [each[5].split(",")[0] for each in mounts if each[4] == "/"][-1]
    assert (found.memory_bytes, found.processes) == (1024**3, None)
    assert "LANG=C.UTF-8" in found.shown
    assert "LANG=C.UTF-8" not in repr(around)


def test_clock_place_and_rules_of_a_host_are_read(look: Look) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")[:8]
    around = look()
    assert around.clocks == {"rmq1": True, "rmq2": True}
    assert around.data_directories == {"rmq1": f"65024:131 since boot {boot}"}
    assert around.guarded["rmq2"] == {15691, 25672, 35672}


def test_data_that_another_machine_keeps_are_known_by_its_name(look: Look) -> None:
    assert look(findmnt="echo 'nfs4 nas:/rabbit'").data_directories == {"rmq1": "nas:/rabbit (nfs4)"}


def test_what_a_host_cannot_say_is_not_taken_for_good(look: Look) -> None:
    silent = dict.fromkeys(("timedatectl", "stat", "findmnt", "nft"), "exit 1")
    around = look(units=(), **silent)
    assert around.clocks == {"rmq1": None, "rmq2": None}
    assert around.data_directories == {"rmq1": ""}
    assert (around.services, around.guarded["rmq1"]) == ((), frozenset())


class _Node:
    """A runtime whose node answers as a host's does, sshd and all."""

    def execute(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        tables = "".join(
            f"   {place}: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 {user:>5} 0 {place} 1\n"
            for place, (port, user) in enumerate(((22, 0), (5671, 101), (9090, 102)))
        )
        probes_of_peer = ("inter_node_without_certificate", "inter_node_with_certificate")
        words = ("otp_release", "cookie_hash", "proto_dist", "inter_node_options", *probes_of_peer)
        erlang = dict.fromkeys(words, "x")
        said = {
            "rabbitmqctl": json.dumps({**erlang, "total_memory_bytes": 1, "environment": {}}),
            "sh": (
                "== user\n101\n== files\n400 101 /var/lib/rabbitmq/.erlang.cookie\n== defaults\n"
                f"/etc/rabbitmq/conf.d/90-mine.conf\n== ports\n{tables}== processes\nbeam.smp\n"
                "== configuration\nlisteners.tcp = none\nheartbeat = 30\n"
            ),
        }
        return Completed(argv=tuple(argv), returncode=0, stdout=said[argv[0]], stderr="")


@pytest.mark.parametrize(("kind", "ports"), [("hosts", (5671,)), ("containers", (22, 5671, 9090))])
def test_a_node_on_a_host_answers_for_its_own_ports_only(
    kind: str, ports: tuple[int, ...], deployed: Topology, tmp_path: Path
) -> None:
    runtime: Any = _Node()
    none: Any = None
    sources = gather.Sources(
        topology=deployed, management=none, runtime=runtime, around=none, relay=None, ca=tmp_path,
        client=None, passwords={}, secrets={},
    )  # fmt: skip
    found = gather.read_node(sources, "rmq1", peer="rmq2", kind=kind)
    assert (found.ports, found.user) == (ports, 101)
    assert "heartbeat" in found.configuration


def test_every_unit_that_a_role_starts_is_looked_at() -> None:
    started = set()
    for path in (checkout.ROOT / "ansible" / "roles").rglob("tasks/*.yml"):
        for task in yaml.safe_load(path.read_text("utf-8")):
            name = str(task.get("vars", {}).get("unit_name", ""))
            if "exporters_service" in name:
                started |= {f"warren-{each}.service" for each in ("exporter", "probe", "drift")}
            elif name.endswith(".service"):
                started.add(name)
    # The filter is no process: it is loaded and stays.
    assert started - {"warren-firewall.service"} | {BROKER} == set(hosts.UNITS)


@pytest.fixture
def node(tmp_path: Path) -> tuple[probes.Port, Pki]:
    """A TLS server of this machine that answers 401, on an address that only its host may reach."""
    pki = Pki(tmp_path, datetime.now(UTC))
    pki.ensure_authorities()
    pair = pki.ensure_leaf("cluster", "rmq1", hosts=("rmq1",), purpose="server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
                with context.wrap_socket(plain, server_side=True) as secure:
                    if secure.recv(1000):
                        secure.sendall(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
            except ssl.SSLError:
                continue
            except OSError:
                if listening.fileno() < 0:
                    return

    threading.Thread(target=serve, daemon=True).start()
    port = listening.getsockname()[1]
    return probes.Port(host="192.0.2.1", port=port, server_name="rmq1", http_path="/metrics"), pki


def test_a_port_that_only_its_host_may_reach_is_tried_by_way_of_that_host(
    node: tuple[probes.Port, Pki], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, pki = node
    monkeypatch.setenv("FAKE_HOSTS", str(tmp_path))
    (tmp_path / "192.0.2.1").mkdir()
    login = {"rmq1": Login(name="rmq1", address="192.0.2.1", user="deploy")}
    monkeypatch.setenv("PATH", f"{PROGRAMS}:{os.environ['PATH']}")
    command = Ssh(logins=login, sockets=tmp_path, run=process.run).relay("rmq1", port.port)
    relayed = replace(port, relay=tuple(command))
    seen = probes.probe(relayed, ca=pki.authority("cluster").certificate, client=None)
    assert (seen.verified, seen.status_without_credentials) == ("", 401)
    assert seen.old_versions_refused == ""
    stranger = Pki(tmp_path / "other", datetime.now(UTC))
    stranger.folder.mkdir()
    stranger.ensure_authorities()
    doubted = probes.probe(relayed, ca=stranger.authority("cluster").certificate, client=None)
    assert "certificate verify failed" in doubted.verified
    assert "sudo" not in " ".join(command)


def test_a_port_that_nobody_listens_on_is_told_and_not_waited_for(tmp_path: Path) -> None:
    port = probes.Port(host="127.0.0.1", port=1, server_name="rmq1", http_path="/")
    assert not probes.is_reached(port)
    relayed = replace(port, relay=("sh", "-c", "exit 1"))
    pki = Pki(tmp_path, datetime.now(UTC))
    pki.ensure_authorities()
    seen = probes.probe(relayed, ca=pki.authority("cluster").certificate, client=None)
    assert seen.verified
    assert seen.status_without_credentials is None


def test_hosts_are_excused_by_their_inventory(tmp_path: Path) -> None:
    """By names that the role knows too, so that one list excuses both; each host by the nearest."""
    data = {
        "all": {
            "vars": {"rabbitmq_waivers": ["cores", "clock-skew"]},
            "children": {
                "rabbitmq": {"hosts": {"rmq1": {"rabbitmq_waivers": ["memory", "cores"]}, "rmq2": None}}
            },
        }
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    assert host_inventory.read(tmp_path / "hosts.yml").waivers == ("memory", "cores", "clock-skew")
    known = yaml.safe_load((checkout.ROOT / "ansible/roles/rabbitmq/vars/main.yml").read_text("utf-8"))
    production = {each.id for each in verify.ASSERTIONS if each.level == "production"}
    assert set(known["__rabbitmq_waivable"]) - production == {"clock-skew"}


def test_certificates_from_elsewhere_are_verified_by_their_own_authority(tmp_path: Path) -> None:
    """Of hosts only: containers have none but ours."""
    groups = {"rabbitmq": {"hosts": dict.fromkeys(("rmq1", "rmq2", "rmq3"))}}
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": {"children": groups}}), encoding="utf-8")
    env = {"WARREN_STATE": str(tmp_path / "state")}
    context = open_context(silent, env={**env, "WARREN_HOSTS": str(path)})
    ours = context.cluster_ca
    both = context.state.hosts_ca
    both.parent.mkdir(parents=True, exist_ok=True)
    both.write_text("both", encoding="utf-8")
    assert ours.name == "cluster-ca.pem"
    assert context.cluster_ca == both
    assert open_context(silent, env=env).cluster_ca == ours


def test_hosts_beside_the_nodes_are_found_in_whatever_group_says_how(tmp_path: Path) -> None:
    groups = {
        "rabbitmq": {"hosts": {"rmq1": {"ansible_host": "192.0.2.1"}}},
        "prometheus": {"hosts": {"rmq1": None, "mon": None}},
        "grafana": {"hosts": {"mon": {"ansible_host": "192.0.2.9", "ansible_user": "me"}}},
        "all_of_them": {"children": {"prometheus": {}}},
    }
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": {"children": groups}}), encoding="utf-8")
    assert host_inventory.beside(path) == {"mon": Login(name="mon", address="192.0.2.9", user="me")}
