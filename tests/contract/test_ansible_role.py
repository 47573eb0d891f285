"""The role against what Warren makes: the same files with the same rights, and refusals that hold."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

from tests.contract.conftest import LINKED, ROLE, inventory_variables, role_defaults
from warren import bundle, checkout, inventory, maintenance
from warren.bundle import Material
from warren.links import material as links
from warren.pki import Pki
from warren.provision import material as provision
from warren.secrets import Secrets
from warren.state import base_folder, open_state
from warren.topology import Topology


@pytest.fixture
def material(deployed: Topology, tmp_path: Path) -> Material:
    """The state of the deployed topology, made anew."""
    state = open_state(deployed.cluster, {"WARREN_STATE": str(tmp_path / "state")})
    made = Material(
        topology=deployed,
        state=state,
        secrets=Secrets(state.secrets),
        pki=Pki(state.pki, datetime.now(UTC)),
    )
    bundle.prepare(made)
    return made


@pytest.mark.usefixtures("lookups")
def test_a_host_gets_the_certificates_and_secrets_that_a_container_gets(material: Material) -> None:
    """Same names, contents and rights below the configuration folder."""
    config, _ = bundle.node_volumes(material, "rmq2")
    wanted = {
        path.removeprefix("tls/"): (content, mode)
        for path, (content, mode) in config.files.items()
        if path.startswith("tls/")
    }
    variables = {
        **inventory_variables(material.topology),
        **role_defaults(),
        "inventory_hostname": "rmq2",
        "rabbitmq_state_dir": str(material.state.root),
    }
    listed = _templated(variables, "__rabbitmq_certificates")
    found = {each["dest"]: (Path(each["src"]).read_bytes(), int(each["mode"], 8)) for each in listed}
    assert found == wanted
    assert set(config.files) == (
        {f"tls/{name}" for name in found}
        | {"definitions.json", *_templated(variables, "__rabbitmq_templates")}
    )
    assert (material.state.root / "secrets" / "boot-definitions.json").is_file()
    assert (material.state.root / "secrets" / "erlang-cookie").is_file()


@pytest.fixture(scope="module")
def lookups() -> None:
    """Ansible's lookup plugins, which are found only after this."""
    init_plugin_loader()


