from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren import disk_faults, render
from warren.errors import WarrenError
from warren.topology import PUBLISHED_SERVICES, Shares, Topology
from warren.topology_shipping import Shipping


def compose(topology: Topology, *, grafana: bool = False, breakable: bool = False) -> dict[str, Any]:
    paths = disk_faults.PATHS if breakable else None
    return dict(yaml.safe_load(render.compose_file(topology, grafana=grafana, disk_faults=paths)))


@pytest.fixture(params=["grafana", "preview", "drift", "long term", "disk faults"])
def services(request: pytest.FixtureRequest, deployed: Topology) -> dict[str, Any]:
    topology = dataclasses.replace(
        deployed,
        drift_user="drift" if request.param == "drift" else "",
        shipping=Shipping(retention="1y" if request.param == "long term" else ""),
    )
    breakable = request.param == "disk faults"
    return dict(compose(topology, grafana=request.param == "grafana", breakable=breakable)["services"])


def test_either_grafana_or_the_preview_shows_dashboards(deployed: Topology) -> None:
    assert {"grafana"} == set(compose(deployed, grafana=True)["services"]) - set(
        compose(deployed)["services"]
    )
    assert "view" not in compose(deployed, grafana=True)["services"]
    assert "view" in compose(deployed)["services"]


