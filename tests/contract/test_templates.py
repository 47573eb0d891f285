"""One template, two renderers: what Warren rehearses is byte for byte what Ansible deploys."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.conftest import ROLE, inventory_variables, role_defaults, variant
from warren import checkout, inventory, render
from warren.topology import Topology

ByAnsible = Callable[[Path, Mapping[str, Any]], str]

TEMPLATES = sorted((checkout.ROOT / "ansible" / "roles").glob("*/templates/*.j2"))
BROKER_CONF = ROLE / "templates" / "rabbitmq.conf.j2"
#: What is only known when files are written, because it is secret.
SECRETS = {
    "prometheus_web_users": {"prometheus": "$2b$10$x"},
    "alertmanager_web_users": {"alertmanager": "$2b$"},
}
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
KEYS = checkout.ROOT / "tests" / "contract" / "broker_keys"


def test_there_are_templates_to_compare() -> None:
    assert {path.parent.parent.name for path in TEMPLATES} >= {
        "rabbitmq",
        "prometheus",
        "alertmanager",
        "grafana",
    }


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_both_renderers_agree_on_every_template(
    template: Path, topologies: Mapping[str, Topology], by_ansible: ByAnsible
) -> None:
    for name, topology in topologies.items():
        variables = {**_host_only(), **render.role_vars(topology), **render.CONTAINER_PATHS, **SECRETS}
        read = {**variables, **inventory_variables(topology)}
        assert by_ansible(template, read) == render.render_template(template, variables), name


def test_only_a_topology_that_asks_for_it_begins_with_few_feature_flags(deployed: Topology) -> None:
    """An empty list is RabbitMQ's way to say so: https://www.rabbitmq.com/docs/feature-flags."""
    few = dataclasses.replace(deployed, broker=dataclasses.replace(deployed.broker, feature_flags="required"))
    template = ROLE / "templates" / "rabbitmq-env.conf.j2"
    for topology, expected in ((deployed, []), (few, ["FEATURE_FLAGS="])):
        variables = {**render.role_vars(topology), **render.CONTAINER_PATHS}
        lines = render.render_template(template, variables).splitlines()
        assert [line for line in lines if line.startswith("FEATURE_FLAGS")] == expected


def test_both_renderers_agree_on_receivers_and_routes(deployed: Topology, by_ansible: ByAnsible) -> None:
    own = {
        "alertmanager_receivers": [
            {"name": "info"},
            {"name": "team", "webhook_configs": [{"url": "https://a/?b&c"}]},
        ],
        "alertmanager_routes": [{"matchers": ["vhost = '/orders'"], "receiver": "team"}],
    }
    variables = {**_host_only(), **render.role_vars(deployed), **render.CONTAINER_PATHS, **SECRETS, **own}
    template = checkout.path("ansible", "roles", "alertmanager", "templates", "alertmanager.yml.j2")
    text = render.render_template(template, variables)
    assert by_ansible(template, variables) == text
    read = yaml.safe_load(text)
    assert read["receivers"][-1] == own["alertmanager_receivers"][-1]
    assert read["route"]["routes"][0] == own["alertmanager_routes"][0]
    assert [each["name"] for each in read["receivers"]].count("info") == 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(NAMES, min_size=1, max_size=5, unique=True),
    cluster=NAMES,
    version=st.tuples(st.just(4), st.integers(0, 4), st.integers(0, 12)),
)
def test_both_renderers_agree_whatever_the_names(
    deployed: Topology, by_ansible: ByAnsible, names: list[str], cluster: str, version: tuple[int, int, int]
) -> None:
    topology = variant(deployed, names=names, version=".".join(map(str, version)), certificate="optional")
    topology = dataclasses.replace(topology, cluster=cluster)
    variables = {**_host_only(), **render.role_vars(topology), **render.CONTAINER_PATHS, **SECRETS}
    read = {**variables, **inventory_variables(topology)}
    for template in TEMPLATES:
        assert by_ansible(template, read) == render.render_template(template, variables)


def test_a_host_gets_the_files_that_a_container_gets(
    topologies: Mapping[str, Topology], by_ansible: ByAnsible
) -> None:
    """With the role's own defaults in place of the containers' paths."""
    for name, topology in topologies.items():
        variables = {**role_defaults(), **inventory_variables(topology)}
        for file, text in render.broker_files(topology).items():
            assert by_ansible(ROLE / "templates" / f"{file}.j2", variables) == text, f"{file}, {name}"