@pytest.mark.usefixtures("lookups")
@pytest.mark.parametrize(
    "env",
    [
        {"WARREN_STATE": "/srv/warren", "HOME": "/home/me"},
        {"XDG_STATE_HOME": "/home/me/state", "HOME": "/home/me"},
        {"HOME": "/home/me"},
    ],
)
def test_the_role_looks_for_the_state_where_warren_keeps_it(
    env: Mapping[str, str], deployed: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WARREN_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    variables = {**inventory_variables(deployed), **role_defaults()}
    assert _templated(variables, "rabbitmq_state_dir") == str(base_folder(env) / deployed.cluster)


@pytest.mark.parametrize(
    ("release", "erlang"),
    [
        ("4.0.2", ["26"]),
        ("4.0.5", ["26", "27"]),
        ("4.2.8", ["26", "27"]),
        ("4.2.10", ["27"]),
        ("4.3.5", ["27"]),
        ("4.3.6", ["27", "28"]),
        ("4.3.10", ["27", "28", "29"]),
    ],
)
def test_erlang_support_follows_the_release(release: str, erlang: list[str]) -> None:
    task = yaml.safe_load((ROLE / "tasks" / "install_erlang.yml").read_text("utf-8"))[0]
    rules = DataLoader().load_from_file(str(ROLE / "tasks" / "install_erlang.yml"), trusted_as_template=True)
    assert task["name"] == rules[0]["name"]
    variables = {**role_defaults(), **rules[0]["vars"], "rabbitmq_version": release}
    wanted = rules[0]["ansible.builtin.set_fact"]["__rabbitmq_erlang_wanted"]
    assert Templar(loader=DataLoader(), variables=variables).template(wanted) == erlang


def test_material_that_would_not_work_is_refused_by_name(material: Material, tmp_path: Path) -> None:
    pki = material.pki
    shutil.copy(pki.leaf("cluster", "rmq2").certificate, pki.leaf("cluster", "rmq1").certificate)
    shutil.copy(pki.leaf("inter-node", "rmq3").key, pki.leaf("inter-node", "rmq2").key)
    played = _play(tmp_path, material, "preflight_material.yml")
    assert played.failed == {"rmq1", "rmq2"}, played.text
    assert "pki/cluster/rmq1.pem is not good as sslserver for rmq1" in played.text
    assert "The inter-node key of rmq2 is not its certificate's" in played.text
    assert "PRIVATE KEY" not in played.text


def test_material_that_is_missing_is_refused_by_name(material: Material, tmp_path: Path) -> None:
    key = material.pki.leaf("inter-node", "rmq1").key
    key.unlink()
    material.state.boot_definitions.unlink()
    played = _play(tmp_path, material, "preflight_material.yml", hosts="rmq1")
    assert played.failed == {"rmq1"}, played.text
    for path in (key, material.state.boot_definitions):
        assert f"{path} is not there" in " ".join(played.text.split())


def test_settings_of_somebody_else_are_refused_where_they_do_harm(material: Material, tmp_path: Path) -> None:
    settings = {
        "rmq1": "listeners.tcp.x = 5672\n  classic_queue.default_version=1\ncluster_partition_handling = x",
        "rmq2": "heartbeat = 30",
    }
    for node, text in settings.items():
        folder = tmp_path / node / "conf.d"
        folder.mkdir(parents=True)
        (folder / "90-mine.conf").write_text(f"# mine\n{text}\n", encoding="utf-8")
    config_dir = f"{tmp_path}/{{{{ inventory_hostname }}}}"
    played = _play(
        tmp_path, material, "preflight_present.yml", hosts="rmq1,rmq2", rabbitmq_config_dir=config_dir
    )
    assert played.failed == {"rmq1"}, played.text
    for reason in (
        "it opens a listener without TLS",
        "the broker refuses to start with it since 4.0.1",
        "it has no effect since 4.3",
    ):
        assert reason in " ".join(played.text.split())


@pytest.mark.parametrize(("ahead_s", "refused"), [(0, False), (1, False), (40, True), (-40, True)])
def test_a_clock_that_is_not_the_controllers_is_refused(
    ahead_s: int, refused: bool, material: Material, tmp_path: Path
) -> None:
    date = f"/bin/date -d '{ahead_s} seconds' \"$@\""
    played = _play(
        tmp_path, material, "preflight_host.yml", hosts="rmq1", programs={"date": date},
        rabbitmq_waivers=["cores", "memory", "clock-synchronised"], rabbitmq_memory_max_mib=1,
    )  # fmt: skip
    assert bool(played.failed) is refused, played.text
    assert ("clock-skew: the clock is " in played.text) is refused


@pytest.mark.parametrize(
    ("installed", "reason"),
    [
        ("4.0.5", "from 4.0 by way of each series between to 4.3"),
        ("4.2.9", "this role upgrades within a series only"),
        ("4.3.9", "the broker cannot go back"),
        ("4.3.5", ""),
    ],
)
def test_versions_that_cannot_follow_each_other_are_refused(
    installed: str, reason: str, material: Material, tmp_path: Path
) -> None:
    programs = {"dpkg-query": f"echo -n 'installed {installed}-1'", "systemctl": "echo inactive; exit 3"}
    played = _play(tmp_path, material, "preflight_present.yml", hosts="rmq1", programs=programs,
                   rabbitmq_config_dir=str(tmp_path / "none"))  # fmt: skip
    assert bool(played.failed) is bool(reason), played.text
    assert reason in " ".join(played.text.split())


def test_an_erlang_that_the_broker_does_not_support_is_refused_unless_waived(
    material: Material, tmp_path: Path
) -> None:
    for waivers, failed in (([], {"rmq1"}), (["erlang-supported"], set())):
        played = _play(tmp_path, material, "install_erlang.yml", hosts="rmq1", rabbitmq_waivers=waivers,
                       rabbitmq_install_erlang="29.0.1+dfsg")  # fmt: skip
        assert played.failed == failed, played.text
        assert ("RabbitMQ 4.3.6 supports Erlang 27, 28" in " ".join(played.text.split())) is bool(failed)


def test_a_waiver_of_something_else_is_refused_by_name(material: Material, tmp_path: Path) -> None:
    played = _play(tmp_path, material, "preflight_host.yml", hosts="rmq1", rabbitmq_waivers=["tls"])
    assert played.failed == {"rmq1"}
    assert "rabbitmq_waivers has tls; only erlang-supported, cores" in " ".join(played.text.split())


def test_a_node_that_a_majority_needs_is_not_stopped(material: Material, tmp_path: Path) -> None:
    nodes = [node.erlang_name for node in material.topology.nodes]
    status = json.dumps({"running_nodes": nodes, "partitions": {}})
    acted = tmp_path / "acted"
    programs = {
        "rabbitmqctl": f"echo '{status}'",
        "rabbitmq-queues": "exit 0",
        "rabbitmq-upgrade": f'case "$*" in *await*) exit 69;; esac; echo "$*" >> {acted}',
        "rabbitmq-diagnostics": "case \"$*\" in *critical*) echo 'orders.work has none'; exit 69; esac",
        "systemctl": f'echo "$*" >> {acted}',
    }
    played = _play(tmp_path, material, "restart_node.yml", hosts="rmq1", programs=programs)
    assert played.failed == {"rmq1"}, played.text
    said = " ".join(played.text.split())
    assert "quorum critical: without rmq1" in said
    assert "orders.work has none" in said
    assert not acted.exists(), acted.read_text()


def _cluster_status(material: Material, marks: Mapping[str, str]) -> str:
    """What `rabbitmqctl cluster_status` prints of nodes that all run, with their ``marks`` of maintenance."""
    nodes = [node.erlang_name for node in material.topology.nodes]
    return json.dumps({"running_nodes": nodes, "maintenance_status": marks})


def test_a_node_that_an_earlier_run_left_under_maintenance_is_brought_back_first(
    material: Material, tmp_path: Path
) -> None:
    left = {"rabbit@rmq1": "marked for maintenance", "rabbit@rmq2": "not under maintenance"}
    status = _cluster_status(material, left)
    acted = tmp_path / "acted"
    programs = {
        "rabbitmqctl": f"echo '{status}'",
        "rabbitmq-queues": "exit 0",
        "rabbitmq-upgrade": f'echo "$*" >> {acted}',
        "rabbitmq-diagnostics": 'case "$*" in *critical*) exit 69; esac',
    }
    for node, revived in (("rmq1", True), ("rmq2", False)):
        acted.unlink(missing_ok=True)
        _play(tmp_path, material, "restart_node.yml", hosts=node, programs=programs)
        assert acted.read_text().startswith("--silent revive\n") is revived


def test_a_drain_that_does_not_end_is_given_up_and_the_node_brought_back(
    material: Material, tmp_path: Path
) -> None:
    status = _cluster_status(material, {})
    acted = tmp_path / "acted"
    programs = {
        "rabbitmqctl": f'case "$*" in *eval*) echo "$*" >> {acted};; esac; echo \'{status}\'',
        "rabbitmq-queues": "exit 0",
        "rabbitmq-upgrade": f'echo "$*" >> {acted}; case "$*" in *drain*) exec sleep 30;; esac',
        "rabbitmq-diagnostics": "exit 0",
    }
    played = _play(tmp_path, material, "restart_node.yml", "rmq1", programs, rabbitmq_drain_timeout_s=1)
    said = " ".join(played.text.split())
    assert played.failed == {"rmq1"}, said
    assert (
        "rmq1 was not restarted as it should: its drain had not ended after 1 s, as when another host" in said
    )
    acts = [line for line in acted.read_text().splitlines() if "await" not in line]
    assert acts == ["--silent drain", "--silent revive", f"--silent eval {maintenance.BRING_BACK}"]


def test_a_node_without_its_members_of_queues_is_brought_back_first(
    material: Material, tmp_path: Path
) -> None:
    """As a drain leaves it that was broken off: with no mark of maintenance."""
    marks = {node.erlang_name: "not under maintenance" for node in material.topology.nodes}
    status = _cluster_status(material, marks)
    acted = tmp_path / "acted"
    programs = {
        "rabbitmqctl": f'case "$*" in *eval*) echo "$*" >> {acted};; esac; echo \'{status}\'',
        "rabbitmq-queues": f"test -e {acted} || {{ echo '{{:badkey, :x}}' >&2; exit 69; }}",
        "rabbitmq-upgrade": f'echo "$*" >> {acted}',
        "rabbitmq-diagnostics": 'case "$*" in *critical*) exit 69; esac',
    }
    _play(tmp_path, material, "restart_node.yml", hosts="rmq1", programs=programs)
    revived, brought_back = acted.read_text().splitlines()[:2]
    assert revived == "--silent revive"
    assert brought_back == f"--silent eval {maintenance.BRING_BACK}"


@pytest.mark.parametrize(
    ("service", "lies_there", "brings"),
    [
        ({}, {}, "Bring the definitions of the first boot"),
        ({"rmq1": "activating"}, {"rmq1": '{"users": []}'}, "Bring the definitions of the first boot"),
        ({"rmq1": "active"}, {"rmq1": '{"users": []}'}, "Have nothing imported at a later start"),
        ({}, {"rmq2": "{}"}, "Have nothing imported at a later start"),
    ],
    ids=["first boot", "broken off at it", "formed by an older release", "all stopped"],
)
def test_definitions_are_brought_for_the_first_formation_only(
    material: Material,
    tmp_path: Path,
    service: Mapping[str, str],
    lies_there: Mapping[str, str],
    brings: str,
) -> None:
    """Also to a node that is new, where any other has been in the cluster before."""
    for node, text in lies_there.items():
        (tmp_path / node).mkdir()
        (tmp_path / node / "definitions.json").write_text(text)
    played = _play(
        tmp_path,
        material,
        "definitions.yml",
        check=True,
        rabbitmq_definitions_path=f"{tmp_path}/{{{{ inventory_hostname }}}}/definitions.json",
        __rabbitmq_service={"stdout": f"{{{{ {dict(service)}[inventory_hostname] | default('inactive') }}}}"},
    )
    _, _, after = played.text.partition(f"TASK [rabbitmq : {brings}]")
    task, _, _ = after.partition("TASK [")
    here = [node.name for node in material.topology.nodes if not lies_there.get(node.name)]
    assert all(f"changed: [{node}]" in task for node in here), played.text


def test_a_certificate_from_elsewhere_is_judged_by_its_own_authority(
    material: Material, tmp_path: Path
) -> None:
    """As good where its authority is named, refused where it is not, and refused for another name."""
    other = Pki(tmp_path / "pki", datetime.now(UTC))
    other.folder.mkdir()
    other.ensure_authorities()
    pair = other.ensure_leaf("cluster", "rmq1", hosts=("rmq1",), purpose="server")
    trust = material.state.root / "pki" / "hosts-ca.pem"
    trust.write_bytes(other.authority("cluster").certificate.read_bytes())
    given = {"rabbitmq_server_certificate": str(pair.certificate), "rabbitmq_server_key": str(pair.key)}
    named = {**given, "pki_given_authority": str(trust)}
    assert _play(tmp_path, material, "preflight_material.yml", hosts="rmq1", **named).failed == set()
    assert _play(tmp_path, material, "preflight_material.yml", hosts="rmq2", **named).failed == {"rmq2"}
    refused = _play(tmp_path, material, "preflight_material.yml", hosts="rmq1", **given)
    assert refused.failed == {"rmq1"}
    assert "is not good as sslserver for rmq1" in refused.text


@dataclass(frozen=True, slots=True)
class _Played:
    """Which hosts failed, and all that was printed."""

    failed: set[str]
    text: str


def _play(
    folder: Path,
    material: Material,
    tasks: str,
    hosts: str = "rabbitmq",
    programs: Mapping[str, str] = MappingProxyType({}),
    *,
    check: bool = False,
    **variables: Any,
) -> _Played:
    """Run one task file of the role for ``hosts``, all of them this machine; ``programs`` are shell scripts
    that the hosts find before their own, by name. With ``check`` it is only told."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, script in programs.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    (folder / "generated.yml").write_text(inventory.inventory_file(material.topology), encoding="utf-8")
    (folder / "ansible.cfg").touch()
    play = {
        "hosts": hosts,
        "connection": "local",
        "gather_facts": tasks == "preflight_host.yml",
        "environment": {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "rabbitmq_state_dir": str(material.state.root),
            **variables,
        },
        "tasks": [{"ansible.builtin.include_role": {"name": "rabbitmq", "tasks_from": tasks}}],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "-i",
            "generated.yml",
            "play.yml",
            *(["--check"] if check else []),
        ],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_ROLES_PATH": str(checkout.ROOT / "ansible" / "roles"),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    recap = dict(re.findall(r"^(\w+) +: .* failed=(\d+) ", done.stdout, flags=re.MULTILINE))
    assert recap, done.stdout + done.stderr
    return _Played({host for host, failed in recap.items() if failed != "0"}, done.stdout + done.stderr)


def _templated(variables: Mapping[str, Any], name: str) -> Any:
    return Templar(loader=DataLoader(), variables=dict(variables)).template(variables[name])


def test_a_host_gets_for_links_what_a_container_gets(deployed: Topology, tmp_path: Path) -> None:
    """Same names, contents and rights, from where the role looks for them."""
    topology = dataclasses.replace(deployed, links=LINKED)
    env = {"WARREN_STATE": str(tmp_path)}
    state = open_state(topology.cluster, env)
    for name in ("site.password", "site.pem", "own.pem", "own.key"):
        (state.secrets / name).write_text("-----BEGIN CERTIFICATE-----\n")
        (state.secrets / name).chmod(0o600)
    wanted = provision.Wanted(
        topology=topology, topology_path=checkout.path("deploy", "topology.yml"), hosts=["rmq1"]
    )
    provision.ensure(wanted, env)
    listed = inventory_variables(topology)["rabbitmq_link_files"]
    found = {
        each["name"]: ((state.root / "hosts" / "links" / each["name"]).read_bytes(), int(each["mode"], 8))
        for each in listed
    }
    assert found == links.files(topology, state)
    assert set(found) == {"link-site-ca.pem", "link-site.pem", "link-site.key"}
    tasks = yaml.safe_load((ROLE / "tasks" / "configure.yml").read_text(encoding="utf-8"))
    task = next(each for each in tasks if "rabbitmq_link_files" in str(each.get("loop")))
    assert task["ansible.builtin.copy"]["src"] == "{{ rabbitmq_state_dir }}/hosts/links/{{ item.name }}"
    assert role_defaults()["rabbitmq_link_files"] == []
