"""Operations where nodes are services of hosts: the same tests as of containers, and what hosts refuse."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren import cli
from warren.context import open_context
from warren.errors import BadInputError, NotReadyError, RefusedError
from warren.operating import handshake, on_hosts, record
from warren.runtime import host_scripts, units
from warren.runtime.protocol import NodeState
from warren.secrets import COOKIE

from .conftest import FakeSsh, Ground
from .fakes import NODES
from .test_operations import (  # noqa: F401 - collected here a second time, on hosts
    SAID,
    Goal,
    carry_out,
    die,
    in_child,
    plan,
    prepared,
    test_another_operation_is_refused_while_one_has_not_ended,
    test_driver_that_is_killed_at_a_step_is_gone_on_with_by_the_next,
    test_it_does_what_it_is_for,
    test_no_secret_is_said_or_written_down,
    test_plan_changes_nothing_and_says_what_each_step_does,
    test_step_that_fails_can_be_undone,
    test_step_that_fails_says_how_to_go_on_and_going_on_ends_it,
)

#: A cluster of hosts is made larger and smaller by Ansible.
REFUSED = ("add-node", "remove-node")


#: Those that do on hosts what none of the others does; every one of them takes minutes.
OFTEN = (
    "replace-node alive",
    "restart",
    "restore-data",
    "rotate-authority sign",
    "rotate-password",
    "upgrade",
)


@pytest.fixture(
    params=[
        each if each in OFTEN else pytest.param(each, marks=pytest.mark.full)
        for each in sorted(set(SAID) - set(REFUSED))
    ]
)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ready(on_the_hosts: Ground, name: str) -> Ground:
    return prepared(on_the_hosts, name)


def ssh_of(ground: Ground) -> FakeSsh:
    assert ground.ssh is not None
    return ground.ssh


def inventory(ground: Ground, **variables: Any) -> None:
    """Let the inventory say so of all hosts."""
    path = ground.folder / "hosts.yml"
    data = yaml.safe_load(path.read_text())
    data["all"]["vars"] |= variables
    path.write_text(yaml.safe_dump(data))


def test_driver_that_dies_around_any_act_of_ssh_is_gone_on_with(
    ready: Ground,
    name: str,
    snapshots: Any,
) -> None:
    """Not only between steps: before each change of a host, and after it, with the reply lost."""
    if name not in ("replace-node alive", "restore-data", "upgrade", "rotate-authority sign", "stop-all"):
        pytest.skip("each act of it is a step")
    goal, acts = Goal(ready), []
    with snapshots(ready):
        ssh_of(ready).at_act = acts.append
        carry_out(ready, name)
    assert len(acts) > len(NODES)
    for place in range(len(acts)):
        with snapshots(ready):
            seen: list[str] = []

            def doomed(moment: str, place: int = place, seen: list[str] = seen) -> None:
                seen.append(moment)
                if len(seen) == place + 1:
                    die()

            ssh_of(ready).at_act = doomed
            assert os.WIFSIGNALED(in_child(lambda: carry_out(ready, name)))
            ssh_of(ready).at_act = lambda moment: None
            ready.runtime._load()
            carry_out(ready, name)
            goal.check(name)


@pytest.mark.parametrize("operation", REFUSED)
def test_nodes_are_added_and_removed_by_ansible(on_the_hosts: Ground, operation: str) -> None:
    with pytest.raises(RefusedError, match="made and taken away by Ansible"):
        plan(on_the_hosts, operation, nodes="rmq2,rmq3")
    assert record.read(on_the_hosts.state) is None


def test_commands_that_go_on_say_which_hosts(on_the_hosts: Ground) -> None:
    planned = plan(on_the_hosts, "restart")
    where = f"--hosts {on_the_hosts.folder / 'hosts.yml'}"
    assert planned.go_on == f"warren cluster restart {where} --yes"
    assert f"warren cluster restart {where} --undo" in planned.undo


def test_no_secret_is_in_an_argument(ready: Ground, name: str) -> None:
    secrets = {path.read_text().strip() for path in ready.secrets.folder.iterdir() if path.is_file()}
    carry_out(ready, name)
    secrets |= {path.read_text().strip() for path in ready.secrets.folder.iterdir() if path.is_file()}
    secrets |= {path.read_text().splitlines()[1] for path in ready.state.pki.rglob("*.key")}
    told = "\n".join(ssh_of(ready).commands)
    assert not [secret for secret in secrets if secret and secret in told]


@pytest.mark.parametrize(
    "operation", ["backup-data", "restart", "rotate-cookie", "rotate-certificates", "start-all", "stop-all"]
)
@pytest.mark.parametrize("why", ["not reached", "no broker"])
def test_what_acts_on_every_host_is_refused_where_one_is_missing(
    on_the_hosts: Ground, operation: str, why: str
) -> None:
    if why == "not reached":
        ssh_of(on_the_hosts).unreached.add("rmq3")
    else:
        on_the_hosts.runtime.put("rmq3", NodeState.ABSENT)
    wanted = "No route to host" if why == "not reached" else "has no broker"
    with pytest.raises((NotReadyError, RefusedError), match=f"rmq3: .*{wanted}"):
        plan(on_the_hosts, operation)
    assert record.read(on_the_hosts.state) is None
    assert not [call for call in on_the_hosts.runtime.calls if call[0] in ("start", "stop")]


def test_dead_host_hinders_nobody_who_does_not_need_it(on_the_hosts: Ground) -> None:
    ssh_of(on_the_hosts).unreached.add("rmq3")
    on_the_hosts.runtime.put("rmq3", NodeState.STOPPED)
    carry_out(on_the_hosts, "forget-node")
    assert on_the_hosts.api.load()["members"] == ["rmq1", "rmq2"]


def test_node_that_the_others_see_is_not_forgotten_though_its_host_is_not_reached(
    on_the_hosts: Ground,
) -> None:
    ssh_of(on_the_hosts).unreached.add("rmq3")
    with pytest.raises(RefusedError, match="rmq3: is seen running by the others"):
        plan(on_the_hosts, "forget-node")


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("rabbitmq_data_dir", "/data/rabbitmq"),
        ("rabbitmq_tls_dir", "/etc/ssl/rabbitmq"),
        ("rabbitmq_config_dir", "/opt"),
    ],
)
def test_other_folders_than_operations_know_are_refused(on_the_hosts: Ground, folder: str, said: str) -> None:
    inventory(on_the_hosts, **{folder: said})
    with pytest.raises(RefusedError, match=f"{folder} is {said}"):
        plan(on_the_hosts, "rebalance")


def test_state_folder_that_is_not_ansibles_is_refused(on_the_hosts: Ground) -> None:
    inventory(on_the_hosts, warren_state_dir="/elsewhere/lab")
    with pytest.raises(RefusedError, match="warren_state_dir is /elsewhere/lab") as caught:
        plan(on_the_hosts, "rotate-cookie")
    assert "WARREN_STATE" in caught.value.remedy
    inventory(on_the_hosts, warren_state_dir="{{ lookup('env', 'X') }}")
    with pytest.raises(BadInputError, match="only Ansible can work out"):
        plan(on_the_hosts, "rotate-cookie")


@pytest.mark.parametrize("operation", ["rotate-certificates", "rotate-authority trust"])
def test_certificates_from_elsewhere_are_not_replaced(on_the_hosts: Ground, operation: str) -> None:
    inventory(on_the_hosts, rabbitmq_server_certificate="/etc/pki/rmq.pem")
    with pytest.raises(RefusedError, match="a certificate that is not Warren's"):
        plan(on_the_hosts, operation)


def test_grace_that_systemd_does_not_give_is_refused(on_the_hosts: Ground) -> None:
    with pytest.raises(RefusedError, match="killed by systemd 600 s after SIGTERM, and 1800 s"):
        plan(on_the_hosts, "restart", grace="1800")
    ssh_of(on_the_hosts).stops = "infinity"
    plan(on_the_hosts, "restart", grace="1800")


def test_host_of_a_service_that_is_not_reached_is_told_before_the_nodes_are_changed(
    on_the_hosts: Ground,
) -> None:
    ssh_of(on_the_hosts).unreached.add("mon")
    for operation, said in (("rotate-authority trust", {}), ("rotate-password", {"user": "monitoring"})):
        with pytest.raises(NotReadyError, match=r"mon: ssh: .*No route"):
            plan(on_the_hosts, operation, **said)
    carry_out(on_the_hosts, "rotate-password")  # of an application, which no service works by


# The package.


@pytest.fixture
def upgradable(on_the_hosts: Ground) -> Ground:
    return prepared(on_the_hosts, "upgrade")


def test_package_of_the_same_version_is_installed_anew(upgradable: Ground) -> None:
    planned = plan(upgradable, "upgrade")
    assert any("making it anew from the package of RabbitMQ 4.3.6" in step.what for step in planned.steps)
    carry_out(upgradable, "upgrade")
    assert ssh_of(upgradable).installed == [(node, "rabbitmq-server=4.3.6-1") for node in NODES]
    files = upgradable.runtime.machine("rmq1")["files"]
    assert "listeners.ssl.default = 5671" in files["rabbitmq.conf"]


def test_settings_are_the_inventorys(upgradable: Ground) -> None:
    inventory(upgradable, rabbitmq_channel_max=77)
    carry_out(upgradable, "upgrade")
    assert "max_channels_per_connection = 77" in upgradable.runtime.machine("rmq2")["files"]["rabbitmq.conf"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"offered": "4.2.1-1"}, "have no such rabbitmq-server"),
        ({"simulated": "Remv rabbitmq-plugin-x [1]\n"}, "would remove rabbitmq-plugin-x"),
        ({"erlang": "1:29.0+dfsg-1"}, "would run on Erlang 29, and is for 27, 28"),
        ({"simulated": "Inst erlang-base [1:27.3] (1:26.2-1 x [amd64])\n"}, "would run on Erlang 26"),
    ],
)
def test_package_that_cannot_be_had_or_would_do_harm_is_refused(
    upgradable: Ground, change: dict[str, str], what: str
) -> None:
    for key, value in change.items():
        setattr(ssh_of(upgradable), key, value)
    with pytest.raises((NotReadyError, RefusedError), match=what):
        plan(upgradable, "upgrade")
    assert record.read(upgradable.state) is None


def test_erlang_may_be_waived_by_name(upgradable: Ground) -> None:
    ssh_of(upgradable).erlang = "1:29.0+dfsg-1"
    inventory(upgradable, rabbitmq_waivers=["erlang-supported"])
    plan(upgradable, "upgrade")


def test_inventory_of_another_version_is_refused(upgradable: Ground) -> None:
    inventory(upgradable, rabbitmq_version="4.3.5")
    with pytest.raises(RefusedError, match=r"inventory says RabbitMQ 4\.3\.5, and the topology 4\.3\.6"):
        plan(upgradable, "upgrade")


def test_packages_from_files_have_to_be_there_and_of_the_version(upgradable: Ground, tmp_path: Path) -> None:
    path = tmp_path / "rabbitmq-server_4.3.5-1_all.deb"
    inventory(upgradable, rabbitmq_install_source="file", rabbitmq_package_files=[str(path)])
    with pytest.raises(BadInputError, match="is not there"):
        plan(upgradable, "upgrade")
    path.touch()
    with pytest.raises(RefusedError, match=r"no package of rabbitmq-server 4\.3\.6"):
        plan(upgradable, "upgrade")
    path.rename(tmp_path / "rabbitmq-server_4.3.6-1_all.deb")
    inventory(upgradable, rabbitmq_package_files=[str(tmp_path / "rabbitmq-server_4.3.6-1_all.deb")])
    plan(upgradable, "upgrade")


# Data, the cookie, and services.


def test_copy_is_for_its_owner_only(on_the_hosts: Ground) -> None:
    carry_out(on_the_hosts, "backup-data")
    copies = list((on_the_hosts.folder / "backup").glob("*.tar"))
    assert len(copies) == len(NODES)
    assert not list((on_the_hosts.folder / "backup").glob("*.part"))
    assert stat.S_IMODE((on_the_hosts.folder / "backup").stat().st_mode) == 0o700


def test_emptied_node_has_the_cookie_of_today(on_the_hosts: Ground) -> None:
    on_the_hosts.runtime.keep("rmq3", cookie="of somebody else")
    on_the_hosts.site().runtime.stop("rmq3", grace_s=1)
    on_the_hosts.site().empty_data("rmq3")
    assert on_the_hosts.runtime.cookie("rmq3") == on_the_hosts.secrets.read(COOKIE)
    assert host_scripts.EMPTY in "\n".join(ssh_of(on_the_hosts).commands).replace("'\"'\"'", "'")


def test_services_are_given_what_their_roles_say(on_the_hosts: Ground) -> None:
    carry_out(on_the_hosts, "rotate-password", user="monitoring")
    given = ssh_of(on_the_hosts).services
    password = on_the_hosts.secrets.read("monitoring").encode()
    assert given["mon", "etc/prometheus/secrets/monitoring.password"] == password
    assert given["rmq3", "etc/warren/exporter/monitoring.password"] == password
    leaf = on_the_hosts.pki.leaf("cluster", "mon").certificate.read_bytes()
    assert given["mon", "etc/prometheus/tls/server.pem"] == leaf


def test_certificates_of_nodes_are_left_alone_by_what_services_are_given(on_the_hosts: Ground) -> None:
    """Those of the fake cluster would be made anew, being for other names than Warren's: a node that was not
    given them would be waited for in vain."""
    before = {node: on_the_hosts.pki.serial("cluster", node) for node in NODES}
    carry_out(on_the_hosts, "rotate-password", user="monitoring")
    assert {node: on_the_hosts.pki.serial("cluster", node) for node in NODES} == before


def test_services_trust_both_authorities_and_then_the_new_one(on_the_hosts: Ground) -> None:
    def trusted() -> int:
        return ssh_of(on_the_hosts).services["mon", "etc/prometheus/tls/ca.pem"].count(b"BEGIN CERTIFICATE")

    counts = []
    for phase in ("trust", "sign", "drop"):
        carry_out(on_the_hosts, f"rotate-authority {phase}")
        counts.append(trusted())
    assert counts == [2, 2, 1]
    assert on_the_hosts.pki.is_signed_by_first("cluster", "mon")


def test_certificate_is_asked_for_on_the_host_where_the_way_is_shut(
    on_the_hosts: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shut(*_: Any) -> int:
        raise handshake.NoAnswerError("rmq1, port 15691", "no handshake: timed out")

    monkeypatch.setattr(handshake, "serial", shut)
    site = on_hosts.site_of(on_the_hosts.context(ssh_of(on_the_hosts)), on_the_hosts.time.wall)
    shown = site.serial(on_the_hosts.pki.authority("cluster").certificate, "192.0.2.1", 15691, "rmq1")
    assert shown == on_the_hosts.pki.serial("inter-node", "rmq1"), "what the fake shows"
    assert "10.0.0.1 15691 rmq1" in ssh_of(on_the_hosts).commands[-1]


def test_stop_is_by_systemd_with_the_grace(on_the_hosts: Ground) -> None:
    carry_out(on_the_hosts, "stop-all")
    assert sum(units.stop(60.0).splitlines()[0] in each for each in ssh_of(on_the_hosts).commands) == 3


# From the command line, with all that lies between.


@pytest.fixture
def typed(on_the_hosts: Ground, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A machine on which nothing but an ssh is put in our place: it says what a test has written."""
    inventory(on_the_hosts, warren_cluster="fake")
    programs = on_the_hosts.folder / "programs"
    programs.mkdir()
    (programs / "ssh").write_text('#!/bin/sh\ncat "$(dirname "$0")/says" >&2\nexit 255\n')
    (programs / "ssh").chmod(0o755)
    (programs / "says").write_text("ssh: connect to host 192.0.2.1 port 22: No route to host\n")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("WARREN_STATE", str(on_the_hosts.state.root.parent))
    monkeypatch.setenv("WARREN_HOSTS", "")  # so that what the command sets is taken back
    return on_the_hosts