def test_every_container_is_hardened(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith("0"), name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert "privileged" not in service, name
        assert service["restart"] == "no", name


def test_library_of_disk_faults_is_preloaded_by_the_nodes_alone_and_told_by_a_file_in_memory(
    deployed: Topology,
) -> None:
    plain, found = compose(deployed), compose(deployed, breakable=True)
    nodes = {node.name for node in deployed.nodes}
    assert {name for name in found["services"] if found["services"][name] != plain["services"][name]} == nodes
    for name in nodes:
        node = found["services"][name]
        assert node["environment"]["LD_PRELOAD"] == disk_faults.PATHS["library"]
        assert node["environment"]["WARREN_DISK_FAULTS"] == disk_faults.CONTROL
        folder = disk_faults.CONTROL.rpartition("/")[0]
        assert [each for each in node["tmpfs"] if each.startswith(f"{folder}:uid=999,")]
        data = next(each for each in node["volumes"] if each["source"] == f"{name}-data")
        assert node["environment"]["WARREN_DISK_FAULTS_DATA"] == data["target"]
        assert not plain["services"][name]["environment"].keys() & {"LD_PRELOAD", "WARREN_DISK_FAULTS"}


def test_ports_are_published_on_loopback_only_and_no_plain_one_is(
    services: dict[str, Any], deployed: Topology
) -> None:
    plain = {"4369", "5672", "15672", "15692", "25672"}
    ports = [port for service in services.values() for port in service.get("ports", ())]
    around = 6 if "victoriametrics" in services else 5
    assert len(ports) == len(set(ports)) == 4 * len(deployed.nodes) + around
    for port in ports:
        address, _, inside = port.rsplit(":", 2)
        assert address == "127.0.0.1"
        assert inside not in plain


def test_published_ports_are_those_that_clients_are_told(
    services: dict[str, Any], deployed: Topology
) -> None:
    for node in deployed.nodes:
        amqps = f"127.0.0.1:{deployed.published_node(node.name, 'amqps')}:{deployed.ports.amqps}"
        assert amqps in services[node.name]["ports"]
    for name in PUBLISHED_SERVICES:
        if name in services:
            assert services[name]["ports"][0].startswith(f"127.0.0.1:{deployed.published(name)}:")


def test_the_probe_flies_in_every_vhost_as_the_canary(services: dict[str, Any], deployed: Topology) -> None:
    command = services["probe"]["command"]
    assert [each for each in command if each.startswith("--vhost=")] == [
        f"--vhost={vhost.name}" for vhost in deployed.vhosts
    ]
    assert [each for each in command if each.startswith("--node=")] == [
        f"--node={node.name}" for node in deployed.nodes
    ]
    assert "--user=canary" in command
    assert not [
        each for each in services["exporter"]["command"] if "canary" in each and "exclude" not in each
    ]


def test_the_probe_looks_at_every_listener_there_is(services: dict[str, Any], deployed: Topology) -> None:
    """At the four of each node by their ports; the rest are named."""
    command = services["probe"]["command"]
    named = {each.removeprefix("--listener=") for each in command if each.startswith("--listener=")}
    around = {name for name in services if name not in {node.name for node in deployed.nodes}} - {"probe"}
    wanted = {f"{name}={name}:{getattr(deployed.ports, name)}" for name in around}
    wanted |= {f"streams={node.name}:{deployed.ports.streams}" for node in deployed.nodes}
    assert named == wanted
    for port in ("amqps", "management", "metrics", "inter_node"):
        assert f"--{port.replace('_', '-')}-port={getattr(deployed.ports, port)}" in command


def test_the_exporter_leaves_the_canarys_queues_to_the_probe(services: dict[str, Any]) -> None:
    pattern = next(each for each in services["exporter"]["command"] if each.startswith("--exclude="))
    left_out = re.compile(pattern.removeprefix("--exclude="))
    assert left_out.fullmatch("/orders:warren.canary.rmq1.rmq2")
    assert not left_out.fullmatch("/orders:orders.work")
    assert not left_out.fullmatch("/warren.work:warren.work.orders")


def test_configuration_is_mounted_read_only(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for mount in service["volumes"]:
            assert mount.get("read_only") or mount["source"].endswith("-data"), f"{name}: {mount}"


def test_everything_carries_the_owners_labels(deployed: Topology) -> None:
    whole = compose(deployed)
    parts = [*whole["services"].values(), *whole["volumes"].values(), *whole["networks"].values()]
    for part in parts:
        assert {"warren.cluster", "warren.state", "warren.state-id"} <= set(part["labels"])


def test_two_clusters_share_no_name_port_volume_or_subnet(deployed: Topology) -> None:
    other = dataclasses.replace(deployed, cluster="other", base_port=deployed.base_port + 100)
    one, two = compose(deployed), compose(other)

    def facts(whole: dict[str, Any]) -> set[str]:
        names = {service["container_name"] for service in whole["services"].values()}
        ports = {p.rsplit(":", 1)[0] for service in whole["services"].values() for p in service["ports"]}
        network = whole["networks"]["cluster"]
        return names | ports | {network["name"], network["ipam"]["config"][0]["subnet"], whole["name"]}

    assert facts(one).isdisjoint(facts(two))


def test_streams_are_listened_for_with_tls_only_and_only_with_their_plugin(deployed: Topology) -> None:
    with_plugin = render.broker_files(deployed)["rabbitmq.conf"].splitlines()
    assert "stream.listeners.tcp = none" in with_plugin
    assert "stream.listeners.ssl.default = 5551" in with_plugin
    plugins = tuple(each for each in deployed.broker.plugins if each != "rabbitmq_stream")
    bare = dataclasses.replace(deployed, broker=dataclasses.replace(deployed.broker, plugins=plugins))
    assert "stream." not in render.broker_files(bare)["rabbitmq.conf"]
    assert "rabbitmq_stream" not in render.broker_files(bare)["enabled_plugins"]
    assert all(len(compose(bare)["services"][node.name]["ports"]) == 3 for node in bare.nodes)


def test_subnet_is_private_and_follows_from_the_name() -> None:
    assert render.subnet("warren") == render.subnet("warren")
    assert render.subnet("warren").startswith("10.213.")


def test_no_plain_listener_is_configured(deployed: Topology) -> None:
    lines = [line.replace(" ", "") for line in render.broker_files(deployed)["rabbitmq.conf"].splitlines()]
    assert "listeners.tcp=none" in lines
    # https://www.rabbitmq.com/docs/prometheus: a key of the plain listener would open it beside the TLS one.
    for prefix in ("management.tcp", "prometheus.tcp"):
        assert not [line for line in lines if line.startswith(prefix) and not line.endswith("=none")]


def test_keys_that_old_brokers_do_not_know_are_left_out(deployed: Topology) -> None:
    old = dataclasses.replace(deployed, broker=dataclasses.replace(deployed.broker, version="4.0.9"))

    def keys(topology: Topology) -> set[str]:
        text = render.broker_files(topology)["rabbitmq.conf"]
        return {line.partition("=")[0].strip() for line in text.splitlines() if "=" in line}

    assert "max_channels_per_connection" in keys(deployed)
    assert "max_channels_per_connection" not in keys(old)
    assert "channel_max" in keys(old)


def test_objectives_are_those_of_the_topology(deployed: Topology) -> None:
    found = {(each["vhost"], each["queue"]): each for each in render.objectives(deployed)}
    assert found["/orders", "orders.work"]["depth"] == 10000
    assert found["/orders", "orders.work"]["lag_s"] == 30


def test_shares_are_those_of_the_topology_and_what_is_not_promised_is_left_out(deployed: Topology) -> None:
    assert render.shares(deployed) == {
        "of": {"confirm_success": 0.999, "end_to_end": 0.99, "lag": 0.99},
        "end_to_end_s": 0.5,
    }
    none = Shares(confirm_success=None, end_to_end=None, end_to_end_s=None, lag=0.95)
    bare = dataclasses.replace(deployed, shares=none)
    assert render.shares(bare) == {"of": {"lag": 0.95}, "end_to_end_s": None}


def test_failed_queues_are_where_dead_letters_stay(deployed: Topology) -> None:
    """Neither the rungs of a ladder nor the work queue that they lead back to."""
    assert [(each["vhost"], each["queue"]) for each in render.failed_queues(deployed)] == [
        ("/orders", "orders.failed"),
        ("/orders", "payments.failed"),
        ("/users", "users.failed"),
    ]


def test_undefined_name_in_a_template_is_told_with_the_template(tmp_path: Path) -> None:
    template = tmp_path / "broken.j2"
    template.write_text("{{ nobody_said_this }}")
    with pytest.raises(WarrenError, match="nobody_said_this") as caught:
        render.render_template(template, {})
    assert caught.value.where == str(template)


def test_role_variables_are_plain_data_that_ansible_can_read(deployed: Topology) -> None:
    variables = render.role_vars(deployed)
    assert yaml.safe_load(yaml.safe_dump(variables)) == variables
