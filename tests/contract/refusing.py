"""What the role refuses, each provoked by itself: files, programs, facts of a host that is not as wanted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from warren.pki import Pki

#: A host that the role takes.
FACTS: Mapping[str, Any] = {
    "os_family": "Debian",
    "distribution": "Debian",
    "service_mgr": "systemd",
    "processor_vcpus": 4,
    "memtotal_mb": 8192,
}
KEY = Path(__file__).with_name("a_key.asc")
COOKIE = "ABCDEFGHIJKLMNOPQRST"
_OFFERED = 'echo "rabbitmq-server | 4.3.6-1 | x"'
#: A node that does not run, on a host where nothing is installed.
_PROGRAMS: Mapping[str, str] = {
    "getent": "echo '192.0.2.1 STREAM'",
    "timedatectl": "echo yes",
    "dpkg-query": "exit 1",
    "systemctl": "echo inactive; exit 3",
    "apt-cache": f'case "$1" in madison) {_OFFERED};; *) echo "  Candidate: 1:27.3-1";; esac',
}
_VARIABLES: Mapping[str, Any] = {"rabbitmq_version": "4.3.6", "rabbitmq_memory_max_mib": 1024}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One refusal: when it comes, in the words of the documentation, the task file that makes it, and what is
    wrong with the host. ``said`` has to be in what it says; ``prepare`` changes the host's ``Place``."""

    when: str
    tasks: str
    said: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Place], None] | None = None
    #: One of the topology's nodes by name, where the inventory itself is looked at.
    host: str = ""


@dataclass(frozen=True)
class Place:
    """A host's folders: its configuration, its data, its programs, and the controller's state for it."""

    root: Path
    host: str

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def config(self) -> Path:
        return self.root / "etc"

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def pki(self, *, server: str = "", purpose: Any = "both", days_ago: int = 0) -> Pki:
        """Certificates as Warren makes them, or for another name or purpose, or of long ago."""
        self.state.joinpath("pki").mkdir(parents=True, exist_ok=True)
        made = Pki(self.state / "pki", datetime.now(UTC) - timedelta(days=days_ago))
        made.ensure_authorities()
        made.ensure_leaf("cluster", self.host, hosts=(server or self.host,), purpose="server")
        made.ensure_leaf("inter-node", self.host, hosts=(self.host,), purpose=purpose)
        return made


def lay(place: Place, case: Case) -> dict[str, Any]:
    """Make the host's folders; the variables of its play."""
    for name, script in {**_PROGRAMS, **case.programs}.items():
        place.write(f"bin/{name}", f"#!/bin/sh\n{script}\n").chmod(0o755)
    place.write("state/secrets/erlang-cookie", COOKIE)
    place.write("state/secrets/boot-definitions.json", "{}")
    place.write("data/.erlang.cookie", COOKIE)
    if case.prepare is not None:
        case.prepare(place)
    return {
        **_VARIABLES,
        "refusing_tasks": case.tasks,
        "refusing_programs": str(place.root / "bin"),
        "refusing_facts": {**FACTS, "hostname": place.host, **case.facts},
        "rabbitmq_state_dir": str(place.state),
        "rabbitmq_config_dir": str(place.config),
        "rabbitmq_data_dir": str(place.root / "data"),
        "rabbitmq_package_dir": str(place.root / "packages"),
        **json.loads(json.dumps(dict(case.variables)).replace("@", str(place.root))),
    }


def _setting(line: str) -> Callable[[Place], None]:
    """Among others that do no harm, one of them out of use."""
    text = f"# mine\nheartbeat = 30\n  {line}\n# queue_master_locator = client-local\nlog.console = true\n"
    return lambda place: void(place.write("etc/conf.d/90-mine.conf", text))


def void(_: object) -> None:
    """For what is called for its effect."""


def _stolen_key(place: Place) -> None:
    pki = place.pki()
    other = pki.ensure_leaf("inter-node", "another", hosts=("another",), purpose="both")
    shutil.copy(other.key, pki.leaf("inter-node", place.host).key)


def _other_authority(place: Place) -> None:
    place.pki()
    shutil.rmtree(place.state / "pki-old", ignore_errors=True)
    (place.state / "pki").rename(place.state / "pki-old")
    place.pki()
    for name in (f"{place.host}.pem", f"{place.host}.key"):
        shutil.copy(place.state / "pki-old" / "cluster" / name, place.state / "pki" / "cluster" / name)