@pytest.mark.parametrize("words", [("stop-all", "--yes"), ("restart", "--dry-run"), ("upgrade", "--dry-run")])
def test_command_is_told_the_hosts_and_refuses_those_that_are_not_reached(
    typed: Ground, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["cluster", *words, "--hosts", str(typed.folder / "hosts.yml")]) == 3
    assert "rmq1: ssh: connect to host 192.0.2.1 port 22: No route to host" in capsys.readouterr().err
    assert record.read(typed.state) is None


def test_command_on_hosts_asks_for_no_container_engine(
    typed: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stands in the inventory is refused before anybody is reached."""
    inventory(typed, rabbitmq_data_dir="/data")
    assert cli._run(["cluster", "drain", "rmq1", "--hosts", str(typed.folder / "hosts.yml")]) == 2
    assert "rabbitmq_data_dir is /data" in capsys.readouterr().err


def test_nodes_with_certificates_from_elsewhere_are_verified_by_their_authority(typed: Ground) -> None:
    path = typed.folder / "hosts.yml"
    env = {"WARREN_STATE": str(typed.state.root.parent), "WARREN_HOSTS": str(path)}
    own = open_context(typed.said.append, env=env).cluster_ca
    (typed.state.pki / "hosts-ca.pem").write_text("both authorities")
    assert own.name == "cluster-ca.pem"
    assert open_context(typed.said.append, env=env).cluster_ca.name == "hosts-ca.pem"
