"""``monitoring.drift``: off by default, and where it is on an account, a process and a job of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from warren import render, service_bundle
from warren.bundle import Material
from warren.errors import BadInputError, WarrenError
from warren.operate import access
from warren.pki import Pki
from warren.secrets import Secrets
from warren.state import open_state
from warren.topology import Topology

Reader = Callable[[dict[str, Any]], Topology]
Data = dict[str, Any]


@pytest.fixture
def watched(data: Data) -> Data:
    """The deployed topology with drift on, as docs/drift.md says."""
    data["monitoring"]["drift"] = {"user": "drift"}
    data["users"].append({"name": "drift", "tags": ["administrator"]})
    for vhost in data["vhosts"]:
        vhost["permissions"].append({"user": "drift"})
    return data


def test_it_is_off_by_default_and_then_nothing_of_it_is_rendered(deployed: Topology) -> None:
    assert deployed.drift_user == ""
    assert "drift" not in render.compose_file(deployed, grafana=False)
    assert "drift" not in _prometheus(deployed)


def test_where_it_is_on_it_runs_with_an_account_of_its_own(watched: Data, read: Reader) -> None:
    topology = read(watched)
    service = yaml.safe_load(render.compose_file(topology, grafana=False))["services"]["drift"]
    flags = dict(flag.lstrip("-").split("=", 1) for flag in service["command"] if "--node" not in flag)
    assert flags["collect"] == "drift"
    assert flags["user"] == "drift"
    assert flags["topology"] == "/etc/warren/topology.yml"
    assert flags["password-file"] == "/etc/warren/drift.password"
    assert [flag for flag in service["command"] if "--node" in flag] == [
        f"--node={node.name}" for node in topology.nodes
    ]
    assert "ports" not in service
    jobs = {job["job_name"]: job for job in yaml.safe_load(_prometheus(topology))["scrape_configs"]}
    assert jobs["drift"]["static_configs"][0]["targets"] == [f"drift:{topology.ports.drift}"]


def _prometheus(topology: Topology) -> str:
    variables = {**render.role_vars(topology), **render.CONTAINER_PATHS}
    return render.role_template("prometheus", "prometheus.yml", variables)


FAULTS: dict[str, tuple[Callable[[Data], Any], str, str]] = {
    "no mapping": (lambda d: d["monitoring"].update(drift=True), "monitoring.drift", "a mapping"),
    "no user named": (lambda d: d["monitoring"].update(drift={}), "monitoring.drift.user", "must be given"),
    "unknown key": (lambda d: d["monitoring"]["drift"].update(on=1), "monitoring.drift.on", "unknown key"),
    "no such user": (lambda d: d["users"].pop(), "monitoring.drift.user", "no user 'drift'"),
    "the operator": (
        lambda d: d["monitoring"].update(drift={"user": "operator"}),
        "monitoring.drift.user",
        "has 'role: operator'",
    ),
    "the monitoring account": (
        lambda d: d["monitoring"].update(drift={"user": "monitoring"}),
        "monitoring.drift.user",
        "has 'role: monitoring'",
    ),
    "no tag": (lambda d: d["users"][-1].pop("tags"), "users[drift].tags", "without the tag administrator"),
    "a lesser tag": (
        lambda d: d["users"][-1].update(tags=["policymaker"]),
        "users[drift].tags",
        "without the tag administrator",
    ),
    "a vhost that it may not enter": (
        lambda d: d["vhosts"][1]["permissions"].pop(),
        "vhosts[/users].permissions",
        "'drift' may not enter",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_setting_that_cannot_work_is_refused_by_name(name: str, watched: Data, read: Reader) -> None:
    edit, path, reason = FAULTS[name]
    edit(watched)
    with pytest.raises(BadInputError) as caught:
        read(watched)
    assert f"topology.yml:{path}: " in str(caught.value)
    assert reason in str(caught.value)


def test_the_monitoring_tag_is_enough_for_fewer_kinds(watched: Data, read: Reader) -> None:
    watched["users"][-1]["tags"] = ["monitoring"]
    assert read(watched).drift_user == "drift"


def _material(topology: Topology, folder: Path, path: Path | None) -> Material:
    state = open_state("lab", {"WARREN_STATE": str(folder / "state")})
    pki = Pki(state.pki, datetime.now(UTC))
    made = Material(
        topology=topology, state=state, secrets=Secrets(state.secrets), pki=pki, topology_path=path
    )
    pki.ensure_authorities()
    made.secrets.ensure("drift")
    pki.ensure_leaf("cluster", "drift", hosts=("drift",), purpose="server")
    return made


def test_its_volume_has_the_topology_and_its_own_password_only(
    watched: Data, read: Reader, tmp_path: Path
) -> None:
    path = tmp_path / "topology.yml"
    path.write_text("what the file says")
    material = _material(read(watched), tmp_path, path)
    volume = service_bundle._drift(material)
    assert {name: mode for name, (_, mode) in volume.files.items()} == {
        "ca.pem": 0o444,
        "server.pem": 0o444,
        "server.key": 0o400,
        "scrape-ca.pem": 0o444,
        "drift.password": 0o400,
        "topology.yml": 0o444,
    }
    assert volume.files["topology.yml"][0] == b"what the file says"
    assert volume.files["drift.password"][0] == material.secrets.read("drift").encode()
    assert (volume.name, volume.uid, volume.gid) == ("drift-config", 10001, 10001)


def test_a_topology_of_no_file_has_nothing_to_give_it(watched: Data, read: Reader, tmp_path: Path) -> None:
    with pytest.raises(WarrenError, match="no topology file"):
        service_bundle._drift(_material(read(watched), tmp_path, None))


def test_its_log_can_be_asked_for_where_it_runs(deployed: Topology) -> None:
    runtime = SimpleNamespace(logs=lambda name, lines: name)

    def lab(drift_user: str) -> Any:
        topology = dataclasses.replace(deployed, drift_user=drift_user)
        return SimpleNamespace(topology=topology, inventory=None, runtime=runtime)

    assert access.logs(lab("drift"), "drift", lines=1) == "drift"
    with pytest.raises(BadInputError):
        access.logs(lab(""), "drift", lines=1)
