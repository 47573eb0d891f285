"""The collection as a whole: shape, secrets, the inventory's twin, flags of services, the tarball."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader

from tests.contract.conftest import inventory_variables, variant
from warren import checkout, render
from warren.inventory import SERVICE_GROUPS, inventory_file
from warren.topology import Topology

ANSIBLE = checkout.ROOT / "ansible"
ROLES = sorted(path for path in (ANSIBLE / "roles").iterdir() if path.is_dir())
#: What a secret's place on the controller looks like in a task.
SECRET = re.compile(r"/secrets/|/pki/.*\.key|\.key\b|password|receivers\.json|cookie", re.IGNORECASE)
#: Modules that only look, or say.
HARMLESS = (
    "assert",
    "set_fact",
    "stat",
    "find",
    "include_role",
    "include_tasks",
    "import_tasks",
    "fail",
    "debug",
)


def tasks(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    def walk(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in found:
            yield task
            for part in ("block", "rescue", "always"):
                yield from walk(task.get(part, []))

    for file in sorted(folder.glob("tasks/*.yml")):
        for task in walk(yaml.safe_load(file.read_text("utf-8"))):
            yield file, task


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8")) if path.is_file() else {}


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_a_role_says_what_it_wants(role: Path, deployed: Topology) -> None:
    """Options with a default have it in defaults too; what is required follows from the topology, but for a
    unit's and an operation's name, which callers give."""
    options = read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = read(role / "defaults" / "main.yml")
    assert {name for name, option in options.items() if not option.get("required")} == set(defaults)
    required = {name for name, option in options.items() if option.get("required")}
    assert required <= {*render.role_vars(deployed), "unit_name", "operation_name"}
    for name, option in options.items():
        if "default" in option and "{{" not in str(defaults[name]):
            assert defaults[name] == option["default"], name
    assert (role / "README.md").read_text("utf-8").startswith(f"# {role.name}\n")
    assert read(role / "meta" / "main.yml")["galaxy_info"]["role_name"] == role.name
    assert f"roles/{role.name}/README.md" in (ANSIBLE / "README.md").read_text("utf-8")


def test_every_role_looks_for_the_state_in_the_same_place() -> None:
    found = {
        value
        for role in ROLES
        for name, value in read(role / "defaults" / "main.yml").items()
        if name.endswith("_state_dir")
    }
    assert len(found) == 1


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_what_carries_a_secret_is_not_logged_and_not_diffed(role: Path) -> None:
    for file, task in tasks(role):
        module = next((key for key in task if "." in key and not key.endswith(HARMLESS)), "")
        carries = module.endswith((".copy", ".template", ".slurp")) and SECRET.search(
            json.dumps({key: value for key, value in task.items() if key != "name"})
        )
        # A repository's key is there to be known.
        carries = carries and "{{ rabbitmq_apt_dir }}/keyrings" not in str(task[module])
        if carries:
            assert task.get("no_log"), f"{file}: {task['name']}"
            assert module.endswith(".slurp") or task.get("diff") is False, f"{file}: {task['name']}"


def test_each_group_of_the_inventory_has_a_play_and_a_role_for_it() -> None:
    plays = [play for play in read(ANSIBLE / "playbooks" / "site.yml") if "hosts" in play]
    hosts = {play["hosts"] for play in plays}
    assert {"rabbitmq", *SERVICE_GROUPS} <= hosts
    used = {
        name
        for play in plays
        for name in [
            *(role["role"] for role in play.get("roles", [])),
            *(task["ansible.builtin.include_role"]["name"] for task in play.get("tasks", [])),
        ]
    }
    helpers = {f"warren.hosts.{name}" for name in ("unit", "python", "packages", "operation")}
    assert {f"warren.hosts.{role.name}" for role in ROLES} == used | helpers


@pytest.mark.parametrize("playbook", ["site.yml", "restart.yml"])
@pytest.mark.parametrize("inventory", ["mon1:\n", "rabbitmq:\n  hosts:\n", None])
def test_an_inventory_without_nodes_is_refused(playbook: str, inventory: str | None, tmp_path: Path) -> None:
    """Ansible itself passes over plays without hosts and ends well: nothing done would be called done."""
    path = tmp_path / "mine.yml"
    if inventory is not None:
        path.write_text(inventory, encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), f"playbooks/{playbook}", "-i", str(path)],
        cwd=ANSIBLE, env={**os.environ, "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0, done.stdout
    told = "has no host in the group rabbitmq" if inventory is not None else "parse inventory source"
    assert told in " ".join((done.stdout + done.stderr).split())


def test_nothing_names_a_registry() -> None:
    for path in ANSIBLE.rglob("*"):
        if path.is_file() and path.suffix in (".yml", ".j2", ".py", ".md"):
            assert not re.search(r"(pypi|apt|deb1|packagecloud|keys\.openpgp|galaxy)\.[a-z-]+\.(org|com|io)",
                                 path.read_text("utf-8")), path  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of Ansible's programs in ``tmp_path``, with the checkout's collection and no settings."""

    def command(program: str, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "ansible.cfg").touch()
        env = {
            **os.environ,
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(checkout.ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONPATH": str(checkout.ROOT),
            **more,
        }
        return subprocess.run(
            [Path(sys.executable).with_name(program), *argv],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip

    return command


def test_the_plugin_gives_what_the_generated_inventory_gives(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, deployed: Topology
) -> None:
    (tmp_path / "generated.yml").write_text(inventory_file(deployed), encoding="utf-8")
    source = {"plugin": "warren.hosts.topology", "topology": str(checkout.path("deploy", "topology.yml"))}
    (tmp_path / "lab.topology.yml").write_text(yaml.safe_dump(source), encoding="utf-8")
    listed = []
    for name in ("generated.yml", "lab.topology.yml"):
        done = run("ansible-inventory", "--inventory", name, "--list")
        assert done.returncode == 0, done.stderr
        assert "[WARNING]" not in done.stderr
        listed.append(json.loads(done.stdout))
    assert listed[0] == _without_marks(listed[1])
    assert set(listed[1]["rabbitmq"]["hosts"]) == {"rmq1", "rmq2", "rmq3"}


def _without_marks(data: Any) -> Any:
    """What `ansible-inventory` shows of values that are never templates, which the plugin's are not."""
    if isinstance(data, dict):
        return data.get("__ansible_unsafe", {key: _without_marks(value) for key, value in data.items()})
    return [_without_marks(each) for each in data] if isinstance(data, list) else data


def test_the_plugin_names_a_topology_fault_by_its_place(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    text = checkout.path("deploy", "topology.yml").read_text("utf-8")
    (tmp_path / "mine.yml").write_text(text.replace('version: "4.3.6"', 'version: "four"'), encoding="utf-8")
    source = {"plugin": "warren.hosts.topology", "topology": "mine.yml"}
    (tmp_path / "lab.topology.yml").write_text(yaml.safe_dump(source), encoding="utf-8")
    done = run(
        "ansible-inventory",
        "--inventory",
        "lab.topology.yml",
        "--list",
        ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="1",
    )
    assert done.returncode != 0
    assert "cluster.broker.version" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_tarball_installs_and_its_playbook_runs_by_name(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, deployed: Topology
) -> None:
    built = run("ansible-galaxy", "collection", "build", str(ANSIBLE), "--output-path", str(tmp_path))
    assert built.returncode == 0, built.stderr
    tarball = next(tmp_path.glob("warren-hosts-*.tar.gz"))
    installed = run(
        "ansible-galaxy", "collection", "install", str(tarball), "--offline",
        "--collections-path", str(tmp_path / "there"), ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "there"),
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    root = tmp_path / "there" / "ansible_collections" / "warren" / "hosts"
    assert not (root / "inventory" / "generated.yml").exists()
    for path in ("plugins/module_utils/controller.py", "playbooks/restart.yml", "roles/unit/tasks/main.yml"):
        assert (root / path).is_file()
    assert not (root / ".collections").exists()
    (tmp_path / "generated.yml").write_text(inventory_file(deployed), encoding="utf-8")
    checked = run(
        "ansible-playbook", "--syntax-check", "--inventory", "generated.yml", "warren.hosts.site",
        ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "there"),
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    shutil.rmtree(tmp_path / "there")


def _unit_flags(text: str) -> list[str]:
    """The arguments of a unit's ExecStart, as systemd splits them: `man systemd.service`, command lines."""
    lines = text.replace("\\\n", " ").splitlines()
    command = next(line for line in lines if line.startswith("ExecStart="))
    words = shlex.split(command.removeprefix("ExecStart="))
    return [word.replace("%%", "%") for word in words[words.index("serve") + 1 :]]


@pytest.mark.parametrize("service", ["exporter", "probe", "drift"])
def test_a_service_on_a_host_is_told_what_its_container_is_told(
    service: str, topologies: Mapping[str, Topology]
) -> None:
    """Paths apart, and what only the lab has: faults, and its preview in Grafana's place."""
    for name, topology in topologies.items():
        variables = {
            **render.role_vars(topology),
            "exporters_dir": "/etc/warren",
            "exporters_memory_max_mib": 256,
        }
        listening = ["prometheus", "alertmanager", "exporter"]
        listening += ["drift"] if topology.drift_user else []
        listening += ["victoriametrics"] if topology.shipping.retention else []
        unit = render.role_template(
            "exporters", f"{service}.service", {**variables, "warren_listening": listening}
        )
        services = yaml.safe_load(render.compose_file(topology, grafana=False))["services"]
        if service not in services:
            assert service == "drift"
            continue
        lab = {
            flag
            for flag in services[service]["command"]
            if "faults" not in flag and not flag.startswith("--listener=view")
        }
        host = {flag.replace(f"/etc/warren/{service}/", "/etc/warren/") for flag in _unit_flags(unit)}
        assert host == lab, name


@pytest.mark.parametrize("service", ["prometheus", "alertmanager"])
def test_a_monitoring_service_listens_as_in_the_lab(service: str, deployed: Topology) -> None:
    """The same flags, but for the folders of Debian's packages."""
    defaults = {
        f"{service}_secrets_dir": f"/etc/{service}/secrets",
        f"{service}_data_dir": f"/{service}",
        f"{service}_memory_max_mib": 1,
    }
    unit = render.role_template(service, "service.conf", {**render.role_vars(deployed), **defaults})
    lines = unit.replace("\\\n", " ").splitlines()
    command = next(line for line in lines if line.startswith("ExecStart=/"))
    lab = yaml.safe_load(render.compose_file(deployed, grafana=True))["services"][service]["command"]
    assert set(shlex.split(command)[1:]) - {"--storage.remote.flush-deadline=5s"} == set(lab)


@pytest.mark.parametrize(
    "clients", [["any"], ["192.0.2.0/24", "2001:db8::/32"], []], ids=["any", "some", "none"]
)
def test_ports_are_open_to_whom_they_are_for(clients: list[str], deployed: Topology) -> None:
    rules = DataLoader().load_from_file(str(ANSIBLE / "roles/firewall/vars/main.yml"))
    sets = {
        f"{name}{family}": []
        for name in ("nodes", "watchers", "hosts", "clients", "operators")
        for family in "46"
    }
    variables = {
        **inventory_variables(deployed),
        "firewall_rules": rules["__firewall_services"]["rabbitmq"] + rules["__firewall_streams"],
        "firewall_sets": {**sets, "nodes4": ["192.0.2.11", "192.0.2.12"]},
        "firewall_clients": clients,
        "firewall_operators": [],
    }
    text = render.role_template("firewall", "firewall.nft", variables)
    assert "elements = { 192.0.2.11, 192.0.2.12 }" in text
    for port in (25672, 4369, "35672-35682", 15691):
        assert f"tcp dport {port} counter drop" in text
        assert f"tcp dport {port} ip saddr @nodes4 accept" in text
    for port in (5671, 5551):
        assert (f"tcp dport {port} counter drop" in text) is (clients != ["any"])
    assert "policy accept" in text


@pytest.mark.parametrize(("source", "file"), [("", ""), ("file", ""), ("file", "/nowhere/grafana.deb")])
def test_grafana_is_refused_until_it_is_said_where_its_package_is(
    source: str,
    file: str,
    run: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    deployed: Topology,
) -> None:
    """In no suite of Debian's; a guess would be somebody else's package."""
    (tmp_path / "generated.yml").write_text(inventory_file(deployed), encoding="utf-8")
    role = {"role": "warren.hosts.grafana", "grafana_install_source": source, "grafana_package_file": file}
    # Its argument specs take no empty source: the defaults do, which are what an operator begins with.
    role = {key: value for key, value in role.items() if value}
    play = {"hosts": "rmq1", "connection": "local", "gather_facts": False, "roles": [role]}
    play["vars"] = {"ansible_python_interpreter": sys.executable}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = run("ansible-playbook", "--inventory", "generated.yml", "play.yml")
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "Grafana is in no Debian suite" in said
    assert f"('{file}' is none)" in said


def test_names_of_every_size_make_units(deployed: Topology) -> None:
    """A virtual host may be called what it likes; systemd expands per cents."""
    topology = variant(deployed, names=["a"], version="4.3.6", certificate="optional")
    variables = {**render.role_vars(topology), "exporters_dir": "/e", "exporters_memory_max_mib": 1}
    unit = render.role_template("exporters", "probe.service", {**variables, "warren_vhosts": ["/a b%c"]})
    assert "--vhost=/a b%c" in _unit_flags(unit)