def _dead_key(line: str, said: str) -> Case:
    return Case(
        when=f"`{line}` stands in a file below conf.d",
        tasks="preflight_present.yml",
        said=said,
        prepare=_setting(line),
    )


_STATUS = json.dumps({"running_nodes": ["rabbit@rmq1", "rabbit@rmq2", "rabbit@rmq3"], "partitions": {}})

#: By the name that the record goes by, in the order of the documentation.
CASES: Mapping[str, Case] = {
    "system": Case(
        when="the host is no Debian with systemd",
        tasks="preflight.yml",
        said="use Debian or a descendant of it, with systemd",
        facts={"os_family": "RedHat", "distribution": "Fedora"},
        host="rmq1",
    ),
    "even": Case(
        when="the number of nodes is even, or the inventory's hosts are not the topology's nodes",
        tasks="preflight.yml",
        said="make them the same, with 1, 3 or 5 nodes",
        variables={"warren_nodes": [{"name": name, "erlang_name": name} for name in ("rmq1", "rmq2")]},
    ),
    "host-name": Case(
        when="the host does not call itself as its node is called",
        tasks="preflight.yml",
        said="rename the host",
        facts={"hostname": "web7"},
        host="rmq2",
    ),
    "peers": Case(
        when="a node's name has no address, or a loopback one",
        tasks="preflight.yml",
        said="give it an address in the name service or in /etc/hosts",
        programs={"getent": '[ "$2" = rmq3 ] && echo "192.0.2.13 STREAM" || exit 2'},
        host="rmq3",
    ),
    "waiver": Case(
        when="something is waived that cannot be",
        tasks="preflight_host.yml",
        said="can be waived",
        variables={"rabbitmq_waivers": ["tls"]},
    ),
    "cores": Case(
        when="the host has too few cores, and that is not waived",
        tasks="preflight_host.yml",
        said="cores: 2 cores",
        facts={"processor_vcpus": 2},
    ),
    "memory": Case(
        when="the host has too little memory, and that is not waived",
        tasks="preflight_host.yml",
        said="memory: 2048 MiB of memory",
        facts={"memtotal_mb": 2048},
    ),
    "memory-limit": Case(
        when="the host has less memory than the broker is given",
        tasks="preflight_host.yml",
        said="lower memory_limit_mib in the topology",
        variables={"rabbitmq_memory_max_mib": 9000},
    ),
    "clock-synchronised": Case(
        when="the host's clock follows no time server, and that is not waived",
        tasks="preflight_host.yml",
        said="clock-synchronised: the clock is not synchronised",
        programs={"timedatectl": "echo no"},
    ),
    "clock-skew": Case(
        when="the host's clock is not the controller's, and that is not waived",
        tasks="preflight_host.yml",
        said="clock-skew: the clock is ",
        programs={"date": "exec /bin/date -d '+600 seconds' \"$@\""},
    ),
    "material": Case(
        when="the controller has no certificates or secrets for this node",
        tasks="preflight_material.yml",
        said="is not there: make the state of cluster",
    ),
    "certificate-name": Case(
        when="a certificate's names (SAN) are not the node's",
        tasks="preflight_material.yml",
        said="ostname mismatch",
        prepare=lambda place: void(place.pki(server="another.example")),
    ),
    "certificate-time": Case(
        when="a certificate is good for less than 28 days more",
        tasks="preflight_material.yml",
        said="certificate has expired",
        prepare=lambda place: void(place.pki(days_ago=380)),
    ),
    "certificate-authority": Case(
        when="a certificate is not of the authority that verifies it",
        tasks="preflight_material.yml",
        said="is not good as sslserver",
        prepare=_other_authority,
    ),
    "certificate-purpose": Case(
        when="the certificate for peers is not good as server and as client",
        tasks="preflight_material.yml",
        said="is not good as sslclient",
        prepare=lambda place: void(place.pki(purpose="server")),
    ),
    "key": Case(
        when="a key is another certificate's",
        tasks="preflight_material.yml",
        said="key of rmq1 is not its certificate's",
        prepare=_stolen_key,
    ),
    "downgrade": Case(
        when="a newer broker is installed",
        tasks="preflight_present.yml",
        said="the broker cannot go back",
        programs={"dpkg-query": "echo -n 'installed 4.3.9-1'"},
    ),
    "version-skip": Case(
        when="a broker of another series is installed",
        tasks="preflight_present.yml",
        said="none may be skipped",
        programs={"dpkg-query": "echo -n 'installed 4.0.5-1'"},
    ),
    "cookie": Case(
        when="the node runs with another cookie",
        tasks="preflight_present.yml",
        said="stop all nodes first",
        programs={"dpkg-query": "echo -n 'installed 4.3.6-1'", "systemctl": "echo active"},
        prepare=lambda place: void(place.write("data/.erlang.cookie", "ANOTHER")),
    ),
    "fatal-key-range": _dead_key(
        "cluster_formation.randomized_startup_delay_range.min = 5", "refuses to start"
    ),
    "fatal-key-queue": _dead_key("classic_queue.default_version = 1", "refuses to start"),
    "fatal-key-cacerts": _dead_key("ssl_options.cacerts.1 = /etc/ssl/ca.pem", "use cacertfile"),
    "fatal-key-channels": _dead_key("max_channels = 100", "max_channels_per_connection"),
    "dead-key-partition": _dead_key("cluster_partition_handling = pause_minority", "no effect since 4.3"),
    "dead-key-locator": _dead_key("queue_master_locator = min-masters", "queue_leader_locator is set"),
    "dead-key-mnesia": _dead_key("mnesia_table_loading_retry_timeout = 30000", "no effect since 4.3"),
    "harmful-key-order": _dead_key("ssl_options.honor_cipher_order = true", "beside TLS 1.3"),
    "harmful-key-plain": _dead_key("listeners.tcp.1 = 5672", "a listener without TLS"),
    "harmful-key-metrics": _dead_key("prometheus.tcp.port = 15692", "a listener without TLS"),
    "harmful-key-guest": _dead_key("loopback_users.guest = false", "lets the account guest in"),
    "advanced-config": Case(
        when="there is an advanced.config",
        tasks="preflight_present.yml",
        said="overrides settings unseen",
        prepare=lambda place: void(place.write("etc/advanced.config", "[].\n")),
    ),
    "sources": Case(
        when="the package sources do not have the topology's version",
        tasks="install_offered.yml",
        said="have no rabbitmq-server 4.3.6",
        programs={"apt-cache": 'echo "rabbitmq-server | 4.0.5-9 | x"'},
        variables={"__rabbitmq_installed": ""},
    ),
    "erlang-supported": Case(
        when="Erlang would be one that this broker does not support, and that is not waived",
        tasks="install_offered.yml",
        said="supports Erlang 27, 28",
        programs={
            "apt-cache": f'case "$1" in madison) {_OFFERED};; *) echo "  Candidate: 1:29.0.1+dfsg-2";; esac'
        },
        variables={"__rabbitmq_installed": ""},
    ),
    "repository-unnamed": Case(
        when="a repository is to be used and none is named, or its key is no file",
        tasks="install_repository.yml",
        said="rabbitmq_repositories has to name them",
    ),
    "repository-key": Case(
        when="a repository's key is not the one whose fingerprint is named",
        tasks="install_repository.yml",
        said="compare it with what the repository's owner publishes",
        prepare=lambda place: void(shutil.copy(KEY, place.root / "team.asc")),
        variables={
            "rabbitmq_repositories": [
                {
                    "name": "server",
                    "url": "https://packages.example/debian",
                    "suite": "trixie",
                    "key": "@/team.asc",
                    "fingerprints": ["0A9AF2115F4687BD29803A206B73A36E6026DFCA"],
                }
            ]
        },
    ),
    "files-unnamed": Case(
        when="packages are to be used and none is named, or one is no file",
        tasks="install_file.yml",
        said="rabbitmq_package_files has to name packages",
        variables={"rabbitmq_package_files": ["/srv/rabbitmq-server.deb"]},
    ),
    "files-version": Case(
        when="the packages are not of the topology's version",
        tasks="install_packages.yml",
        said="must hold one package of rabbitmq-server 4.3.6",
        programs={"dpkg-deb": "echo -n 'rabbitmq-server 4.2.1-1'"},
        variables={"rabbitmq_package_files": ["/srv/rabbitmq-server_4.2.1-1_all.deb"]},
    ),
    "quorum-critical": Case(
        when="a node would be restarted without which a queue has no majority",
        tasks="restart_node.yml",
        said="nothing was stopped",
        programs={
            "rabbitmqctl": f"echo '{_STATUS}'",
            "rabbitmq-queues": "exit 0",
            "rabbitmq-upgrade": 'case "$*" in *await*) exit 69;; esac; exit 70',
            "rabbitmq-diagnostics": "case $* in *critical*) echo 'queue orders.work'; exit 69; esac",
        },
    ),
}  # fmt: skip
