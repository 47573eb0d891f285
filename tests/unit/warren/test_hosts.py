"""Test hosts, with an engine that is only described."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren.cli import _run
from warren.context import Context, open_context
from warren.errors import DeadlineError, NotReadyError, RefusedError
from warren.hosts import image, inventory, upkeep
from warren.hosts.keys import Keys
from warren.hosts.place import of_hosts, places
from warren.https import HttpEndpoint
from warren.process import Completed
from warren.runtime import host_inventory
from warren.runtime.engine import Engine
from warren.wait import Clock

ENGINE = Engine(
    docker="docker", compose=("docker", "compose"), server_version="20.10", compose_version="2.26"
)


class FakeEngine:
    """Knows containers by their names; each has a systemd that is up when it is asked the second time."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.stdins: list[bytes] = []
        self.containers: dict[str, dict[str, Any]] = {}
        self.networks: list[str] = []
        self.groups: set[str] = set()
        self.system = "running"
        self.group_status, self.group_said = 0, ""
        self.login_status = 0

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        self.calls.append(tuple(argv))
        self.stdins.append(stdin or b"")
        status, out, err = self.answer(list(argv))
        return Completed(argv=tuple(argv), returncode=status, stdout=out, stderr=err)

    def answer(self, argv: list[str]) -> tuple[int, str, str]:  # noqa: PLR0911, PLR0912, C901
        if argv[0] == "ssh":
            return self.login_status, "", "Permission denied" if self.login_status else ""
        words = argv[1:]
        if words[:2] == ["container", "ls"]:
            return 0, "\n".join(self.containers), ""
        if words[:2] == ["container", "inspect"]:
            return 0, json.dumps([self.containers[name] for name in words[2:]]), ""
        if words[:2] == ["network", "ls"]:
            return 0, "\n".join(self.networks), ""
        if words[:2] == ["network", "create"]:
            self.networks.append(words[-1])
        elif words[:2] == ["network", "rm"]:
            self.networks.remove(words[2])
        elif words[0] == "run" and "/groups" in " ".join(words):
            names = words[words.index("groups") + 1 :]
            if "rmdir" in " ".join(words):
                self.groups -= set(names)
            else:
                self.groups |= set(names)
            return self.group_status, "/unified\n", self.group_said
        elif words[0] == "run":
            self.make(words)
        elif words[0] == "rm":
            for name in words[3:]:
                del self.containers[name]
        elif words[0] == "start":
            self.containers[words[1]]["State"]["Status"] = "running"
        elif words[0] == "exec":
            return self.inside(" ".join(words))
        return 0, "", ""

    def make(self, words: list[str]) -> None:
        labels = [words[place + 1] for place, word in enumerate(words) if word == "--label"]
        self.containers[words[words.index("--name") + 1]] = {
            "Image": words[-1],
            "Config": {"Labels": dict(each.split("=", 1) for each in labels)},
            "State": {"Status": "running"},
        }

    def inside(self, command: str) -> tuple[int, str, str]:
        if "is-system-running" in command:
            return 1, self.system, ""
        if "--failed" in command:
            return 0, "some.mount loaded failed failed A mount\n", ""
        if "ssh_host_ed25519_key.pub" in command:
            return 0, "ssh-ed25519 AAAAkey root@rmq\n", ""
        return 0, "", ""

    def about(self, *words: str) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[1 : 1 + len(words)] == words]


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def context(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(upkeep, "ensure_engine", lambda **_: ENGINE)
    monkeypatch.setattr(image, "ensure", lambda _context: "warren/host:1")
    time = [0.0]

    def sleep(duration_s: float) -> None:
        time[0] += duration_s

    opened = open_context(lambda _line: None, named=of_hosts)
    made = replace(opened, run=engine, clock=Clock(now=lambda: time[0], sleep=sleep))
    made.use_engine(ENGINE)
    return made


def test_hosts_live_beside_the_containers_of_the_same_topology(context: Context) -> None:
    beside = open_context(lambda _line: None)
    assert context.topology.cluster == f"{beside.topology.cluster}-hosts"
    assert context.state.root.parent == beside.state.root.parent
    assert context.state.root != beside.state.root
    assert of_hosts(context.topology) == context.topology


def test_up_makes_a_host_for_each_node_with_what_systemd_needs(context: Context, engine: FakeEngine) -> None:
    report = upkeep.up(context)
    assert report.made == ("rmq1", "rmq2", "rmq3")
    assert engine.groups == {f"warren-hosts-{node}" for node in report.made}
    (first, second, _) = (call for call in engine.about("run") if "--detach" in call)
    text = " ".join(first)
    for wanted in (
        "--cap-add SYS_ADMIN --cap-add NET_ADMIN",
        "--volume /sys/fs/cgroup/unified/warren-hosts-rmq1:/sys/fs/cgroup:rw",
        "--hostname rmq1",
        f"--ip {places(context.topology)[0].address}",
        f"--add-host rmq2:{places(context.topology)[1].address}",
        "--label warren.cluster=warren-hosts",
        f"--label warren.state={context.state.root}",
    ):
        assert wanted in text
    assert "--privileged" not in text
    assert "--publish" not in text
    assert "--add-host rmq1" in " ".join(second)


def test_up_ends_with_a_login_that_checks_the_key_read_out_of_the_host(
    context: Context, engine: FakeEngine
) -> None:
    upkeep.up(context)
    keys = Keys(context.state.root / "ssh")
    assert keys.known_hosts.read_text().splitlines() == [
        f"{place.name},{place.address} ssh-ed25519 AAAAkey" for place in places(context.topology)
    ]
    logins = [call for call in engine.calls if call[0] == "ssh"]
    assert len(logins) == 3
    for call in logins:
        assert {"StrictHostKeyChecking=yes", f"UserKnownHostsFile={keys.known_hosts}"} <= set(call)


def test_key_is_made_once_and_its_private_half_stays_here(context: Context, engine: FakeEngine) -> None:
    upkeep.up(context)
    keys = Keys(context.state.root / "ssh")
    private = keys.private.read_bytes()
    assert stat.S_IMODE(keys.private.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700
    upkeep.up(context)
    assert keys.private.read_bytes() == private
    given = [each for each in engine.stdins if each.startswith(b"ssh-ed25519 ")]
    assert len(set(given)) == 1
    assert not any(private.strip() in each for each in engine.stdins)


def test_second_up_makes_nothing_and_starts_what_stopped(context: Context, engine: FakeEngine) -> None:
    upkeep.up(context)
    engine.containers["warren-hosts-rmq2"]["State"]["Status"] = "exited"
    engine.calls.clear()
    assert upkeep.up(context).made == ()
    assert engine.about("start") == [("docker", "start", "warren-hosts-rmq2")]
    assert not engine.about("network", "create")


def test_provisioning_finds_its_certificates_and_first_definitions(context: Context) -> None:
    upkeep.up(context)
    assert context.pki.leaf("cluster", "rmq1").key.exists()
    assert context.state.boot_definitions.exists()
    assert context.secrets.read("erlang-cookie")


def test_inventory_says_how_hosts_are_reached_and_nothing_secret(context: Context) -> None:
    report = upkeep.up(context)
    text = report.inventory.read_text()
    data = yaml.safe_load(text)
    assert data["all"]["vars"]["warren_cluster"] == "warren-hosts"
    assert data["all"]["vars"]["rabbitmq_state_dir"] == str(context.state.root)
    assert set(data["all"]["vars"]["rabbitmq_waivers"]) == set(inventory.WAIVERS)
    for user in context.topology.users:
        assert context.secrets.read(user.name) not in text
    found = host_inventory.read(report.inventory)
    assert {name: each.address for name, each in found.logins.items()} == {
        place.name: place.address for place in places(context.topology)
    }
    assert found.logins["rmq1"].user == "deploy"
    assert found.cluster == context.topology.cluster


def test_commands_told_of_the_inventory_work_with_its_cluster(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARREN_HOSTS", str(upkeep.up(context).inventory))
    told = open_context(lambda _line: None)
    assert told.state.root == context.state.root
    assert told.nodes.address("rmq1", "amqps") == (places(context.topology)[0].address, 5671)
    with pytest.raises(RefusedError, match="needs containers"):
        _ = told.runtime


def test_option_goes_on_to_what_a_command_starts_and_containers_are_asked_for_by_none(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WARREN_HOSTS", "")  # so that what the command sets is taken back
    path = upkeep.up(context).inventory
    for command in (["cluster", "up"], ["cluster", "destroy", "--yes"], ["cluster", "down"]):
        assert _run([*command, "--hosts", str(path)]) == 2
        assert "needs containers" in capsys.readouterr().err
    assert os.environ["WARREN_HOSTS"] == str(path)
    assert context.secrets.read("erlang-cookie")
    assert _run(["chaos", "status", "--hosts", str(path.with_name("none.yml"))]) == 2


def test_services_of_hosts_are_asked_where_the_inventory_has_them(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = upkeep.up(context).inventory
    monkeypatch.setenv("WARREN_HOSTS", str(path))
    with pytest.raises(NotReadyError, match="no host is in the group prometheus"):
        _ = open_context(lambda _line: None).prometheus
    data = yaml.safe_load(path.read_text())
    data["all"]["children"]["prometheus"] = {"hosts": {"rmq2": {}}}
    path.write_text(yaml.safe_dump(data))
    address = places(context.topology)[1].address
    asked: dict[str, Any] = {}
    monkeypatch.setattr("warren.context.PrometheusClient", lambda url, **given: asked.update(given, url=url))
    _ = open_context(lambda _line: None).prometheus
    assert asked["url"] == f"https://{address}:9090"
    assert asked["server_name"] == "rmq2", "the host's certificate has the host's name"


def test_probe_of_hosts_is_asked_by_the_name_of_its_host(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = upkeep.up(context).inventory
    monkeypatch.setenv("WARREN_HOSTS", str(path))
    with pytest.raises(NotReadyError, match="no host is in the group exporters"):
        open_context(lambda _line: None).probe_page()
    data = yaml.safe_load(path.read_text())
    data["all"]["children"]["exporters"] = {"hosts": {"rmq3": {}}}
    path.write_text(yaml.safe_dump(data))
    asked: list[HttpEndpoint] = []

    class Metrics:
        def __init__(self, endpoints: list[HttpEndpoint], **_: object) -> None:
            asked.extend(endpoints)

        def page(self, node: str) -> str:
            return f"the page of {node}"

    monkeypatch.setattr("warren.context.NodeMetrics", Metrics)
    assert open_context(lambda _line: None).probe_page() == "the page of probe"
    (probe,) = asked
    assert (probe.node, probe.host, probe.server_name) == (
        "probe", places(context.topology)[2].address, "rmq3",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "said", "what"),
    [
        (9, "", "no control group hierarchy of version 2"),
        (1, "mkdir: cannot create directory: Read-only file system", "Read-only file system"),
    ],
)
def test_machine_without_control_groups_is_told_and_nothing_is_left(
    context: Context, engine: FakeEngine, status: int, said: str, what: str
) -> None:
    engine.group_status, engine.group_said = status, said
    with pytest.raises(NotReadyError, match=what) as caught:
        upkeep.up(context)
    assert caught.value.exit_code == 3
    assert "mount -t cgroup2" in caught.value.remedy
    assert not engine.containers
    assert not engine.networks


def test_host_whose_system_is_not_whole_is_told_with_its_units(context: Context, engine: FakeEngine) -> None:
    engine.system = "degraded"
    with pytest.raises(DeadlineError, match=r"systemd says degraded: some\.mount failed"):
        upkeep.up(context)


def test_host_that_lets_nobody_in_is_told(context: Context, engine: FakeEngine) -> None:
    engine.login_status = 255
    with pytest.raises(DeadlineError, match=r"rmq1: .*Permission denied"):
        upkeep.up(context)
    assert not inventory.path(context.state).exists()


def test_down_removes_what_was_started_and_keeps_secrets(context: Context, engine: FakeEngine) -> None:
    path = upkeep.up(context).inventory
    assert upkeep.down(context) == ("rmq1", "rmq2", "rmq3")
    assert (engine.containers, engine.networks, engine.groups) == ({}, [], set())
    assert not path.exists()
    assert context.secrets.read("erlang-cookie")
    assert all(
        f"label=warren.cluster={context.topology.cluster}" in call
        for call in engine.calls
        if call[1:3] in (("container", "ls"), ("network", "ls"))
    )
    assert upkeep.down(context) == ()


def test_connection_to_a_host_of_before_is_not_kept(context: Context, tmp_path: Path) -> None:
    """The new one has its address, and the old one's connection hangs until ssh gives it up."""
    keys = Keys(tmp_path / "ssh")
    keys.ensure()
    with socket.socket(socket.AF_UNIX) as kept:
        kept.bind(str(keys.folder / "0123"))
        keys.know(places(context.topology), dict.fromkeys(("rmq1", "rmq2", "rmq3"), "ssh-ed25519 AAAA"))
        keys.forget()
    assert [path.name for path in keys.folder.iterdir()] == ["id_ed25519"]


def test_hosts_of_another_state_folder_are_left_alone(
    context: Context, engine: FakeEngine, tmp_path: Path
) -> None:
    upkeep.up(context)
    for each in engine.containers.values():
        each["Config"]["Labels"]["warren.state"] = str(tmp_path)
    for act in (upkeep.up, upkeep.down):
        with pytest.raises(RefusedError, match="belong to the state folder"):
            act(context)
    assert len(engine.containers) == 3


def test_hosts_whose_state_folder_is_gone_can_be_removed(context: Context, engine: FakeEngine) -> None:
    upkeep.up(context)
    for each in engine.containers.values():
        each["Config"]["Labels"]["warren.state"] = "/nowhere/warren-hosts"
    upkeep.down(context)
    assert not engine.containers


def test_status_is_the_engines_word_and_systemds(context: Context, engine: FakeEngine) -> None:
    upkeep.up(context)
    engine.containers["warren-hosts-rmq2"]["State"]["Status"] = "exited"
    del engine.containers["warren-hosts-rmq3"]
    found = [(each.container, each.system) for each in upkeep.status(context)]
    assert found == [("running", "running"), ("exited", ""), ("absent", "")]


def test_image_follows_from_its_files(checkout_root: Path, tmp_path: Path) -> None:
    for name in ("base", "host"):
        for path in (checkout_root / "deploy/images" / name).iterdir():
            target = tmp_path / "deploy/images" / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            target.chmod(path.stat().st_mode)
    assert image.tag(tmp_path) == image.tag(checkout_root)
    (tmp_path / "deploy/images/host/sshd.conf").write_text("PasswordAuthentication yes\n")
    assert image.tag(tmp_path) != image.tag(checkout_root)


def test_image_holds_no_key_and_lets_nobody_in_by_password(checkout_root: Path) -> None:
    folder = checkout_root / "deploy/images/host"
    assert "rm -f /usr/sbin/policy-rc.d /etc/ssh/ssh_host_*" in (folder / "Dockerfile").read_text()
    settings = (folder / "sshd.conf").read_text()
    for line in ("PasswordAuthentication no", "PermitRootLogin no", "AllowUsers deploy"):
        assert line in settings