def test_the_template_module_itself_agrees(deployed: Topology, tmp_path: Path) -> None:
    """The other tests ask Ansible's engine; this one runs the module, with the role's arguments."""
    (tmp_path / "inventory.yml").write_text(inventory.inventory_file(deployed), encoding="utf-8")
    play = {
        "hosts": "rmq2",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "vars_files": [str(ROLE / "defaults" / "main.yml"), str(ROLE / "vars" / "main.yml")],
        "tasks": [
            {
                "ansible.builtin.template": {
                    **_task("Write the broker's configuration")["ansible.builtin.template"],
                    "src": f"{ROLE}/templates/{{{{ item }}}}.j2",
                    "dest": f"{tmp_path}/{{{{ item }}}}",
                    "owner": os.getuid(),
                    "group": os.getgid(),
                },
                "loop": "{{ __rabbitmq_templates }}",
            }
        ],
    }
    empty = tmp_path / "ansible.cfg"
    empty.touch()
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory.yml", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": str(empty), "ANSIBLE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = {
        path.name: path.read_text("utf-8") for path in tmp_path.iterdir() if path.name in _files(deployed)
    }
    assert written == _files(deployed)


def test_every_template_task_strips_blocks_as_warren_does() -> None:
    found = [task for task in _tasks() if "ansible.builtin.template" in task]
    assert found
    for task in found:
        assert task["ansible.builtin.template"].get("lstrip_blocks") is True, task["name"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_every_variable_of_a_template_is_given(template: Path, deployed: Topology) -> None:
    """Unless it has a default in place, it comes from the topology, the containers' paths or the secrets."""
    text = template.read_text(encoding="utf-8")
    wanted = jinja2.meta.find_undeclared_variables(jinja2.Environment(autoescape=True).parse(text))
    optional = set(re.findall(r"\b(\w+)\s*\|\s*default\(", text))
    given = {*render.role_vars(deployed), *render.CONTAINER_PATHS, *SECRETS, *_host_only()}
    assert wanted - optional <= given


def test_the_role_declares_every_variable_that_a_host_needs(deployed: Topology) -> None:
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text("utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    wanted: set[str] = set()
    for template in (ROLE / "templates").glob("*.j2"):
        text = template.read_text("utf-8")
        wanted |= jinja2.meta.find_undeclared_variables(jinja2.Environment(autoescape=True).parse(text))
    assert wanted <= set(options)
    defaults = {name for name in role_defaults() if not name.startswith("__")}
    assert {name for name, option in options.items() if not option.get("required")} == defaults
    assert {name for name, option in options.items() if option.get("required")} <= set(
        render.role_vars(deployed)
    )


@pytest.mark.parametrize("release", ["4.0.5", "4.3.6"])
@pytest.mark.parametrize("nodes", [3, 5])
def test_every_key_is_known_to_the_broker(release: str, nodes: int, deployed: Topology) -> None:
    known = (KEYS / f"{release}.txt").read_text("utf-8").split()
    assert len(known) > 400
    unknown = [key for key in _settings(deployed, release, nodes=nodes) if not _is_known(key, known)]
    assert unknown == []


@pytest.mark.parametrize("release", ["4.0.5", "4.2.9", "4.3.0", "4.3.6"])
@pytest.mark.parametrize("nodes", [1, 3, 5, 7])
def test_a_queue_gets_a_member_on_every_node_soon_after_it_is_declared(
    release: str, nodes: int, deployed: Topology
) -> None:
    """By itself the broker makes three, and looks an hour later whether there should be more."""
    prefix = "quorum_queue."
    conf = _settings(deployed, release, nodes=nodes)
    assert conf[f"{prefix}continuous_membership_reconciliation.target_group_size"] == str(nodes)
    made = int(conf.get(f"{prefix}initial_cluster_size", min(3, nodes)))
    looks_s = int(conf.get(f"{prefix}continuous_membership_reconciliation.interval", 3_600_000)) / 1000
    assert made == nodes or looks_s <= 60, "the gate waits three minutes"


@pytest.mark.parametrize(
    ("release", "present", "absent"),
    [
        ("4.0.5", {"channel_max", "cluster_partition_handling"}, {"prevent_startup_if_node_was_reset"}),
        ("4.1.8", {"channel_max", "cluster_partition_handling"}, {"prevent_startup_if_node_was_reset"}),
        ("4.2.0", {"channel_max", "prevent_startup_if_node_was_reset"}, {"max_channels_per_connection"}),
        ("4.3.0", {"channel_max"}, {"max_channels_per_connection", "cluster_partition_handling"}),
        ("4.3.1", {"max_channels_per_connection"}, {"channel_max", "cluster_partition_handling"}),
        ("4.3.10", {"max_channels_per_connection"}, {"channel_max"}),
        ("4.10.0", {"max_channels_per_connection"}, {"channel_max"}),
    ],
)
def test_keys_follow_the_release(
    release: str, present: set[str], absent: set[str], deployed: Topology
) -> None:
    keys = set(_settings(deployed, release))
    assert present <= keys
    assert not absent & keys


@pytest.mark.parametrize(("release", "outgoing"), [("4.0.5", False), ("4.2.0", True), ("4.3.6", True)])
def test_message_stamps_are_what_the_release_offers_and_off_by_default(
    release: str, outgoing: bool, deployed: Topology
) -> None:
    stamps = [key for key in _settings(deployed, release) if key.startswith("message_interceptors.")]
    assert ("message_interceptors.incoming.set_header_timestamp.overwrite" in stamps) is True
    assert ("message_interceptors.outgoing.timestamp.enabled" in stamps) is outgoing
    assert "message_interceptors" not in render.broker_files(deployed)["rabbitmq.conf"]


def test_no_setting_is_one_that_the_preflight_refuses(topologies: Mapping[str, Topology]) -> None:
    rules = yaml.safe_load((ROLE / "vars" / "main.yml").read_text("utf-8"))["__rabbitmq_refused_settings"]
    for name, topology in topologies.items():
        lines = [
            line.replace(" ", "") for line in render.broker_files(topology)["rabbitmq.conf"].splitlines()
        ]
        for rule in rules:
            if "no effect since 4.3" in rule["reason"] and topology.broker.series < (4, 3):
                continue
            assert not [line for line in lines if re.search(rule["pattern"], line)], (
                f"{rule['reason']}, {name}"
            )


def _host_only() -> dict[str, Any]:
    """Variables of templates that only hosts have: limits of services, repositories, who may reach a port."""
    found: dict[str, Any] = {}
    for file in sorted((checkout.ROOT / "ansible" / "roles").glob("*/defaults/main.yml")):
        plain = yaml.safe_load(file.read_text("utf-8"))
        found |= {
            name: value for name, value in plain.items() if not (isinstance(value, str) and "{{" in value)
        }
    sets = ("nodes", "watchers", "hosts", "clients", "operators")
    repository = {"name": "team", "url": "https://apt.example/x y", "suite": "forky", "key": "/k.asc"}
    return {
        **{name: value for name, value in found.items() if not isinstance(value, dict)},
        "rabbitmq_memory_max_mib": 1024,
        "rabbitmq_repositories": [repository, {**repository, "name": "erlang", "key": "/k.gpg"}],
        "rabbitmq_erlang_series": "27",
        "firewall_sets": {f"{name}{family}": ["192.0.2.1"] for name in sets for family in "46"},
        "firewall_rules": [{"port": "amqps", "of": ["clients"]}, {"port": "35672-35682", "of": ["nodes"]}],
        "firewall_clients": ["192.0.2.0/24"],
    }


def _files(topology: Topology) -> dict[str, str]:
    return render.broker_files(topology)


def _settings(topology: Topology, release: str, *, nodes: int = 3) -> dict[str, str]:
    names = [f"rmq{place}" for place in range(1, nodes + 1)]
    conf = render.broker_files(variant(topology, names=names, version=release, certificate="required"))
    lines = [line for line in conf["rabbitmq.conf"].splitlines() if line and not line.startswith("#")]
    return {key: value for key, _, value in (line.partition(" = ") for line in lines)}


def _is_known(key: str, known: list[str]) -> bool:
    """Parts that begin with a dollar sign stand for any name."""
    parts = key.split(".")
    for each in known:
        pattern = each.split(".")
        if len(pattern) == len(parts) and all(
            p.startswith("$") or p == part for p, part in zip(pattern, parts, strict=True)
        ):
            return True
    return False


def _tasks() -> Iterator[dict[str, Any]]:
    def walk(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in tasks:
            yield task
            for part in ("block", "rescue", "always"):
                yield from walk(task.get(part, []))

    for file in sorted((checkout.ROOT / "ansible" / "roles").glob("*/tasks/*.yml")):
        yield from walk(yaml.safe_load(file.read_text("utf-8")))


def _task(name: str) -> dict[str, Any]:
    return next(task for task in _tasks() if task.get("name") == name)


@pytest.mark.parametrize(
    ("versions", "count"), [(["tlsv1.3"], 3), (["tlsv1.2"], 6), (["tlsv1.3", "tlsv1.2"], 9)]
)
def test_every_listener_names_suites_of_its_versions_with_fresh_keys(
    deployed: Topology, versions: list[str], count: int
) -> None:
    """Erlang's own list has static ECDH too, and a list is of both versions or of one."""
    topology = dataclasses.replace(deployed, tls=dataclasses.replace(deployed.tls, versions=tuple(versions)))
    variables = {**_host_only(), **render.role_vars(topology), **render.CONTAINER_PATHS}
    text = render.render_template(BROKER_CONF, variables)
    found = re.findall(r"^(\S+)\.ciphers\.(\d+) = (\S+)$", text, re.MULTILINE)
    for listener in ("ssl_options", "management.ssl", "prometheus.ssl"):
        suites = [suite for name, _, suite in found if name == listener]
        assert [int(place) for name, place, _ in found if name == listener] == list(range(1, count + 1))
        assert all(re.fullmatch(r"(TLS_|ECDHE-).*(GCM|POLY1305).*", suite) for suite in suites)
        assert any(suite.startswith("TLS_") for suite in suites) == ("tlsv1.3" in versions)
